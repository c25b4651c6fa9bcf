#!/usr/bin/env bash
# Every row of the performance bars, one after the other, and the table: bar, figure, met or not.
#
#   scripts/arena.sh [--out DIR] [--quick] [--clients LIST] [--round-seconds N] [WORKLOAD|GROUP]…
#                                                                 all against the sink unless some are named
#   scripts/arena.sh --list                                       workloads and groups, with the arena's options
#
# Groups: sink (the default), extra (rows without a bar), kafka (a real Kafka 4.4.0, by scripts/arena-kafka.sh), all.
# DIR (target/arena) gets WORKLOAD.md, .svg and .tsv of each, and bars.md. What an earlier run left there of these names goes
# first: a bar is judged by figures of this run only, and one whose workload was not run is not judged.
# --clients: only these, in the workloads that are not about facteur alone; a bar is then judged among them.
# --quick is for trying the script: two rounds of a second. Its figures say nothing.
# Exit code 1 if a workload failed. A bar that is not met is not a failure.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
die() { echo "arena.sh: $*" >&2; exit 2; }

# name|group|options
workloads=(
  'same-100b|sink|'
  'same-1k|sink|--value-bytes 1024'
  'same-10k|sink|--value-bytes 10240'
  'tasks-10000|sink|--tasks 10000'
  'codec-lz4|sink|--value-bytes 1024 --codec lz4'
  'codec-snappy|sink|--value-bytes 1024 --codec snappy'
  'codec-zstd|sink|--value-bytes 1024 --codec zstd'
  'codec-gzip|sink|--value-bytes 1024 --codec gzip'
  'threads-own|sink|--clients facteur --vary threads=1,8'
  'threads-8|sink|--threads 8'
  'rtt-2ms|sink|--rtt-us 2000 --partitions 1 --value-bytes 1024 --batch-bytes 16384'
  'rtt-2ms-own|sink|--rtt-us 2000 --partitions 1 --value-bytes 1024 --own-best'
  'latency-0|sink|--rate 50000 --linger-ms 0'
  'latency-5|sink|--rate 50000 --linger-ms 5'
  'memory-full|sink|--clients facteur --vary value-bytes=100,1024,10240 --rtt-us 50000'
  'growth-records|sink|--clients facteur --vary records=100000,1000000,10000000,100000000'
  'growth-partitions|sink|--clients facteur --vary partitions=1,6,100,1000'
  'growth-keyed|sink|--clients facteur --keys 100000 --vary partitions=6,1000'
  'growth-topics|sink|--clients facteur --records 200000 --vary topics=1,10000'
  'build|sink|'
  'own-best|extra|--own-best'
  'keyed|extra|--keys 100000'
  'threads-2|extra|--threads 2'
  'tasks-1|extra|--tasks 1 --linger-ms 0'
  'tasks-100|extra|--tasks 100'
  'rtt-500us|extra|--rtt-us 500 --value-bytes 1024'
  'rtt-20ms|extra|--rtt-us 20000 --value-bytes 1024'
  'blocked|extra|--rtt-us 20000 --buffer-bytes 1048576 --batch-bytes 16384'
  'partitions-1000|extra|--partitions 1000'
  'partitions-1000-keyed|extra|--partitions 1000 --keys 100000'
  'topics-10000|extra|--topics 10000'
  'kafka-100b|kafka|'
  'kafka-1k|kafka|--value-bytes 1024'
  'kafka-10k|kafka|--value-bytes 10240'
  'kafka-keyed|kafka|--keys 100000'
  'kafka-lz4|kafka|--value-bytes 1024 --codec lz4'
  'kafka-snappy|kafka|--value-bytes 1024 --codec snappy'
  'kafka-zstd|kafka|--value-bytes 1024 --codec zstd'
  'kafka-gzip|kafka|--value-bytes 1024 --codec gzip'
  'kafka-1-partition|kafka|--value-bytes 1024 --partitions 1'
  'kafka-100-partitions|kafka|--value-bytes 1024 --partitions 100'
  'kafka-100-partitions-keyed|kafka|--value-bytes 1024 --partitions 100 --keys 100000'
  'kafka-threads-8|kafka|--value-bytes 1024 --threads 8'
  'kafka-latency-0|kafka|--rate 50000 --linger-ms 0'
  'kafka-latency-5|kafka|--rate 50000 --linger-ms 5'
)

