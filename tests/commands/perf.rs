//! `facteur perf`: Kafka's flags, Kafka's last line, and no record in a figure that was not acknowledged.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use facteur::ErrorCode;
use facteur::broker::{Fault, FaultAction};

use crate::binary::{code, facteur, run, stderr, stdout};
use crate::broker::{InProcess, TOPIC, program};

/// The words of Kafka's last line; what stands before each is a number.
const WORDS: [&str; 9] = [
    " records sent, ",
    " records/sec (",
    " MB/sec), ",
    " ms avg latency, ",
    " ms max latency, ",
    " ms 50th, ",
    " ms 95th, ",
    " ms 99th, ",
    " ms 99.9th.",
];

/// The nine numbers of a last line.
fn numbers(line: &str) -> Vec<f64> {
    let mut rest = line;
    let mut found = Vec::new();
    for word in WORDS {
        let (number, behind) = rest.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {line:?}"));
        found.push(number.parse().unwrap_or_else(|_| panic!("{number:?} in {line:?} is no number")));
        rest = behind;
    }
    assert_eq!(rest, "", "{line:?}");
    found
}

// The command that people paste from Kafka's documentation, flags unchanged: the last line must be cut by their scripts
// as before, and the records must be in the log.
#[test]
fn kafkas_own_flags_work_and_the_last_line_is_kafkas() {
    let (_broker, address) = program();
    let properties = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("perf.properties");
    std::fs::write(&properties, "linger.ms=1\n").unwrap();
    let servers = format!("bootstrap.servers={address}");

    let measured = run(&[
        "perf",
        "--topic",
        TOPIC,
        "--num-records",
        "2000",
        "--record-size",
        "64",
        "--throughput",
        "-1",
        "--producer.config",
        properties.to_str().unwrap(),
        "--producer-props",
        &servers,
        "acks=all",
        "--warmup-records",
        "500",
        "--print-metrics",
        "--histogram",
    ]);
    let count = run(&["consume", "-b", &address, "-t", TOPIC, "--from-beginning", "-e", "-f", "%S\\n"]);

    assert_eq!(code(&measured), 0, "{}", stderr(&measured));
    let said = stdout(&measured);
    let is_row = |line: &&str| line.contains(" ms ") && line.contains(" %");
    let rows: Vec<&str> = said.lines().skip(1).take_while(is_row).collect();
    let in_rows = rows.iter().map(|row| row.split_whitespace().nth(2).unwrap().parse::<u64>().unwrap());
    assert_eq!(in_rows.sum::<u64>(), 2000, "{said}");
    let whole = numbers(said.lines().nth(1 + rows.len()).unwrap());
    assert_eq!(whole[0], 2000.0);
    assert!(whole[1] > 0.0 && whole[4] >= whole[3] && whole[8] >= whole[5], "{said}");
    let steady = said.lines().nth(2 + rows.len()).unwrap();
    assert_eq!(numbers(&steady.replace(" steady state", ""))[0], 1500.0);
    assert!(said.contains("records-acknowledged        2000\n"), "{said}");
    assert_eq!(stdout(&count).lines().filter(|size| *size == "64").count(), 2000);
}

