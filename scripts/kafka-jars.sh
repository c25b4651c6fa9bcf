#!/usr/bin/env bash
# Fetches the jars of Apache Kafka VERSION from Maven Central, once, and prints the directory that holds them.
#
#   scripts/kafka-jars.sh VERSION        tried: 4.4.0, 3.9.2, 2.8.2
#
# They are kept under .kafka/jars/VERSION (FACTEUR_KAFKA_HOME moves .kafka). Needs mvn and a Java of 17 or later.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=${FACTEUR_KAFKA_HOME:-$root/.kafka}

die() { echo "kafka-jars.sh: $*" >&2; exit 1; }

[ $# -eq 1 ] || die "usage: scripts/kafka-jars.sh VERSION (4.4.0, 3.9.2 or 2.8.2 were tried)"
version=$1
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || die "'$version' is not a version such as 4.4.0"
jars=$home/jars/$version

command -v java >/dev/null 2>&1 || die "java is missing. Install a Java of 17 or later (Debian: apt-get install openjdk-17-jre-headless)."
if [ -f "$jars/.complete" ]; then
  echo "$jars"
  exit 0
fi

command -v mvn >/dev/null 2>&1 || die "mvn is missing, and Kafka's jars are fetched with it. Install Maven (Debian: apt-get install maven)."

# The tools have a jar of their own since 3.x. The newest one published, 4.3.0, does not run on the classes of 4.4.0, so
# that version gets none and kafka-tool.sh takes the tools of 4.3.0.
case $version in
  2.* | 4.4.*) tools=() ;;
  *) tools=(-Dtools.version="$version") ;;
esac

echo "kafka-jars.sh: fetching Apache Kafka $version into $jars" >&2
partial=$jars.partial
rm -rf "$partial"
mkdir -p "$partial"
log=$home/jars/$version.log
if ! mvn -q -B -f "$root/scripts/kafka-pom.xml" -Dkafka.version="$version" ${tools[@]+"${tools[@]}"} \
  dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$partial" >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  rm -rf "$partial"
  die "mvn could not fetch Apache Kafka $version; its output is in $log"
fi
ls "$partial"/kafka_2.13-*.jar >/dev/null 2>&1 || die "mvn ended well but brought no kafka_2.13 jar; see $log"
touch "$partial/.complete"
rm -rf "$jars"
mv "$partial" "$jars"
echo "$jars"
