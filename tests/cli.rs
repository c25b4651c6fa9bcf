//! The binary, as a user runs it: what it prints, and the code it ends with.
//!
//! **Why the binary.** Exit codes, stdin, signals and broken pipes are only real from outside. Neighbours: `tests/lab.rs`
//! for the façade. Not here: terminals and progress bars.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests: a panic is the report"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use facteur::ErrorCode;
use facteur::broker::{Fault, FaultAction};
use facteur::lab::embedded::{EmbeddedBroker, EmbeddedSettings};

/// The binary, without the variables of whoever runs the tests.
fn facteur(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_facteur"));
    command.args(arguments);
    for (name, _) in std::env::vars() {
        if name.starts_with("KAFKA_")
            || name.starts_with("FACTEUR_")
            || name == "SERVER_PORT"
            || name == "RUST_LOG"
        {
            command.env_remove(name);
        }
    }
    // Labs of other tests run beside this one.
    command.envs([("FACTEUR_TOXIPROXY_PORT", "0"), ("FACTEUR_PROXY_PORT", "0")]);
    command
}

fn run(arguments: &[&str]) -> Output {
    facteur(arguments).stdin(Stdio::null()).output().unwrap()
}

fn run_with_input(arguments: &[&str], input: &[u8]) -> Output {
    let pipes =
        facteur(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = pipes.unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A `facteur` that runs until it is dropped, and what it said first.
struct Running {
    child: Child,
    addresses: serde_json::Value,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = facteur(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let Ok(addresses) = serde_json::from_str(&line) else {
            panic!("{line:?} {:?}", child.wait_with_output())
        };
        Self { child, addresses }
    }

    fn broker() -> Self {
        Self::start(&["broker", "--kafka-port", "0", "--json", "-t", "bhf-transactions:3"])
    }

    fn lab() -> Self {
        let free =
            ["--java-port", "0", "--librdkafka-port", "0", "--kafka-port", "0", "--kafka-internal-port", "0"];
        Self::start(&[&["--json"], &free[..]].concat())
    }

    fn kafka(&self) -> &str {
        self.addresses["kafka"][0].as_str().unwrap()
    }

    #[cfg(unix)]
    fn terminate(mut self) -> (i32, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code().unwrap_or(-1), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A file of this test's own.
fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    std::fs::write(&path, content).unwrap();
    path
}

// The shortest use: what goes in comes out, byte for byte, CRLF, empty lines and a last line without an end included.
#[test]
fn lines_that_are_produced_can_be_consumed() {
    let broker = Running::broker();

    let sent = run_with_input(
        &["produce", "-b", broker.kafka(), "-t", "bhf-transactions", "-p", "1"],
        b"a\r\n\nlast \xc3\xa9",
    );
    assert_eq!(code(&sent), 0, "{}", stderr(&sent));
    assert!(
        stderr(&sent).starts_with("3 records: 3 acknowledged, 0 rejected, 0 unknown, in "),
        "{}",
        stderr(&sent)
    );

    let read = run(&["consume", "-b", broker.kafka(), "-t", "bhf-transactions", "--from-beginning", "-e"]);
    assert_eq!((code(&read), stdout(&read).as_str()), (0, "a\r\n\nlast é\n"));
}

// What one command printed the other reads back, by the same words; a line of another form stops it and is named.
#[test]
fn a_format_reads_what_a_format_printed() {
    let broker = Running::broker();
    let to = ["-b", broker.kafka(), "-t", "bhf-transactions"];

    let sent =
        run_with_input(&[&["produce"], &to[..], &["-p", "2", "-F", "%k=%v\\n"]].concat(), b"a=b=c\nk=\n");
    let wrong = run_with_input(&[&["produce"], &to[..], &["-F", "%k=%v"]].concat(), b"no sign\n");
    let never = run_with_input(&[&["produce"], &to[..], &["-F", "%k%v"]].concat(), b"a=b\n");

    assert_eq!(code(&sent), 0, "{}", stderr(&sent));
    let read = run(&[&["consume"], &to[..], &["-o", "beginning", "-e", "-f", "%k=%v\\n"]].concat());
    assert_eq!(stdout(&read), "a=b=c\nk=\n");
    assert_eq!(code(&wrong), 2);
    assert!(stderr(&wrong).contains("stdin, line 1"), "{}", stderr(&wrong));
    assert_eq!(code(&never), 2);
    assert!(stderr(&never).contains("between"), "{}", stderr(&never));
}

// Keys, headers, codecs and modes, read back with the producer's identity.
#[test]
fn keys_headers_codecs_and_modes_arrive() {
    let broker = Running::broker();
    let to = ["-b", broker.kafka(), "-t", "bhf-transactions"];

    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let arguments =
            [&["produce"], &to[..], &["-K", ":", "-H", "n=1", "-z", codec, "-v", "-X", "linger.ms=1"]]
                .concat();
        let sent = run_with_input(&arguments, b"k:v\nplain\n");
        assert_eq!(code(&sent), 0, "{codec}: {}", stderr(&sent));
        assert!(stdout(&sent).starts_with("stdin, line 1: bhf-transactions-"), "{}", stdout(&sent));
    }
    let plain = run_with_input(
        &[&["produce"], &to[..], &["--mode", "plain", "-k", "fixed", "-p", "0", "--json"]].concat(),
        b"w\n",
    );
    let summary: serde_json::Value = serde_json::from_slice(&plain.stdout).unwrap();
    assert_eq!((&summary["records"], &summary["acknowledged"]), (&1.into(), &1.into()));

    let format = "%k|%v|%h|%y\\n";
    let read = run(&[&["consume"], &to[..], &["-o", "beginning", "-e", "-f", format]].concat());
    let mut lines: Vec<String> = stdout(&read).lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines.iter().filter(|line| *line == "k|v|n=1|0").count(), 5, "{lines:?}");
    assert_eq!(lines.iter().filter(|line| *line == "|plain|n=1|0").count(), 5, "{lines:?}");
    assert!(lines.contains(&"fixed|w||-1".to_owned()), "{lines:?}");
    let one = run(&[
        &["consume"],
        &to[..],
        &["-p", "0", "-o", "beginning", "-e", "-c", "1", "--print", "partition,offset"],
    ]
    .concat());
    assert!(stdout(&one).starts_with("Partition:0\tOffset:0\t"), "{}", stdout(&one));
    assert_eq!(stdout(&one).lines().count(), 1);
}

fn in_order(output: &Output) -> Vec<String> {
    let mut lines: Vec<String> = stdout(output).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

// What a group is for: the next run begins where the last one stopped, whatever ended it. Fails if the offsets of what was
// printed are not committed, or those of what was only fetched are.
#[test]
fn a_group_goes_on_where_it_stopped() {
    let broker = Running::broker();
    let to = ["-b", broker.kafka(), "-t", "bhf-transactions"];
    let read = |more: &[&str]| run(&[&["consume"], &to[..], &["--group", "readers"], more].concat());
    for (partition, lines) in [("0", "a\nb\nc\n"), ("1", "d\ne\n"), ("2", "f\n")] {
        let sent = run_with_input(&[&["produce"], &to[..], &["-p", partition]].concat(), lines.as_bytes());
        assert_eq!(code(&sent), 0, "{}", stderr(&sent));
    }

    let first = read(&["--from-beginning", "-c", "4"]);
    let second = read(&["-e"]);
    let third = read(&["--from-beginning", "-e"]);

    assert_eq!((code(&first), code(&second), code(&third)), (0, 0, 0), "{}", stderr(&second));
    assert_eq!((in_order(&first).len(), in_order(&second).len(), stdout(&third).as_str()), (4, 2, ""));
    let mut all = [in_order(&first), in_order(&second)].concat();
    all.sort();
    assert_eq!(all, ["a", "b", "c", "d", "e", "f"]);
    let other = run(&[&["consume"], &to[..], &["-g", "others", "-e", "--from-beginning"]].concat());
    assert_eq!(in_order(&other).len(), 6, "another group has read nothing yet");
}

// Two members, one of which stays: the second takes over a part, and what a signal ends is committed. Fails if a record
// is printed by both, or by none.
#[cfg(unix)]
#[test]
fn two_members_of_a_group_share_and_a_signal_commits() {
    let broker = Running::broker();
    let to = ["-b", broker.kafka(), "-t", "bhf-transactions"];
    let member = [&["consume"], &to[..], &["-g", "readers", "--from-beginning"]].concat();
    let send = |line: &str| {
        for partition in ["0", "1", "2"] {
            let text = format!("{line} {partition}\n");
            let sent = run_with_input(&[&["produce"], &to[..], &["-p", partition]].concat(), text.as_bytes());
            assert_eq!(code(&sent), 0, "{}", stderr(&sent));
        }
    };
    send("early");
    let mut first = facteur(&member).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut seen: Vec<String> = lines.by_ref().take(3).collect();

    // It stops at the end of its part, which it gets only when the first member has given it up.
    let second = run(&[&member[..], &["-e"]].concat());
    send("late");
    seen.extend(lines.by_ref().take(3));

    assert_eq!((code(&second), stdout(&second).as_str()), (0, ""), "what was read before is committed");
    seen.sort();
    assert_eq!(seen, ["early 0", "early 1", "early 2", "late 0", "late 1", "late 2"]);
    assert!(Command::new("kill").args(["-TERM", &first.id().to_string()]).status().unwrap().success());
    assert_eq!(first.wait().unwrap().code(), Some(0));
    let after = run(&[&member[..], &["-e"]].concat());
    assert_eq!((code(&after), stdout(&after).as_str()), (0, ""), "the signal committed what was printed");
}

// A file larger than every window comes out as it went in, in order within its partition.
#[test]
fn a_large_file_arrives_whole_and_in_order() {
    let broker = Running::broker();
    let generated = run(&["generate-transactions", "--seed", "7", "--bytes", "8M"]);
    assert_eq!(generated.stdout, run(&["generate-transactions", "--seed", "7", "--bytes", "8M"]).stdout);
    let path = file("large.jsonl", &generated.stdout);

    let sent =
        run(&["produce", "-b", broker.kafka(), "-t", "bhf-transactions", "-p", "2", path.to_str().unwrap()]);
    let read = run(&["consume", "-b", broker.kafka(), "-t", "bhf-transactions", "--from-beginning", "-e"]);

    drop(std::fs::remove_file(&path));
    assert_eq!(code(&sent), 0, "{}", stderr(&sent));
    assert!(
        read.stdout == generated.stdout,
        "{} bytes came back of {}",
        read.stdout.len(),
        generated.stdout.len()
    );
}

// Administration, in the shape that Kafka's own tool has.
#[test]
fn topics_are_created_listed_described_and_deleted() {
    let broker = Running::broker();
    let topics = |arguments: &[&str]| run(&[&["topics", "-b", broker.kafka()], arguments].concat());

    assert_eq!(stdout(&topics(&["create", "orders", "--partitions", "2"])), "Created topic orders.\n");
    let again = topics(&["create", "orders"]);
    assert_eq!(code(&again), 1);
    assert!(stderr(&again).contains("TOPIC_ALREADY_EXISTS"), "{}", stderr(&again));
    assert_eq!(code(&topics(&["create", "orders", "--if-not-exists"])), 0);
    assert_eq!(stdout(&topics(&["list"])), "bhf-transactions\norders\n");
    let described = stdout(&topics(&["describe", "orders"]));
    assert!(described.contains("\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: \n"), "{described}");
    assert!(
        described.contains("\tTopic: orders\tPartition: 1\tLeader: 1\tReplicas: 1\tIsr: 1"),
        "{described}"
    );
    let json: serde_json::Value =
        serde_json::from_slice(&topics(&["describe", "orders", "--json"]).stdout).unwrap();
    assert_eq!(json["partitionCount"], 2);
    assert_eq!(stdout(&topics(&["delete", "orders"])), "Deleted topic orders.\n");
    assert_eq!(code(&topics(&["describe", "orders"])), 1);
    assert_eq!(code(&topics(&["delete", "orders"])), 1);
    assert_eq!(code(&topics(&["delete", "orders", "--if-exists"])), 0);
}

// Each mistake has the code that the help promises, and a message that names the value and what to do.
#[test]
fn mistakes_are_named_and_have_their_exit_codes() {
    let missing = ["produce", "-t", "t", "/nowhere/at/all"];
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["topics", "list", "-b", "127.0.0.1:1"], 3, &["127.0.0.1:1", "refused", "-b"]),
        (&["topics", "list", "-b", "no-such-host.invalid:9092"], 3, &["no-such-host.invalid", "resolve"]),
        (&["topics", "list", "-b", "localhost"], 2, &["localhost", "port"]),
        (&missing, 2, &["/nowhere/at/all", "Nothing was sent"]),
        (&["produce", "-t", "t", "/"], 2, &["directory"]),
        (&["produce", "-t", "t", "-b", "127.0.0.1:1"], 3, &["127.0.0.1:1"]),
        (&["produce", "-t", "t", "-X", "lingerms=5"], 2, &["lingerms"]),
        (&["produce", "-t", "t", "-X", "linger"], 2, &["linger", "NAME=VALUE"]),
        (&["produce", "-t", "t", "-z", "brotli"], 2, &["brotli"]),
        (&["produce"], 2, &["--topic"]),
        (&["consume", "-t", "t", "-o", "middle"], 2, &["middle", "beginning"]),
        (&["consume", "-t", "t", "-f", "%z"], 2, &["%z"]),
        (&["consume", "-t", "t", "-g", "g", "-p", "1"], 2, &["--group", "--partition"]),
        (&["teleport"], 2, &["teleport"]),
    ];
    for (arguments, expected, words) in cases {
        let output = run(arguments);
        assert_eq!(code(&output), *expected, "{arguments:?}: {}", stderr(&output));
        for word in *words {
            assert!(stderr(&output).contains(word), "{arguments:?} does not say {word}: {}", stderr(&output));
        }
    }
    let broker = Running::broker();
    let outside =
        run_with_input(&["produce", "-b", broker.kafka(), "-t", "bhf-transactions", "-p", "9"], b"x\n");
    assert_eq!(code(&outside), 2, "{}", stderr(&outside));
    assert!(stderr(&outside).contains("3 partitions"));
    let unknown = run(&["consume", "-b", broker.kafka(), "-t", "nowhere", "-e"]);
    assert_eq!(code(&unknown), 1, "{}", stderr(&unknown));
}

