//! Events as they happen: pages that follow each other, and a stream that is resumed where it broke.

use std::net::SocketAddr;
use std::time::Duration;

use facteur::lab::running::LabSettings;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{get, java, send, settings, started};

/// An open stream and what has come of it.
struct Listening {
    stream: TcpStream,
    text: String,
}

impl Listening {
    async fn start(address: SocketAddr, path: &str, header: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Self { stream, text: String::new() }
    }

    /// Reads until `is_enough`, or the stream ends.
    async fn until(&mut self, is_enough: impl Fn(&str) -> bool) {
        let mut buffer = vec![0; 64 * 1024];
        while !is_enough(&self.text) {
            let read = tokio::time::timeout(Duration::from_secs(20), self.stream.read(&mut buffer));
            let read =
                read.await.unwrap_or_else(|_| panic!("nothing more came after {:?}", self.text)).unwrap();
            if read == 0 {
                return;
            }
            self.text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    }

    fn ids(&self) -> Vec<u64> {
        self.text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
    }
}

// A page says where the next one begins, and the events of one send are all there with their witnesses.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_events_follow_each_other_and_have_every_witness() {
    let lab = started(settings()).await;
    send(java(&lab), "mode=idempotent&eventId=EV-1").await;
    let mut events: Vec<Value> = Vec::new();
    let has = |events: &[Value], kind: &str| events.iter().any(|event| event["kind"] == kind);
    let mut after = 0;

    for _ in 0..500 {
        let page = get(java(&lab), &format!("/api/v1/events?after={after}&limit=7")).await.json();
        assert!(page["events"].as_array().unwrap().len() <= 7);
        events.extend(page["events"].as_array().unwrap().iter().cloned());
        after = page["next"].as_u64().unwrap();
        if ["appended", "http_answer", "BatchAcknowledged"].iter().all(|kind| has(&events, kind)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    for (kind, witness) in [
        ("http_call", "http"),
        ("BatchSent", "producer"),
        ("appended", "broker"),
        ("connection_opened", "injector"),
    ] {
        let event = events.iter().find(|event| event["kind"] == kind);
        let event = event.unwrap_or_else(|| panic!("no {kind} in {events:#?}"));
        assert_eq!(event["witness"], witness);
        assert!(!event["text"].as_str().unwrap().is_empty());
    }
    let ids: Vec<u64> = events.iter().map(|event| event["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>(), "ids have holes");
    let sent = events.iter().find(|event| event["kind"] == "BatchSent").unwrap();
    assert!(sent["localAddress"].is_string() && sent["correlationId"].is_i64(), "{sent}");
}

// EventSource reconnects with the last id that it saw: nothing is told twice, nothing is left out, and the lab's end ends
// the stream.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_resumed_where_it_broke_and_ends_with_the_lab() {
    let lab = started(settings()).await;
    send(java(&lab), "mode=idempotent&eventId=S-1").await;
    let mut first = Listening::start(java(&lab), "/api/v1/events?after=0", "").await;
    first.until(|text| text.matches("\n\n").count() > 3).await;
    assert!(first.text.contains("content-type: text/event-stream"), "{}", first.text);
    let last = *first.ids().last().unwrap();
    drop(first);

    let mut second =
        Listening::start(java(&lab), "/api/v1/events", &format!("Last-Event-ID: {last}\r\n")).await;
    send(java(&lab), "mode=idempotent&eventId=S-2").await;
    second.until(|text| text.contains("\"eventId\":\"S-2\"")).await;

    let ids = second.ids();
    assert_eq!(ids[0], last + 1);
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ids:?}");
    let (_, report) = tokio::join!(second.until(|_| false), lab.stop());
    assert!(report.all_calls_answered, "the stream held the lab up");
}

// The ring is bounded: a reader that was away too long is told how much it missed.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_was_away_too_long_is_told_what_is_gone() {
    let lab = started(LabSettings { timeline_capacity: 10, ..settings() }).await;
    for index in 0..10 {
        send(java(&lab), &format!("mode=idempotent&eventId=G-{index}")).await;
    }

    let page = get(java(&lab), "/api/v1/events?after=1").await.json();
    let mut stream = Listening::start(java(&lab), "/api/v1/events?after=1", "").await;
    stream.until(|text| text.contains("event: gap\ndata: {\"gone\":")).await;
    let wrong = get(java(&lab), "/api/v1/events?after=yesterday").await;

    assert!(page["gone"].as_u64().unwrap() > 10, "{page}");
    assert!(page["events"].as_array().unwrap().len() <= 10);
    assert_eq!((wrong.status, wrong.problem().as_str()), (400, "invalid-parameter"));
}
