#!/usr/bin/env bash
# Toxiproxy's own Go command line against our fault injector, our injector beside a real Toxiproxy server, and our
# `facteur chaos` against that server.
#
#   scripts/toxiproxy.sh
#
# TOXIPROXY_VERSION     which one, default v2.12.0 (github.com/Shopify/toxiproxy/v2, from the Go module proxy)
# FACTEUR_BIN           the binary to test; without it `cargo build --features lab` makes one
# FACTEUR_KAFKA_HOME    where what is fetched is kept, default .kafka
#
# First toxiproxy-cli runs list, create, toxic add, update, remove, toggle, inspect and delete against `facteur chaos
# serve`; what it prints, its exit codes and the state afterwards are checked. Then the same HTTP requests go to both
# servers and status and body must be equal (scripts/toxiproxy/compare.py says what may differ). Last, every verb of
# `facteur chaos` is tried on the real server (scripts/toxiproxy/commands.sh). Needs go 1.22 or later,
# curl and python3. Ends with "N passed, M failed"; exit 1 if any failed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=${FACTEUR_KAFKA_HOME:-$root/.kafka}
version=${TOXIPROXY_VERSION:-v2.12.0}
tools=$home/toxiproxy/$version
passed=0 failed=0 pids=()

die() { echo "toxiproxy.sh: $*" >&2; exit 1; }
for tool in go curl python3; do
  command -v "$tool" >/dev/null || die "$tool is missing; install it (Debian: golang, curl, python3)"
done
for part in cli server; do
  [ -x "$tools/$part" ] || GOBIN=$tools go install "github.com/Shopify/toxiproxy/v2/cmd/$part@$version"
done
if [ -z "${FACTEUR_BIN:-}" ]; then
  cargo build --quiet --manifest-path "$root/Cargo.toml" --features lab
  FACTEUR_BIN=${CARGO_TARGET_DIR:-$root/target}/debug/facteur
fi
[ -x "$FACTEUR_BIN" ] || die "FACTEUR_BIN is '$FACTEUR_BIN', which cannot be run"

scratch=$(mktemp -d)
# Called by the trap.
# shellcheck disable=SC2329
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$scratch"
}
trap finish EXIT

# --- Both servers, on free ports of this machine.

"$FACTEUR_BIN" chaos serve --port 0 --json >"$scratch/ours" 2>"$scratch/ours.err" &
pids+=($!)
theirs_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
LOG_LEVEL=error "$tools/server" -host 127.0.0.1 -port "$theirs_port" >"$scratch/theirs" 2>&1 &
pids+=($!)
theirs=http://127.0.0.1:$theirs_port
for _ in $(seq 100); do
  [ -s "$scratch/ours" ] && curl -fsS -o "$scratch/version" "$theirs/version" 2>"$scratch/curl.err" && break
  sleep 0.1
done
[ -s "$scratch/ours" ] || die "our injector did not start: $(cat "$scratch/ours.err")"
ours=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["toxiproxy"])' "$scratch/ours")

# --- Toxiproxy's command line against ours.

# check NAME EXIT PATTERN ARGUMENTS…: its exit code, and a regular expression that its output must match.
check() {
  local name=$1 wanted=$2 pattern=$3 status=0 output
  shift 3
  output=$("$tools/cli" -h "$ours" "$@" 2>&1) || status=$?
  if [ "$status" = "$wanted" ] && grep -Eq -- "$pattern" <<<"$output"; then
    echo "cli: $name"
    passed=$((passed + 1))
  else
    echo "FAILED cli: $name: exit $status (wanted $wanted), wanted /$pattern/ in: $output"
    failed=$((failed + 1))
  fi
}
# state NAME EXPRESSION: what a Python expression makes of GET /proxies, which it knows as p.
state() {
  if curl -fsS "$ours/proxies" | python3 -c "import json, sys; p = json.load(sys.stdin); sys.exit(not ($2))"; then
    echo "state: $1"
    passed=$((passed + 1))
  else
    echo "FAILED state: $1: $2: $(curl -sS "$ours/proxies")"
    failed=$((failed + 1))
  fi
}

