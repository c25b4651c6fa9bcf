#!/usr/bin/env bash
# The tests against a real Apache Kafka: fetches what they need, builds them once, runs them.
#
#   scripts/test-kafka.sh [TEST-NAME-FILTER]
#
# KAFKA_VERSIONS       which of "4.4.0 3.9.2 2.8.2" (default: all); the fault tests are those of 4.4.0
# KAFKA_RECORDS        records per fault run, default 200000
# FACTEUR_KAFKA_HOME   where jars are kept, default .kafka
#
# Needs cargo, java (17 or later), mvn and kcat; as root on Debian it installs those of the last three that are missing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
die() { echo "test-kafka.sh: $*" >&2; exit 1; }

# ensure COMMAND DEBIAN-PACKAGE
ensure() {
  command -v "$1" >/dev/null 2>&1 && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "test-kafka.sh: installing $2"
    apt-get update -qq >/dev/null || die "$1 is missing, and apt-get update failed"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null || die "$1 is missing, and apt-get could not install $2"
  fi
  command -v "$1" >/dev/null 2>&1 || die "$1 is missing. Install it (Debian: apt-get install $2)."
}

command -v cargo >/dev/null 2>&1 || die "cargo is missing"
ensure java openjdk-17-jre-headless
ensure mvn maven
ensure kcat kcat

export KAFKA_VERSIONS=${KAFKA_VERSIONS:-4.4.0 3.9.2 2.8.2}
filters=("$@")
for version in $KAFKA_VERSIONS; do
  case $version in
    4.4.0 | 3.9.2 | 2.8.2) ;;
    *) die "there are no tests for version $version, only for 4.4.0, 3.9.2 and 2.8.2" ;;
  esac
  # The tests carry the version in their names.
  [ $# -gt 0 ] || filters+=("on_${version//./_}")
  scripts/kafka-jars.sh "$version" >/dev/null
  scripts/kafka-tool.sh "$version" topics --version >/dev/null
  # The tests start some forty nodes; one start and orderly end beforehand makes each of them three times cheaper.
  if [ ! -f "$(scripts/kafka-jars.sh "$version")/node.jsa" ]; then
    { KAFKA_ARCHIVE=1 scripts/kafka.sh up --version "$version" --port 19500 && scripts/kafka.sh down; } >/dev/null 2>&1 ||
      echo "test-kafka.sh: no class archive for $version; nodes start more slowly"
  fi
done

# Optimised, because 200,000 records per fault must not take longer than the faults; but without the link-time
# optimisation of a release, which costs minutes and shows nothing here.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
# What an earlier build left behind is another profile's business.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/kafka
cargo test --release --test kafka --no-run
started=$SECONDS
# Beside network namespaces, where they are permitted: some faults cut the links between nodes.
scripts/kafka-net.sh cargo test --offline --release --test kafka -- --ignored --nocapture --test-threads=1 "${filters[@]}"
echo "test-kafka.sh: passed in $((SECONDS - started)) s on: $KAFKA_VERSIONS"
