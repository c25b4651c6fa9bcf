#!/usr/bin/env bash
# Becomes one of Kafka's own command line tools, without noise on stderr.
#
#   scripts/kafka-tool.sh VERSION TOOL ARGUMENTS…
#
# TOOL: console-consumer console-producer dump-log topics configs consumer-groups get-offsets; from 4.0 on also transactions
# delete-records cluster.
#
# The tools moved between jars and packages over the years; this is the one place that knows where they are. For 4.4 they
# are those of 4.3.0, the newest that are published.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
die() { echo "kafka-tool.sh: $*" >&2; exit 1; }

[ $# -ge 2 ] || die "usage: scripts/kafka-tool.sh VERSION TOOL ARGUMENTS…"
version=$1 tool=$2
shift 2
case $version:$tool in
  2.*:console-consumer) class=kafka.tools.ConsoleConsumer ;;
  *:console-consumer) class=org.apache.kafka.tools.consumer.ConsoleConsumer ;;
  2.*:console-producer | 3.*:console-producer) class=kafka.tools.ConsoleProducer ;;
  *:console-producer) class=org.apache.kafka.tools.ConsoleProducer ;;
  2.*:dump-log | 3.*:dump-log) class=kafka.tools.DumpLogSegments ;;
  *:dump-log) class=org.apache.kafka.tools.DumpLogSegments ;;
  2.*:get-offsets) class=kafka.tools.GetOffsetShell ;;
  *:get-offsets) class=org.apache.kafka.tools.GetOffsetShell ;;
  2.*:topics) class=kafka.admin.TopicCommand ;;
  *:topics) class=org.apache.kafka.tools.TopicCommand ;;
  2.*:consumer-groups) class=kafka.admin.ConsumerGroupCommand ;;
  *:consumer-groups) class=org.apache.kafka.tools.consumer.group.ConsumerGroupCommand ;;
  *:configs) class=kafka.admin.ConfigCommand ;;
  2.*:* | 3.*:*) die "$tool of $version is not known here; 4.x is" ;;
  *:transactions) class=org.apache.kafka.tools.TransactionsCommand ;;
  *:delete-records) class=org.apache.kafka.tools.DeleteRecordsCommand ;;
  *:cluster) class=org.apache.kafka.tools.ClusterTool ;;
  *) die "unknown tool $tool" ;;
esac
[[ $version != 4.4.* ]] || version=4.3.0
jars=$("$root/scripts/kafka-jars.sh" "$version")
exec java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$jars/*" "$class" "$@"
