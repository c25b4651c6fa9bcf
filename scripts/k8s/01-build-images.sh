#!/usr/bin/env bash
# Builds the images of the two APIs and of the fault injector: one binary under three names.
#
#   scripts/k8s/01-build-images.sh
#
# Exit codes: 0 built, 1 a build failed, 2 usage, 3 no Docker.
set -euo pipefail
# shellcheck source=scripts/k8s/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

takes_no_arguments "$@"
needs docker
docker info >/dev/null 2>&1 || die 3 "the Docker engine does not answer"

for image in "${images[@]}"; do
  # facteur-toxiproxy:latest is built from the stage `toxiproxy`; the other stages bear the images' names.
  target=${image%:*}
  target=${target#facteur-}
  say "building $image"
  docker build --file "$root/docker/Dockerfile" --target "$target" --tag "$image" "$root" || die 1 "$image was not built; what docker said stands above"
done
docker images --filter 'reference=m02-*' --filter 'reference=facteur-*'
