#!/usr/bin/env bash
# Breaks each rule of the reliability contract in turn and wants to see it found (D-67, D-68).
#
#   scripts/mutants.sh            the whole: 20,000 seeds each, marks, control; writes docs/mutants.md
#   scripts/mutants.sh --short    a small budget and one repetition: nothing is written
#
# Needs a build of its own (--cfg facteur_mutants) in target/mutants. Exits non-zero if a mutant survives.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

short=no
case "${1:-}" in
  '') ;;
  --short) short=yes ;;
  *) sed -n '2,7p' "$0"; exit 2 ;;
esac

export CARGO_TARGET_DIR=target/mutants RUSTFLAGS="--cfg facteur_mutants"
# Neither link-time optimisation nor few units: what is built here is thrown away, and the build is most of the time.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16

if [ "$short" = yes ]; then
  export BUDGET="${BUDGET:-5000}" REPETITIONS="${REPETITIONS:-1}" MARK_SEEDS="${MARK_SEEDS:-1500}" CONTROL_SEEDS="${CONTROL_SEEDS:-400}"
else
  export BUDGET="${BUDGET:-20000}" REPETITIONS="${REPETITIONS:-9}" MARK_SEEDS="${MARK_SEEDS:-5000}" CONTROL_SEEDS="${CONTROL_SEEDS:-8000}"
fi

began=$SECONDS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=no

binary() { # binary TEST: builds it, says where it is
  cargo test --release --no-run --message-format=json --test "$1" 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
}

echo "building"
simulation=$(binary simulation)
conformance=$(binary conformance)
integration=$(binary integration)
for built in "$simulation" "$conformance" "$integration"; do [ -x "$built" ] || { echo "a test did not build" >&2; exit 1; }; done
echo "built in $((SECONDS - began)) s"

# Thirteen rules and both proofs of D-4 by seeds.
"$simulation" --exact --nocapture simulation::mutants::every_simulated_mutant_is_caught >"$work/seeds" 2>&1 || failed=yes
grep -E '^\| (K|D4)' "$work/seeds" || true
grep 'not caught within' "$work/seeds" || true

# Three in the tests that D-68 names. Each must pass without its mutant and fail under it.
named() { # named MUTANT BINARY TEST
  local without=passes under=fails
  "$2" --exact "$3" >"$work/out" 2>&1 || without=fails
  grep -q '1 passed\|1 failed' "$work/out" || without="is not there"
  if FACTEUR_MUTANT=$1 "$2" --exact "$3" >"$work/out" 2>&1; then under=passes; fi
  local verdict=caught
  if [ "$without" != passes ] || [ "$under" != fails ]; then verdict="**without it the test $without, under it the test $under**"; failed=yes; fi
  echo "| $1 | \`$3\` | $verdict | - | - | - |" | tee -a "$work/named"
}
named K11 "$integration" integration::threads::k11_an_overdue_request_takes_its_connection_with_it
named K13 "$integration" integration::threads::k13_a_callback_that_waits_holds_nobody_up
drop_test=conformance::expiry::e15_the_bytes_of_an_expired_batch_stay_intact_under_the_socket
"$conformance" --exact "$drop_test" >"$work/out" 2>&1 && grep -q '1 passed' "$work/out" || failed=yes
echo "| K14 | types, and \`$drop_test\` | cannot be written in safe code | - | - | - |" | tee -a "$work/named"

# The scenarios that notice as well: fast and without luck.
for mutant in K1 K2 K3 K4 K5 K6 K7 K8 K9 K10 K12 K15 K16 D4Present D4Absent; do
  FACTEUR_MUTANT=$mutant timeout 120 "$conformance" conformance:: --skip soak --skip handle >"$work/out" 2>&1 || true
  # shellcheck disable=SC2016 # backticks for the page, not a command
  tests=$(sed -n 's/^test conformance::\([a-z0-9_:]*\) \.\.\. FAILED/`\1`/p' "$work/out" | sort)
  [ -n "$tests" ] || { failed=yes; tests="**none**"; }
  echo "| $mutant | $(grep -c . <<<"$tests") | $(head -n 3 <<<"$tests" | paste -sd' ') |" | tee -a "$work/scenarios"
done

# Nobody is blamed without a mutant, and no rare branch is left out.
"$simulation" --exact --nocapture simulation::mutants::without_a_mutant_nothing_is_found >"$work/control" 2>&1 || { failed=yes; tail -n 20 "$work/control"; }
"$simulation" --exact --nocapture simulation::mutants::every_mark_is_hit >"$work/marks" 2>&1 || { failed=yes; grep 'has hit' "$work/marks"; }

if [ "$short" = no ]; then
  {
    echo "# Mutants"
    echo
    echo "Written by \`scripts/mutants.sh\`; do not edit. Each rule K1-K16 and both proofs of D-4 is broken by a switch"
    echo "(\`--cfg facteur_mutants\`, [\`src/mutants.rs\`](../src/mutants.rs) says how), and something must complain. Seeds are those of"
    echo "the simulation until the first breach; $REPETITIONS repetitions from different places of the seed space, at most $BUDGET seeds each."
    echo
    echo "| mutant | venue | verdict | checks that complained, most often first | median seeds | most seeds |"
    echo "|---|---|---|---|---|---|"
    { grep -E '^\| (K|D4)' "$work/seeds"; cat "$work/named"; } | sort -V
    echo
    echo "Under no mutant $CONTROL_SEEDS seeds of the same build complained of nothing."
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
