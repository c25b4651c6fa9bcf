#!/usr/bin/env bash
# To be sourced: the simulation in a package of its own. The test target would bring every development dependency, in release.
#
#   light_simulation DIRECTORY    writes the package there; run from the root of the repository

light_simulation() {
  local here=$PWD
  mkdir -p "$1/src"
  cp Cargo.lock "$1/Cargo.lock"
  cat >"$1/Cargo.toml" <<MANIFEST
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

[workspace]
MANIFEST
  cat >"$1/src/main.rs" <<MAIN
#![allow(dead_code, unused_imports)]
#[path = "$here/tests/oracle/mod.rs"]
mod oracle;
#[path = "$here/tests/simulation/mod.rs"]
mod simulation;

fn main() {
    std::process::exit(i32::from(simulation::command::run(0..100) > 0));
}
MAIN
}
