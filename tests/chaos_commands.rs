//! `facteur chaos`, `partition` and `producers`, as a shell runs them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests: a panic is the report"
)]

use std::process::Stdio;
use std::time::Duration;

use facteur::broker::{Broker, BrokerConfig};
use facteur::chaos::api::server::AdminServer;
use facteur::chaos::{Injector, InjectorOptions};
use facteur::{Producer, Record};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

/// How a command ended.
#[derive(Debug)]
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn json(&self) -> Value {
        serde_json::from_str(self.stdout.trim()).expect("one line of JSON")
    }
}

/// Runs `facteur` with these words; `stdin` is what it reads.
async fn facteur(words: &str, stdin: &str) -> Ended {
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_facteur"))
        .args(words.split_whitespace())
        .env_remove("TOXIPROXY_URL")
        .env_remove("KAFKA_BOOTSTRAP_SERVERS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(stdin.as_bytes()).await.expect("written");
    drop(input);
    let output = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await;
    let output = output.expect("it ends").expect("its output");
    Ended {
        code: output.status.code().expect("it exits"),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn injector() -> AdminServer {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    AdminServer::start(listener, Injector::new(InjectorOptions::default())).unwrap()
}

/// Runs `facteur chaos` against this injector, and expects this exit code.
async fn chaos(admin: &AdminServer, words: &str, code: i32) -> Ended {
    let ended = facteur(&format!("chaos --url http://{} {words}", admin.address()), "").await;
    assert_eq!(ended.code, code, "chaos {words}: {ended:?}");
    ended
}

// A day of a proxy's life, verb by verb. Fails if a verb does nothing, or says otherwise than it did.
#[tokio::test]
async fn every_verb_does_what_it_says() {
    let admin = injector();
    assert!(chaos(&admin, "list", 0).await.stdout.starts_with("no proxies"));
    let created = chaos(&admin, "create a -l 127.0.0.1:0 -u 127.0.0.1:1", 0).await;
    assert!(created.stdout.starts_with("created proxy a: 127.0.0.1:"), "{created:?}");
    let again = chaos(&admin, "create a -u 127.0.0.1:1", 1).await;
    assert!(again.stderr.contains("already exists"), "{again:?}");
    assert!(chaos(&admin, "ls", 0).await.stdout.contains("127.0.0.1:1"));

    chaos(&admin, "latency 100 --jitter 7 --proxy a", 0).await;
    let updated = chaos(&admin, "update a latency_downstream -a latency=250 --json", 0).await.json();
    assert_eq!(updated["attributes"], json!({"latency": 250, "jitter": 7}), "what is not named stays");
    chaos(&admin, "add a -t bandwidth -a rate=10 --upstream --name slow --toxicity 0.5", 0).await;
    let slow = admin.injector().toxic("a", "slow").unwrap();
    assert_eq!((slow.stream.as_str(), slow.toxicity), ("upstream", 0.5));
    chaos(&admin, "drop-response -p a --topic t --client-id c --count 3 --after 2", 0).await;
    let drop = admin.injector().toxic("a", "drop_response_downstream").unwrap().attributes;
    for (name, value) in [
        ("api", json!("Produce")),
        ("topic", json!("t")),
        ("clientId", json!("c")),
        ("count", json!(3)),
        ("after", json!(2)),
    ] {
        assert_eq!(drop[name], value, "{drop:?}");
    }
    chaos(&admin, "error-response -p a --code NOT_LEADER_OR_FOLLOWER --api any", 0).await;
    let error = admin.injector().toxic("a", "error_response_downstream").unwrap().attributes;
    assert_eq!((&error["code"], error.get("api")), (&json!(6), None));
    let inspected = chaos(&admin, "inspect a", 0).await.stdout;
    assert!(inspected.contains("upstream toxics:\n  slow: type=bandwidth"), "{inspected}");
    chaos(&admin, "rm a slow latency_downstream", 0).await;
    let missing = chaos(&admin, "rm a slow", 1).await;
    assert!(missing.stderr.contains("toxic not found"), "{missing:?}");

    assert!(chaos(&admin, "toggle a", 0).await.stdout.contains("disabled"));
    assert!(!admin.injector().proxy("a").unwrap().enabled);
    assert!(chaos(&admin, "toggle a", 0).await.stdout.contains("enabled"));
    assert!(admin.injector().proxy("a").unwrap().enabled);
    chaos(&admin, "reset", 0).await;
    assert!(admin.injector().toxics("a").unwrap().is_empty());
    chaos(&admin, "delete a", 0).await;
    let gone = chaos(&admin, "inspect a", 1).await;
    assert!(gone.stderr.contains("proxy not found"), "{gone:?}");
    admin.stop().await;
}

// Rows 67: a crash ends by itself or by --heal, and a cut that cannot be made whole is not made at all.
#[tokio::test]
async fn outages_begin_and_end() {
    let admin = injector();
    chaos(&admin, "create kafka -u 127.0.0.1:1", 0).await;
    chaos(&admin, "crash-broker", 0).await;
    assert!(!admin.injector().proxy("kafka").unwrap().enabled);
    chaos(&admin, "crash-broker --heal", 0).await;
    assert!(admin.injector().proxy("kafka").unwrap().enabled);
    let ended = chaos(&admin, "crash-broker --for 20 --json", 0).await;
    let states: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&states[0]["state"], &states[1]["state"]), (&json!("begun"), &json!("healed")));
    assert!(admin.injector().proxy("kafka").unwrap().enabled);

    chaos(&admin, "partition", 0).await;
    assert_eq!(admin.injector().toxics("kafka").unwrap().len(), 2);
    chaos(&admin, "partition", 1).await;
    assert_eq!(admin.injector().toxics("kafka").unwrap().len(), 2, "the cut that was there stays");
    chaos(&admin, "partition --heal", 0).await;
    chaos(&admin, "partition --heal", 1).await;
    chaos(&admin, "add kafka -t timeout --name partition_downstream", 0).await;
    chaos(&admin, "partition", 1).await;
    assert_eq!(admin.injector().toxics("kafka").unwrap().len(), 1, "half a cut is taken back");
    admin.stop().await;
}

// Row 26: fifteen faults, each seen; nothing is left behind.
#[tokio::test]
async fn test_all_sees_every_fault() {
    let admin = injector();
    let ended = chaos(&admin, "test-all --json", 0).await.json();
    let faults = ended["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 15);
    for fault in faults {
        assert_eq!(fault["ok"], json!(true), "{fault}");
    }
    assert!(admin.injector().proxies().is_empty(), "the scratch proxies are gone");
    let table = chaos(&admin, "test-all", 0).await.stdout;
    assert!(table.ends_with("15 of 15 faults work\n"), "{table}");
    admin.stop().await;
}

// Each wrong word: the code of a usage error or of a refusal, a reason, and nothing half-created.
#[tokio::test]
async fn wrong_words_are_explained() {
    let admin = injector();
    chaos(&admin, "create kafka -u 127.0.0.1:1", 0).await;
    for (words, code, part) in [
        ("", 2, "Usage"),
        ("create x", 2, "--upstream"),
        ("latency", 2, "MS"),
        ("latency -5", 2, "-5"),
        ("add kafka -t latency -a latency", 2, "NAME=VALUE"),
        ("add kafka -t latency --toxicity 2", 2, "from 0 to 1"),
        ("add kafka -t nonsense", 1, "invalid toxic type"),
        ("add kafka -t drop_response -a api=Prodduce", 1, "Prodduce"),
        ("add nowhere -t latency", 1, "proxy not found"),
        ("update kafka x", 2, "nothing to change"),
        ("error-response", 2, "--code"),
        ("error-response --code NO_SUCH", 1, "NO_SUCH"),
        ("drop-response --count -2", 2, "-2"),
        ("crash-broker --for 5 --heal", 2, "cannot be used with"),
    ] {
        let ended = chaos(&admin, words, code).await;
        assert!(ended.stderr.contains(part), "chaos {words}: {ended:?}");
    }
    assert!(admin.injector().toxics("kafka").unwrap().is_empty());
    let address = admin.address();
    admin.stop().await;
    let nobody = facteur(&format!("chaos list --url http://{address}"), "").await;
    assert_eq!(nobody.code, 3);
    assert!(nobody.stderr.contains("no fault injector answers"), "{nobody:?}");
}

// Rows 24 and 88.
#[tokio::test]
async fn partition_shows_where_keys_go() {
    let ended = facteur("partition customer-42 -n 3 --json", "").await;
    let choices = ended.json()["choices"].clone();
    assert_eq!((&choices[0]["partition"], &choices[1]["partition"]), (&json!(0), &json!(2)));
    let keys: String = (0..1000).map(|number| format!("customer-{number}\n")).collect();
    let ended = facteur("partition --keys - -n 3", &keys).await;
    assert!(ended.stdout.ends_with("the two agree on 317 of 1000 keys\n"), "{ended:?}");
    let ended = facteur("partition --keys /no/such/file -n 3", "").await;
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("/no/such/file"), "{ended:?}");
    for wrong in ["partition -n 3", "partition a -n 0", "partition a", "partition a --keys - -n 3"] {
        assert_eq!(facteur(wrong, "").await.code, 2, "{wrong}");
    }
}

// The broker's half of idempotence: id, epoch, last sequence.
#[tokio::test]
async fn producers_describe_shows_the_last_sequence() {
    let config = BrokerConfig {
        topics: vec![("t".to_owned(), 2)],
        auto_create_topics: false,
        ..BrokerConfig::default()
    };
    let broker = Broker::start(config).await.expect("a free port");
    let bootstrap = broker.bootstrap().to_string();
    let producer = Producer::from_properties([("bootstrap.servers", bootstrap.as_str())]).unwrap();
    let mut identity = None;
    for value in ["one", "two", "three"] {
        let report = producer.send_and_wait(Record::to("t").partition(1).value(value.as_bytes())).await;
        identity = report.expect("delivered").details().producer_id;
    }
    let id = identity.expect("an idempotent producer");

    let ended = facteur(&format!("producers describe -b {bootstrap} --topic t --partition 1"), "").await;
    let lines: Vec<Vec<&str>> =
        ended.stdout.lines().map(|line| line.split('\t').map(str::trim).collect()).collect();
    assert_eq!(lines[0][..4], ["ProducerId", "ProducerEpoch", "LatestCoordinatorEpoch", "LastSequence"]);
    assert_eq!(lines[1][..4], [&id.to_string(), "0", "-1", "2"]);
    let ended = facteur(&format!("producers describe -b {bootstrap} --topic t --json"), "").await.json();
    assert_eq!((&ended["partition"], &ended["lastSequence"]), (&json!(1), &json!(2)));
    for (words, part) in [("--topic nope", "does not exist"), ("--topic t --partition 7", "it has 2")] {
        let ended = facteur(&format!("producers describe -b {bootstrap} {words}"), "").await;
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.stderr.contains(part), "{ended:?}");
    }
    producer.close(Duration::from_secs(5)).await;
    broker.stop().await;
}
