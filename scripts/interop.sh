#!/usr/bin/env bash
# Other people's Kafka clients against the embedded broker, and this project's producer read by them.
#
#   scripts/interop.sh [CLIENT…]      of: kcat confluent kafkajs aiokafka franz java tools   (default: all)
#
# INTEROP_RECORDS         records per client and codec, default 10000
# INTEROP_GROUP_RECORDS   records per client in a group, default 1000
# INTEROP_CODECS          default "none gzip snappy lz4 zstd"
# INTEROP_JAVA_VERSIONS   whose console tools, default "4.3.0 3.9.2 2.8.2" (see kafka-jars.sh)
# INTEROP_STRICT=1        a skipped client is a failure
# INTEROP_PROXY=1         everything goes through the fault injector, in front of a broker that advertises an address
#                         where nobody is: a client that learns it, from any answer, fails
# FACTEUR_BIN             the binary to test; without it `cargo build --features lab` makes one
# FACTEUR_KAFKA_HOME      where what is fetched is kept, default .kafka
#
# Every client writes, idempotently, to a topic of one partition; reads it back without a group (kafkajs can only read in
# one); and `facteur consume` reads it too. "equal" is said if both gave the same bytes in the same order as were written,
# if all records carry one producer id, and (where franz-go is to be had, which can tell) if they lie in batches of the codec that was asked for.
# Then `facteur produce` writes and each client reads; then each reads in a group, twice (scripts/interop/groups.sh). A
# client that cannot be had here is skipped by name. `tools` are Kafka's administration tools, which describe and alter
# what is there (scripts/interop/tools.sh).
#
# Needs cargo (or FACTEUR_BIN). The clients need: apt-get as root for kcat; python3 with venv; node and npm; go (1.26 or
# later); java and mvn. They are installed by these under .kafka/interop, on the first run.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=${FACTEUR_KAFKA_HOME:-$root/.kafka}
tools=$home/interop
records=${INTEROP_RECORDS:-10000}
read -ra codecs <<<"${INTEROP_CODECS:-none gzip snappy lz4 zstd}"
read -ra java_versions <<<"${INTEROP_JAVA_VERSIONS:-4.3.0 3.9.2 2.8.2}"
group_records=${INTEROP_GROUP_RECORDS:-1000}
wanted=("$@") group_names=()
passed=0 failed=0 skipped=0 have_franz='' topics=0
# A client that hangs is a failure, not a hanging script.
limit=(timeout --kill-after=5 180)

die() { echo "interop.sh: $*" >&2; exit 1; }
[[ $records =~ ^[1-9][0-9]*$ ]] || die "INTEROP_RECORDS is '$records', which is no number of records"
[[ $group_records =~ ^[1-9][0-9]*$ ]] || die "INTEROP_GROUP_RECORDS is '$group_records', which is no number of records"
for client in ${wanted[@]+"${wanted[@]}"}; do
  case $client in
    kcat | confluent | kafkajs | aiokafka | franz | java | tools) ;;
    *) die "unknown client '$client'; expected kcat, confluent, kafkajs, aiokafka, franz, java or tools" ;;
  esac
done

