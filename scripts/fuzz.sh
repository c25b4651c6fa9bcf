#!/usr/bin/env bash
# Lets the fuzzers search until each has had its time without a finding, and prints what they did.
#
#   scripts/fuzz.sh [--seconds N] [--jobs N] [--fresh] [--built] [--build-only] [--report] [TARGET…]
#
#   --seconds N    that long for each target, 120 unless told otherwise     --jobs N      so many targets at a time (1)
#   --fresh        forget what was done before                              --built       with the binaries that are there
#   --report       only print the table                                     --build-only  only build
#
# Installs what is missing: the nightly toolchain (libFuzzer's sanitizer needs it) and cargo-fuzz, both into cargo's own
# folders. Each target has 512 MiB, 64 MiB for any one allocation, and 10 seconds for any one input; it begins with
# fuzz/seeds and fuzz/regressions and keeps what it learns in fuzz/corpus (not in the repository). It runs in slices,
# which fuzz/runs remembers: whoever stops the script goes on later where it was. A finding is made small, lies in
# fuzz/artifacts and sets its target's time back to zero; the exit code is then 1. `cargo test --test hostile` runs the
# stored inputs without any of this.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
die() { echo "fuzz.sh: $*" >&2; exit 2; }

seconds=120 jobs=1 fresh='' built='' build_only='' report_only=''
targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) [ $# -ge 2 ] || die "--seconds needs a number"; seconds=$2; shift 2 ;;
    --jobs) [ $# -ge 2 ] || die "--jobs needs a number"; jobs=$2; shift 2 ;;
    --fresh) fresh=1; shift ;;
    --built) built=1; shift ;;
    --build-only) build_only=1; shift ;;
    --report) report_only=1; shift ;;
    -*) die "unknown option $1" ;;
    *) targets+=("$1"); shift ;;
  esac
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "--seconds needs a whole number"
[[ $jobs =~ ^[1-9][0-9]*$ ]] || die "--jobs needs a whole number"

mapfile -t known < <(sed -n 's/^name = "\(.*\)"/\1/p' fuzz/Cargo.toml | tail -n +2)
[ ${#targets[@]} -gt 0 ] || targets=("${known[@]}")
for target in "${targets[@]}"; do
  [[ " ${known[*]} " == *" $target "* ]] || die "no target $target; there are: ${known[*]}"
done
host=$(rustc -vV | sed -n 's/^host: //p')
# The simulation has no unsafe code for the sanitizer to watch, and compares numbers all the time: without these two its
# runs are four times as fast.
bare=(engine_tape)
is_bare() { [[ " ${bare[*]} " == *" $1 "* ]]; }
binary_of() { if is_bare "$1"; then echo "fuzz/target/bare/$host/release/$1"; else echo "fuzz/target/$host/release/$1"; fi; }
runs=fuzz/runs slice=150
mkdir -p "$runs"

# Freed memory waits in the sanitizer's quarantine (256 MiB by default), which would count against the limit.
export ASAN_OPTIONS="quarantine_size_mb=16:detect_leaks=0:allocator_may_return_null=0"
limits=(-rss_limit_mb=512 -malloc_limit_mb=64 -timeout=10 -report_slow_units=300)

# libFuzzer's ten seconds are those of a clock; on a busy machine an input is only slow if it needs them itself.
is_only_waiting() {
  case $2 in */timeout-*) ;; *) return 1 ;; esac
  (ulimit -t 10 && "$(binary_of "$1")" -timeout=300 "$2") >/dev/null 2>&1
}

# The slices of a target since its last finding, added up: seconds, executions, peak. The last one's coverage.
sums() {
  [ -s "$runs/$1" ] || { echo "0 0 0 0 0"; return; }
  awk '$6 > 0 { s = x = p = 0; next } { s += $1; x += $2; if ($5 > p) p = $5; c = $3; f = $4 }
       END { print s + 0, x + 0, c + 0, f + 0, p + 0 }' "$runs/$1"
}

findings_of() { find "fuzz/artifacts/$1" -type f ! -name 'small-*' 2>/dev/null | sort; }