// A cluster that refuses every record would look fast if failures were counted; so would one that answers nothing. The
// exit code tells the two apart: certainly not written, or not known.
#[test]
fn a_record_without_an_acknowledgement_is_in_no_figure() {
    // Timing decides how many records share the batch whose answer is lost (the others are rejected), and the usual deadline keeps
    // a late refusal from making a rejected record unknown.
    let refusing = Fault::new(0, FaultAction::AnswerError(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    let patient = ["linger.ms=0"].as_slice();
    let hasty = ["delivery.timeout.ms=600", "request.timeout.ms=300", "linger.ms=0"].as_slice();
    for (fault, times, expected, counter) in
        [(refusing, patient, 4, "rejected"), (Fault::lose_produce_answers(1), hasty, 5, "unknown")]
    {
        let broker = InProcess::with_fault(1, fault.count(u32::MAX));

        let measured = run(&[
            &[
                "perf",
                "-b",
                &broker.address,
                "-t",
                TOPIC,
                "--num-records",
                "50",
                "--json",
                "--producer-props",
            ],
            times,
        ]
        .concat());

        assert_eq!(code(&measured), expected, "{}", stderr(&measured));
        let result: serde_json::Value = serde_json::from_slice(&measured.stdout).unwrap();
        let [records, rejected, unknown] =
            ["records", "rejected", "unknown"].map(|of| result[of].as_u64().unwrap());
        assert_eq!((records, rejected + unknown), (0, 50), "{result}");
        assert!(result[counter].as_u64() > Some(0), "{result}");
        assert!(stderr(&measured).contains("in no figure"), "{}", stderr(&measured));
    }
}

// Whoever stops a long measurement wants what was measured so far.
#[cfg(unix)]
#[test]
fn a_signal_prints_the_partial_result() {
    let (_broker, address) = program();
    let mut command = facteur(&["perf", "-b", &address, "-t", TOPIC, "--num-records", "1000000"]);
    command.args(["--throughput", "500", "--reporting-interval", "100"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();

    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let last = lines.map(Result::unwrap).last().unwrap();
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();

    assert!(first.ends_with(" ms max latency."), "{first}");
    let sent = numbers(&last)[0];
    assert!(sent > 0.0 && sent < 1_000_000.0, "{last}");
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains(&format!("after {sent} of 1000000 records")), "{said}");
}

// Rows 5 and 7 of the course's tables, measured: one row per value, the setting in force, and the idempotence it costs.
#[test]
fn a_comparison_measures_every_value() {
    let (_broker, address) = program();
    let compare = |what: &str| {
        let arguments = [
            "perf",
            "-b",
            &address,
            "-t",
            TOPIC,
            "--num-records",
            "300",
            "--throughput",
            "-1",
            "--compare",
            what,
        ];
        run(&arguments)
    };

    let acks = compare("acks=0,1,all");
    let linger = compare("linger=0,5");
    let wrong = compare("acks=1,most");

    assert_eq!(code(&acks), 0, "{}", stderr(&acks));
    let rows: Vec<Vec<String>> = stdout(&acks)
        .lines()
        .map(|line| line.split_whitespace().take(2).map(str::to_owned).collect())
        .collect();
    assert_eq!(rows[1..], [["acks=0", "no"], ["acks=1", "no"], ["acks=all", "yes"]]);
    assert!(stderr(&acks).contains("nobody confirmed"), "{}", stderr(&acks));
    assert_eq!(stdout(&linger).lines().count(), 3, "{}", stdout(&linger));
    assert_eq!(code(&wrong), 2);
    assert!(
        stderr(&wrong).contains("most") && stderr(&wrong).contains("Nothing was sent"),
        "{}",
        stderr(&wrong)
    );
}

// Row 16: the preset is the course's tuning, and the effective settings are shown; a flag still has the last word.
#[test]
fn the_preset_shows_its_effective_settings() {
    let (_broker, address) = program();

    let measured = run(&[
        "perf",
        "-b",
        &address,
        "-t",
        TOPIC,
        "--num-records",
        "100",
        "--preset",
        "throughput",
        "-X",
        "linger.ms=7",
    ]);

    assert_eq!(code(&measured), 0, "{}", stderr(&measured));
    for line in ["batch.size=32768", "linger.ms=7", "compression.type=snappy", "buffer.memory=67108864"] {
        assert!(stdout(&measured).lines().any(|shown| shown == line), "{line}: {}", stdout(&measured));
    }
    assert_eq!(numbers(stdout(&measured).lines().last().unwrap())[0], 100.0);
}

// The values of a file are sent as they are, and only they.
#[test]
fn values_come_from_a_file() {
    let (_broker, address) = program();
    let path = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("payloads.txt");
    std::fs::write(&path, "alpha;beta;;gamma;").unwrap();
    let file = path.to_str().unwrap();

    let arguments = ["perf", "-b", &address, "-t", TOPIC, "--num-records", "60", "--payload-file", file];
    let measured = run(&[&arguments[..], &["--payload-delimiter", ";"]].concat());
    let read = run(&["consume", "-b", &address, "-t", TOPIC, "--from-beginning", "-e"]);

    assert_eq!(code(&measured), 0, "{}", stderr(&measured));
    let mut values: Vec<String> = stdout(&read).lines().map(str::to_owned).collect();
    assert_eq!(values.len(), 60);
    values.sort();
    values.dedup();
    assert_eq!(values, ["alpha", "beta", "gamma"]);
}

// Each mistake is named, with the code of the help, and nothing is sent.
#[test]
fn mistakes_of_perf_are_named() {
    let cases: &[(&[&str], i32, &str)] = &[
        (&["--throughput", "0"], 2, "no pace"),
        (&["--throughput", "fast"], 2, "fast"),
        (&["--num-records", "0"], 2, "num-records"),
        (&["--payload-file", "/nowhere/at/all"], 2, "/nowhere/at/all"),
        (&["--producer.config", "/nowhere/at/all"], 2, "/nowhere/at/all"),
        (&["--producer-props", "lingerms=5"], 2, "lingerms"),
        (&["--producer-props", "linger"], 2, "NAME=VALUE"),
        (&["--record-size", "5", "--payload-monotonic"], 2, "--payload-monotonic"),
        (&["--compare", "acks"], 2, "acks"),
        (&["-b", "127.0.0.1:1"], 3, "127.0.0.1:1"),
    ];
    for (arguments, expected, word) in cases {
        let output = run(&[&["perf"], *arguments].concat());
        assert_eq!(code(&output), *expected, "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(word), "{arguments:?} does not say {word}: {}", stderr(&output));
        assert!(stdout(&output).is_empty(), "{arguments:?}: {}", stdout(&output));
    }
}
