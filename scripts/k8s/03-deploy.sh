#!/usr/bin/env bash
# Deploys the fault injector, the topic and the two APIs, in this order, and waits for each.
#
#   scripts/k8s/03-deploy.sh
#
# What was deployed before is replaced. Needs Strimzi's cluster `bhf-kafka` in the namespace `kafka`.
# Exit codes: 0 everything is available, 1 something is not (the reason is looked for and told), 2 usage, 3 no cluster.
set -euo pipefail
# shellcheck source=scripts/k8s/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

takes_no_arguments "$@"
needs_cluster

# diagnose APP: the usual reasons, in words.
diagnose() {
  local reasons
  cluster get pods --selector "app=$1" >&2 || true
  reasons=$(cluster get pods --selector "app=$1" --output 'jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}' 2>/dev/null || true)
  case $reasons in
    *ErrImageNeverPull* | *ImagePullBackOff* | *ErrImagePull*) echo "The node does not have the image. Import it: sudo scripts/k8s/02-import-images.sh" >&2 ;;
    *CrashLoopBackOff*) cluster logs --selector "app=$1" --tail 20 >&2 || true; echo "The program ends at once; its last lines stand above." >&2 ;;
    *) cluster logs --selector "app=$1" --tail 20 >&2 || true; echo "Not ready: is Kafka there? kubectl get kafka -n $namespace" >&2 ;;
  esac
}

# available APP
available() {
  cluster wait --for=condition=available --timeout=120s "deployment/$1" || { diagnose "$1"; die 1 "deployment $1 is not available after 120 s"; }
}

if ! kubectl get namespace "$namespace" >/dev/null 2>&1; then
  say "creating namespace $namespace"
  kubectl create namespace "$namespace" || die 1 "the namespace was not created"
fi

say "removing what was deployed before"
cluster delete deployment "${apps[@]}" --ignore-not-found || die 1 "old deployments cannot be removed"
cluster delete job toxiproxy-init --ignore-not-found || die 1 "the old job cannot be removed"

say "the fault injector"
kubectl apply --filename "$manifests/toxiproxy.yaml" || die 1 "toxiproxy.yaml was refused"
available toxiproxy
kubectl apply --filename "$manifests/toxiproxy-init.yaml" || die 1 "toxiproxy-init.yaml was refused"
cluster wait --for=condition=complete --timeout=120s job/toxiproxy-init || { diagnose toxiproxy-init; die 1 "the injector has no proxy 'kafka'"; }

say "the topic"
kubectl apply --filename "$manifests/kafka-topics.yaml" || die 1 "kafka-topics.yaml was refused; is Strimzi installed?"

say "the APIs"
for api in m02-java-api m02-dotnet-api; do
  kubectl apply --filename "$manifests/$api.yaml" || die 1 "$api.yaml was refused"
  available "$api"
done
say "everything is available"
