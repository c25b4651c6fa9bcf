#!/usr/bin/env bash
# Removes what 03-deploy.sh deployed, the topic only if asked. The namespace stays, since Kafka lives in it; so do images.
#
#   scripts/k8s/06-cleanup.sh [--topic]
#
# Exit codes: 0 removed, 1 something could not be, 2 usage, 3 no cluster.
set -euo pipefail
# shellcheck source=scripts/k8s/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

files=(m02-java-api m02-dotnet-api toxiproxy-init toxiproxy)
case ${1-} in
  --topic) files+=(kafka-topics) && shift ;;
esac
takes_no_arguments "$@"
needs_cluster

status=0
for file in "${files[@]}"; do
  kubectl delete --filename "$manifests/$file.yaml" --ignore-not-found || status=1
done
[ "$status" -eq 0 ] || die 1 "not everything was removed; what kubectl said stands above"
say "removed"
