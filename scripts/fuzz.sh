#!/usr/bin/env bash
# Lets the fuzzers search, one target after the other, and prints what they did.
#
#   scripts/fuzz.sh [--seconds N] [--build-only] [TARGET…]     120 seconds and every target unless told otherwise
#
# Installs what is missing: the nightly toolchain (libFuzzer's sanitizer needs it) and cargo-fuzz, both into cargo's own
# folders. Each target has 512 MiB, 64 MiB for any one allocation, and 10 seconds for any one input; it begins with
# fuzz/seeds and fuzz/regressions and keeps what it learns in fuzz/corpus (not in the repository). A finding lies in
# fuzz/artifacts; the exit code is then 1. `cargo test --test hostile` runs the stored inputs without any of this.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
die() { echo "fuzz.sh: $*" >&2; exit 2; }

seconds=120 build_only=''
targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) [ $# -ge 2 ] || die "--seconds needs a number"; seconds=$2; shift 2 ;;
    --build-only) build_only=1; shift ;;
    -*) die "unknown option $1" ;;
    *) targets+=("$1"); shift ;;
  esac
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "--seconds needs a whole number"

mapfile -t known < <(sed -n 's/^name = "\(.*\)"/\1/p' fuzz/Cargo.toml | tail -n +2)
[ ${#targets[@]} -gt 0 ] || targets=("${known[@]}")
for target in "${targets[@]}"; do
  [[ " ${known[*]} " == *" $target "* ]] || die "no target $target; there are: ${known[*]}"
done

rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal
command -v cargo-fuzz >/dev/null 2>&1 || cargo install cargo-fuzz --locked

# Freed memory waits in the sanitizer's quarantine (256 MiB by default), which would count against the limit.
export ASAN_OPTIONS="quarantine_size_mb=16:detect_leaks=0:allocator_may_return_null=0"
nice -n 15 cargo +nightly fuzz build
[ -z "$build_only" ] || exit 0

report=() findings=0
for target in "${targets[@]}"; do
  mkdir -p "fuzz/corpus/$target" "fuzz/seeds/$target" "fuzz/regressions/$target"
  log=$(mktemp)
  before=$(find "fuzz/artifacts/$target" -type f 2>/dev/null | wc -l)
  echo "=== $target: $seconds s"
  nice -n 15 cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" "fuzz/regressions/$target" -- \
    -max_total_time="$seconds" -rss_limit_mb=512 -malloc_limit_mb=64 -timeout=10 -max_len=8192 -print_final_stats=1 \
    >"$log" 2>&1 || true
  after=$(find "fuzz/artifacts/$target" -type f 2>/dev/null | wc -l)
  found=$((after - before))
  findings=$((findings + found))
  last=$(grep -E '^#[0-9]+' "$log" | tail -1)
  execs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  speed=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
  peak=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
  done_seconds=$(sed -n 's/^Done .* in \([0-9]*\) second.*/\1/p' "$log")
  cover=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' <<<"$last")
  corpus=$(find "fuzz/corpus/$target" -type f | wc -l)
  report+=("$target|${done_seconds:-stopped}|${execs:-?}|${speed:-?}|${cover:-?}|$corpus|${peak:-?}|$found")
  # A run that ended early without an artefact did not run: that is no success either.
  if [ -z "$done_seconds" ] || [ "$found" -gt 0 ]; then
    [ "$found" -gt 0 ] || findings=$((findings + 1))
    grep -E 'panicked at|ERROR|SUMMARY|Test unit written|error:' -A1 "$log" | head -20
  fi
  rm -f "$log"
done

echo
printf '%-18s %8s %12s %8s %9s %7s %8s %9s\n' target seconds execs exec/s coverage corpus 'peak MB' findings
for line in "${report[@]}"; do
  IFS='|' read -r target done_seconds execs speed cover corpus peak found <<<"$line"
  printf '%-18s %8s %12s %8s %9s %7s %8s %9s\n' "$target" "$done_seconds" "$execs" "$speed" "$cover" "$corpus" "$peak" "$found"
done
[ "$findings" -eq 0 ] || { echo "findings: $findings; see fuzz/artifacts. Fix them, and keep each input in fuzz/regressions/TARGET"; exit 1; }
