//! `facteur config`: values with their origin, reasons, and broken rules with their line.

use std::path::PathBuf;

use crate::binary::{code, facteur, run, stderr, stdout};

/// A file of this test's own.
fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn check(name: &str, text: &str) -> (i32, String) {
    let path = file(name, text);
    let output = run(&["config", "--check", path.to_str().unwrap()]);
    (code(&output), stdout(&output))
}

fn origin_of(output: &str, name: &str) -> (String, String, Option<String>) {
    let settings: serde_json::Value = serde_json::from_str(output).unwrap();
    let setting =
        settings.as_array().unwrap().iter().find(|setting| setting["name"] == name).unwrap().clone();
    let text = |member: &str| setting[member].as_str().map(str::to_owned);
    (text("value").unwrap(), text("origin").unwrap(), text("source"))
}

// Section 5: flag before environment before file before default, and each value says who said it. A layer that is passed
// over in silence is how a class measures something else than it believes.
#[test]
fn each_setting_names_the_layer_that_said_it() {
    let settings =
        file("layers.properties", "KAFKA_LINGER_MS=1\nKAFKA_RETRIES=2\nKAFKA_RETRY_BACKOFF_MS=3\n");
    let settings = settings.to_str().unwrap();
    let mut command = facteur(&["config", "--json", "--set", "KAFKA_LINGER_MS=30", "--settings", settings]);
    command.env("KAFKA_LINGER_MS", "20").env("KAFKA_RETRIES", "21");

    let output = stdout(&command.output().unwrap());

    let found = |name: &str| origin_of(&output, name);
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(found("linger.ms"), ("30".into(), "flag".into(), some("--set KAFKA_LINGER_MS")));
    assert_eq!(
        found("retries"),
        ("21".into(), "environment".into(), some("environment variable KAFKA_RETRIES"))
    );
    let (value, origin, source) = found("retry.backoff.ms");
    assert_eq!((value.as_str(), origin.as_str()), ("3", "file"));
    assert!(source.unwrap().contains("layers.properties, line 3"));
    assert_eq!(found("request.timeout.ms"), ("30000".into(), "lab".into(), None));
    assert_eq!(found("batch.size"), ("16384".into(), "default".into(), None));
}

// Row 8: each rule of the course's block, broken one by one, is named with file and line.
#[test]
fn each_broken_rule_of_the_courses_block_is_named_with_its_line() {
    for (name, text, expected) in [
        ("acks.yml", "producer:\n  enable.idempotence: true  # needed\n  acks: 1\n", "acks=1 (FILE, line 3)"),
        (
            "flight.yml",
            "producer:\n  enable.idempotence: true\n  max.in.flight.requests.per.connection: 6\n",
            "max.in.flight.requests.per.connection=6 (FILE, line 3)",
        ),
        ("retries.yml", "enable.idempotence: true\nretries: 0\n", "retries=0 (FILE, line 2)"),
        ("number.yml", "retries: INT_MAX\n", "retries=\"INT_MAX\" (FILE, line 1)"),
        (
            "timeouts.properties",
            "request.timeout.ms=30000\ndelivery.timeout.ms=1000\n",
            "delivery.timeout.ms=1000 (FILE, line 2)",
        ),
        ("name.properties", "# a comment\nlinger.sm=5\n", "unknown setting \"linger.sm\" (FILE, line 2)"),
    ] {
        let (code, said) = check(name, text);
        let expected = expected.replace("FILE", file(name, text).to_str().unwrap());
        assert_eq!(code, 1, "{name}: {said}");
        assert!(said.contains(&expected), "{name}: {said}");
    }
    let right = "producer:\n  enable.idempotence: true\n  acks: all\n  max.in.flight.requests.per.connection: 5\n  \
                 delivery.timeout.ms: 120000\n  request.timeout.ms: 30000\n";
    let (code, said) = check("right.yml", right);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("5 settings, no rule is broken"), "{said}");
}

// Row 4: a default and why, for all settings and for one; another client's name leads to ours.
#[test]
fn a_setting_is_explained_with_its_default_and_its_kip() {
    let all = stdout(&run(&["config", "--explain"]));
    let one = stdout(&run(&["config", "--explain", "linger.ms"]));
    let foreign = run(&["config", "--explain", "LingerMs"]);

    assert!(all.contains("batch.size = 16384") && all.contains("buffer.memory = "), "{all}");
    assert!(
        one.contains("KIP-1030") && one.contains("default  5 (ms)") && !one.contains("batch.size ="),
        "{one}"
    );
    assert_eq!(code(&foreign), 2);
    assert!(stderr(&foreign).contains("write linger.ms"), "{}", stderr(&foreign));
}

// Bad input is exit code 2 with the place; nothing starts.
#[test]
fn settings_that_cannot_be_are_usage_errors() {
    let path = file("wrong.properties", "KAFKA_LINGER_MS=soon\n");
    let path = path.to_str().unwrap();
    for (arguments, expected) in [
        (vec!["config", "--set", "KAFKA_LINGER_MS"], "no '='"),
        (vec!["config", "--set", "KAFKA_LINGER=1"], "KAFKA_LINGER_MS"),
        (vec!["config", "--settings", path], "wrong.properties, line 1"),
        (vec!["config", "--settings", "/nowhere/at/all"], "/nowhere/at/all"),
        (vec!["config", "--check", "/nowhere/at/all"], "/nowhere/at/all"),
        (vec!["serve", "--settings", path], "expected a whole number"),
    ] {
        let output = run(&arguments);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
    }
}