list() {
  local entry name group options
  for entry in "${workloads[@]}"; do
    IFS='|' read -r name group options <<<"$entry"
    printf '%-28s %-6s %s\n' "$name" "$group" "$options"
  done
}

out=$root/target/arena rounds=(--rounds 5) wanted=() clients=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,13p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; exit 0 ;;
    --list) list; exit 0 ;;
    --quick) rounds=(--rounds 2 --round-seconds 1 --warm-up-seconds 1) ;;
    --clients) [ $# -ge 2 ] || die "--clients needs names"; clients=(--clients "$2"); shift ;;
    --round-seconds) [ $# -ge 2 ] || die "--round-seconds needs a number"; rounds+=(--round-seconds "$2"); shift ;;
    --out) [ $# -ge 2 ] || die "--out needs a directory"; out=$2; shift ;;
    -*) die "unknown option $1; see scripts/arena.sh --help" ;;
    *) wanted+=("$1") ;;
  esac
  shift
done
[ ${#wanted[@]} -gt 0 ] || wanted=(sink)

chosen=()
for name in "${wanted[@]}"; do
  before=${#chosen[@]}
  for entry in "${workloads[@]}"; do
    case $entry in "$name|"* | *"|$name|"*) chosen+=("$entry") ;; *) [ "$name" != all ] || chosen+=("$entry") ;; esac
  done
  [ "${#chosen[@]}" -gt "$before" ] || die "there is no workload or group '$name'; scripts/arena.sh --list names them"
done

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target/peers}
cargo build --release --quiet --manifest-path "$root/benches/peers/Cargo.toml" --bin arena --bin bars
mkdir -p "$out"
for entry in "${workloads[@]}"; do
  rm -f "$out/${entry%%|*}".{md,svg,tsv}
done
rm -f "$out/bars.md"

# A cold build of the default features: user and system time of cargo and all that it starts, and how many crates it compiles.
build_cost() {
  local name=$1 directory used
  directory=$(mktemp -d)
  cargo fetch --quiet --manifest-path "$root/Cargo.toml" || { rm -rf "$directory"; return 1; }
  local TIMEFORMAT='%U %S'
  if ! used=$({ time CARGO_TARGET_DIR=$directory cargo build --release --lib --manifest-path "$root/Cargo.toml" \
    2>"$directory/log" >/dev/null; } 2>&1); then
    tail -n 5 "$directory/log" >&2
    rm -rf "$directory"
    return 1
  fi
  local seconds crates
  seconds=$(awk '{ printf "%.2f", $1 + $2 }' <<<"$used")
  crates=$(grep -c '^ *Compiling ' "$directory/log")
  rm -rf "$directory"
  printf 'facteur\t\t%s\t%s\t%s\t%s\n' build_cpu_seconds "$seconds" "$seconds" "$seconds" build_crates "$crates" "$crates" "$crates" \
    >"$out/$name.tsv"
  # shellcheck disable=SC2016  # Markdown's backquotes
  printf '`cargo build --release --lib`, cold, default features: %s CPU-seconds (user and system), %s crates, facteur included.\n' \
    "$seconds" "$crates" | tee "$out/$name.md"
}

status=0
for entry in "${chosen[@]}"; do
  IFS='|' read -r name group options <<<"$entry"
  read -ra options <<<"$options"
  echo "arena.sh: $name" >&2
  if [ "$name" = build ]; then
    build_cost "$name" || { echo "arena.sh: $name failed" >&2; status=1; }
    continue
  fi
  command=("$CARGO_TARGET_DIR/release/arena")
  [ "$group" != kafka ] || command=("$root/scripts/arena-kafka.sh")
  [[ " ${options[*]-} " == *" --clients "* ]] || command+=(${clients[@]+"${clients[@]}"})
  command+=(${options[@]+"${options[@]}"} "${rounds[@]}" --figures "$out/$name.tsv" --plot "$out/$name.svg")
  if ! "${command[@]}" >"$out/$name.md"; then
    # Without its figures, so that nothing is judged by them.
    rm -f "$out/$name.tsv" "$out/$name.svg"
    echo "arena.sh: $name failed" >&2
    status=1
  fi
  cat "$out/$name.md"
  echo
done
"$CARGO_TARGET_DIR/release/bars" "$out" | tee "$out/bars.md"
exit "$status"
