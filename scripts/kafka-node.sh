#!/usr/bin/env bash
# Becomes one Kafka node (or the ZooKeeper of a 2.x one) in the foreground: by `exec`, so that the caller's child *is*
# the JVM and can be stopped, killed or frozen by its own process id. Called by scripts/kafka.sh and by the tests.
#
#   scripts/kafka-node.sh --version V --dir DIR --id N --port P --nodes COUNT
#                         (--voters ID@HOST:PORT,… --controller-port C | --zookeeper HOST:PORT) [--host H] [--set key=value]…
#   scripts/kafka-node.sh --version V --dir DIR --role zookeeper --port P
#
# Everything listens on loopback, or on HOST (an address of a private network namespace). DIR holds server.properties, data and nothing else of ours; run again with the same
# DIR, the node comes back with its data. KAFKA_HEAP (512m), KAFKA_LOG_LEVEL (info) and KAFKA_ARCHIVE may be set, and
# KAFKA_FULL_SPEED for a node that is measured: both compilers, the default collector, all of its heap from the start.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
die() { echo "kafka-node.sh: $*" >&2; exit 1; }

version='' dir='' id=1 host=127.0.0.1 port='' nodes=1 voters='' controller_port='' zookeeper='' role=broker
settings=()
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || die "$1 needs a value"
  case $1 in
    --version) version=$2 ;;
    --dir) dir=$2 ;;
    --id) id=$2 ;;
    --host) host=$2 ;;
    --port) port=$2 ;;
    --nodes) nodes=$2 ;;
    --voters) voters=$2 ;;
    --controller-port) controller_port=$2 ;;
    --zookeeper) zookeeper=$2 ;;
    --role) role=$2 ;;
    --set) settings+=("$2") ;;
    *) die "unknown argument $1" ;;
  esac
  shift 2
done
if [ -z "$version" ] || [ -z "$dir" ] || [ -z "$port" ]; then die "--version, --dir and --port are needed"; fi
command -v java >/dev/null 2>&1 || die "java is missing. Install a Java of 17 or later."

jars=$("$root/scripts/kafka-jars.sh" "$version")
heap=${KAFKA_HEAP:-512m}
mkdir -p "$dir"

# The serial collector and the first compiler only: several small nodes share few cores here, and start in half the time.
quick=(-XX:TieredStopAtLevel=1 -Xms64m -XX:+UseSerialGC)
[ -z "${KAFKA_FULL_SPEED:-}" ] || quick=("-Xms$heap" -XX:+UseG1GC)
jvm=(
  java "${quick[@]}"
  "-Xmx$heap" -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=${KAFKA_LOG_LEVEL:-info}"
  -Dorg.slf4j.simpleLogger.showDateTime=true "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"
  -Dorg.slf4j.simpleLogger.showThreadName=false
  -cp "$jars/*"
)

# Loaded classes, kept on disk by a node that ended in order under KAFKA_ARCHIVE=1: another third of the start.
archive=$jars/node.jsa
if [ -f "$archive" ] && [ -z "${KAFKA_FULL_SPEED:-}" ]; then jvm+=("-XX:SharedArchiveFile=$archive"); fi

if [ "$role" = zookeeper ]; then
  cat >"$dir/zoo.cfg" <<END
dataDir=$dir/data
clientPortAddress=127.0.0.1
clientPort=$port
maxClientCnxns=0
admin.enableServer=false
tickTime=1000
END
  exec "${jvm[@]}" org.apache.zookeeper.server.quorum.QuorumPeerMain "$dir/zoo.cfg"
fi

replicas=$((nodes < 3 ? nodes : 3))
{
  if [ -n "$zookeeper" ]; then
    echo "broker.id=$id"
    echo "zookeeper.connect=$zookeeper"
    echo "zookeeper.session.timeout.ms=6000"
    echo "listeners=PLAINTEXT://$host:$port"
  else
    if [ -z "$voters" ] || [ -z "$controller_port" ]; then die "--voters and --controller-port, or --zookeeper, are needed"; fi
    echo "process.roles=broker,controller"
    echo "node.id=$id"
    echo "controller.quorum.voters=$voters"
    echo "controller.listener.names=CONTROLLER"
    echo "listeners=PLAINTEXT://$host:$port,CONTROLLER://$host:$controller_port"
    echo "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
  fi
  cat <<END
advertised.listeners=PLAINTEXT://$host:$port
inter.broker.listener.name=PLAINTEXT
log.dirs=$dir/data
num.network.threads=2
num.io.threads=4
default.replication.factor=$replicas
min.insync.replicas=$((replicas > 1 ? 2 : 1))
offsets.topic.replication.factor=$replicas
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$((replicas > 1 ? 2 : 1))
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
unclean.leader.election.enable=false
log.cleaner.dedupe.buffer.size=16777216
END
  [ ${#settings[@]} -eq 0 ] || printf '%s\n' "${settings[@]}"
} >"$dir/server.properties"

if [ -z "$zookeeper" ] && [ ! -f "$dir/data/meta.properties" ]; then
  # One cluster, one id. Any fixed one will do: these clusters never meet.
  KAFKA_LOG_LEVEL=warn "${jvm[@]}" kafka.tools.StorageTool format -t ZmFjdGV1ci1sb2NhbC0wMQ -c "$dir/server.properties" >"$dir/format.log" 2>&1 ||
    { cat "$dir/format.log" >&2; die "StorageTool could not format $dir/data"; }
fi
if [ -n "${KAFKA_ARCHIVE:-}" ] && [ ! -f "$archive" ]; then jvm+=("-XX:ArchiveClassesAtExit=$archive"); fi
exec "${jvm[@]}" kafka.Kafka "$dir/server.properties"
