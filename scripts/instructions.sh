#!/usr/bin/env bash
# Counts the instructions of the hot path under callgrind and compares them with benches/instructions.txt.
#
#   scripts/instructions.sh             fails if a path needs more than TOLERANCE per cent above what is written down
#   scripts/instructions.sh --update    writes the new counts
#
# TOLERANCE   per cent, default 2. Counts belong to a compiler: after an upgrade of Rust, look and update.
#
# Needs cargo and valgrind; as root on Debian it installs valgrind if it is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
die() { echo "instructions.sh: $*" >&2; exit 1; }

case "${1:-}" in '' | --update) ;; *) die "usage: scripts/instructions.sh [--update]" ;; esac
kept=benches/instructions.txt
tolerance=${TOLERANCE:-2}

if ! command -v valgrind >/dev/null 2>&1; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then die "valgrind is missing (Debian: apt-get install valgrind)"; fi
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends valgrind; } >/dev/null ||
    die "valgrind is missing, and apt-get could not install it"
fi

program=$(cargo bench --bench instructions --no-run --message-format=json 2>/dev/null |
  sed -n 's/.*"executable":"\([^"]*instructions[^"]*\)".*/\1/p' | tail -1)
[ -x "$program" ] || die "cargo bench --bench instructions --no-run made no program; run it alone to see why"

# count PATH COUNT: instructions of the whole process
count() {
  local told
  told=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1) || die "$1 $2 failed: $told"
  sed -n 's/.*Collected : *\([0-9]*\).*/\1/p' <<<"$told"
}

new=$(mktemp)
trap 'rm -f "$new"' EXIT
for path in append:200000 round-trip:2000; do
  name=${path%:*} load=${path#*:}
  one=$(count "$name" "$load")
  two=$(count "$name" $((2 * load)))
  awk -v name="$name" -v difference=$((two - one)) -v load="$load" 'BEGIN { printf "%s %.1f\n", name, difference / load }' >>"$new"
done

if [ "${1:-}" = --update ]; then
  {
    echo "# Instructions of one more record or batch, by scripts/instructions.sh --update; $(rustc --version)"
    cat "$new"
  } >"$kept"
  cat "$kept"
  exit 0
fi
[ -f "$kept" ] || die "$kept is missing: run with --update"
awk -v tolerance="$tolerance" '
  NR == FNR { if ($1 != "#") kept[$1] = $2; next }
  {
    if (!($1 in kept)) { printf "%-12s %10.1f  not written down yet\n", $1, $2; failed = 1; next }
    change = ($2 / kept[$1] - 1) * 100
    printf "%-12s %10.1f  was %10.1f  %+.2f %%%s\n", $1, $2, kept[$1], change, (change > tolerance ? "  TOO MANY" : "")
    if (change > tolerance) failed = 1
  }
  END { exit failed }' "$kept" "$new" || die "more instructions than written down; if it is meant, run with --update and say why"