check 'create' 0 '^Created new proxy redis$' create -l 127.0.0.1:0 -u 127.0.0.1:6379 redis
state 'created and enabled' 'p["redis"]["enabled"] and p["redis"]["upstream"] == "127.0.0.1:6379" and p["redis"]["toxics"] == []'
check 'create twice' 1 'HTTP 409: proxy already exists' create -l 127.0.0.1:0 -u 127.0.0.1:6379 redis
check 'list' 0 'redis.127\.0\.0\.1:[1-9][0-9]*.127\.0\.0\.1:6379.enabled.0' list
check 'toxic add' 0 "^Added downstream latency toxic 'latency_downstream' on proxy 'redis'$" toxic add -t latency -a latency=1000 redis
check 'toxic add upstream' 0 "^Added upstream limit_data toxic 'cut' on proxy 'redis'$" toxic add -n cut -t limit_data -a bytes=5 --upstream --toxicity 0.5 redis
check 'toxic add twice' 1 'HTTP 409: toxic already exists' toxic add -n cut -t noop redis
check 'toxic add of no known type' 1 'HTTP 400: invalid toxic type' toxic add -t lateness redis
state 'two toxics' '[(t["name"], t["stream"], t["toxicity"]) for t in p["redis"]["toxics"]] == [("cut", "upstream", 0.5), ("latency_downstream", "downstream", 1)]'
check 'inspect' 0 'latency_downstream.type=latency.stream=downstream.toxicity=1\.00.attributes=\[.jitter=0.latency=1000' inspect redis
check 'toxic update' 0 "^Updated toxic 'latency_downstream' on proxy 'redis'$" toxic update -n latency_downstream -a latency=110 redis
state 'one attribute changed' 'p["redis"]["toxics"][1]["attributes"] == {"latency": 110, "jitter": 0}'
check 'toxic remove' 0 "^Removed toxic 'cut' on proxy 'redis'$" toxic remove -n cut redis
check 'toxic remove twice' 1 'HTTP 404: toxic not found' toxic remove -n cut redis
check 'toggle off' 0 '^Proxy redis is now disabled$' toggle redis
state 'disabled, toxic kept' 'not p["redis"]["enabled"] and len(p["redis"]["toxics"]) == 1'
check 'toggle on' 0 '^Proxy redis is now enabled$' toggle redis
state 'enabled again' 'p["redis"]["enabled"]'
check 'a Kafka toxic of ours' 0 "^Added downstream drop_response toxic 'lose' on proxy 'redis'$" toxic add -n lose -t drop_response -a count=2 redis
check 'inspect a Kafka toxic' 0 'lose.type=drop_response.*count=2.*fired=0' inspect redis
check 'delete' 0 '^Deleted proxy redis$' delete redis
check 'delete twice' 1 'HTTP 404: proxy not found' delete redis
check 'inspect what is gone' 1 'HTTP 404: proxy not found' inspect redis
state 'nothing is left' 'p == {}'

# --- The same requests to both servers.

counts=$(python3 "$root/scripts/toxiproxy/compare.py" "$ours" "$theirs" "$scratch/counts" >&2 && cat "$scratch/counts") || die "the comparison broke off"
read -r compared different <<<"$counts"
passed=$((passed + compared)) failed=$((failed + different))

# --- Our command line against the real server, which is empty after the comparison or is made so.

"$FACTEUR_BIN" chaos --url "$theirs" list --json |
  python3 -c 'import json, sys; print("\n".join(json.load(sys.stdin)))' |
  while read -r name; do [ -z "$name" ] || "$FACTEUR_BIN" chaos --url "$theirs" delete "$name"; done
# shellcheck source=scripts/toxiproxy/commands.sh
source "$root/scripts/toxiproxy/commands.sh"

echo "toxiproxy $version: $passed passed, $failed failed"
[ "$failed" = 0 ]
