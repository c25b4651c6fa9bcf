#!/usr/bin/env bash
# Kafka's own administration tools against a broker of ours: what they show must be what we did.
#
#   scripts/interop/tools.sh FACTEUR BROKER [VERSION]      VERSION of the tools, default 4.3.0 (see kafka-jars.sh)
#
# Called by scripts/interop.sh (client `tools`); alone it works against any broker that is running. Each check is one line;
# a failure shows what the tool said, and the exit code is the number of failures.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
[ $# -ge 2 ] || { echo "usage: scripts/interop/tools.sh FACTEUR BROKER [VERSION]" >&2; exit 2; }
facteur=$1 broker=$2 version=${3:-4.3.0}
failures=0 said=''

# tool NAME ARGUMENTS…: sets $said to what it prints.
tool() {
  said=$(timeout --kill-after=5 120 "$root/scripts/kafka-tool.sh" "$version" "$1" --bootstrap-server "$broker" "${@:2}" 2>&1) || true
}
# check WHAT TEXT…: all of the texts must have been said.
check() {
  local what=$1 text
  shift
  for text in "$@"; do
    if ! grep -qF -- "$text" <<<"$said"; then
      echo "FAILED $what: expected '$text', the tool said:"
      head -n 30 <<<"$said"
      failures=$((failures + 1))
      return
    fi
  done
  echo "$what: as expected"
}

topic=tools-$$ table=tools-table-$$
"$facteur" topics create -b "$broker" "$topic" -p 2 >/dev/null
tool topics --create --topic "$table" --partitions 1 --config cleanup.policy=compact --config segment.ms=1000 \
  --config min.cleanable.dirty.ratio=0.01
check "kafka-topics --create with settings" "Created topic $table."

tool topics --describe --topic "$table"
check "kafka-topics --describe" "PartitionCount: 1" "ReplicationFactor: 1" "Leader: 1" "cleanup.policy=compact" \
  "segment.ms=1000" "min.cleanable.dirty.ratio=0.01"

tool configs --describe --entity-type topics --entity-name "$table"
check "kafka-configs --describe" "Dynamic configs for topic $table are:" \
  "cleanup.policy=compact sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact, DEFAULT_CONFIG:log.cleanup.policy=delete}"

tool configs --describe --all --entity-type brokers --entity-name 1
check "kafka-configs --describe --all of the broker" "All configs for broker 1 are:" "num.partitions=1 sensitive=false"

tool configs --alter --entity-type topics --entity-name "$topic" --add-config retention.ms=60000
check "kafka-configs --alter" "Completed updating config for topic $topic."
said=$("$facteur" topics describe -b "$broker" "$topic")
check "facteur topics describe after it" "Configs: retention.ms=60000"

tool configs --alter --entity-type topics --entity-name "$topic" --add-config segment.bytes=10
check "kafka-configs --alter with a bad value" "Invalid value 10 for configuration segment.bytes: Value must be at least 1048576"

tool topics --alter --topic "$topic" --partitions 3
said=$("$facteur" topics describe -b "$broker" "$topic")
check "kafka-topics --alter --partitions" "PartitionCount: 3"

printf 'a\nb\nc\nd\ne\n' | "$facteur" produce -b "$broker" -t "$topic" -p 0 --mode idempotent -q
id=$("$facteur" consume -b "$broker" -t "$topic" -p 0 -o beginning -e -f '%x\n' | sort -u)
tool transactions describe-producers --topic "$topic" --partition 0
echo "$said"
# Blanks between columns vary with their widths.
said=$(tr -s '\t ' ' ' <<<"$said")
check "kafka-transactions describe-producers" "ProducerId ProducerEpoch LatestCoordinatorEpoch LastSequence" "$id 0 -1 4 "

tool delete-records --offset-json-file /dev/stdin <<<"{\"version\":1,\"partitions\":[{\"topic\":\"$topic\",\"partition\":0,\"offset\":3}]}"
check "kafka-delete-records" "low_watermark: 3"

said=$(timeout --kill-after=5 120 "$root/scripts/kafka-tool.sh" "$version" cluster cluster-id \
  --bootstrap-server "$broker" 2>&1) || true
check "kafka-cluster cluster-id" "Cluster ID: "

# A log with holes: batches that lost records, in two codecs, and one that lost all of them.
compacted=tools-compacted-$$
"$facteur" topics create -b "$broker" "$compacted" -c cleanup.policy=compact >/dev/null
for lines in 'a:1\nb:1\nc:1\n' 'a:2\n' 'b:2\nd:1\na:3\n'; do
  # shellcheck disable=SC2059  # the lines are the format
  printf "$lines" | "$facteur" produce -b "$broker" -t "$compacted" -p 0 -K : -z gzip --mode idempotent -q
done
if "$facteur" topics compact -b "$broker" "$compacted" >/dev/null 2>&1; then
  said=$("$facteur" consume -b "$broker" -t "$compacted" -p 0 -o beginning -e -f '%o %k=%v\n' | paste -sd ' ')
  check "facteur consume of a compacted log" "2 c=1 4 b=2 5 d=1 6 a=3"
  tool console-consumer --topic "$compacted" --partition 0 --offset earliest --max-messages 4 --timeout-ms 20000 \
    --property print.offset=true --property print.key=true --property key.separator==
  said=$(grep '^Offset:' <<<"$said" | paste -sd ' ')
  check "kafka-console-consumer of a compacted log" "Offset:2=c=1 Offset:4=b=2 Offset:5=d=1 Offset:6=a=3"
  if command -v kcat >/dev/null 2>&1; then
    said=$(timeout 30 kcat -C -b "$broker" -t "$compacted" -p 0 -o beginning -e -q -X check.crcs=true -f '%o %k=%s\n' | paste -sd ' ')
    check "kcat of a compacted log" "2 c=1 4 b=2 5 d=1 6 a=3"
  fi
fi

exit "$failures"
