#!/usr/bin/env bash
# Brings the images from Docker into K3s' containerd, which does not see Docker's.
#
#   sudo scripts/k8s/02-import-images.sh
#
# Exit codes: 0 imported, 1 an image is missing or was refused, 2 usage, 3 docker or k3s is missing.
set -euo pipefail
# shellcheck source=scripts/k8s/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

takes_no_arguments "$@"
needs docker k3s

# The archives are as large as the images; they go, however this ends.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for image in "${images[@]}"; do
  say "importing $image"
  archive=$folder/${image%:*}.tar
  docker save --output "$archive" "$image" || die 1 "docker has no $image; build it with scripts/k8s/01-build-images.sh"
  as_root k3s ctr images import "$archive" || die 1 "K3s refused $image; what it said stands above"
  rm -f "$archive"
done

known=$(as_root k3s ctr images list --quiet) || die 1 "K3s does not list its images"
for image in "${images[@]}"; do
  grep -qxF "docker.io/library/$image" <<<"$known" || die 1 "$image is not among the images of K3s after the import"
done
say "K3s has ${images[*]}"