// A record that is too large is rejected by its line; the others go through, and the code says that one is missing.
#[test]
fn a_record_that_is_too_large_is_rejected_by_its_line() {
    let broker = Running::broker();
    let arguments =
        ["produce", "-b", broker.kafka(), "-t", "bhf-transactions", "-X", "max.request.size=2000"];

    let sent = run_with_input(&arguments, &[b"a\n", vec![b'x'; 5_000].as_slice(), b"\nb\n"].concat());

    assert_eq!(code(&sent), 4, "{}", stderr(&sent));
    assert!(stderr(&sent).contains("stdin, line 2:"), "{}", stderr(&sent));
    assert!(stderr(&sent).contains("3 records: 2 acknowledged, 1 rejected, 0 unknown"), "{}", stderr(&sent));
}

// No input is no error, and neither is a closed stdin.
#[test]
fn an_empty_input_sends_nothing() {
    let broker = Running::broker();

    let sent = run(&["produce", "-b", broker.kafka(), "-t", "bhf-transactions"]);

    assert_eq!(code(&sent), 0, "{}", stderr(&sent));
    assert!(stderr(&sent).starts_with("0 records"), "{}", stderr(&sent));
}

// `<&-` leaves no descriptor at all: no file of ours may take its place, and the user hears why nothing was sent.
#[cfg(unix)]
#[test]
fn a_closed_stdin_sends_nothing_and_says_so() {
    let broker = Running::broker();
    let command = format!(
        "exec '{}' produce -b {} -t bhf-transactions <&-",
        env!("CARGO_BIN_EXE_facteur"),
        broker.kafka()
    );

    let sent = Command::new("sh").args(["-c", &command]).output().unwrap();

    assert_eq!(code(&sent), 0, "{}", stderr(&sent));
    assert!(stderr(&sent).starts_with("0 records"), "{}", stderr(&sent));
    assert!(stderr(&sent).contains("stdin is closed"), "{}", stderr(&sent));
}

