# The course's own shell lines, labs 02.0 to 02.6, steps 4 to 18; the test replaces ports, and the path of validate.sh.
# What is not the course's: the checks (`expect`, `seconds`), and `docker`, which stands for the container with Kafka's
# tools and hands their arguments to facteur.
set -euo pipefail

expect() { # expect WHAT PATTERN TEXT
  case $3 in *$2*) echo "ok: $1" ;; *) echo "FAILED: $1: no $2 in: $3"; exit 1 ;; esac
}

docker() { # docker exec kafka /opt/kafka/bin/TOOL ARGUMENTS…
  [ "$1 $2" = "exec kafka" ] || { echo "FAILED: unexpected docker $*"; exit 1; }
  local tool=${3##*/} given=()
  shift 3
  case $tool in
    kafka-console-consumer.sh)
      local print='' field
      while [ $# -gt 0 ]; do
        case $1 in
          --bootstrap-server) given+=(-b "$KAFKA"); shift 2 ;;
          --topic) given+=(-t "$2"); shift 2 ;;
          --from-beginning) given+=("$1"); shift ;;
          --timeout-ms) given+=(-e); shift 2 ;;
          --property) field=${2#print.} print+=${print:+,}${field%=true}; shift 2 ;;
          *) echo "FAILED: unknown argument $1"; exit 1 ;;
        esac
      done
      "$FACTEUR" consume "${given[@]}" --print "$print" ;;
    kafka-topics.sh)
      local name='' action=''
      while [ $# -gt 0 ]; do
        case $1 in
          --bootstrap-server) given+=(-b "$KAFKA"); shift 2 ;;
          --create) action=create; shift ;;
          --topic) name=$2; shift 2 ;;
          --if-not-exists) given+=("$1"); shift ;;
          --partitions | --replication-factor | --config) given+=("$1" "$2"); shift 2 ;;
          *) echo "FAILED: unknown argument $1"; exit 1 ;;
        esac
      done
      "$FACTEUR" topics "$action" "$name" "${given[@]}" ;;
    *) echo "FAILED: unknown tool $tool"; exit 1 ;;
  esac
}

echo "== step 4"
expect "java health" OK "$(curl -fsS http://localhost:18080/health)"
expect "dotnet health" OK "$(curl -fsS http://localhost:18081/health)"

echo "== step 5"
EVENT_ID="JAVA-SYNC-$(date +%s)"
ANSWER=$(curl -fsS -X POST "http://localhost:18080/api/v1/send?mode=plain&sendMode=sync&eventId=$EVENT_ID")
expect "java, sync" '"status":"OK","topic":"bhf-transactions","partition":' "$ANSWER"
expect "java, sync, offset" '"offset":' "$ANSWER"

echo "== step 6"
EVENT_ID="DOTNET-SYNC-$(date +%s)"
ANSWER=$(curl -fsS -X POST "http://localhost:18081/api/v1/send?mode=plain&sendMode=sync&eventId=$EVENT_ID")
expect "dotnet, sync" '"offset":' "$ANSWER"

echo "== step 7 (console)"
expect "the event is in the topic" "$EVENT_ID" "$(docker exec kafka /opt/kafka/bin/kafka-console-consumer.sh \
  --bootstrap-server localhost:9092 \
  --topic bhf-transactions --from-beginning --timeout-ms 5000 \
  --property print.timestamp=true)"

echo "== step 8"
EVENT_ID="JAVA-ASYNC-$(date +%s)"
RESPONSE=$(curl -fsS -X POST "http://localhost:18080/api/v1/send?mode=idempotent&sendMode=async&eventId=$EVENT_ID")
echo "Réponse: $RESPONSE"
REQ_ID=$(echo "$RESPONSE" | sed -n 's/.*"requestId":"\([^"]*\)".*/\1/p')
echo "RequestId: $REQ_ID"
test -n "$REQ_ID"

echo "== step 9"
for _ in $(seq 100); do
  STATUS=$(curl -fsS "http://localhost:18080/api/v1/status?requestId=$REQ_ID")
  case "$STATUS" in *'"state":"OK"'*) break ;; esac
done
expect "status" '"state":"OK","topic":"bhf-transactions","partition":' "$STATUS"

echo "== step 10"
PROXIES=$(curl -fsS http://localhost:8474/proxies | python3 -m json.tool)
expect "the proxy" '"kafka": {' "$PROXIES"
expect "its upstream" '"upstream": "kafka:' "$PROXIES"
expect "version" '"version": "2.9.0"' "$(curl -fsS http://localhost:8474/version | python3 -m json.tool)"

echo "== step 11"
curl -fsS -H 'Content-Type: application/json' \
  -X POST http://localhost:8474/proxies/kafka/toxics \
  -d '{
    "name": "latency",
    "type": "latency",
    "stream": "downstream",
    "attributes": {
      "latency": 5000,
      "jitter": 0
    }
  }'
