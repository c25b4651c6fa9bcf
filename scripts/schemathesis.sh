#!/usr/bin/env bash
# schemathesis (PyPI) against the façade's own document: every route, every check, no failure.
#
#   scripts/schemathesis.sh [--seconds N] [SCHEMATHESIS-OPTION…]     N: how long it goes on inventing calls; 120 by default
#
# FACTEUR_BIN          the binary to test; without it `cargo build --features lab` makes one
# FACTEUR_KAFKA_HOME   where the tool is installed (.kafka by default)
#
# Starts a lab on free ports of loopback, reads /openapi.json and sends what it allows and what it forbids; an answer
# that the document does not announce, a 500, a forbidden call that is accepted or an allowed one that is refused is a
# failure. A report stays in target/schemathesis. Needs python3 with venv (Debian: apt-get install python3-venv).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=${FACTEUR_KAFKA_HOME:-$root/.kafka}
die() { echo "schemathesis.sh: $*" >&2; exit 1; }

seconds=120
if [ "${1:-}" = --seconds ]; then
  seconds=${2:-}
  case $seconds in '' | *[!0-9]* | 0) die "--seconds wants a whole number above 0" ;; esac
  shift 2
fi

tool=$home/schemathesis
if [ ! -x "$tool/bin/schemathesis" ]; then
  command -v python3 >/dev/null 2>&1 || die "python3 is missing (Debian: apt-get install python3 python3-venv)"
  mkdir -p "$home"
  python3 -m venv "$tool" || die "python3 cannot make a venv (Debian: apt-get install python3-venv)"
  "$tool/bin/pip" install --quiet 'schemathesis>=4.32,<5'
fi

facteur=${FACTEUR_BIN:-}
if [ -z "$facteur" ]; then
  (cd "$root" && cargo build --quiet --features lab)
  facteur=${CARGO_TARGET_DIR:-$root/target}/debug/facteur
fi
[ -x "$facteur" ] || die "$facteur is not a program"
unset "${!FACTEUR_@}" "${!KAFKA_@}"

work=$(mktemp -d)
lab_id=''
# shellcheck disable=SC2317,SC2329  # the trap calls it
finish() {
  if [ -n "$lab_id" ]; then
    kill "$lab_id" 2>/dev/null || true
    wait "$lab_id" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

"$facteur" serve --java-port 0 --librdkafka-port 0 --kafka-port 0 --kafka-internal-port 0 --toxiproxy-port 0 \
  --proxy-port 0 --json >"$work/lab.json" 2>"$work/lab.err" &
lab_id=$!
for _ in $(seq 200); do
  [ -s "$work/lab.json" ] && break
  kill -0 "$lab_id" 2>/dev/null || die "the lab did not start: $(cat "$work/lab.err")"
  sleep 0.1
done
url=$(sed -n 's/.*"java":"\([^"]*\)".*/\1/p' "$work/lab.json")
[ -n "$url" ] || die "the lab did not say where it listens"
# The fuzzer's faults go to a proxy that nobody uses (hooks.py).
admin=$(sed -n 's/.*"toxiproxy":"\([^"]*\)".*/\1/p' "$work/lab.json")
curl -fsS -X POST "$admin/proxies" -d '{"name":"scratch","listen":"127.0.0.1:0","upstream":"127.0.0.1:9"}' >/dev/null ||
  die "the lab's injector does not take a proxy"

report=${CARGO_TARGET_DIR:-$root/target}/schemathesis
mkdir -p "$report"
cp "$root/scripts/schemathesis/schemathesis.toml" "$work/"
# The time for examples, coverage and the end comes on top of what the fuzzing may take.
cd "$work"
status=0
SCHEMATHESIS_HOOKS=hooks PYTHONPATH="$root/scripts/schemathesis" PYTHONDONTWRITEBYTECODE=1 \
  timeout $((seconds + 600)) "$tool/bin/schemathesis" run "$url/openapi.json" \
  --checks all --max-time "$seconds" --request-timeout 30 --continue-on-failure --no-color \
  --report junit --report-dir "$report" "$@" || status=$?
kill -0 "$lab_id" 2>/dev/null || die "the lab is gone: $(cat "$work/lab.err")"
[ "$status" = 124 ] && die "it did not end within $((seconds + 600)) seconds"
exit "$status"