// D-58's twin on the command line: when there is no room for max.block.ms the command stops and names the line to go on
// from; lines before it are counted by what became of them, and the code says that something is missing.
#[test]
fn a_full_buffer_stops_produce_and_names_the_place() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let settings = EmbeddedSettings {
        listeners: vec![("PLAINTEXT", "127.0.0.1:0".parse().unwrap())],
        advertised_host: None,
        topics: vec![("bhf-transactions".to_owned(), 1)],
    };
    let broker = runtime.block_on(EmbeddedBroker::start(settings)).unwrap();
    let refusing = FaultAction::AnswerError(ErrorCode::NOT_ENOUGH_REPLICAS);
    let _armed = broker.handle().faults().arm(Fault::new(0, refusing).count(u32::MAX));
    let line = vec![b'x'; 4_000];
    let lines = vec![line; 200].join(&b'\n');
    let bootstrap = broker.bootstrap();
    let arguments = ["produce", "-b", &bootstrap, "-t", "bhf-transactions", "-X", "buffer.memory=16384"];
    let times = ["-X", "max.block.ms=100", "-X", "request.timeout.ms=500", "-X", "delivery.timeout.ms=2000"];
    let path = file("full.txt", &lines);

    let sent = run(&[&arguments[..], &times, &[path.to_str().unwrap()]].concat());

    drop(std::fs::remove_file(&path));
    let said = stderr(&sent);
    assert_eq!(code(&sent), 4, "{said}");
    let (_, place) = said.split_once(&format!("stopped at {}, line ", path.display())).expect(&said);
    let line: u64 = place.split(':').next().unwrap().parse().unwrap();
    assert!((2..200).contains(&line), "{said}");
    assert!(place.contains("buffer") && place.contains("go on from this line"), "{said}");
    // The line that found no room is one of the rejected ones, and the lines behind it were never tried.
    assert!(said.contains(&format!("{line} records: 0 acknowledged, {line} rejected, 0 unknown")), "{said}");
    runtime.block_on(broker.stop());
}

