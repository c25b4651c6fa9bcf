#!/usr/bin/env bash
# Stops the containers of module 02 and removes them with their network and their data. Images stay.
#
#   scripts/down.sh
#
# Exit codes: 0 nothing is left, 1 docker compose failed, 2 usage, 3 no Docker.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
die() { echo "down.sh: $2" >&2; exit "$1"; }

case ${1-} in
  '') ;;
  -h | --help) sed -n '2,6p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; exit 0 ;;
  *) die 2 "unknown argument '$1'; it takes none" ;;
esac
command -v docker >/dev/null 2>&1 || die 3 "docker is not installed"
docker info >/dev/null 2>&1 || die 3 "the Docker engine does not answer"

# Both files and the profile, so that it does not matter how it was started.
docker compose -f "$root/docker/compose.yml" -f "$root/docker/compose.cluster.yml" --profile ui down --volumes --remove-orphans \
  || die 1 "docker compose failed; what it said stands above"
echo "Stopped. Containers, network and data of bhf-kafka are gone."
