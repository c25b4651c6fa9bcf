# Sourced by scripts/interop.sh: other people's clients as members of consumer groups.
#
# Each client that has a function NAME_group TOPIC GROUP COUNT reads a topic of three partitions in a group, from its
# beginning, and ends; more is written; a second run in the same group must read just that, which it can only if the
# first one's offsets were committed and are found. Kafka's own kafka-consumer-groups is then asked what it thinks.
# shellcheck shell=bash

# shellcheck disable=SC2317,SC2154  # called by name from interop.sh, whose variables these are
kcat_group() {
  kcat -b "$broker" -c "$3" -q -X auto.offset.reset=earliest -X check.crcs=true -G "$2" "$1"
}
# shellcheck disable=SC2317,SC2329
facteur_group() { "$facteur" consume -b "$broker" -t "$1" --group "$2" --from-beginning -c "$3"; }
# shellcheck disable=SC2317,SC2329
confluent_group() { confluent group "$broker" "$@"; }
# shellcheck disable=SC2317,SC2329
kafkajs_group() { kafkajs group "$broker" "$@"; }
# shellcheck disable=SC2317,SC2329
aiokafka_group() { aiokafka group "$broker" "$@"; }
# shellcheck disable=SC2317,SC2329
franz_group() { "$tools/franz" group "$broker" "$@"; }
# shellcheck disable=SC2317,SC2329
java_group() {
  "$root/scripts/kafka-tool.sh" "$java_version" console-consumer --bootstrap-server "$broker" --topic "$1" \
    --group "$2" --from-beginning --max-messages "$3" --timeout-ms 60000
}
# The course's own lines: no partition and no group are named, so the tool joins a group of its own making.
# shellcheck disable=SC2317,SC2329
java_course() {
  "$root/scripts/kafka-tool.sh" "$java_version" console-consumer --bootstrap-server "$broker" --topic "$1" \
    --from-beginning --timeout-ms 5000 --property print.partition=true --property print.offset=true
}
# shellcheck disable=SC2317,SC2329
java_course_five() {
  "$root/scripts/kafka-tool.sh" "$java_version" console-consumer --bootstrap-server "$broker" --topic "$1" \
    --from-beginning --max-messages 5
}
# shellcheck disable=SC2317,SC2329
java_groups() { "$root/scripts/kafka-tool.sh" "$java_version" consumer-groups --bootstrap-server "$broker" "$@"; }

# write_parts FILE: its lines in turn to the three partitions of $topic.
write_parts() {
  local part
  for part in 0 1 2; do
    awk -v part="$part" 'NR % 3 == part' "$1" >"$work/part"
    run "$work/said" write_part "$topic" "$part" "$work/part" || problems+=("facteur could not write")
  done
}
# shellcheck disable=SC2317,SC2329
write_part() { "$facteur" produce -b "$broker" -t "$1" -p "$2" --mode idempotent -q "$3"; }

# read_in_group NAME FUNCTION GROUP FILE: it must read the lines of the file, in any order, and no others.
read_in_group() {
  local expected
  expected=$(count_of "$4")
  run "$work/read" "$2" "$topic" "$3" "$expected" || problems+=("$1 failed")
  count=$(count_of "$work/read")
  [ "$(sort "$work/read" | sha256sum)" = "$(sort "$4" | sha256sum)" ] ||
    problems+=("the $count records that $1 read are not the $expected that were expected")
}

# client_in_group CLIENT NAME
client_in_group() {
  local count='' first problems=() group
  topics=$((topics + 1))
  topic=group-$topics group=readers-$topics
  "$facteur" topics create -b "$broker" "$topic" -p 3 >/dev/null || die "topic $topic could not be created"
  records=$group_records make_lines "$topic" "$work/$topic.lines"
  records=$((group_records / 2)) make_lines "$topic-more" "$work/$topic.more"
  write_parts "$work/$topic.lines"
  read_in_group "its first run" "$1_group" "$group" "$work/$topic.lines"
  first=$count
  write_parts "$work/$topic.more"
  read_in_group "its second run" "$1_group" "$group" "$work/$topic.more"
  conclude "$2 in group $group: $first read, then $count more by a second run"
  group_names+=("$group")
}

# course_lines NAME: the two commands of the course, and what they must print.
course_lines() {
  local problems=() lines=$work/course.lines status=0 text
  topics=$((topics + 1))
  topic=course-$topics
  "$facteur" topics create -b "$broker" "$topic" -p 3 >/dev/null || die "topic $topic could not be created"
  records=10 make_lines "$topic" "$lines"
  write_parts "$lines"
  # It ends with an error of its own making when nothing came for 5 s, and has printed everything by then.
  run "$work/read" java_course "$topic" 2>/dev/null || status=$?
  sed -nE 's/^Partition:[0-2]\tOffset:[0-9]+\t//p' "$work/read" | sort >"$work/values"
  [ "$(sha256sum <"$work/values")" = "$(sort "$lines" | sha256sum)" ] || problems+=("not every record came (status $status)")
  text="$1 with the course's flags: $(count_of "$work/values") read with partition and offset"
  run "$work/read" java_course_five "$topic" || problems+=("--max-messages 5 failed")
  [ "$(count_of "$work/read")" = 5 ] || problems+=("--max-messages 5 read $(count_of "$work/read")")
  conclude "$text, then 5 of them"
}

# groups_tool NAME: kafka-consumer-groups knows every group, and none of them lags behind.
groups_tool() {
  local problems=() group lag=''
  run "$work/list" java_groups --list || problems+=("--list failed")
  for group in "${group_names[@]}"; do
    grep -qx "$group" "$work/list" || problems+=("--list does not name $group")
    run "$work/describe" java_groups --describe --group "$group" || problems+=("--describe failed")
    # GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG …
    lag=$(awk -v group="$group" '$1 == group && NF >= 6 { sum += $6; seen++ } END { print seen + 0, sum + 0 }' "$work/describe")
    [ "$lag" = "3 0" ] || problems+=("$group: partitions and lag are $lag, not 3 0")
  done
  conclude "kafka-consumer-groups of $1: ${#group_names[@]} groups listed and described, no lag"
  awk 'NF { sub(/[ \t]+$/, ""); print "    " $0 }' "$work/describe"
}
