#!/usr/bin/env bash
# Checks what cannot be run here: Dockerfile, compose files, Kubernetes manifests, and the scripts around them.
#
#   scripts/check-manifests.sh
#
# Real tools, on the real files: hadolint; yamllint; the Compose schema, and the library with which `docker compose` itself
# loads its files; Kubernetes' own schemas of three versions, strictly; shellcheck. Then scripts/manifests/check.py asserts
# names, ports, timeouts, the fault path and the hardening. What none of this shows: that an engine or a cluster runs them.
#
# The tools come from PyPI and the Go module proxy, on the first run, into .kafka/manifests (FACTEUR_KAFKA_HOME moves it).
# Without go the compose files are checked against the schema only, and that is said. Needs python3 with venv.
# Exit codes: 0 all passed, 1 something is wrong, 3 python3 or the packages are not to be had.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=${FACTEUR_KAFKA_HOME:-$root/.kafka}/manifests
versions=(1.29 1.32 1.37)
cd "$root"
die() { echo "check-manifests.sh: $2" >&2; exit "$1"; }

install_tools() {
  local wanted=$root/scripts/manifests/requirements.txt
  cmp -s "$wanted" "$tools/requirements.txt" && return
  command -v python3 >/dev/null 2>&1 || die 3 "python3 is missing"
  if ! python3 -c 'import ensurepip' 2>/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv; } >/dev/null 2>&1 || true
  fi
  rm -rf "$tools/venv"
  mkdir -p "$tools"
  python3 -m venv "$tools/venv" || die 3 "python3 has no venv (Debian: apt-get install python3-venv)"
  "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" || die 3 "the packages of $wanted cannot be installed"
  cp "$wanted" "$tools/requirements.txt"
}

install_tools
bin=$tools/venv/bin

"$bin/hadolint" docker/Dockerfile
echo "hadolint: docker/Dockerfile"
"$bin/yamllint" --strict --config-file scripts/manifests/yamllint.yml docker
echo "yamllint: docker/"
"$bin/check-jsonschema" --quiet --builtin-schema vendor.compose-spec docker/compose.yml docker/compose.cluster.yml
echo "Compose schema: compose.yml, compose.cluster.yml"

# The topic is Strimzi's and has no schema here; check.py looks at it.
manifests=()
for file in docker/k8s/*.yaml; do grep -q 'strimzi.io' "$file" || manifests+=("$file"); done
for version in "${versions[@]}"; do
  "$bin/kubernetes-validate" --strict --quiet --kubernetes-version "$version" "${manifests[@]}"
done
echo "Kubernetes schemas ${versions[*]}: ${#manifests[@]} files"

loaded=()
if command -v go >/dev/null 2>&1; then
  (cd scripts/manifests/compose && go build -o "$tools/compose-load" .)
  "$tools/compose-load" docker/compose.yml >"$tools/compose.json"
  "$tools/compose-load" docker/compose.yml docker/compose.cluster.yml >"$tools/cluster.json"
  loaded=("$tools/compose.json" "$tools/cluster.json")
  echo "compose-go: both projects load"
else
  echo "NOT CHECKED: go is missing, so the compose files were not loaded; only their schema was checked"
fi
"$bin/python" scripts/manifests/check.py docker ${loaded[@]+"${loaded[@]}"}

"$bin/shellcheck" --external-sources --source-path=. scripts/*.sh scripts/k8s/*.sh
echo "shellcheck: scripts/, scripts/k8s/"
