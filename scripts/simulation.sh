#!/usr/bin/env bash
# Runs seeds of the simulation, each twice and compared, on all cores: for millions of them (docs/simulation.md).
#
#   scripts/simulation.sh 0..5000000      THREADS=n, FAILURES=n, SEED=n TRACE=1 and the like as in tests/simulation.rs
#   scripts/simulation.sh                 what the environment asks for, by default a hundred seeds
#
# The same sources as the test target, in a package of their own: without the development dependencies it builds in a minute or
# two, in one piece, which runs a tenth faster; and again with a profile of itself, which gains another tenth (PGO=0: not so).
# Exits non-zero if a promise was broken.
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
build() { # directory flags
  RUSTFLAGS="${RUSTFLAGS:-} ${2:-}" \
    cargo build --quiet --release --manifest-path "$light/Cargo.toml" --target-dir "$light/$1"
}

profdata=$(find "$(rustc --print sysroot)" -name llvm-profdata -print -quit)
began=$SECONDS
if [[ ${PGO:-1} == 1 && -n $profdata ]]; then
  rm -rf "$light/profile"
  build instrumented "-Cprofile-generate=$PWD/$light/profile"
  # Seeds that no row of a record begins with.
  SEEDS=4000000000..4000001500 FAILURES=1500 "$light/instrumented/release/simulation" >/dev/null || true
  "$profdata" merge -o "$light/profile.profdata" "$light/profile"
  build profiled "-Cprofile-use=$PWD/$light/profile.profdata"
  built=profiled
else
  [[ ${PGO:-1} == 0 ]] || echo "no llvm-profdata (rustup component add llvm-tools): built without a profile"
  build target
  built=target
fi
echo "built in $((SECONDS - began)) s"
export CARGO_MANIFEST_DIR=$PWD
exec "$light/$built/release/simulation"
