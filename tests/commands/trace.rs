//! `facteur trace` against a lab that runs: one story, followed or asked for.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use crate::binary::{Running, code, facteur, run, stderr, stdout};

fn lab() -> Running {
    let mut arguments = vec!["serve", "--json"];
    let ports = ["--java-port", "--librdkafka-port", "--kafka-port", "--kafka-internal-port"];
    for port in ports.into_iter().chain(["--toxiproxy-port", "--proxy-port"]) {
        arguments.extend([port, "0"]);
    }
    Running::start(facteur(&arguments))
}

fn url(lab: &Running) -> String {
    lab.first["java"].as_str().unwrap().to_owned()
}

fn send(lab: &Running, query: &str) {
    send_to(&url(lab), query);
}

fn send_to(url: &str, query: &str) {
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let request = format!(
        "POST /api/v1/send?{query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
}

// Row 3: each stage of one send with a time, for people in their language and for programs; an unknown event is exit
// code 1, no lab is exit code 3.
#[test]
fn the_story_of_a_send_is_printed_stage_by_stage() {
    let lab = lab();
    let url = url(&lab);
    send(&lab, "mode=idempotent&eventId=T%201");

    let followed = run(&["trace", "--event-id", "T 1", "--url", &url, "--follow", "--lang", "en"]);
    let english = stdout(&run(&["trace", "-e", "T 1", "--url", &url, "--lang", "en"]));
    let french = stdout(&run(&["trace", "-e", "T 1", "--url", &url, "--lang", "fr"]));
    let json = stdout(&run(&["trace", "-e", "T 1", "--url", &url, "--json"]));
    let unknown = run(&["trace", "-e", "NOBODY", "--url", &url]);

    assert_eq!(code(&followed), 0);
    for stage in
        ["HTTP call", "accepted by producer", "stamped: producer id", "attempt 1: sent", "answered after"]
    {
        assert!(english.contains(stage) && stdout(&followed).contains(stage), "{stage}: {english}");
    }
    assert!(english.lines().filter(|line| line.contains(" ms  ")).count() >= 7, "{english}");
    assert!(french.contains("appel HTTP") && french.contains("tentative 1"), "{french}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["eventId"], &json["sends"][0]["attempts"]), (&"T 1".into(), &1.into()));
    assert_eq!(code(&unknown), 1);
    assert!(stderr(&unknown).contains("NOBODY"), "{}", stderr(&unknown));
    drop(lab);
    let gone = run(&["trace", "-e", "T 1", "--url", &url]);
    assert_eq!(code(&gone), 3, "{}", stderr(&gone));
}

// `--follow` waits for an event that is yet to come, tells it while it happens, and ends by itself.
#[test]
fn following_waits_for_the_event_and_ends_with_its_outcome() {
    let lab = lab();
    let url = url(&lab);
    let mut command = facteur(&["trace", "-e", "LATER", "--url", &url, "--follow", "--lang", "en"]);
    let mut follower = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();

    send(&lab, "mode=plain&eventId=LATER");

    let first = lines.next().unwrap().unwrap();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(first.starts_with("LATER"), "{first}");
    assert!(rest.last().unwrap().starts_with("  = "), "{rest:?}");
    assert_eq!(follower.wait().unwrap().code(), Some(0));
}

// Without an event everything is told as it happens, by every witness.
#[test]
fn following_without_an_event_tells_everything() {
    let lab = lab();
    let url = url(&lab);
    let mut command = facteur(&["trace", "--follow", "--url", &url, "--lang", "en"]);
    let mut follower = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    // It begins with what comes after its start, so one send may come too early for it.
    let sender = std::thread::spawn({
        let url = url.clone();
        move || {
            for index in 0..50 {
                send_to(&url, &format!("mode=idempotent&eventId=ALL-{index}"));
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    });

    let mut witnesses = std::collections::BTreeSet::new();
    while !["http", "producer", "broker"].iter().all(|wanted| witnesses.contains(*wanted)) {
        let line = lines.next().unwrap().unwrap();
        witnesses.extend(line.split_whitespace().nth(1).map(str::to_owned));
    }

    sender.join().unwrap();
    drop(follower.kill());
    drop(follower.wait());
    assert_eq!(code(&run(&["trace", "--url", &url])), 2, "an event or --follow is needed");
}
