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

here=$PWD
light=target/simulation/light
mkdir -p "$light/src"
cp Cargo.lock "$light/Cargo.lock"
cat >"$light/Cargo.toml" <<MANIFEST
[package]
name = "simulation"
version = "0.0.0"
edition = "2024"
publish = false

[dependencies]
facteur = { path = "$here", features = ["broker"] }
bytes = "1"
crc32c = "0.6"

[lints.rust]
unexpected_cfgs = "allow"

[profile.release]
lto = "fat"
codegen-units = 1

[workspace]
MANIFEST
cat >"$light/src/main.rs" <<MAIN
#![allow(dead_code, unused_imports)]
#[path = "$here/tests/oracle/mod.rs"]
mod oracle;
#[path = "$here/tests/simulation/mod.rs"]
mod simulation;

fn main() {
    std::process::exit(i32::from(simulation::command::run(0..100) > 0));
}
MAIN

began=$SECONDS
cargo build --quiet --release --manifest-path "$light/Cargo.toml" --target-dir "$light/target"
echo "built in $((SECONDS - began)) s"
export CARGO_MANIFEST_DIR=$here
exec "$light/target/release/simulation"
