#!/usr/bin/env bash
# A real Apache Kafka without Docker, on loopback.
#
#   scripts/kafka.sh up [--version V] [--nodes N] [--port P]     start; prints the bootstrap address
#   scripts/kafka.sh status                                      what runs
#   scripts/kafka.sh down                                        stop it and remove its data
#
# V: 4.4.0 (default) and 3.9.2 in KRaft combined mode, 2.8.2 with a ZooKeeper. N: 1 (default) to 5. P: 9092 (default);
# the brokers take P, P+1, … and the controllers, or the ZooKeeper, P+10, P+11, …
# Jars, data and logs live under .kafka (FACTEUR_KAFKA_HOME moves it). Needs java (17 or later) and, once, mvn.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=${FACTEUR_KAFKA_HOME:-$root/.kafka}
run=$home/run

die() { echo "kafka.sh: $*" >&2; exit 1; }
usage() { sed -n '2,10p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; }

# Whether the process of a run directory is alive and still ours: a process id can be given to a stranger.
is_alive() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) || return 1
  { tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qF -- "$1"; } 2>/dev/null
}

is_listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start NAME PORT ARGUMENTS…: one process with a directory of its own; its id goes into a file, its output into a log.
start() {
  local name=$1 port=$2
  shift 2
  local dir=$run/$name
  mkdir -p "$dir"
  is_listening "$port" && die "port $port is in use; choose another with --port"
  setsid "$root/scripts/kafka-node.sh" --dir "$dir" --port "$port" "$@" >"$dir/server.log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  echo "$port" >"$dir/port"
}

# await NAME: until it listens; a process that ended or takes a minute is an error that shows its log.
await() {
  local dir=$run/$1 port tries=0
  port=$(cat "$dir/port")
  until is_listening "$port"; do
    kill -0 "$(cat "$dir/pid")" 2>/dev/null || { tail -n 20 "$dir/server.log" >&2; die "$1 ended while starting; its log is $dir/server.log"; }
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { tail -n 20 "$dir/server.log" >&2; die "$1 does not listen on $port after 60 s; its log is $dir/server.log"; }
    sleep 0.2
  done
}

up() {
  local version=4.4.0 nodes=1 port=9092
  while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || die "$1 needs a value"
    case $1 in
      --version) version=$2 ;;
      --nodes) nodes=$2 ;;
      --port) port=$2 ;;
      *) die "unknown argument $1; see scripts/kafka.sh --help" ;;
    esac
    shift 2
  done
  [[ $nodes =~ ^[1-5]$ ]] || die "--nodes must be 1 to 5"
  if ! [[ $port =~ ^[0-9]{1,5}$ ]] || [ "$port" -lt 1 ] || [ "$port" -gt 65500 ]; then die "--port must be 1 to 65500"; fi
  local dir
  for dir in "$run"/*/; do
    [ -d "$dir" ] && is_alive "${dir%/}" && die "a Kafka is running already; stop it with: scripts/kafka.sh down"
  done
  rm -rf "$run"
  mkdir -p "$run"
  "$root/scripts/kafka-jars.sh" "$version" >/dev/null

  trap undo_unless_up EXIT
  local i arguments voters='' bootstrap=''
  for ((i = 1; i <= nodes; i++)); do
    voters+="${voters:+,}$i@127.0.0.1:$((port + 9 + i))"
    bootstrap+="${bootstrap:+,}127.0.0.1:$((port + i - 1))"
  done
  if [[ $version == 2.* ]]; then
    start zookeeper $((port + 10)) --version "$version" --role zookeeper
    await zookeeper
  fi
  for ((i = 1; i <= nodes; i++)); do
    arguments=(--version "$version" --id "$i" --nodes "$nodes")
    if [[ $version == 2.* ]]; then
      arguments+=(--zookeeper "127.0.0.1:$((port + 10))")
    else
      is_listening $((port + 9 + i)) && die "port $((port + 9 + i)) is in use; choose another with --port"
      arguments+=(--voters "$voters" --controller-port $((port + 9 + i)))
    fi
    start "node-$i" $((port + i - 1)) "${arguments[@]}"
  done
  for ((i = 1; i <= nodes; i++)); do await "node-$i"; done
  echo "$bootstrap" >"$run/bootstrap"
  echo "$version" >"$run/version"
  echo "Apache Kafka $version is up, $nodes node(s)."
  echo "bootstrap.servers=$bootstrap"
  echo "logs: $run/node-*/server.log    stop and remove the data: scripts/kafka.sh down"
}

# stop_all SIGNAL: brokers before the ZooKeeper, each by its own id; whoever ignores it for 20 s is killed.
stop_all() {
  local dir pid tries names=()
  for dir in "$run"/node-*; do [ -d "$dir" ] && names+=("$dir"); done
  for dir in ${names[@]+"${names[@]}"}; do
    if is_alive "$dir"; then kill -CONT "$(cat "$dir/pid")" && kill -"$1" "$(cat "$dir/pid")"; fi
  done
  [ -d "$run/zookeeper" ] && names+=("$run/zookeeper")
  for dir in ${names[@]+"${names[@]}"}; do
    is_alive "$dir" || continue
    pid=$(cat "$dir/pid")
    [ "$dir" = "$run/zookeeper" ] && kill -TERM "$pid"
    tries=0
    while is_alive "$dir"; do
      tries=$((tries + 1))
      [ $tries -ne 100 ] || kill -KILL "$pid"
      sleep 0.2
    done
  done
}

# A start that failed or was interrupted leaves nothing running behind.
undo_unless_up() {
  [ -f "$run/bootstrap" ] || { echo "kafka.sh: stopping what was started" >&2; stop_all TERM; }
}

down() {
  [ $# -eq 0 ] || die "down takes no arguments"
  if [ ! -d "$run" ]; then
    echo "No Kafka is running."
    return
  fi
  stop_all TERM
  rm -rf "$run"
  echo "Kafka is stopped and its data removed."
}

status() {
  local dir any=no
  [ ! -f "$run/bootstrap" ] || echo "Apache Kafka $(cat "$run/version"), bootstrap.servers=$(cat "$run/bootstrap")"
  for dir in "$run"/*/; do
    dir=${dir%/}
    [ -f "$dir/pid" ] || continue
    if is_alive "$dir"; then
      any=yes
      echo "${dir##*/}: process $(cat "$dir/pid"), port $(cat "$dir/port"), $(is_listening "$(cat "$dir/port")" && echo listening || echo 'not listening')"
    else
      echo "${dir##*/}: ended; its log is $dir/server.log"
    fi
  done
  [ $any = yes ] || { echo "No Kafka is running."; return 1; }
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
  up) up "$@" ;;
  down) down "$@" ;;
  status) status ;;
  -h | --help | help) usage ;;
  *) usage >&2; exit 2 ;;
esac
