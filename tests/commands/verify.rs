//! `facteur verify`: what it proves, what it finds, and that the same seed is the same run.

use facteur::ErrorCode;
use facteur::broker::{Fault, FaultAction};
use serde_json::Value;

use crate::binary::{code, facteur, run, stderr, stdout};
use crate::broker::{InProcess, TOPIC, program};

/// Fast enough for a test, slow enough that faults find requests.
const QUICK: [&str; 4] = ["--num-records", "600", "--throughput", "1000"];

fn lines(said: &str) -> Vec<Value> {
    said.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn sum(report: &Value, member: &str) -> u64 {
    let of = |one: &Value| one[member]["count"].as_u64().or_else(|| one[member].as_u64()).unwrap();
    report["partitions"].as_array().unwrap().iter().map(of).sum()
}

// The promise itself: under lost answers, late ones, closed connections and refusals every record is there once and in
// order. Each acknowledgement is a line of VerifiableProducer's shape; the last line is the report, with its seed.
#[test]
fn an_idempotent_producer_keeps_its_promise_under_faults() {
    let verified = run(&[&["verify", "--seed", "42", "--json"], &QUICK[..]].concat());

    assert_eq!(code(&verified), 0, "{}", stderr(&verified));
    let lines = lines(&stdout(&verified));
    let named = |name: &str| lines.iter().filter(|line| line["name"] == name).count();
    assert_eq!((named("producer_send_success"), named("producer_send_error")), (600, 0));
    assert_eq!((named("startup_complete"), named("shutdown_complete"), named("tool_data")), (1, 1, 1));
    let ack = lines.iter().find(|line| line["name"] == "producer_send_success").unwrap();
    assert!(ack["offset"].is_i64() && ack["partition"].is_i64() && ack["key"].is_null(), "{ack}");
    let report = lines.last().unwrap();
    assert_eq!(
        (&report["name"], &report["ok"], &report["seed"]),
        (&"verify_report".into(), &true.into(), &42.into())
    );
    for member in ["lost", "duplicated", "reordered", "misplaced", "phantom", "foreign"] {
        assert_eq!(sum(report, member), 0, "{member}: {report}");
    }
    assert_eq!((sum(report, "acknowledged"), sum(report, "inLog")), (600, 600));
    let fired = report["faults"].as_array().unwrap().iter().filter(|fault| fault["fired"] == true).count();
    assert!(fired >= 4, "the faults must have met requests: {report}");
}

// A plain producer under lost answers stores copies: they are counted, and its promise (nothing lost) holds. The same seed
// draws the same faults again.
#[test]
fn a_plain_producers_duplicates_are_counted_and_a_seed_repeats() {
    let verify = || {
        let lost = ["--mode", "plain", "--kinds", "drop-response", "--faults", "3", "--seed", "9", "--json"];
        let verified = run(&[&["verify"], &lost[..], &QUICK[..]].concat());
        assert_eq!(code(&verified), 0, "{}", stderr(&verified));
        lines(&stdout(&verified)).pop().unwrap()
    };

    let (first, second) = (verify(), verify());

    assert!(sum(&first, "duplicated") > 0 && sum(&first, "lost") == 0, "{first}");
    assert_eq!(sum(&first, "inLog"), 600 + sum(&first, "duplicated"));
    let schedule = |report: &Value| -> Vec<Value> {
        report["faults"].as_array().unwrap().iter().map(|fault| fault["fault"].clone()).collect()
    };
    assert_eq!(schedule(&first), schedule(&second));
    assert_eq!(schedule(&first).len(), 3);
}

// An audit that never fails audits nothing: a broker that stores a record and says INVALID_REQUEST makes the producer say
// "certainly not stored", which is untrue, and verify must say so and end with 1.
#[test]
fn a_broker_that_lies_is_found() {
    let lie = FaultAction::AnswerErrorAfterProcessing(ErrorCode(42));
    let broker = InProcess::with_fault(1, Fault::new(0, lie).after(3));

    let arguments = ["verify", "-b", &broker.address, "-t", TOPIC, "--mode", "plain"];
    let verified = run(&[&arguments[..], &QUICK[..]].concat());

    assert_eq!(code(&verified), 1, "{}{}", stdout(&verified), stderr(&verified));
    let last = stdout(&verified).lines().last().unwrap().to_owned();
    assert!(
        last.starts_with("BROKEN: partition 0: ") && last.contains("stored although said rejected"),
        "{last}"
    );
}

// A run in which nothing was acknowledged proves nothing, and must not look like a success.
#[test]
fn a_run_without_an_acknowledgement_verifies_nothing() {
    let refusing = Fault::new(0, FaultAction::AnswerError(ErrorCode::NOT_ENOUGH_REPLICAS)).count(u32::MAX);
    let broker = InProcess::with_fault(1, refusing);
    let times = ["-X", "delivery.timeout.ms=600", "-X", "request.timeout.ms=300"];

    let arguments = ["verify", "-b", &broker.address, "-t", TOPIC, "--num-records", "20"];
    let verified = run(&[&arguments[..], &times].concat());

    assert_eq!(code(&verified), 4, "{}{}", stdout(&verified), stderr(&verified));
    assert!(
        stdout(&verified).ends_with("NOTHING VERIFIED: no record was acknowledged\n"),
        "{}",
        stdout(&verified)
    );
}

// Records that were there before, another run's among them, are not this run's: only what is new is audited.
#[test]
fn older_records_are_left_out() {
    let (_broker, address) = program();
    let arguments =
        ["verify", "-b", &address, "-t", TOPIC, "--num-records", "90", "--throughput", "100000", "--json"];

    let first = run(&arguments);
    let second = run(&arguments);

    assert_eq!((code(&first), code(&second)), (0, 0), "{}", stderr(&second));
    let report = lines(&stdout(&second)).pop().unwrap();
    assert_eq!((sum(&report, "sent"), sum(&report, "inLog"), sum(&report, "foreign")), (90, 90, 0));
}

// Ctrl-C in the middle: what was sent is awaited and audited; the report says that it is not the whole.
#[cfg(unix)]
#[test]
fn a_signal_ends_in_an_audit_of_what_was_sent() {
    use std::io::{BufRead, BufReader};
    let mut command =
        facteur(&["verify", "--json", "--num-records", "50000", "--throughput", "200", "--faults", "0"]);
    let mut child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The start line and an acknowledgement: it is sending.
    let begun: Vec<String> = lines.by_ref().take(2).collect();

    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let report: Value = serde_json::from_str(&lines.last().unwrap()).unwrap();

    assert_eq!(child.wait().unwrap().code(), Some(0), "{report}");
    assert!(begun[1].contains("producer_send_success"), "{begun:?}");
    assert_eq!((&report["ok"], &report["complete"]), (&true.into(), &false.into()));
    assert!(sum(&report, "sent") > 0 && sum(&report, "sent") < 50_000, "{report}");
    assert_eq!(sum(&report, "sent"), sum(&report, "inLog"));
}

// Each mistake is named, with the code of the help, and nothing is sent.
#[test]
fn mistakes_of_verify_are_named() {
    let cases: &[(&[&str], i32, &str)] = &[
        (&["--chaos", "http://127.0.0.1:1"], 2, "--bootstrap-server"),
        (&["--kinds", "duplicate-request"], 2, "--chaos"),
        (&["--kinds", "earthquake"], 2, "earthquake"),
        (&["--num-records", "0"], 2, "num-records"),
        (&["--num-records", "50001"], 2, "50000"),
        (&["-X", "lingerms=5"], 2, "lingerms"),
        (&["-b", "127.0.0.1:1"], 3, "127.0.0.1:1"),
        (&["-b", "127.0.0.1:1", "--chaos", "http://127.0.0.1:1"], 3, "injector"),
    ];
    for (arguments, expected, word) in cases {
        let output = run(&[&["verify"], *arguments].concat());
        assert_eq!(code(&output), *expected, "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(word), "{arguments:?} does not say {word}: {}", stderr(&output));
        assert!(stdout(&output).is_empty(), "{arguments:?}: {}", stdout(&output));
    }
}

// In front of a Kafka that is not ours only an injector can make faults: they are armed over its admin API, find this
// producer's requests and no others, and none stays behind. The log is read past the injector.
#[test]
fn faults_come_from_an_injector_in_front_of_any_kafka() {
    let (_broker, kafka) = program();
    let proxy = format!("kafka=0={kafka}");
    let injector = crate::binary::Running::start(facteur(&[
        "chaos", "serve", "--port", "0", "--json", "--proxy", &proxy,
    ]));
    let admin = injector.first["toxiproxy"].as_str().unwrap();
    let through = injector.first["proxies"][0]["listen"].as_str().unwrap();
    let place = ["-b", through, "--chaos", admin, "--audit-bootstrap", &kafka, "-t", TOPIC];

    let idempotent = ["verify", "--seed", "5", "--faults", "10", "--json"];
    let kept = run(&[&idempotent[..], &place, &QUICK].concat());
    let plain = [
        "verify",
        "--mode",
        "plain",
        "--kinds",
        "drop-response,duplicate-request",
        "--faults",
        "4",
        "--json",
    ];
    let copied = run(&[&plain[..], &place, &QUICK].concat());
    let toxics = run(&["chaos", "--url", admin, "inspect", "kafka", "--json"]);

    assert_eq!((code(&kept), code(&copied)), (0, 0), "{}{}", stderr(&kept), stderr(&copied));
    let report = lines(&stdout(&kept)).pop().unwrap();
    let fired = report["faults"].as_array().unwrap().iter().filter(|fault| fault["fired"] == true).count();
    assert!(fired >= 5, "{report}");
    assert_eq!((sum(&report, "acknowledged"), sum(&report, "inLog")), (600, 600), "{report}");
    let report = lines(&stdout(&copied)).pop().unwrap();
    assert!(sum(&report, "duplicated") > 0 && sum(&report, "lost") == 0, "{report}");
    let left: Value = serde_json::from_slice(&toxics.stdout).unwrap();
    assert_eq!(left["toxics"], serde_json::json!([]), "{left}");
}

// Right after a topic was created a real Kafka names a leader that does not know it yet, and answers ListOffsets with
// NOT_LEADER_OR_FOLLOWER (seen with 4.4.0): the run waits a moment instead of ending.
#[test]
fn a_leader_that_does_not_know_it_yet_is_asked_again() {
    let not_yet = Fault::new(2, FaultAction::AnswerError(ErrorCode::NOT_LEADER_OR_FOLLOWER)).count(2);
    let broker = InProcess::with_fault(1, not_yet);

    let verified = run(&["verify", "-b", &broker.address, "-t", TOPIC, "--num-records", "10"]);

    assert_eq!(code(&verified), 0, "{}", stderr(&verified));
}
