# Sourced by scripts/toxiproxy.sh: every verb of `facteur chaos` against a real Toxiproxy server.
#
# Each line is a command, the exit code it must have, a regular expression for what it prints, and where it changes
# something a Python expression for the state of the real server afterwards, which it knows as p.
# shellcheck shell=bash

# ours_on_theirs NAME EXIT PATTERN STATE ARGUMENTS…
# shellcheck disable=SC2154  # theirs, passed and failed are toxiproxy.sh's
ours_on_theirs() {
  local name=$1 wanted=$2 pattern=$3 expression=$4 status=0 output wrong=''
  shift 4
  output=$("$FACTEUR_BIN" chaos --url "$theirs" "$@" 2>&1) || status=$?
  [ "$status" = "$wanted" ] || wrong="exit $status (wanted $wanted)"
  grep -Eq -- "$pattern" <<<"$output" || wrong="$wrong wanted /$pattern/"
  curl -fsS "$theirs/proxies" |
    python3 -c "import json, sys; p = json.load(sys.stdin); sys.exit(not ($expression))" || wrong="$wrong state: $expression"
  if [ -z "$wrong" ]; then
    echo "facteur chaos: $name"
    passed=$((passed + 1))
  else
    echo "FAILED facteur chaos: $name: $wrong in: $output; $(curl -sS "$theirs/proxies")"
    failed=$((failed + 1))
  fi
}

names='[t["name"] for t in p["k"]["toxics"]]'
ours_on_theirs 'list of nothing' 0 '^no proxies' 'p == {}' list
ours_on_theirs 'create' 0 '^created proxy k: 127\.0\.0\.1:[1-9][0-9]* -> 127\.0\.0\.1:6379$' 'p["k"]["enabled"]' create k -l 127.0.0.1:0 -u 127.0.0.1:6379
ours_on_theirs 'create twice' 1 '409 .*proxy already exists' 'len(p) == 1' create k -u 127.0.0.1:1
ours_on_theirs 'create disabled' 0 'disabled' 'not p["off"]["enabled"]' create off -u 127.0.0.1:1 --disabled
ours_on_theirs 'list' 0 '^k +127\.0\.0\.1:[0-9]+ +127\.0\.0\.1:6379 +yes +0$' 'len(p) == 2' list
ours_on_theirs 'list --json' 0 '^\{.*"upstream":"127\.0\.0\.1:6379"' 'len(p) == 2' list --json
ours_on_theirs 'latency' 0 'latency=5000' 'p["k"]["toxics"][0]["attributes"] == {"latency": 5000, "jitter": 10}' latency 5000 --jitter 10 --proxy k
ours_on_theirs 'latency twice' 1 '409 .*toxic already exists' 'len(p["k"]["toxics"]) == 1' latency 1 --proxy k
ours_on_theirs 'add' 0 'stream=upstream toxicity=0\.50' 'p["k"]["toxics"][0]["toxicity"] == 0.5' add k -t bandwidth -n slow -a rate=100 --upstream --toxicity 0.5
ours_on_theirs 'add of no known type' 1 '400 .*invalid toxic type' "$names == ['slow', 'latency_downstream']" add k -t lateness
ours_on_theirs 'update' 0 'latency=7' 'p["k"]["toxics"][1]["attributes"] == {"latency": 7, "jitter": 10}' update k latency_downstream -a latency=7
ours_on_theirs 'update of the toxicity' 0 'toxicity=0\.25' 'p["k"]["toxics"][1]["toxicity"] == 0.25' update k latency_downstream --toxicity 0.25
ours_on_theirs 'inspect' 0 'latency_downstream: type=latency stream=downstream toxicity=0\.25' 'True' inspect k
ours_on_theirs 'rm' 0 'removed slow' "$names == ['latency_downstream']" rm k slow
ours_on_theirs 'rm twice' 1 '404 .*toxic not found' "$names == ['latency_downstream']" rm k slow
ours_on_theirs 'toggle off' 0 'now disabled' 'not p["k"]["enabled"] and len(p["k"]["toxics"]) == 1' toggle k
ours_on_theirs 'toggle on' 0 'now enabled' 'p["k"]["enabled"]' toggle k
ours_on_theirs 'crash-broker' 0 'down' 'not p["k"]["enabled"]' crash-broker -p k
ours_on_theirs 'crash-broker --heal' 0 'up again' 'p["k"]["enabled"]' crash-broker -p k --heal
ours_on_theirs 'crash-broker --for' 0 'up again' 'p["k"]["enabled"]' crash-broker -p k --for 50
ours_on_theirs 'partition' 0 'cut' "$names == ['partition_upstream', 'latency_downstream', 'partition_downstream']" partition -p k
ours_on_theirs 'partition --heal' 0 'whole again' "$names == ['latency_downstream']" partition -p k --heal
ours_on_theirs 'drop-response, which it lacks' 1 'those for Kafka need' "$names == ['latency_downstream']" drop-response -p k
ours_on_theirs 'error-response, which it lacks' 1 'those for Kafka need' "$names == ['latency_downstream']" error-response -p k --code 6
ours_on_theirs 'reset' 0 'every toxic removed' 'p["off"]["enabled"] and p["k"]["toxics"] == []' reset
ours_on_theirs 'delete' 0 'deleted proxy off' 'p == {}' delete k off
ours_on_theirs 'delete twice' 1 '404 .*proxy not found' 'p == {}' delete k
ours_on_theirs 'test-all' 0 '^9 of 9 faults work; 6 are not there$' 'p == {}' test-all
