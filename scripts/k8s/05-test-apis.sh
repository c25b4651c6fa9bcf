#!/usr/bin/env bash
# Calls the APIs from outside, as a student does: health of all three, one idempotent send on each API.
#
#   [NODE_IP=ADDRESS] scripts/k8s/05-test-apis.sh
#
# Without NODE_IP the node's address is asked of the cluster.
# Exit code: the number of errors (at most 99); 100 if the node's address is not to be had, or for a wrong argument.
set -euo pipefail
# shellcheck source=scripts/k8s/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

(takes_no_arguments "$@" && needs curl) || die 100 "nothing was called"
case ${1-} in -h | --help) exit 0 ;; esac
node=${NODE_IP:-}
if [ -z "$node" ]; then
  (needs_cluster) || die 100 "nothing was called; NODE_IP names the node without a cluster"
  node=$(kubectl get nodes --output 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}') || node=''
  [ -n "$node" ] || die 100 "the node's address is not to be had; give it: NODE_IP=… $0"
fi

errors=0
error() { echo "ERROR $*"; errors=$((errors + 1)); }

# healthy NAME URL
healthy() {
  if curl --fail --silent --show-error --max-time 10 "$2" >/dev/null; then echo "OK    $1: $2"; else error "$1 does not answer well: $2"; fi
}
healthy m02-java-api "http://$node:31080/health"
healthy m02-dotnet-api "http://$node:31081/health"
healthy toxiproxy "http://$node:31474/version"

# sends NAME PORT: stored means that the answer has a real offset.
sends() {
  local answer url="http://$node:$2/api/v1/send?mode=idempotent&sendMode=sync&eventId=K8S-$1-$$"
  answer=$(curl --fail --silent --show-error --max-time 60 --request POST "$url") || answer=''
  if [[ $answer =~ \"offset\":[0-9] ]]; then echo "OK    $1 stored: $answer"; else error "$1 did not store: ${answer:-no answer}"; fi
}
sends m02-java-api 31080
sends m02-dotnet-api 31081

[ "$errors" -eq 0 ] || echo "$errors errors" >&2
exit $((errors > 99 ? 99 : errors))
