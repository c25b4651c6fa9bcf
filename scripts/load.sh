#!/usr/bin/env bash
# wrk (Debian) against the façade: 10,000 sends a second for a minute, half of them asynchronous.
#
#   scripts/load.sh [--seconds N] [--rate N] [--connections N]     60, 10000 and 64 by default
#
# FACTEUR_BIN   the binary to test; without it `cargo build --release --features lab` makes one
#
# The verdict, and exit code 1 on a breach: the rate was kept; every call was answered 200 or 202; of one in 50
# accepted requests the status was asked for within 5 s, and every one was found; resident memory stayed below 1 GiB,
# and flat once the log was at its bound (48 MiB here, so that a short run gets there: the last quarter of the run against
# the one before). Needs wrk and python3 (Debian: apt-get install wrk python3).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
die() { echo "load.sh: $*" >&2; exit 2; }

seconds=60 rate=10000 connections=64
while [ $# -gt 0 ]; do
  case ${2:-} in '' | *[!0-9]* | 0) die "$1 wants a whole number above 0" ;; esac
  case $1 in
    --seconds) seconds=$2 ;;
    --rate) rate=$2 ;;
    --connections) connections=$2 ;;
    *) die "what is $1? usage: scripts/load.sh [--seconds N] [--rate N] [--connections N]" ;;
  esac
  shift 2
done

if ! command -v wrk >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends wrk >/dev/null
fi
command -v wrk >/dev/null 2>&1 || die "wrk is missing (Debian: apt-get install wrk)"
command -v python3 >/dev/null 2>&1 || die "python3 is missing (Debian: apt-get install python3)"

facteur=${FACTEUR_BIN:-}
if [ -z "$facteur" ]; then
  (cd "$root" && cargo build --quiet --release --features lab)
  facteur=${CARGO_TARGET_DIR:-$root/target}/release/facteur
fi
[ -x "$facteur" ] || die "$facteur is not a program"
unset "${!FACTEUR_@}" "${!KAFKA_@}"

work=$(mktemp -d)
lab_id='' watch_id=''
# shellcheck disable=SC2317,SC2329  # the trap calls it
finish() {
  for id in $watch_id $lab_id; do
    kill "$id" 2>/dev/null || true
    wait "$id" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

"$facteur" serve --java-port 0 --librdkafka-port 0 --kafka-port 0 --kafka-internal-port 0 --toxiproxy-port 0 \
  --proxy-port 0 --topic unused --json >"$work/lab.json" 2>"$work/lab.err" &
lab_id=$!
for _ in $(seq 200); do
  [ -s "$work/lab.json" ] && break
  kill -0 "$lab_id" 2>/dev/null || die "the lab did not start: $(cat "$work/lab.err")"
  sleep 0.1
done
url=$(sed -n 's/.*"java":"\([^"]*\)".*/\1/p' "$work/lab.json")
kafka=$(sed -n 's/.*"kafka":\["\([^"]*\)".*/\1/p' "$work/lab.json")
if [ -z "$url" ] || [ -z "$kafka" ]; then die "the lab did not say where it listens"; fi
"$facteur" topics create load --partitions 3 --config retention.bytes=16777216 -b "$kafka" >/dev/null

python3 "$root/scripts/load/watch.py" "$url" "$work" "$lab_id" >"$work/watch.json" &
watch_id=$!
echo "load.sh: $connections connections for $seconds s at $url"
wrk --threads 2 --connections "$connections" --duration "${seconds}s" --timeout 30s --latency \
  --script "$root/scripts/load/send.lua" "$url" -- "$work" 50 >"$work/wrk.txt"
touch "$work/over"
wait "$watch_id" || die "the sampler failed"
watch_id=''
kill -0 "$lab_id" 2>/dev/null || die "the lab is gone: $(cat "$work/lab.err")"

python3 - "$work" "$rate" <<'PYTHON'
import glob, json, sys
folder, rate = sys.argv[1], float(sys.argv[2])
wrk = json.loads(next(line[7:] for line in open(f"{folder}/wrk.txt") if line.startswith("RESULT ")))
watch = json.load(open(f"{folder}/watch.json"))
reached = wrk["requests"] / wrk["seconds"]
growth = watch["lastQuarterMib"] - watch["thirdQuarterMib"]
checks = [
    (f"rate {reached:,.0f}/s (p50 {wrk['p50Ms']} ms, p99 {wrk['p99Ms']} ms), at least {rate:,.0f}/s", reached >= rate),
    (f"{wrk['requests']:,} calls: {wrk['non2xx']} refused, {wrk['socket']} broken, none may be", wrk["non2xx"] + wrk["socket"] == 0),
    (f"{watch['noted']:,} statuses sampled: {watch['states']}, {watch['missing']} not found {watch['firstMissing']}, {watch['late']} late",
     watch["noted"] > 0 and watch["missing"] == 0 and watch["late"] == 0
     and set(watch["states"]) <= {"OK", "PENDING"}),
    (f"memory at most {watch['peakMib']} MiB, below 1024", watch["peakMib"] < 1024),
    (f"memory flat: {watch['thirdQuarterMib']} MiB, then {watch['lastQuarterMib']} MiB",
     growth <= max(16, 0.05 * watch["thirdQuarterMib"])),
]
for text, is_well in checks:
    print(("ok    " if is_well else "BREACH"), text)
for path in glob.glob(f"{folder}/refused.*"):
    print(open(path).read().strip()[:2000], file=sys.stderr)
sys.exit(0 if all(is_well for _, is_well in checks) else 1)
PYTHON
