#!/usr/bin/env bash
# Breaks each rule of the reliability contract in turn and wants to see it found (D-67, D-68).
#
#   scripts/mutants.sh            the whole: 20,000 seeds and nine repetitions each, marks, control; writes docs/mutants.md
#   scripts/mutants.sh --short    one repetition by seeds alone: about a minute after the build; nothing is written
#
# Needs builds of its own (--cfg facteur_mutants) in target/mutants. Exits non-zero if a mutant survives.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

short=no
case "${1:-}" in
  '') ;;
  --short) short=yes ;;
  *) sed -n '2,7p' "$0"; exit 2 ;;
esac

export RUSTFLAGS="--cfg facteur_mutants" RUSTDOCFLAGS="--cfg facteur_mutants" RUST_BACKTRACE=0
if [ "$short" = yes ]; then
  export BUDGET="${BUDGET:-20000}" REPETITIONS="${REPETITIONS:-1}" CONTROL_SEEDS="${CONTROL_SEEDS:-800}"
else
  export BUDGET="${BUDGET:-20000}" REPETITIONS="${REPETITIONS:-9}" CONTROL_SEEDS="${CONTROL_SEEDS:-24000}" MARK_SEEDS="${MARK_SEEDS:-20000}"
fi

began=$SECONDS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=no

light=target/mutants/light
# shellcheck source=scripts/light-simulation.sh
. scripts/light-simulation.sh
light_simulation "$light"

binary() { # binary ARGUMENTS OF CARGO TEST: builds a test, says where it is
  # Programs that the tests start are told of as well, in any order: they are not built as tests.
  cargo test --no-run --message-format=json "$@" 2>"$work/build" |
    sed -n '/"overflow_checks":[a-z]*,"test":true/s/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
}

echo "building"
simulation=$(CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_TARGET_DIR=$light/target binary --release --manifest-path "$light/Cargo.toml") || true
[ -x "$simulation" ] || { echo "the simulation did not build" >&2; tail -n 20 "$work/build" >&2; exit 1; }
echo "built the simulation in $((SECONDS - began)) s"

# Thirteen rules and both proofs of D-4 by seeds.
"$simulation" --exact --nocapture simulation::mutants::every_simulated_mutant_is_caught >"$work/seeds" 2>&1 || failed=yes
grep -E '^\| (K|D4)' "$work/seeds" || tail -n 20 "$work/seeds"
grep 'not caught within' "$work/seeds" || true

# Nobody is blamed without a mutant.
"$simulation" --exact --nocapture simulation::mutants::without_a_mutant_nothing_is_found >"$work/control" 2>&1 || { failed=yes; tail -n 20 "$work/control"; }

