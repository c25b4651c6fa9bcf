set -e
curl -fsS http://localhost:18080/health
curl -fsS http://localhost:18081/health
EVENT_ID="JAVA-SYNC-$(date +%s)"
curl -fsS -X POST "http://localhost:18080/api/v1/send?mode=plain&sendMode=sync&eventId=$EVENT_ID"
EVENT_ID="DOTNET-SYNC-$(date +%s)"
curl -fsS -X POST "http://localhost:18081/api/v1/send?mode=plain&sendMode=sync&eventId=$EVENT_ID"
EVENT_ID="JAVA-ASYNC-$(date +%s)"
RESPONSE=$(curl -fsS -X POST "http://localhost:18080/api/v1/send?mode=idempotent&sendMode=async&eventId=$EVENT_ID")
echo "Réponse: $RESPONSE"
REQ_ID=$(echo "$RESPONSE" | sed -n 's/.*"requestId":"\([^"]*\)".*/\1/p')
echo "RequestId: $REQ_ID"
test -n "$REQ_ID"
for attempt in $(seq 100); do
  STATUS=$(curl -fsS "http://localhost:18080/api/v1/status?requestId=$REQ_ID")
  case "$STATUS" in *'"state":"OK"'*) break ;; esac
done
case "$STATUS" in *'"state":"OK","topic":"bhf-transactions","partition":'*) ;; *) echo "$STATUS"; exit 1 ;; esac
curl -fsS -X POST "http://localhost:18080/api/v1/send?mode=plain&sendMode=sync&eventId=P2-$(date +%s)&partition=2" | grep -q '"partition":2'
echo
echo done
