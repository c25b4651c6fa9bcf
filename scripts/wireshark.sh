#!/usr/bin/env bash
# Wireshark's dissector reads our producer's traffic: producer id, epoch and base sequence of idempotent batches.
#
#   scripts/wireshark.sh [CAPTURE]     CAPTURE: where to keep the capture for Wireshark itself, such as facteur.pcapng
#
# FACTEUR_BIN   the binary to test; without it `cargo build --features lab` makes one
#
# Wireshark 4.0 knows Produce up to version 7, so the broker is started with --cap; without it the batches of Produce 11
# stay undecoded. Records are sent on loopback while tshark listens, then the fields that it decodes are compared with what
# `facteur consume` says of the same batches. Needs tshark (Debian: apt-get install tshark) and the right to capture on
# loopback (root, or a member of the group wireshark).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
die() { echo "wireshark.sh: $*" >&2; exit 1; }
[ $# -le 1 ] || die "usage: scripts/wireshark.sh [CAPTURE]"

if ! command -v tshark >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends tshark >/dev/null
fi
command -v tshark >/dev/null 2>&1 || die "tshark is missing (Debian: apt-get install tshark)"

facteur=${FACTEUR_BIN:-}
if [ -z "$facteur" ]; then
  (cd "$root" && cargo build --quiet --features lab)
  facteur=${CARGO_TARGET_DIR:-$root/target}/debug/facteur
fi
[ -x "$facteur" ] || die "$facteur is not a program"
unset "${!FACTEUR_@}" "${!KAFKA_@}"

work=$(mktemp -d)
broker_id='' tshark_id=''
finish() {
  for id in $tshark_id $broker_id; do
    kill "$id" 2>/dev/null || true
    wait "$id" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# wait_for WHAT FILE TEXT ERRORS: until the text stands in the file; else what was expected, and what the file of errors says.
wait_for() {
  local tries=200
  until grep -q -- "$3" "$2" 2>/dev/null; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || die "$1: $(cat "$4")"
    sleep 0.1
  done
}

"$facteur" broker --listen 127.0.0.1 --kafka-port 0 --json --cap produce=7 --cap fetch=11 --cap metadata=4 \
  --cap initproducerid=1 >"$work/broker" 2>"$work/broker-errors" &
broker_id=$!
wait_for "the broker did not start" "$work/broker" '"kafka"' "$work/broker-errors"
broker=$(sed -nE 's/.*"kafka":\["([^"]+)".*/\1/p' "$work/broker")
port=${broker##*:}

tshark -i lo -f "tcp port $port" -w "$work/capture.pcapng" >/dev/null 2>"$work/tshark" &
tshark_id=$!
wait_for "tshark cannot capture on loopback" "$work/tshark" 'Capturing on' "$work/tshark"

"$facteur" topics create -b "$broker" seen >/dev/null
# A batch per record, so that sequences beyond 0 are seen; then another producer.
printf 'one\ntwo\nthree\n' >"$work/lines"
"$facteur" produce -b "$broker" -t seen -p 0 --mode idempotent -X batch.size=0 -q "$work/lines"
"$facteur" produce -b "$broker" -t seen -p 0 --mode idempotent -q "$work/lines"
"$facteur" consume -b "$broker" -t seen -p 0 -o beginning -e -f '%x %y %Q\n' | sort -u >"$work/expected"

# fields FILTER FIELD…: what the dissector makes of the capture.
fields() {
  local filter=$1 arguments=() field
  shift
  for field in "$@"; do arguments+=(-e "$field"); done
  tshark -r "$work/capture.pcapng" -d "tcp.port==$port,kafka" -Y "$filter" -T fields -E separator=' ' \
    "${arguments[@]}" 2>/dev/null
}
# Only what went to the broker: a Fetch answer carries the same batches.
read_capture() {
  fields "tcp.dstport == $port && kafka.batch_base_sequence" \
    kafka.producer_id kafka.producer_epoch kafka.batch_base_sequence >"$work/seen" || true
  sort -u -o "$work/seen" "$work/seen"
  cmp -s "$work/seen" "$work/expected"
}
# The capture is written with a delay.
tries=50
until read_capture; do
  tries=$((tries - 1))
  if [ "$tries" = 0 ]; then
    echo "what facteur consume says (producer id, epoch, base sequence):" >&2
    cat "$work/expected" >&2
    echo "what tshark decodes:" >&2
    cat "$work/seen" >&2
    die "they differ"
  fi
  sleep 0.2
done
[ -s "$work/expected" ] || die "no idempotent batch was sent"
[ $# -eq 0 ] || cp "$work/capture.pcapng" "$1"
echo "$(tshark --version 2>/dev/null | sed -nE '1s/ \(Git.*//p') decodes our batches (producer id, epoch, base sequence):"
cat "$work/seen"
