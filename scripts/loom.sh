#!/usr/bin/env bash
# Runs the loom models of the handle: every interleaving of a few threads over the code that ships (src/producer/models).
# Seconds each; they are no part of `cargo test`, because loom must replace std's locks in the library.
#
#   scripts/loom.sh [NAME…]      all models, or those whose name contains NAME
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# The library is the main package's source (loom/Cargo.toml); its dependencies must not disturb the main target folder.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/loom
[ $# -gt 0 ] || set -- loom_
for name in "$@"; do
  cargo test --quiet --manifest-path loom/Cargo.toml --lib "$name"
done
