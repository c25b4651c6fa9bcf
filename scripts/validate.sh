#!/usr/bin/env bash
# Lab 02.4: loses one acknowledgement of each of the four producers, and counts in the log.
#
#   scripts/validate.sh [--k8s] [--repeat N] [--recipe drop|timeout|seed] [--json] [-b SERVERS] [--lang fr|en]
#
# The last line is the course's: OK: java_idempotent=1 java_plain=2 dotnet_idempotent=1 dotnet_plain=2
# It acts on the lab that runs on the course's ports (scripts/up.sh, or `facteur serve`); if none runs, on one of its
# own. --k8s, also --kubernetes and --okd, acts on a cluster's node ports; without an injector there it sends one
# idempotent record only. Everything else is passed on to `facteur validate`.
#
# FACTEUR names the program [default: the one that was built here, or in PATH, or in the running containers].
#
# Exit codes: 0 plain at least 2 and idempotent exactly 1; 1 not so, and the line says what broke; 2 usage; 3 no program,
# no cluster, or nothing answers.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
namespace=kafka
die() { echo "validate.sh: $2" >&2; exit "$1"; }

is_cluster=no
arguments=()
for argument in "$@"; do
  case $argument in
    --k8s | --kubernetes | --okd) is_cluster=yes ;;
    -h | --help) sed -n '2,/^set /p' "$0" | sed -n 's/^# \{0,1\}//p'; exit 0 ;;
    *) arguments+=("$argument") ;;
  esac
done

# The newest program that was built here; then any in PATH.
program=${FACTEUR:-}
if [ -z "$program" ]; then
  for candidate in "$root/target/release/facteur" "$root/target/debug/facteur"; do
    if [ -x "$candidate" ] && { [ -z "$program" ] || [ "$candidate" -nt "$program" ]; }; then program=$candidate; fi
  done
  [ -n "$program" ] || program=$(command -v facteur || true)
fi

if [ "$is_cluster" = yes ]; then
  command -v kubectl >/dev/null 2>&1 || die 3 "kubectl is not installed, or not in PATH"
  echo "Running validation in K8s mode..." >&2
  kubectl --namespace "$namespace" wait kafka/bhf-kafka --for=condition=Ready --timeout=120s >/dev/null ||
    die 3 "the cluster's Kafka is not ready: kubectl get kafka -n $namespace. For K3s: export KUBECONFIG=/etc/rancher/k3s/k3s.yaml"
  if [ -n "$program" ]; then
    node=$(kubectl get nodes -o 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}')
    exec "$program" validate --k8s --node "${node:-localhost}" ${arguments[@]+"${arguments[@]}"}
  fi
  exec kubectl --namespace "$namespace" exec deployment/m02-java-api -- /usr/local/bin/facteur validate \
    --java-url http://m02-java-api:8080 --dotnet-url http://m02-dotnet-api:8080 --toxiproxy-url http://toxiproxy:8474 \
    -b bhf-kafka-kafka-bootstrap:9092 ${arguments[@]+"${arguments[@]}"}
fi

[ -z "$program" ] || exec "$program" validate ${arguments[@]+"${arguments[@]}"}
if command -v docker >/dev/null 2>&1 && [ -n "$(docker ps --quiet --filter 'name=^/m02-java-api$' 2>/dev/null)" ]; then
  exec docker exec m02-java-api /usr/local/bin/facteur validate \
    --java-url http://m02-java-api:8080 --dotnet-url http://m02-dotnet-api:8080 --toxiproxy-url http://toxiproxy:8474 \
    -b kafka:29092 ${arguments[@]+"${arguments[@]}"}
fi
die 3 "there is no facteur: build it (cargo build --release --features lab), or start the containers (scripts/up.sh)"
