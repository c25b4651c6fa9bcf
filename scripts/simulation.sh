#!/usr/bin/env bash
# Runs seeds of the simulation, each twice and compared, on all cores: for millions of them (docs/simulation.md).
#
#   scripts/simulation.sh 0..5000000      THREADS=n, FAILURES=n, SEED=n TRACE=1 and the like as in tests/simulation.rs
#   scripts/simulation.sh                 what the environment asks for, by default a hundred seeds
#
# The same sources as the test target, in a package of their own: without the development dependencies it builds in a minute or
# two, in one piece, which runs a tenth faster. Exits non-zero if a promise was broken.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in
  '') ;;
  *..*) export SEEDS=$1 ;;
  *) sed -n '2,8p' "$0"; exit 2 ;;
esac

light=target/simulation/light
# shellcheck source=scripts/light-simulation.sh
. scripts/light-simulation.sh
light_simulation "$light"

# In one piece: a tenth more seeds per second.
export CARGO_PROFILE_RELEASE_LTO=fat CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1
began=$SECONDS
cargo build --quiet --release --manifest-path "$light/Cargo.toml" --target-dir "$light/target"
echo "built in $((SECONDS - began)) s"
export CARGO_MANIFEST_DIR=$PWD
exec "$light/target/release/simulation"