if [ "$short" = no ]; then
  # No rare branch is left out.
  "$simulation" --exact --nocapture simulation::mutants::every_mark_is_hit >"$work/marks" 2>&1 || { failed=yes; grep 'has hit' "$work/marks" || tail -n 20 "$work/marks"; }

  export CARGO_TARGET_DIR=target/mutants
  conformance=$(binary --test conformance) || true
  integration=$(binary --test integration) || true
  for built in "$conformance" "$integration"; do [ -x "$built" ] || { echo "a test did not build" >&2; tail -n 20 "$work/build" >&2; exit 1; }; done
  echo "built everything in $((SECONDS - began)) s"

  # Three in the tests that D-68 names. Each must pass without its mutant and fail under it.
  named() { # named MUTANT BINARY TEST
    local without=passes under=fails
    "$2" --exact "$3" >"$work/out" 2>&1 || without=fails
    grep -q '1 passed\|1 failed' "$work/out" || without="is not there"
    if FACTEUR_MUTANT=$1 "$2" --exact "$3" >"$work/out" 2>&1; then under=passes; fi
    local verdict=caught
    if [ "$without" != passes ] || [ "$under" != fails ]; then verdict="**without it the test $without, under it the test $under**"; failed=yes; fi
    echo "| $1 | \`$3\` | $verdict | passes without it, fails under it | | | |" | tee -a "$work/named"
  }
  named K11 "$integration" integration::threads::k11_an_overdue_request_takes_its_connection_with_it
  named K13 "$integration" integration::threads::k13_a_callback_that_waits_holds_nobody_up

  # K14 is shown by what must not compile, and by what is dropped last.
  drop_test=conformance::expiry::e15_the_bytes_of_an_expired_batch_stay_intact_under_the_socket
  verdict="caught: it does not compile"
  cargo test --doc Segment::freeze >"$work/out" 2>&1 || verdict="**the doctests fail**"
  [ "$(grep -c 'Segment::freeze.*compile fail ... ok' "$work/out")" = 3 ] || verdict="**three doctests must not compile**"
  { "$conformance" --exact "$drop_test" >"$work/out" 2>&1 && grep -q '1 passed' "$work/out"; } || verdict="**$drop_test fails**"
  case $verdict in '**'*) failed=yes ;; esac
  echo "| K14 | types: the doctests of \`Segment::freeze\`, and \`$drop_test\` | $verdict | three doctests that must not compile | | | |" | tee -a "$work/named"

  # The scenarios that notice as well: fast and without luck.
  for mutant in K1 K2 K3 K4 K5 K6 K7 K8 K9 K10 K12 K15 K16 D4Present D4Absent; do
    FACTEUR_MUTANT=$mutant timeout 120 "$conformance" conformance:: --skip soak --skip handle >"$work/out" 2>&1 || true
    # shellcheck disable=SC2016 # backticks for the page, not a command
    tests=$(sed -n 's/^test conformance::\([a-z0-9_:]*\) \.\.\. FAILED/`\1`/p' "$work/out" | sort)
    [ -n "$tests" ] || { failed=yes; tests="**none**"; }
    echo "| $mutant | $(grep -c . <<<"$tests") | $(head -n 3 <<<"$tests" | paste -sd' ') |" | tee -a "$work/scenarios"
  done

  {
    echo "# Mutants"
    echo
    echo "Written by \`scripts/mutants.sh\`; do not edit. Each rule K1-K16 and both proofs of D-4 is broken by a switch"
    echo "(\`--cfg facteur_mutants\`, [\`src/mutants.rs\`](../src/mutants.rs) says how), and something must complain. Seeds are those of"
    echo "the simulation until the first that complains and does not without the mutant: the least, the median and the most of"
    echo "$REPETITIONS repetitions from different places of the seed space, at most $BUDGET seeds each. Behind each check: in how many"
    echo "repetitions the seed broke it."
    echo
    echo "| mutant | venue | verdict | checks that complained | least | median | most |"
    echo "|---|---|---|---|---|---|---|"
    { grep -E '^\| (K|D4)' "$work/seeds"; cat "$work/named"; } | sort -V
    echo
    echo "Under no mutant $CONTROL_SEEDS seeds of the same build complained of nothing."
    echo
    echo "Q10 and Q11 are asked at the producer's socket, of frames and answers alone (\`tests/oracle/checks/wire.rs\`): exactly what"
    echo "K5, K6, K8 and K15 say. \`.ci/run mutants\` runs the short form, one repetition."
    echo
    echo "## Scenarios that notice as well"
    echo
    echo "Named tests of \`tests/conformance\` that fail under the mutant (the first three):"
    echo
    echo "| mutant | scenarios | such as |"
    echo "|---|---|---|"
    cat "$work/scenarios"
    echo
    echo "## Rare branches"
    echo
    echo "Marks in the engine, and how many of $MARK_SEEDS seeds took that branch."
    echo
    echo "| mark | seeds | or by scenario |"
    echo "|---|---|---|"
    grep -E '^\| [A-Z]' "$work/marks"
  } >docs/mutants.md
  echo "docs/mutants.md is written"
fi
echo "took $((SECONDS - began)) s"
[ "$failed" = no ] || { echo "a mutant survived, or a check cannot be trusted"; exit 1; }
