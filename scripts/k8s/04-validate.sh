#!/usr/bin/env bash
# Looks at pods and services: does each run, is each ready, has each its port?
#
#   scripts/k8s/04-validate.sh
#
# Exit code: the number of errors (at most 99); 100 if no cluster answers, or for a wrong argument.
set -euo pipefail
# shellcheck source=scripts/k8s/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

(takes_no_arguments "$@" && needs_cluster) || die 100 "nothing was looked at"
case ${1-} in -h | --help) exit 0 ;; esac

errors=0
error() { echo "ERROR $*"; errors=$((errors + 1)); }

for app in "${apps[@]}"; do
  phases=$(cluster get pods --selector "app=$app" --output 'jsonpath={.items[*].status.phase}' 2>/dev/null) || phases=''
  ready=$(cluster get pods --selector "app=$app" --output 'jsonpath={.items[*].status.containerStatuses[*].ready}' 2>/dev/null) || ready=''
  if [ -z "$phases" ]; then
    error "$app has no pod. Deploy it: scripts/k8s/03-deploy.sh"
  elif [[ " $phases " == *" Running "* && " $ready " == *" true "* ]]; then
    echo "OK    pod of $app: $phases, ready"
  else
    error "pod of $app is $phases, ready: ${ready:-no}. Look at: kubectl describe pods -n $namespace -l app=$app"
  fi
done

# service NAME PORTS: the node ports as the course prints them.
service() {
  local found
  found=$(cluster get service "$1" --output 'jsonpath={.spec.ports[*].nodePort}' 2>/dev/null) || found=''
  if [ "$found" = "$2" ]; then echo "OK    service $1: $2"; else error "service $1 has the node ports '${found:-none}', expected '$2'"; fi
}
service m02-java-api 31080
service m02-dotnet-api 31081
service toxiproxy '31474 32093'

[ "$errors" -eq 0 ] || echo "$errors errors" >&2
exit $((errors > 99 ? 99 : errors))
