#!/usr/bin/env bash
# Endurance: producer, façade, injector and broker under faults for an hour; then everything they hold must be back.
#
#   scripts/soak.sh [--minutes N] [--dev]      60 minutes unless told otherwise; --dev takes the debug build
#
# Prints resident memory, open files, threads, tasks, buffer, permits: before, at the peak, and after. Exit code 1 if
# anything did not come back, or a record has no outcome. One minute more passes before and after the faults.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
minutes=60 profile=--release
while [ $# -gt 0 ]; do
  case $1 in
    --minutes) [ $# -ge 2 ] || { echo "soak.sh: --minutes needs a number" >&2; exit 2; }; minutes=$2; shift 2 ;;
    --dev) profile=''; shift ;;
    *) echo "soak.sh: unknown option $1" >&2; exit 2 ;;
  esac
done
[[ $minutes =~ ^[1-9][0-9]*$ ]] || { echo "soak.sh: --minutes needs a whole number" >&2; exit 2; }
exec nice -n 10 cargo run --quiet ${profile:+"$profile"} --features lab --example soak -- --minutes "$minutes"
