#!/usr/bin/env bash
# Runs a command beside three network namespaces, one for each Kafka node, joined by a bridge that nothing else is on.
#
#   scripts/kafka-net.sh COMMAND…
#
# The command runs in a fourth namespace, the hub, with FACTEUR_KAFKA_NET set to the common prefix of their names: node N
# lives in <prefix>-N at 10.213.0.N, the hub at 10.213.0.254. None of them has a way to the machine's own network, so no
# packet leaves it. tests/kafka/net.rs cuts links between them. Where namespaces are not permitted (they need root and the
# kernel's veth and bridge), it says so and runs the command as it is: tests then skip cut links by name.
set -euo pipefail

[ $# -gt 0 ] || { echo "usage: scripts/kafka-net.sh COMMAND…" >&2; exit 2; }
[ -z "${FACTEUR_KAFKA_NET:-}" ] || exec "$@"

prefix=fk$$
names=("$prefix-hub" "$prefix-1" "$prefix-2" "$prefix-3")

# Whoever still lives in a namespace when the command has ended was started by it, and gets a moment to end by itself.
undo() {
  local name pid
  for _ in {1..50}; do
    [ -n "$(for name in "${names[@]}"; do ip netns pids "$name" 2>/dev/null || true; done)" ] || break
    sleep 0.1
  done
  for name in "${names[@]}"; do
    [ -e "/run/netns/$name" ] || [ -e "/var/run/netns/$name" ] || continue
    for pid in $(ip netns pids "$name" 2>/dev/null || true); do kill -KILL "$pid" 2>/dev/null || true; done
    ip netns del "$name" 2>/dev/null || true
  done
}

make() {
  local name i hub=$prefix-hub
  for name in "${names[@]}"; do
    ip netns add "$name" && ip -n "$name" link set lo up || return 1
  done
  ip -n "$hub" link add br0 type bridge forward_delay 0 && ip -n "$hub" link set br0 up || return 1
  ip -n "$hub" address add 10.213.0.254/24 dev br0 || return 1
  for i in 1 2 3; do
    ip -n "$hub" link add "v$i" type veth peer name eth0 netns "$prefix-$i" || return 1
    ip -n "$hub" link set "v$i" master br0 up || return 1
    ip -n "$prefix-$i" address add "10.213.0.$i/24" dev eth0 || return 1
    ip -n "$prefix-$i" link set eth0 up || return 1
  done
}

trap undo EXIT
if ! reason=$(make 2>&1); then
  undo
  echo "kafka-net.sh: network namespaces are not to be had here (${reason:-ip failed}): links are not cut"
  "$@"
  exit
fi
FACTEUR_KAFKA_NET=$prefix ip netns exec "$prefix-hub" "$@"
