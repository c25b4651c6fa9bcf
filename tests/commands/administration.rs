//! `topics` on topics that exist (settings, compaction, deleted records), and the flags of the embedded broker.

use std::io::Write as _;
use std::process::{Output, Stdio};

use crate::binary::{Running, code, facteur, run, stderr, stdout};

fn broker(flags: &[&str]) -> Running {
    Running::start(facteur(&[&["broker", "--kafka-port", "0", "--json"], flags].concat()))
}

fn address(broker: &Running) -> String {
    broker.first["kafka"][0].as_str().unwrap().to_owned()
}

fn produce(address: &str, topic: &str, lines: &str, flags: &[&str]) -> Output {
    let arguments = [&["produce", "-b", address, "-t", topic, "-q"], flags].concat();
    let mut command = facteur(&arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    output
}

/// `offset key=value` of everything that is there.
fn read(address: &str, topic: &str) -> String {
    stdout(&run(&[
        "consume",
        "-b",
        address,
        "-t",
        topic,
        "-p",
        "0",
        "-o",
        "beginning",
        "-e",
        "-f",
        "%o %k=%v\n",
    ]))
}

// Lab 02.6 by hand, with Kafka's own timing: nothing goes by itself, then `compact` leaves the newest value at its offset,
// and `consume -e` ends although there are holes. Fails if a value is lost or the reader waits for an offset that is gone.
#[test]
fn a_compacted_topic_is_made_filled_compacted_and_read() {
    let broker = broker(&["--strict-compaction"]);
    let at = address(&broker);
    let topics = |arguments: &[&str]| run(&[&["topics", "-b", &at], arguments].concat());
    let created = topics(&[
        "create",
        "demo",
        "-c",
        "cleanup.policy=compact",
        "-c",
        "segment.ms=1000",
        "-c",
        "delete.retention.ms=0",
    ]);
    assert_eq!(stdout(&created), "Created topic demo.\n");
    let described = stdout(&topics(&["describe", "demo"]));
    assert!(
        described.contains("\tConfigs: cleanup.policy=compact,delete.retention.ms=0,segment.ms=1000\n"),
        "{described}"
    );
    produce(&at, "demo", "customer-42:V1\nother:A\ncustomer-42:V2\ncustomer-42:V3\n", &["-K", ":"]);
    assert_eq!(read(&at, "demo").lines().count(), 4);

    let compacted = topics(&["compact", "demo"]);

    assert_eq!(stdout(&compacted), "Compacted topic demo: 2 records removed, 2 kept.\n");
    assert_eq!(read(&at, "demo"), "1 other=A\n3 customer-42=V3\n");
    let json: serde_json::Value =
        serde_json::from_slice(&topics(&["compact", "demo", "--json"]).stdout).unwrap();
    assert_eq!((&json["topic"], &json["code"]), (&"demo".into(), &0.into()));
}

// What cannot be compacted is named, with what to do; a script sees it by the code.
#[test]
fn compacting_what_is_not_compacted_is_refused() {
    let broker = broker(&[]);
    let at = address(&broker);
    run(&["topics", "-b", &at, "create", "plain"]);
    let refused = run(&["topics", "-b", &at, "compact", "plain"]);
    assert_eq!((code(&refused), stdout(&refused).as_str()), (1, ""));
    assert!(stderr(&refused).contains("set cleanup.policy=compact first"), "{}", stderr(&refused));
    let missing = run(&["topics", "-b", &at, "compact", "nowhere"]);
    assert_eq!(code(&missing), 1);
    assert!(stderr(&missing).contains("\"nowhere\"") && stderr(&missing).contains("does not exist"));
}

// Settings change on a living topic, go back to their defaults, and a bad one changes nothing.
#[test]
fn settings_are_altered_and_described_with_their_sources() {
    let broker = broker(&[]);
    let at = address(&broker);
    let topics = |arguments: &[&str]| run(&[&["topics", "-b", &at], arguments].concat());
    topics(&["create", "orders"]);

    let altered = topics(&[
        "alter",
        "orders",
        "-c",
        "retention.ms=60000",
        "--config",
        "max.message.bytes=2000",
        "-p",
        "3",
    ]);
    assert_eq!(code(&altered), 0, "{}", stderr(&altered));
    assert!(stdout(&altered).contains("Altered settings of topic orders.\nTopic orders has 3 partitions."));
    let all = stdout(&topics(&["describe", "orders", "--configs"]));
    assert!(all.contains("PartitionCount: 3") && all.contains("All configs for topic orders are:"), "{all}");
    assert!(
        all.contains(
            "  max.message.bytes=2000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:max.message.bytes=2000, \
             DEFAULT_CONFIG:message.max.bytes=1048588}\n"
        ),
        "{all}"
    );
    let json: serde_json::Value =
        serde_json::from_slice(&topics(&["describe", "orders", "--json"]).stdout).unwrap();
    assert_eq!(json["configs"], serde_json::json!({"max.message.bytes": "2000", "retention.ms": "60000"}));

    assert_eq!(code(&topics(&["alter", "orders", "--delete-config", "max.message.bytes"])), 0);
    for (arguments, exit, words) in [
        (
            &["alter", "orders", "-c", "retention.ms=soon"][..],
            1,
            "Invalid value soon for configuration retention.ms",
        ),
        (&["alter", "orders", "-c", "retention=1"], 1, "Unknown topic config name: retention"),
        (&["alter", "orders", "-p", "2"], 1, "2 would not be an increase"),
        (&["alter", "missing", "-c", "retention.ms=1"], 1, "does not exist"),
        (&["alter", "orders"], 2, "nothing to alter"),
        (&["alter", "orders", "-c", "retention.ms"], 2, "expected NAME=VALUE"),
        (&["create", "bad", "-c", "segment.bytes=1"], 1, "Value must be at least 1048576"),
    ] {
        let refused = topics(arguments);
        assert_eq!(code(&refused), exit, "{arguments:?}: {}", stderr(&refused));
        assert!(stderr(&refused).contains(words), "{arguments:?}: {}", stderr(&refused));
    }
    assert!(stdout(&topics(&["describe", "orders"])).contains("Configs: retention.ms=60000\n"));
    assert_eq!(code(&topics(&["describe", "bad"])), 1, "a topic with a bad setting is not half made");
}

// A topic is emptied up to an offset, or wholly; what stays keeps its offsets.
#[test]
fn records_are_deleted_up_to_an_offset() {
    let broker = broker(&["-t", "orders:1", "-t", "many:3"]);
    let at = address(&broker);
    let topics = |arguments: &[&str]| run(&[&["topics", "-b", &at], arguments].concat());
    produce(&at, "orders", "k:a\nk:b\nk:c\n", &["-K", ":"]);

    assert_eq!(
        stdout(&topics(&["delete-records", "orders", "--before", "2"])),
        "partition: orders-0\tlow_watermark: 2\n"
    );
    assert_eq!(read(&at, "orders"), "2 k=c\n");
    let json: serde_json::Value =
        serde_json::from_slice(&topics(&["delete-records", "orders", "--json"]).stdout).unwrap();
    assert_eq!(json, serde_json::json!({"topic": "orders", "partition": 0, "lowWatermark": 3, "code": 0}));
    assert_eq!(stdout(&topics(&["delete-records", "many"])).lines().count(), 3);
    for (arguments, exit, words) in [
        (&["delete-records", "orders", "--before", "9"][..], 1, "behind the end of the log"),
        (&["delete-records", "orders", "-p", "7"], 2, "no partition 7"),
        (&["delete-records", "missing"], 1, "does not exist"),
    ] {
        let refused = topics(arguments);
        assert_eq!(code(&refused), exit, "{}", stderr(&refused));
        assert!(stderr(&refused).contains(words), "{}", stderr(&refused));
    }
}

// A cap that cannot be is refused before anything listens, with the range; a good one is what clients then meet.
#[test]
fn caps_lower_what_the_broker_offers_and_wrong_ones_are_refused() {
    for (flags, words) in [
        (&["--cap", "produce=2"][..], "from 3 to"),
        (&["--cap", "brew=1"], "no API of this broker"),
        (&["--cap", "produce"], "expected API=VERSION"),
    ] {
        let refused = run(&[&["broker", "--kafka-port", "0"], flags].concat());
        assert_eq!(code(&refused), 2, "{}", stderr(&refused));
        assert!(stderr(&refused).contains(words), "{}", stderr(&refused));
    }
    let outside = run(&["serve", "-b", "127.0.0.1:1", "--cap", "produce=7"]);
    assert_eq!(code(&outside), 2, "{}", stderr(&outside));
    assert!(stderr(&outside).contains("for the embedded broker"), "{}", stderr(&outside));

    let broker = broker(&["--cap", "produce=7", "--cap", "1=11", "-t", "orders"]);
    let at = address(&broker);
    produce(&at, "orders", "k:v\n", &["-K", ":"]);
    assert_eq!(read(&at, "orders"), "0 k=v\n");
}