// A reader that leaves early (`| head`) ends the command quietly.
#[test]
fn a_broken_pipe_is_no_error() {
    let mut child = facteur(&["generate-transactions", "--bytes", "1G"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();

    let output = child.wait_with_output().unwrap();

    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
    assert!(line.starts_with("{\"eventId\":\"TX-0000000001\""), "{line}");
}

// A wrong variable must stop the start, by name; a busy port too, with the way out.
#[test]
fn serve_refuses_wrong_variables_and_busy_ports() {
    let wrong = facteur(&["serve"]).env("KAFKA_REQUEST_TIMEOUT_MS", "fast").output().unwrap();
    assert_eq!(code(&wrong), 2);
    assert!(
        stderr(&wrong).contains("KAFKA_REQUEST_TIMEOUT_MS") && stderr(&wrong).contains("fast"),
        "{}",
        stderr(&wrong)
    );

    let broker = Running::broker();
    let port = broker.kafka().rsplit(':').next().unwrap();
    let others = ["serve", "--java-port", "0", "--librdkafka-port", "0", "--kafka-internal-port", "0"];
    let busy = run(&[&others[..], &["--kafka-port", port]].concat());
    assert_eq!(code(&busy), 3, "{}", stderr(&busy));
    assert!(stderr(&busy).contains(port) && stderr(&busy).contains("--kafka-port"), "{}", stderr(&busy));
    let busy = run(&[
        "serve",
        "--kafka-port",
        "0",
        "--kafka-internal-port",
        "0",
        "--librdkafka-port",
        "0",
        "--java-port",
        port,
    ]);
    assert_eq!(code(&busy), 3, "{}", stderr(&busy));
    assert!(stderr(&busy).contains(port) && stderr(&busy).contains("--java-port"), "{}", stderr(&busy));
}

// `facteur` alone is the lab; a signal ends it with what became of the records.
#[cfg(unix)]
#[test]
fn the_lab_starts_alone_and_drains_on_a_signal() {
    let lab = Running::lab();
    let java = lab.addresses["java"].as_str().unwrap().trim_start_matches("http://").to_owned();
    let mut stream = std::net::TcpStream::connect(&java).unwrap();
    let request = "POST /api/v1/send?mode=idempotent&eventId=E-1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("{\"status\":\"OK\",\"topic\":\"bhf-transactions\",\"partition\":"), "{answer}");

    let (code, said) = lab.terminate();

    assert_eq!(code, 0, "{said}");
    assert!(said.contains("0 rejected, 0 unknown"), "{said}");
}

// F14 from outside: a signal in the middle of many calls. Every call has an honest answer or none was accepted, the log
// holds what was acknowledged, and the exit code tells that nothing is in doubt.
#[cfg(unix)]
#[test]
fn f14_a_signal_under_load_drains_and_the_exit_code_tells() {
    let lab = Running::lab();
    let java = lab.addresses["java"].as_str().unwrap().trim_start_matches("http://").to_owned();
    let (told, answers) = std::sync::mpsc::channel();
    let calls: Vec<_> = (0..4)
        .map(|caller| {
            let (java, told) = (java.clone(), told.clone());
            std::thread::spawn(move || {
                let mut statuses = Vec::new();
                for number in 0..10_000 {
                    let Some(status) = sent(&java, &format!("E-{caller}-{number}")) else { break };
                    statuses.push(status);
                    let _nobody_listens_any_more = told.send(());
                }
                statuses
            })
        })
        .collect();
    // The signal comes while calls come and go.
    for _ in 0..40 {
        answers.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
    }

    let (code, said) = lab.terminate();

    let statuses: Vec<u16> = calls.into_iter().flat_map(|call| call.join().unwrap()).collect();
    assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status == 200).count() >= 40);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("0 rejected, 0 unknown"), "{said}");
}

