#!/usr/bin/env bash
# The arena against a real Kafka 4.4.0: one node of its own, with a heap of 1 GiB, on loopback, gone afterwards.
#
#   scripts/arena-kafka.sh [ARENA OPTIONS]        such as --partitions 100 --value-bytes 1024; see benches/peers/README.md
#
# Each client gets a topic of its own with --partitions (6). When all is measured, each topic's end offsets are added up: they
# must equal what the client was told to be acknowledged, else no figure is worth anything, and the exit code is 1.
# ARENA_KAFKA_HEAP (1g) is the node's heap. Old segments are deleted while it runs, so that the disk holds about 8 GiB at most.
# Needs cargo, java (17 or later), mvn once, and python3.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
version=4.4.0
clients=(facteur rdkafka confluent krafka franz-go java)
most_bytes=$((8 * 1024 * 1024 * 1024))
die() { echo "arena-kafka.sh: $*" >&2; exit 2; }

case ${1-} in -h | --help) sed -n '2,10p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; exit 0 ;; esac
for command in cargo java python3; do
  command -v "$command" >/dev/null 2>&1 || die "$command is missing"
done

partitions=6 previous=''
for argument in "$@"; do
  case $previous in --partitions) partitions=$argument ;; esac
  case $argument in
    --partitions=*) partitions=${argument#*=} ;;
    --bootstrap | --bootstrap=* | --topic | --topic=* | --topics | --topics=* | --acknowledged | --acknowledged=*)
      die "$argument is set here" ;;
  esac
  previous=$argument
done
if ! [[ $partitions =~ ^[0-9]{1,4}$ ]] || [ "$partitions" -lt 1 ]; then die "--partitions $partitions: 1 to 9999 are possible"; fi

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target/peers}
cargo build --release --quiet --manifest-path "$root/benches/peers/Cargo.toml" --bin arena
arena=$CARGO_TARGET_DIR/release/arena

work=$(mktemp -d)
node=''
# shellcheck disable=SC2317,SC2329  # the trap calls it
finish() {
  if [ -n "$node" ]; then
    kill -TERM "$node" 2>/dev/null || true
    for _ in {1..100}; do
      kill -0 "$node" 2>/dev/null || break
      sleep 0.2
    done
    kill -KILL "$node" 2>/dev/null || true
    wait "$node" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

read -r port controller_port < <(python3 - <<'END'
import socket
sockets = [socket.socket() for _ in range(2)]
for it in sockets: it.bind(("127.0.0.1", 0))
print(*[it.getsockname()[1] for it in sockets])
END
)
is_listening() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
tool() { "$root/scripts/kafka-tool.sh" "$version" "$1" --bootstrap-server "127.0.0.1:$port" "${@:2}"; }

"$root/scripts/kafka-jars.sh" "$version" >/dev/null
KAFKA_HEAP=${ARENA_KAFKA_HEAP:-1g} KAFKA_FULL_SPEED=1 KAFKA_LOG_LEVEL=warn "$root/scripts/kafka-node.sh" --version "$version" \
  --dir "$work/node" --port "$port" --controller-port "$controller_port" --voters "1@127.0.0.1:$controller_port" \
  --set log.retention.check.interval.ms=1000 --set log.initial.task.delay.ms=100 --set log.segment.delete.delay.ms=100 \
  --set auto.create.topics.enable=false >"$work/node.log" 2>&1 </dev/null &
node=$!
for tries in {1..300}; do
  ! is_listening || break
  kill -0 "$node" 2>/dev/null || { tail -n 20 "$work/node.log" >&2; die "the node ended while it started"; }
  [ "$tries" -lt 300 ] || { tail -n 20 "$work/node.log" >&2; die "the node does not listen after 60 s"; }
  sleep 0.2
done

# Four segments of a partition are kept; a segment has 1 MiB at least, so thousands of partitions take more.
segment=$((most_bytes / ${#clients[@]} / partitions / 5))
segment=$((segment < 1048576 ? 1048576 : segment > 268435456 ? 268435456 : segment))
for client in "${clients[@]}"; do
  tool topics --create --topic "arena-$client" --partitions "$partitions" --replication-factor 1 \
    --config "segment.bytes=$segment" --config "retention.bytes=$((4 * segment))" >/dev/null
done

status=0
"$arena" "$@" --bootstrap "127.0.0.1:$port" --topic arena --acknowledged "$work/acknowledged" || status=$?
[ -s "$work/acknowledged" ] || { echo "arena-kafka.sh: nothing was measured" >&2; exit 1; }

echo
echo "In the log of Kafka $version (a heap of ${ARENA_KAFKA_HEAP:-1g}) against what was acknowledged, warming up included:"
echo
while IFS=$'\t' read -r client topic acknowledged; do
  if ! tool get-offsets --topic "$topic" --time latest >"$work/offsets"; then
    echo "- $client: its end offsets could not be read"
    status=1
    continue
  fi
  stored=$(awk -F: '{ sum += $3 } END { printf "%d", sum }' "$work/offsets")
  if [ "$stored" = "$acknowledged" ]; then
    echo "- $client: $stored records, as acknowledged"
  else
    echo "- $client: $stored records, but $acknowledged were acknowledged: THE FIGURES ARE WORTH NOTHING"
    status=1
  fi
done < <(awk -F'\t' '{ sum[$1 "\t" $2] += $3 } END { for (it in sum) print it "\t" sum[it] }' OFS='\t' "$work/acknowledged" | sort)
exit "$status"