pass() { echo "$1"; passed=$((passed + 1)); }
fail() { echo "FAILED $1"; failed=$((failed + 1)); }
skip() { echo "skipped $1"; skipped=$((skipped + 1)); }
is_wanted() { [ ${#wanted[@]} -eq 0 ] || [[ " ${wanted[*]} " == *" $1 "* ]]; }
has() { command -v "$1" >/dev/null 2>&1; }

# --- The clients. Each has NAME_install, NAME_version, NAME_produce TOPIC CODEC FILE and NAME_consume TOPIC (to stdout).
# An install that cannot be is explained in $why.

kcat_install() {
  has kcat && return
  if [ "$(id -u)" = 0 ] && has apt-get; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends kcat
  fi
  why="kcat is missing (Debian: apt-get install kcat)"
  has kcat
}
kcat_version() {
  kcat -V | sed -nE 's/^Version ([^ ]+) \(.*librdkafka ([^ ]+) .*/kcat \1 (librdkafka \2)/p'
}
kcat_produce() {
  kcat -P -b "$broker" -t "$1" -p 0 -z "$2" -X enable.idempotence=true -l "$3"
}
kcat_consume() {
  kcat -C -b "$broker" -t "$1" -p 0 -o beginning -c "$records" -e -q -X check.crcs=true
}

confluent_install() {
  why="python3 with venv is missing"
  has python3 || return
  why="pip could not install confluent-kafka and aiokafka"
  [ -x "$tools/venv/bin/pip" ] || python3 -m venv "$tools/venv" || return
  "$tools/venv/bin/pip" install --quiet --disable-pip-version-check -r "$root/scripts/interop/requirements.txt"
}
confluent() { "$tools/venv/bin/python" "$root/scripts/interop/confluent_kafka_client.py" "$@"; }
confluent_version() { confluent version; }
confluent_produce() { confluent produce "$broker" "$@"; }
confluent_consume() { confluent consume "$broker" "$1" "$records"; }

kafkajs_install() {
  why="node or npm is missing"
  { has node && has npm; } || return
  why="npm could not install kafkajs"
  mkdir -p "$tools/npm"
  cp "$root/scripts/interop/package.json" "$tools/npm/"
  # No install scripts: the lz4 package then runs its JavaScript instead of compiling C.
  npm install --prefix "$tools/npm" --ignore-scripts --no-audit --no-fund --no-package-lock --silent
}
kafkajs() { NODE_PATH=$tools/npm/node_modules node "$root/scripts/interop/kafkajs_client.mjs" "$@"; }
kafkajs_version() { kafkajs version; }
kafkajs_produce() { kafkajs produce "$broker" "$@"; }
kafkajs_consume() { kafkajs group "$broker" "$1" "kafkajs-$1" "$records"; }

aiokafka_install() { confluent_install; }
aiokafka() { "$tools/venv/bin/python" "$root/scripts/interop/aiokafka_client.py" "$@"; }
aiokafka_version() { aiokafka version; }
aiokafka_produce() { aiokafka produce "$broker" "$@"; }
aiokafka_consume() { aiokafka consume "$broker" "$1" "$records"; }

franz_install() {
  why="go is missing"
  has go || return
  why="go (1.26 or later) could not build franz-go"
  (cd "$root/scripts/interop/franz" && go build -o "$tools/franz" .)
}
franz_version() { "$tools/franz" version; }
franz_produce() { "$tools/franz" produce "$broker" "$@"; }
franz_consume() { "$tools/franz" consume "$broker" "$1" "$records"; }

java_install() {
  why="java or mvn is missing"
  { has java && has mvn; } || return
  why="Maven could not fetch Kafka's tools"
  "$root/scripts/kafka-jars.sh" "$java_version"
}
java_version() { echo "Java console tools $java_version"; }
java_produce() {
  "$root/scripts/kafka-tool.sh" "$java_version" console-producer --bootstrap-server "$broker" --topic "$1" \
    --compression-codec "$2" --request-required-acks all --producer-property enable.idempotence=true <"$3"
}
java_consume() {
  "$root/scripts/kafka-tool.sh" "$java_version" console-consumer --bootstrap-server "$broker" --topic "$1" \
    --partition 0 --offset earliest --max-messages "$records" --timeout-ms 60000
}

# --- The checks.

# make_lines NAME FILE: as many lines as there are records, of many lengths, no two the same, not all of them ASCII.
make_lines() {
  awk -v name="$1" -v count="$records" 'BEGIN {
    for (i = 1; i <= count; i++) {
      padding = ""
      for (j = i % 23; j > 0; j--) padding = padding "déjà vu " (i * j) % 997 " "
      printf "{\"id\":%d,\"topic\":\"%s\",\"note\":\"%s\"}\n", i, name, padding
    }
  }' >"$2"
}

hash_of() { sha256sum <"$1" | cut -d ' ' -f 1; }
count_of() { wc -l <"$1" | tr -d ' '; }

# new_topic: sets $topic, which is empty and has one partition, and $lines, a file of what shall go there.
new_topic() {
  topics=$((topics + 1))
  topic=interop-$topics
  lines=$work/$topic.lines
  "$facteur" topics create -b "$broker" "$topic" >/dev/null || die "topic $topic could not be created"
  make_lines "$topic" "$lines"
}

# run OUT COMMAND…: a bash function in a process that is ended if it takes too long. What it says on stderr is shown
# only if it fails.
run() {
  local out=$1 status=0
  shift
  # shellcheck disable=SC2016  # the inner bash expands them
  "${limit[@]}" bash -c 'source "$0"; "$@"' "$work/functions" "$@" >"$out" 2>"$work/stderr" || status=$?
  [ "$status" = 0 ] && return
  { echo "  $1 ended with status $status:"; tail -n 12 "$work/stderr" "$out" | cut -c 1-400 | sed 's/^/    /'; } >&2
  return "$status"
}

# facteur_consume TOPIC: producer id, tab, value.
facteur_consume() { "$facteur" consume -b "$broker" -t "$1" -p 0 -o beginning -c "$records" -e -f '%x\t%v\n'; }
# The linger: a batch of one short record does not shrink, and would be stored as it is.
facteur_produce() {
  "$facteur" produce -b "$broker" -t "$1" -p 0 -z "$2" --mode idempotent -X linger.ms=20 -q "$3"
}
franz_codecs() { "$tools/franz" codecs "$broker" "$1" "$records"; }

# read_as NAME FUNCTION TOPIC: what is wrong with what the function reads goes to $problems; sets $count.
read_as() {
  local out=$work/read
  run "$out" "$2" "$3" || problems+=("$1 failed")
  count=$(count_of "$out")
  [ "$(hash_of "$out")" = "$(hash_of "$lines")" ] || problems+=("what $1 differs from what was sent")
}

# check_log TOPIC CODEC: facteur's own reading, the producer ids, and the batches' codec.
check_log() {
  local ids
  run "$work/with-ids" facteur_consume "$1" || problems+=("facteur consume failed")
  cut -f 2- "$work/with-ids" >"$work/values"
  facteur_count=$(count_of "$work/values")
  [ "$(hash_of "$work/values")" = "$(hash_of "$lines")" ] ||
    problems+=("facteur consume read $facteur_count records that differ from what was sent")
  ids=$(cut -f 1 "$work/with-ids" | sort -u | paste -sd " ")
  [[ $ids =~ ^[0-9]+$ ]] || problems+=("the producer ids in the log are ${ids:-none} and not one")
  if [ -n "$have_franz" ]; then
    run "$work/codecs" franz_codecs "$1" || problems+=("the codecs in the log could not be read")
    [ "$(cat "$work/codecs")" = "$2 $records" ] || problems+=("the log holds $(paste -sd " " "$work/codecs")")
  fi
}

# conclude TEXT: one line, passed if $problems is empty.
conclude() {
  local text
  if [ ${#problems[@]} -eq 0 ]; then
    pass "$1, equal"
  else
    text=$(printf '; %s' "${problems[@]}")
    fail "$1: ${text#; }"
  fi
}

# client_writes CLIENT NAME CODEC
client_writes() {
  local count='' facteur_count problems=() text
  new_topic
  if ! run "$work/said" "$1_produce" "$topic" "$3" "$lines"; then
    fail "$2 idempotent $3: could not produce"
    return
  fi
  text="$2 idempotent $3: $records sent"
  read_as "it read back" "$1_consume" "$topic"
  text+=", $count read back"
  check_log "$topic" "$3"
  text+=", $facteur_count by facteur consume"
  conclude "$text"
}

# client_reads CLIENT NAME CODEC: from the topic that facteur wrote with this codec.
client_reads() {
  local count='' problems=()
  topic=${written[$3]} lines=$work/${written[$3]}.lines
  read_as "it read" "$1_consume" "$topic"
  conclude "$facteur_name idempotent $3 to $2: $records sent, $count read"
}

# facteur_writes CODEC: once for all readers; sets $written[CODEC] if it went well.
facteur_writes() {
  local problems=() facteur_count=''
  new_topic
  run "$work/said" facteur_produce "$topic" "$1" "$lines" || problems+=("could not produce")
  check_log "$topic" "$1"
  conclude "$facteur_name idempotent $1: $records sent, $facteur_count by facteur consume"
  [ ${#problems[@]} -gt 0 ] || written[$1]=$topic
}

# with_client CLIENT: everything with it, if it can be had.
with_client() {
  local why='' name codec
  if ! "$1_install" >"$work/install" 2>&1; then
    skip "$1${2:+ $2}: $why"
    tail -n 5 "$work/install" | sed 's/^/    /' >&2
    return
  fi
  name=$("$1_version")
  for codec in "${codecs[@]}"; do client_writes "$1" "$name" "$codec"; done
  for codec in "${codecs[@]}"; do
    [ -z "${written[$codec]:-}" ] || client_reads "$1" "$name" "$codec"
  done
  client_in_group "$1" "$name"
  if [ "$1" = java ]; then
    course_lines "$name"
    groups_tool "$name"
  fi
}

# shellcheck source=scripts/interop/groups.sh
source "$root/scripts/interop/groups.sh"

# --- The run.

facteur=${FACTEUR_BIN:-}
if [ -z "$facteur" ]; then
  (cd "$root" && cargo build --quiet --features lab)
  facteur=${CARGO_TARGET_DIR:-$root/target}/debug/facteur
fi
[ -x "$facteur" ] || die "$facteur is not a program"
facteur_name=$("$facteur" --version)
unset "${!FACTEUR_@}" "${!KAFKA_@}"

mkdir -p "$tools"
work=$(mktemp -d)
broker_id='' proxy_id=''
# shellcheck disable=SC2317,SC2329  # the trap calls it
finish() {
  local id
  for id in $proxy_id $broker_id; do
    kill "$id" 2>/dev/null || true
    wait "$id" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Made here, so that it is there when it is looked into: the job's own shell may be late.
: >"$work/broker"
: >"$work/proxy"
through=()
[ "${INTEROP_PROXY:-0}" != 1 ] || through=(--advertised-host broker.invalid)
"$facteur" broker --listen 127.0.0.1 --kafka-port 0 --json ${through[@]+"${through[@]}"} >"$work/broker" \
  2>"$work/broker-errors" &
broker_id=$!
broker=''
for _ in $(seq 1 200); do
  broker=$(sed -nE 's/.*"kafka":\["([^"]+)".*/\1/p' "$work/broker")
  [ -z "$broker" ] || break
  kill -0 "$broker_id" 2>/dev/null || break
  sleep 0.1
done
[ -n "$broker" ] || { cat "$work/broker-errors" >&2; die "the broker did not start"; }
if [ ${#through[@]} -gt 0 ]; then
  "$facteur" chaos serve --port 0 --proxy "kafka=127.0.0.1:0=127.0.0.1:${broker##*:}" --json >"$work/proxy" \
    2>"$work/proxy-errors" &
  proxy_id=$!
  broker=''
  for _ in $(seq 1 200); do
    broker=$(sed -nE 's/.*"listen":"([^"]+)".*/\1/p' "$work/proxy")
    [ -z "$broker" ] || break
    kill -0 "$proxy_id" 2>/dev/null || break
    sleep 0.1
  done
  [ -n "$broker" ] || { cat "$work/proxy" "$work/proxy-errors" >&2; die "the injector did not start"; }
  echo "through the fault injector at $broker; the broker advertises broker.invalid"
fi

java_version=''
write_functions() {
  {
    declare -p root home tools records broker facteur java_version
    declare -f
  } >"$work/functions"
}
write_functions

# First, because it can tell the codec of a batch, which the checks of the others then use.
! franz_install >"$work/install" 2>&1 || have_franz=yes

declare -A written=()
for codec in "${codecs[@]}"; do facteur_writes "$codec"; done
client_in_group facteur "$facteur_name"
for client in kcat confluent kafkajs aiokafka franz; do
  ! is_wanted "$client" || with_client "$client"
done
if is_wanted java; then
  for java_version in "${java_versions[@]}"; do
    write_functions
    with_client java "$java_version"
  done
fi
# Kafka's administration tools of 4.3.0; what each check found is one line.
with_tools() {
  local why='' line java_version=4.3.0
  if ! java_install >"$work/install" 2>&1; then
    skip "tools: $why"
    return
  fi
  "$root/scripts/interop/tools.sh" "$facteur" "$broker" "$java_version" >"$work/tools" 2>&1 || true
  while IFS= read -r line; do
    case $line in
      FAILED\ *) fail "tools: ${line#FAILED }" ;;
      *': as expected') pass "Kafka's tools $java_version: $line" ;;
      *) echo "$line" ;;
    esac
  done <"$work/tools"
  grep -q 'describe-producers: as expected' "$work/tools" || fail "tools: describe-producers was not checked"
}
! is_wanted tools || with_tools
kill -0 "$broker_id" 2>/dev/null || fail "the broker ended before its time"

echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] || exit 1
[ "$skipped" -eq 0 ] || [ "${INTEROP_STRICT:-0}" != 1 ] || exit 1