expect "the toxic" '"latency":5000' "$(curl -fsS http://localhost:8474/proxies/kafka/toxics)"

echo "== step 12"
EVENT_ID="LATENCY-TEST-$(date +%s)"
BEGAN=$(date +%s%N)
ANSWER=$(curl -fsS -X POST "http://localhost:18080/api/v1/send?mode=plain&sendMode=sync&eventId=$EVENT_ID")
TOOK_MS=$((($(date +%s%N) - BEGAN) / 1000000))
expect "the answer under latency is 200" '"status":"OK"' "$ANSWER"
if [ $TOOK_MS -lt 5000 ] || [ $TOOK_MS -gt 7000 ]; then echo "FAILED: it took $TOOK_MS ms, not 5 to 7 s"; exit 1; fi
echo "ok: it took $TOOK_MS ms"

echo "== step 13"
curl -fsS -X DELETE http://localhost:8474/proxies/kafka/toxics/latency
TOXICS=$(curl -fsS http://localhost:8474/proxies/kafka/toxics)
[ "$(echo "$TOXICS" | tr -d '[:space:]')" = "[]" ] || { echo "FAILED: toxics are $TOXICS"; exit 1; }

echo "== step 14"
VALIDATED=$(./day-01-foundations/module-02-producer-reliability/scripts/validate.sh)
expect "the validation" "OK: java_idempotent=1 java_plain=2 dotnet_idempotent=1 dotnet_plain=2" "$(echo "$VALIDATED" | tail -n 1)"

echo "== step 15"
# Message sur partition 0
curl -fsS -X POST "http://localhost:18080/api/v1/send?mode=plain&sendMode=sync&eventId=P0-$(date +%s)&partition=0"

# Message sur partition 1
curl -fsS -X POST "http://localhost:18080/api/v1/send?mode=plain&sendMode=sync&eventId=P1-$(date +%s)&partition=1"

# Message sur partition 2
curl -fsS -X POST "http://localhost:18080/api/v1/send?mode=plain&sendMode=sync&eventId=P2-$(date +%s)&partition=2"

echo
echo "== step 16"
LINES=$(docker exec kafka /opt/kafka/bin/kafka-console-consumer.sh \
  --bootstrap-server localhost:9092 \
  --topic bhf-transactions \
  --from-beginning \
  --timeout-ms 5000 \
  --property print.partition=true \
  --property print.offset=true)
for PARTITION in 0 1 2; do expect "records on partition $PARTITION" "Partition:$PARTITION	Offset:" "$LINES"; done

echo "== step 17"
docker exec kafka /opt/kafka/bin/kafka-topics.sh \
  --bootstrap-server localhost:9092 \
  --create --if-not-exists \
  --topic bhf-compact-demo \
  --partitions 1 \
  --replication-factor 1 \
  --config cleanup.policy=compact \
  --config segment.ms=1000 \
  --config min.cleanable.dirty.ratio=0.01

echo "== step 18"
KEY="customer-42"

# Version 1
curl -fsS -X POST "http://localhost:18081/api/v1/send?mode=plain&sendMode=sync&topic=bhf-compact-demo&eventId=V1&key=$KEY"

# Version 2
curl -fsS -X POST "http://localhost:18081/api/v1/send?mode=plain&sendMode=sync&topic=bhf-compact-demo&eventId=V2&key=$KEY"

# Version 3 (finale)
curl -fsS -X POST "http://localhost:18081/api/v1/send?mode=plain&sendMode=sync&topic=bhf-compact-demo&eventId=V3&key=$KEY"

echo
# The course waits for an asynchronous compaction; segments close a second after their first record.
for _ in $(seq 200); do
  LEFT=$(docker exec kafka /opt/kafka/bin/kafka-console-consumer.sh \
    --bootstrap-server localhost:9092 --topic bhf-compact-demo --from-beginning --timeout-ms 5000 \
    --property print.key=true)
  case "$LEFT" in *'"eventId":"V1"'* | *'"eventId":"V2"'*) ;; *) break ;; esac
done
expect "V3 stays" '"eventId":"V3"' "$LEFT"
case "$LEFT" in *'"eventId":"V1"'* | *'"eventId":"V2"'*) echo "FAILED: V1 and V2 are still there: $LEFT"; exit 1 ;; esac
echo "done"
