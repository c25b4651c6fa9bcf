#!/usr/bin/env bash
# Module 02 in containers: builds the images, starts Kafka, the fault injector and the two APIs, waits until all are well.
#
#   scripts/up.sh [single-node|cluster] [--no-ui]
#
# single-node (default) has one broker, cluster three. --no-ui leaves Kafka UI (port 8080) out. Without Docker,
# `facteur serve` gives the same addresses in a second.
#
# Exit codes: 0 everything is healthy, 1 something is not, or containers are in the way, 2 usage, 3 no Docker.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
patience=${FACTEUR_UP_PATIENCE:-180}
files=(-f "$root/docker/compose.yml")
profiles=(--profile ui)
containers=(kafka kafka-init toxiproxy toxiproxy-init m02-java-api m02-dotnet-api kafka-ui)
awaited=(kafka toxiproxy m02-java-api m02-dotnet-api)
mode=single-node

die() { echo "up.sh: $2" >&2; exit "$1"; }

for argument in "$@"; do
  case $argument in
    single-node) ;;
    cluster)
      mode=cluster
      files+=(-f "$root/docker/compose.cluster.yml")
      containers+=(kafka-2 kafka-3)
      awaited+=(kafka-2 kafka-3)
      ;;
    --no-ui) profiles=() ;;
    -h | --help) sed -n '2,9p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; exit 0 ;;
    *) die 2 "unknown argument '$argument'; expected single-node, cluster or --no-ui" ;;
  esac
done

command -v docker >/dev/null 2>&1 || die 3 "docker is not installed. Without it: facteur serve"
docker info >/dev/null 2>&1 || die 3 "the Docker engine does not answer. Start it; without it: facteur serve"
docker compose version >/dev/null 2>&1 || die 3 "docker has no 'compose' command. Install its compose plugin"

# Someone else's container `kafka` must not be replaced, and a broker's data does not survive a change of mode.
existing=()
for name in "${containers[@]}"; do
  [ -z "$(docker ps --all --quiet --filter "name=^/$name\$")" ] || existing+=("$name")
done
[ ${#existing[@]} -eq 0 ] || die 1 "there are containers already: ${existing[*]}. Remove them first: scripts/down.sh, or docker rm -f NAME if they are not this project's"

echo "Starting ($mode). The first build of the images takes some minutes."
docker compose "${files[@]}" ${profiles[@]+"${profiles[@]}"} up --detach --build || die 1 "docker compose failed; what it said stands above. Clean up with scripts/down.sh"

health() { docker inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}' "$1" 2>/dev/null || echo absent; }
deadline=$((SECONDS + patience))
for name in "${awaited[@]}"; do
  while :; do
    state=$(health "$name")
    [ "$state" != healthy ] || break
    case $state in
      exited | dead | absent) docker logs --tail 20 "$name" >&2 || true; die 1 "container $name is $state; its last lines stand above" ;;
    esac
    if [ "$SECONDS" -ge "$deadline" ]; then
      docker logs --tail 20 "$name" >&2 || true
      die 1 "container $name is still $state after $patience s; its last lines stand above (FACTEUR_UP_PATIENCE waits longer)"
    fi
    sleep 1
  done
  echo "  $name is healthy"
done

cat <<'EOF'
  Java API      http://localhost:18080      .NET API    http://localhost:18081
  Toxiproxy     http://localhost:8474       Kafka       localhost:9092

Try next:
  curl -fsS -X POST 'http://localhost:18080/api/v1/send?mode=idempotent&sendMode=sync&eventId=E-1'
  scripts/validate.sh
EOF