# One slice of a target; its line goes to fuzz/runs. Anything but 0 when it found something or did not run.
run_slice() {
  local target=$1 wanted=$2 log=$runs/$1.log before found last file status=0 waited=0
  mkdir -p "fuzz/corpus/$target" "fuzz/seeds/$target" "fuzz/regressions/$target" "fuzz/artifacts/$target"
  before=$(findings_of "$target")
  nice -n 5 "$(binary_of "$target")" "fuzz/corpus/$target" "fuzz/seeds/$target" "fuzz/regressions/$target" \
    -artifact_prefix="fuzz/artifacts/$target/" "${limits[@]}" -max_len=8192 -max_total_time="$wanted" -print_final_stats=1 \
    >"$log" 2>&1 || status=$?
  for file in $(comm -13 <(echo "$before") <(findings_of "$target")); do
    if is_only_waiting "$target" "$file"; then
      echo "--- $target waited ten seconds for the processor, which is no finding"
      rm -f "$file"
      waited=1
    fi
  done
  mapfile -t found < <(comm -13 <(echo "$before") <(findings_of "$target") | grep . || true)
  last=$(grep -E '^#[0-9]+.* cov:' "$log" | tail -1 || true)
  number() { sed -n "s/$1/\1/p" <<<"$2" | tail -1 | grep . || echo 0; }
  local executed took
  executed=$(number '^stat::number_of_executed_units: *\([0-9]*\).*' "$(tr -d "\0" <"$log")")
  took=$(number '^Done .* in \([0-9]*\) second.*' "$(tr -d "\0" <"$log")")
  echo "$took $executed $(number '.* cov: \([0-9]*\) .*' "$last") $(number '.* ft: \([0-9]*\) .*' "$last")" \
    "$(number '^stat::peak_rss_mb: *\([0-9]*\).*' "$(tr -d "\0" <"$log")") ${#found[@]}" >>"$runs/$target.new"
  # A slice that was stopped, or never ran, counts for nothing.
  if [ "$took" -gt 0 ] || [ ${#found[@]} -gt 0 ]; then cat "$runs/$target.new" >>"$runs/$target"; fi
  rm -f "$runs/$target.new"
  for file in "${found[@]}"; do
    echo "--- $target: $file"
    grep -E 'panicked at|ERROR|SUMMARY' -A1 "$log" | head -20
    case $file in
      */crash-*)
        nice -n 5 "$(binary_of "$target")" "${limits[@]}" -minimize_crash=1 -max_total_time=60 \
          -exact_artifact_path="fuzz/artifacts/$target/small-${file##*-}" "$file" >/dev/null 2>&1 || true ;;
    esac
  done
  if [ ${#found[@]} -eq 0 ] && [ "$took" -eq 0 ] && [ "$waited" -eq 0 ]; then
    echo "--- $target did not run, or was stopped (code $status); the end of $log:"
    tail -n 5 "$log"
    return 1
  fi
  [ ${#found[@]} -eq 0 ]
}

run_target() {
  local target=$1 did
  while did=$(sums "$target") && did=${did%% *} && [ "$did" -lt "$seconds" ]; do
    local left=$((seconds - did))
    [ "$left" -le $((slice * 3 / 2)) ] || left=$slice
    echo "=== $target: $did of $seconds s done, $left s more"
    run_slice "$target" "$left" || return 1
  done
}

table() {
  local status=0 target took executed cover features peak found
  printf '\n%-18s %8s %12s %8s %9s %9s %7s %8s %9s\n' \
    target seconds executions exec/s coverage features corpus 'peak MB' findings
  for target in "${targets[@]}"; do
    read -r took executed cover features peak < <(sums "$target")
    found=$(findings_of "$target" | grep -c . || true)
    [ "$took" -ge "$seconds" ] && [ "$found" -eq 0 ] || status=1
    printf '%-18s %8s %12s %8s %9s %9s %7s %8s %9s\n' "$target" "$took" "$executed" $((executed / (took > 0 ? took : 1))) \
      "$cover" "$features" "$(find "fuzz/corpus/$target" -type f 2>/dev/null | wc -l)" "$peak" "$found"
  done
  if [ "$status" -ne 0 ]; then
    echo "not every target has had $seconds s without a finding. Findings are in fuzz/artifacts (small-… are the smallest):"
    echo "fix each, keep its input in fuzz/regressions/TARGET, remove it there, and run this again"
  fi
  return "$status"
}

[ -z "$report_only" ] || { table; exit; }
if [ -z "$built" ]; then
  rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal
  command -v cargo-fuzz >/dev/null 2>&1 || cargo install cargo-fuzz --locked
  for target in "${targets[@]}"; do
    if is_bare "$target"; then
      nice -n 5 cargo +nightly fuzz build --sanitizer none --no-trace-compares --target-dir fuzz/target/bare "$target"
    else
      nice -n 5 cargo +nightly fuzz build "$target"
    fi
  done
fi
[ -z "$build_only" ] || exit 0
if [ -n "$fresh" ]; then for target in "${targets[@]}"; do rm -f "$runs/$target"; done; fi

waiting=()
for target in "${targets[@]}"; do
  run_target "$target" &
  waiting+=($!)
  # A finding of one target does not stop the others.
  while [ "$(jobs -pr | wc -l)" -ge "$jobs" ]; do wait -n || true; done
done
for job in "${waiting[@]}"; do wait "$job" || true; done
table