/// The status of one send; none if the door was closed already.
#[cfg(unix)]
fn sent(address: &str, event_id: &str) -> Option<u16> {
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    let request = format!(
        "POST /api/v1/send?mode=idempotent&eventId={event_id} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

// The banner says how long the start took and what to type next; the number itself is the machine's.
#[test]
fn the_banner_tells_how_long_the_start_took() {
    let free =
        ["--java-port", "0", "--librdkafka-port", "0", "--kafka-port", "0", "--kafka-internal-port", "0"];
    let mut child = facteur(&free).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();

    let first = lines.next().unwrap().unwrap();
    let has_command = lines.any(|line| line.unwrap().contains("curl -X POST 'http://"));

    drop(child.kill());
    drop(child.wait());
    let number = first.strip_prefix(concat!("facteur ", env!("CARGO_PKG_VERSION"), ", ready in "));
    let number = number.and_then(|rest| rest.strip_suffix(" ms"));
    assert!(number.is_some_and(|number| number.parse::<u64>().is_ok()), "{first}");
    assert!(has_command);
}

// An outside Kafka may come later: the lab starts, warns, and answers 503 until then.
#[test]
fn an_outside_kafka_that_is_away_is_said_and_not_fatal() {
    let free = ["--java-port", "0", "--librdkafka-port", "0", "--json", "-b", "127.0.0.1:1"];
    let mut lab = Running::start(&[&["serve"], &free[..]].concat());
    assert_eq!(lab.addresses["embedded"], false);

    let mut warning = String::new();
    BufReader::new(lab.child.stderr.as_mut().unwrap()).read_line(&mut warning).unwrap();
    let java = lab.addresses["java"].as_str().unwrap().trim_start_matches("http://").to_owned();
    let mut stream = std::net::TcpStream::connect(java).unwrap();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();

    assert!(warning.contains("127.0.0.1:1") && warning.contains("refused"), "{warning}");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}
