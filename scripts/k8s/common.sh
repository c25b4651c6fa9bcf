# What the seven scripts share. Sourced, not run.
# shellcheck shell=bash

# Some of these are read by the scripts that source this file.
# shellcheck disable=SC2034
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034
manifests=$root/docker/k8s
namespace=kafka
# shellcheck disable=SC2034
images=(m02-java-api:latest m02-dotnet-api:latest facteur-toxiproxy:latest)
# shellcheck disable=SC2034
apps=(toxiproxy m02-java-api m02-dotnet-api)

say() { echo "==> $*"; }
die() { echo "$(basename "$0"): $2" >&2; exit "$1"; }

# needs COMMAND…: exit code 3 if one is missing, before anything is done.
needs() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null 2>&1 || die 3 "$command is not installed, or not in PATH"
  done
}

# K3s' containerd belongs to root.
as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

cluster() { kubectl --namespace "$namespace" "$@"; }

needs_cluster() {
  needs kubectl
  kubectl version >/dev/null 2>&1 || die 3 "no Kubernetes cluster answers. For K3s: export KUBECONFIG=/etc/rancher/k3s/k3s.yaml"
}

# Answers to --help with the script's head; any other argument is an error.
takes_no_arguments() {
  case ${1-} in
    '') ;;
    -h | --help) sed -n '2,/^set /p' "$0" | sed -n 's/^# \{0,1\}//p'; exit 0 ;;
    *) die 2 "unknown argument '$1'; it takes none" ;;
  esac
}
