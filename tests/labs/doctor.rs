//! `facteur doctor` against labs that are well and labs that are not.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::commands::{facteur, text};

/// The row of a subject in `--json`.
fn row(json: &serde_json::Value, subject: &str) -> serde_json::Value {
    let rows = json["findings"].as_array().unwrap();
    let found = rows.iter().find(|row| row["subject"].as_str().unwrap().contains(subject));
    found.cloned().unwrap_or_else(|| panic!("no row about {subject}: {json:#}"))
}

// A port that another program has is the commonest reason why an API does not start: the program must be named.
#[test]
fn a_port_that_is_taken_names_the_process_that_has_it() {
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", stranger.local_addr().unwrap());
    // Answers everything with something that is no HTTP; ends with the test process.
    let answering = std::thread::spawn(move || {
        let (mut client, _) = stranger.accept().unwrap();
        let mut asked = [0; 1024];
        drop(client.read(&mut asked));
        drop(client.write_all(b"220 mail.example ESMTP\r\n"));
        stranger
    });

    let report = facteur(&["doctor", "--ports", "--json", "--java-url", &url]);

    let json: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report.status.code(), Some(1), "{json:#}");
    let java = row(&json, "API, java");
    assert_eq!(java["state"], "wrong");
    if cfg!(target_os = "linux") {
        let id = format!("process {}", std::process::id());
        assert!(java["found"].as_str().unwrap().contains(&id), "{java:#}");
    }
    assert!(java["advice"].as_str().unwrap().contains("--java-port"), "{java:#}");
    drop(answering.join().unwrap());
}

// Nothing runs: every row says so with advice, and the exit code is 1; a wrong address is 2 before anything is asked.
#[test]
fn a_machine_without_a_lab_is_told_how_to_start_one() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");

    let urls = ["--java-url", &url, "--dotnet-url", &url, "--toxiproxy-url", &url, "-b", &free.to_string()];
    let report = facteur(&[&["doctor"][..], &urls].concat());

    let shown = text(&report.stdout);
    assert_eq!(report.status.code(), Some(1), "{shown}");
    for subject in ["API, java", "API, librdkafka", "injector API", "Kafka", "fault path"] {
        let line = shown.lines().find(|line| line.starts_with("WRONG") && line.contains(subject));
        assert!(line.is_some(), "{subject} is not wrong in {shown}");
    }
    assert!(shown.contains("-> start the lab: `facteur`"), "{shown}");
    assert_eq!(facteur(&["doctor", "-b", "no port"]).status.code(), Some(2));
}
