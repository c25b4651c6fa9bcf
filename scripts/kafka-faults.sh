#!/usr/bin/env bash
# Many faults of all kinds on three real Kafka nodes (4.4.0) under load, and the oracle's verdict: the long form of the
# storm that scripts/test-kafka.sh has in short.
#
#   scripts/kafka-faults.sh
#
# RECORDS   at least so many records, default 1000000       FAULTS   so many incidents, default 50
# SEED      which faults, where, how long; default 1        COMBO    all (default), none, pause, kill, partition,
# BURST     records per millisecond, default 3                       latency, wire or disk
# DELIVERY_TIMEOUT_MS=4000 lets faults outlast records (default 120000): some are then rejected or unknown, and counted.
# IDEMPOTENCE=false is the control: the same faults then repeat records, the verdict says so, and the run fails.
#
# Kinds: kill -9, SIGSTOP, orderly restart, moved leaders, two followers stopped, min.insync.replicas broken, a full disk,
# ten of the injector's, and five ways to cut links between nodes or to the client. What this machine does not permit is
# skipped by name (links need root and network namespaces, the full disk needs mount). Ends with an error on any breach.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
for command in cargo java kcat; do
  command -v "$command" >/dev/null 2>&1 || { echo "kafka-faults.sh: $command is missing; scripts/test-kafka.sh installs what it can" >&2; exit 1; }
done
scripts/kafka-jars.sh 4.4.0 >/dev/null

# The build of scripts/test-kafka.sh.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/kafka
cargo test --release --test kafka --no-run
scripts/kafka-net.sh cargo test --offline --release --test kafka -- --ignored --nocapture --exact \
  storm::nothing_is_lost_repeated_or_reordered_in_a_long_storm
