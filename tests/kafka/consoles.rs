//! Readers and writers that share no code with this crate: Kafka's console tools, kcat, and Kafka's log dump.
//!
//! **Why text.** Each prints the same facts in its own words; both are brought into one canonical line per record, sorted
//! by partition and offset, and compared by SHA-256. So the records of these tests hold no tab, newline, comma or colon
//! in keys, values and headers. Neighbours: [`crate::round_trips`], [`crate::keys`]. Not here: what the lines should say.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

use crate::cluster::{Cluster, script};
use crate::reader::{Log, ReadBatch};

/// One record in words: what every reader can tell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: i64,
    /// `key=value` pairs with commas between.
    pub headers: String,
    pub key: String,
    pub value: String,
}

/// The SHA-256 of the lines, in order of partition and offset, by coreutils.
pub fn sha256(mut lines: Vec<Line>) -> String {
    lines.sort_unstable();
    let mut text = String::new();
    for line in &lines {
        let Line { partition, offset, timestamp_ms, headers, key, value } = line;
        text.push_str(&format!("{partition}\t{offset}\t{timestamp_ms}\t{headers}\t{key}\t{value}\n"));
    }
    let output = run(&mut Command::new("sha256sum"), text);
    let sum: String = stdout(&output).split_whitespace().take(1).collect();
    assert_eq!(sum.len(), 64, "sha256sum prints a sum");
    sum
}

/// The lines of our own reader.
pub fn lines_of(log: &Log) -> Vec<Line> {
    let text = |bytes: &Option<bytes::Bytes>| {
        bytes.as_ref().map_or_else(|| "null".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    log.records
        .iter()
        .map(|record| {
            let headers: Vec<String> =
                record.headers.iter().map(|(key, value)| format!("{key}={}", text(value))).collect();
            Line {
                partition: record.partition,
                offset: record.offset,
                timestamp_ms: record.timestamp_ms,
                headers: headers.join(","),
                key: text(&record.key),
                value: text(&record.value),
            }
        })
        .collect()
}

/// Kafka's own console consumer (the Java client), until it has `count` records.
pub fn console_consumer(cluster: &Cluster, topic: &str, count: usize) -> Vec<Line> {
    let mut command = Command::new(script("kafka-tool.sh"));
    command.args([cluster.setup.version, "console-consumer", "--from-beginning", "--timeout-ms", "60000"]);
    command.args([
        "--bootstrap-server",
        &cluster.bootstrap(),
        "--topic",
        topic,
        "--max-messages",
        &count.to_string(),
    ]);
    for property in ["timestamp", "partition", "offset", "headers", "key"] {
        command.args(["--property", &format!("print.{property}=true")]);
    }
    let output = run(&mut command, String::new());
    stdout(&output)
        .lines()
        // The tool prints its warnings among the records.
        .filter(|line| line.starts_with("CreateTime:"))
        .map(|line| {
            let headers = field(line, 3);
            Line {
                timestamp_ms: number(field(line, 0).trim_start_matches("CreateTime:")),
                partition: number(field(line, 1).trim_start_matches("Partition:")),
                offset: number(field(line, 2).trim_start_matches("Offset:")),
                headers: if headers == "NO_HEADERS" { String::new() } else { headers.replace(':', "=") },
                key: field(line, 4).to_owned(),
                value: field(line, 5).to_owned(),
            }
        })
        .collect()
}

/// kcat (librdkafka), to the end of each partition.
pub fn kcat(cluster: &Cluster, topic: &str) -> Vec<Line> {
    let mut command = Command::new("kcat");
    command.args(["-C", "-q", "-e", "-o", "beginning", "-b", &cluster.bootstrap(), "-t", topic]);
    command.args(["-f", "%T\t%p\t%o\t%h\t%k\t%s\n"]);
    let output = run(&mut command, String::new());
    stdout(&output)
        .lines()
        .map(|line| Line {
            timestamp_ms: number(field(line, 0)),
            partition: number(field(line, 1)),
            offset: number(field(line, 2)),
            headers: field(line, 3).to_owned(),
            key: field(line, 4).to_owned(),
            value: field(line, 5).to_owned(),
        })
        .collect()
}

/// Kafka's own console producer (the Java client): sends each key with itself as the value.
pub fn console_producer(cluster: &Cluster, topic: &str, keys: &[String]) {
    let mut command = Command::new(script("kafka-tool.sh"));
    command.args([cluster.setup.version, "console-producer", "--bootstrap-server", &cluster.bootstrap()]);
    command.args(["--topic", topic, "--property", "parse.key=true", "--property", "key.separator=\t"]);
    let input: String = keys.iter().map(|key| format!("{key}\t{key}\n")).collect();
    run(&mut command, input);
}

/// `kafka-dump-log`: the batches of a topic on one node, as Kafka itself reads its files, by partition and offset.
pub fn dump_log(cluster: &Cluster, node: i32, topic: &str, partitions: i32) -> Vec<ReadBatch> {
    let segments = (0..partitions).flat_map(|partition| cluster.segments(node, topic, partition));
    let files: Vec<String> = segments.map(|path| path.display().to_string()).collect();
    assert!(!files.is_empty(), "node {node} has a log of {topic}");
    let mut command = Command::new(script("kafka-tool.sh"));
    command.args([cluster.setup.version, "dump-log", "--files", &files.join(",")]);
    let output = run(&mut command, String::new());
    let mut partition = -1;
    let mut batches = Vec::new();
    for line in stdout(&output).lines() {
        // Each file is announced by its path, …/TOPIC-PARTITION/OFFSET.log.
        if let Some(path) = line.strip_prefix("Dumping ") {
            let directory = path.rsplit('/').nth(1).and_then(|name| name.rsplit('-').next());
            partition = number(directory.unwrap_or_else(|| panic!("no partition in {line}")));
        } else if line.starts_with("baseOffset:") {
            batches.push(dumped(partition, line));
        }
    }
    batches
}

/// One line of the dump: `name: value` pairs, all on one line.
fn dumped(partition: i32, line: &str) -> ReadBatch {
    let words: Vec<&str> = line.split_whitespace().collect();
    let text = |name: &str| {
        let place = words.iter().position(|word| *word == name);
        place.and_then(|at| words.get(at + 1)).unwrap_or_else(|| panic!("no {name} in {line}"))
    };
    assert_eq!(*text("isvalid:"), "true", "Kafka finds the batch valid: {line}");
    ReadBatch {
        partition,
        base_offset: number(text("baseOffset:")),
        last_offset: number(text("lastOffset:")),
        producer_id: number(text("producerId:")),
        producer_epoch: number(text("producerEpoch:")),
        base_sequence: number(text("baseSequence:")),
        record_count: number(text("count:")),
        crc: number(text("crc:")),
        codec: match text("compresscodec:").to_ascii_lowercase().as_str() {
            "none" => 0,
            "gzip" => 1,
            "snappy" => 2,
            "lz4" => 3,
            "zstd" => 4,
            other => panic!("an unknown codec {other}"),
        },
    }
}

fn field(line: &str, index: usize) -> &str {
    line.split('\t').nth(index).unwrap_or_else(|| panic!("no field {index} in {line:?}"))
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is not the number that was expected"))
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("these tests send nothing but text")
}

/// Runs a command with `input` on its standard input; fails with its standard error if it fails.
fn run(command: &mut Command, input: String) -> Output {
    let name = command.get_program().display().to_string();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name} cannot be run: {error}; see scripts/test-kafka.sh"));
    let mut stdin = child.stdin.take().expect("it was asked for");
    // A thread of its own: the child may fill its output before it has read all of its input.
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("the child's output");
    drop(writer.join());
    assert!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr));
    output
}
