//! What each toxic does to a connection.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use facteur::chaos::InjectorOptions;
use facteur::chaos::events::ChaosEventKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Line, PATIENCE, call, get, read_exactly, read_to_end, started, started_with};

// Without toxics every byte passes both ways. Fails if a chunk is lost, repeated or reordered.
#[tokio::test]
async fn without_toxics_every_byte_passes_both_ways() {
    let line = Line::new().await;
    let (mut client, mut server) = line.connect().await;
    let sent: Vec<u8> = (0..3_000_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();

    let (received, answered) = tokio::join!(
        async {
            client.write_all(&sent).await.unwrap();
            read_exactly(&mut client, 5).await
        },
        async {
            let received = read_exactly(&mut server, sent.len()).await;
            server.write_all(b"thank").await.unwrap();
            received
        }
    );

    assert_eq!(received, b"thank");
    assert!(answered == sent);
    line.admin.stop().await;
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

// The course's 5 s, in small: one answer is late by the latency, and a second one that arrived with it is not later still.
#[tokio::test]
async fn latency_delays_each_chunk_by_its_own_age() {
    let line = Line::new().await;
    line.toxic(json(r#"{"type": "latency", "attributes": {"latency": 300}}"#)).await;
    let (mut client, mut server) = line.connect().await;

    let began = Instant::now();
    client.write_all(b"ask").await.unwrap();
    assert_eq!(read_exactly(&mut server, 3).await, b"ask");
    assert!(began.elapsed() < Duration::from_millis(250), "upstream is not delayed");
    server.write_all(b"one").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.write_all(b"two").await.unwrap();
    assert_eq!(read_exactly(&mut client, 3).await, b"one");
    let first = began.elapsed();
    assert_eq!(read_exactly(&mut client, 3).await, b"two");
    let second = began.elapsed();

    assert!(first >= Duration::from_millis(300), "{first:?}");
    assert!(second - first < Duration::from_millis(280), "delays do not pile up: {first:?}, {second:?}");
    line.admin.stop().await;
}

// Removing the latency is how the course ends its lab: what is held must come at once, not in an hour.
#[tokio::test]
async fn removing_latency_releases_what_it_holds_at_once_and_in_order() {
    let mut line = Line::new().await;
    let (mut client, mut server) = line.connect().await;
    line.toxic(json(r#"{"name": "slow", "type": "latency", "attributes": {"latency": 3600000}}"#)).await;
    server.write_all(b"held ").await.unwrap();
    line.fired("slow").await;
    server.write_all(b"back").await.unwrap();

    line.injector().remove_toxic("p", "slow").unwrap();

    assert_eq!(read_exactly(&mut client, 9).await, b"held back");
    line.admin.stop().await;
}

// A change reaches open connections: the chunk whose time runs goes, those behind it get the new delay.
#[tokio::test]
async fn a_changed_latency_acts_on_open_connections() {
    let mut line = Line::new().await;
    let (mut client, mut server) = line.connect().await;
    line.toxic(json(r#"{"name": "slow", "type": "latency", "attributes": {"latency": 3600000}}"#)).await;
    server.write_all(b"first").await.unwrap();
    line.fired("slow").await;

    let path = "/proxies/p/toxics/slow";
    let changed = call(&line.admin, "PATCH", path, r#"{"attributes": {"latency": 20}}"#).await;

    assert_eq!(changed.status, 200);
    assert_eq!(read_exactly(&mut client, 5).await, b"first");
    server.write_all(b"second").await.unwrap();
    assert_eq!(read_exactly(&mut client, 6).await, b"second");
    line.admin.stop().await;
}

// 100 KB at 500 KB/s take 200 ms; the bound above is generous, the one below is the toxic.
#[tokio::test]
async fn bandwidth_slows_the_line_to_its_rate() {
    let line = Line::new().await;
    line.toxic(json(r#"{"type": "bandwidth", "stream": "upstream", "attributes": {"rate": 500}}"#)).await;
    let (mut client, mut server) = line.connect().await;

    let began = Instant::now();
    client.write_all(&[7; 100_000]).await.unwrap();
    let received = read_exactly(&mut server, 100_000).await;

    let took = began.elapsed();
    assert_eq!(received, [7; 100_000]);
    assert!(took >= Duration::from_millis(195) && took < Duration::from_secs(10), "{took:?}");
    line.admin.stop().await;
}

// Rate 0 means nothing ever passes; taking the toxic away loses nothing.
#[tokio::test]
async fn a_rate_of_zero_stops_the_line_until_the_toxic_goes() {
    let mut line = Line::new().await;
    line.toxic(json(r#"{"name": "still", "type": "bandwidth", "attributes": {"rate": 0}}"#)).await;
    let (mut client, mut server) = line.connect().await;
    server.write_all(b"waiting").await.unwrap();
    line.fired("still").await;

    line.injector().remove_toxic("p", "still").unwrap();

    assert_eq!(read_exactly(&mut client, 7).await, b"waiting");
    line.admin.stop().await;
}

// Data passes at once, the end comes late.
#[tokio::test]
async fn slow_close_holds_back_the_end_and_nothing_else() {
    let line = Line::new().await;
    line.toxic(json(r#"{"type": "slow_close", "attributes": {"delay": 300}}"#)).await;
    let (mut client, mut server) = line.connect().await;

    let began = Instant::now();
    server.write_all(b"bye").await.unwrap();
    drop(server);
    assert_eq!(read_exactly(&mut client, 3).await, b"bye");
    assert!(began.elapsed() < Duration::from_millis(250), "data is not delayed");
    let (rest, ended) = read_to_end(&mut client).await;

    ended.unwrap();
    assert_eq!(rest, b"");
    assert!(began.elapsed() >= Duration::from_millis(300));
    line.admin.stop().await;
}

// The classic of a lost answer: swallowed while the toxic stands; on its removal the connection closes, because bytes are
// missing. Fails if the answer comes after all, or the client is left waiting.
#[tokio::test]
async fn removing_a_timeout_closes_the_connection_and_the_answer_stays_lost() {
    let mut line = Line::new().await;
    line.toxic(json(r#"{"name": "lost", "type": "timeout", "attributes": {"timeout": 0}}"#)).await;
    let (mut client, mut server) = line.connect().await;
    client.write_all(b"ask").await.unwrap();
    assert_eq!(read_exactly(&mut server, 3).await, b"ask");
    server.write_all(b"answer").await.unwrap();
    let event = line.fired("lost").await;
    assert_eq!(event.bytes, Some(6));
    assert_eq!(
        event.connection.unwrap().client,
        client.local_addr().unwrap(),
        "the client knows itself by this"
    );

    line.injector().remove_toxic("p", "lost").unwrap();

    let (rest, _ended) = read_to_end(&mut client).await;
    assert_eq!(rest, b"");
    line.admin.stop().await;
}

// The time runs from the last chunk; here there is none, so it closes after the time.
#[tokio::test]
async fn a_timeout_closes_after_its_time_without_data() {
    let line = Line::new().await;
    line.toxic(json(r#"{"type": "timeout", "attributes": {"timeout": 200}}"#)).await;

    let began = Instant::now();
    let (mut client, _server) = line.connect().await;
    let (rest, _ended) = read_to_end(&mut client).await;

    assert_eq!(rest, b"");
    assert!(began.elapsed() >= Duration::from_millis(195), "{:?}", began.elapsed());
    line.admin.stop().await;
}

// A real RST on both sides, also where the toxic came after the connection: an end would be a clean one.
#[tokio::test]
async fn reset_peer_resets_both_sides_even_when_added_later() {
    let line = Line::new().await;
    let (mut client, mut server) = line.connect().await;
    line.toxic(json(r#"{"type": "reset_peer", "attributes": {"timeout": 0}}"#)).await;

    server.write_all(b"never seen").await.unwrap();

    let (seen, ended) = read_to_end(&mut client).await;
    assert_eq!(seen, b"");
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let (_, ended) = read_to_end(&mut server).await;
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
    line.admin.stop().await;
}

// Where toxicity says no, the end must stay a clean one; Toxiproxy resets there as well.
#[tokio::test]
async fn reset_peer_without_toxicity_ends_cleanly() {
    let line = Line::new().await;
    line.toxic(json(r#"{"type": "reset_peer", "toxicity": 0}"#)).await;
    let (mut client, mut server) = line.connect().await;

    server.write_all(b"seen").await.unwrap();
    drop(server);

    let (seen, ended) = read_to_end(&mut client).await;
    assert_eq!(seen, b"seen");
    ended.unwrap();
    line.admin.stop().await;
}

// A reader must cope with pieces: they come apart, in order, all of them.
#[tokio::test]
async fn slicer_cuts_into_small_pieces_and_loses_none() {
    let line = Line::new().await;
    let slicer =
        r#"{"type": "slicer", "attributes": {"average_size": 10, "size_variation": 5, "delay": 2000}}"#;
    line.toxic(json(slicer)).await;
    let (mut client, mut server) = line.connect().await;
    let sent: Vec<u8> = (0..200).collect();

    server.write_all(&sent).await.unwrap();
    let (mut received, mut largest) = (Vec::new(), 0);
    while received.len() < sent.len() {
        let mut piece = [0; 256];
        let length = tokio::time::timeout(PATIENCE, client.read(&mut piece)).await.unwrap().unwrap();
        received.extend_from_slice(&piece[..length]);
        largest = largest.max(length);
    }

    assert_eq!(received, sent);
    assert!(largest < sent.len(), "it came in one piece");
    line.admin.stop().await;
}

// Exactly so many bytes, for each number: one more or less and no test of a cut frame means anything.
#[tokio::test]
async fn limit_data_passes_exactly_its_bytes_then_closes() {
    let line = Line::new().await;
    for limit in [0, 1, 5, 9, 10] {
        let definition =
            format!(r#"{{"name": "cut", "type": "limit_data", "attributes": {{"bytes": {limit}}}}}"#);
        line.toxic(json(&definition)).await;
        let (mut client, mut server) = line.connect().await;

        server.write_all(b"0123456789").await.unwrap();

        let (seen, _ended) = read_to_end(&mut client).await;
        assert_eq!(seen, b"0123456789"[..limit], "limit {limit}");
        line.injector().remove_toxic("p", "cut").unwrap();
    }
    line.admin.stop().await;
}

// A change must not begin to count anew.
#[tokio::test]
async fn a_changed_limit_goes_on_counting() {
    let line = Line::new().await;
    line.toxic(json(r#"{"name": "cut", "type": "limit_data", "attributes": {"bytes": 6}}"#)).await;
    let (mut client, mut server) = line.connect().await;
    server.write_all(b"1234").await.unwrap();
    assert_eq!(read_exactly(&mut client, 4).await, b"1234");

    let path = "/proxies/p/toxics/cut";
    assert_eq!(call(&line.admin, "POST", path, r#"{"attributes": {"bytes": 7}}"#).await.status, 200);
    server.write_all(b"56789").await.unwrap();

    let (seen, _ended) = read_to_end(&mut client).await;
    assert_eq!(seen, b"567");
    line.admin.stop().await;
}

// "Down": refused, and what was open is closed; up again on the same port.
#[tokio::test]
async fn a_disabled_proxy_refuses_and_closes_and_comes_back_on_its_port() {
    let line = Line::new().await;
    let (mut client, _server) = line.connect().await;

    call(&line.admin, "POST", "/proxies/p", r#"{"enabled": false}"#).await;

    let (rest, _ended) = read_to_end(&mut client).await;
    assert_eq!(rest, b"");
    assert_eq!(TcpStream::connect(line.proxy).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    call(&line.admin, "POST", "/proxies/p", r#"{"enabled": true}"#).await;
    let (mut client, mut server) = line.connect().await;
    server.write_all(b"back").await.unwrap();
    assert_eq!(read_exactly(&mut client, 4).await, b"back");
    line.admin.stop().await;
}

// The end of one direction closes the whole connection, as in Toxiproxy; with half_close it does not.
#[tokio::test]
async fn half_close_is_kept_only_where_it_is_asked_for() {
    for keeps in [false, true] {
        let line = Line::with(started(), |wanted| wanted.half_close = keeps).await;
        let (mut client, mut server) = line.connect().await;

        client.write_all(b"last words").await.unwrap();
        client.shutdown().await.unwrap();
        let (heard, _ended) = read_to_end(&mut server).await;
        assert_eq!(heard, b"last words");
        drop(server.write_all(b"reply").await);
        drop(server);
        let (reply, _ended) = read_to_end(&mut client).await;

        assert_eq!(reply, if keeps { b"reply".as_slice() } else { b"" }, "half_close {keeps}");
        line.admin.stop().await;
    }
}

// The same seed acts on the same connections; another one on others. Toxiproxy throws its seed away.
#[tokio::test]
async fn the_seed_decides_which_connections_are_hit() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let line =
            Line::with(started_with(InjectorOptions { seed, ..InjectorOptions::default() }), |_| {}).await;
        line.toxic(json(r#"{"type": "limit_data", "toxicity": 0.5, "attributes": {"bytes": 0}}"#)).await;
        let mut hit = Vec::new();
        for _ in 0..24 {
            let (mut client, mut server) = line.connect().await;
            server.write_all(b"x").await.unwrap();
            drop(server);
            hit.push(read_to_end(&mut client).await.0.is_empty());
        }
        line.admin.stop().await;
        runs.push(hit);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    assert!(runs[0].contains(&true) && runs[0].contains(&false), "half of them: {runs:?}");
}

// One server that does not answer must not hold up the clients of another one; theirs dials inside the accept loop.
#[tokio::test]
async fn a_server_that_cannot_be_reached_closes_the_client_and_is_told() {
    let mut line = Line::new().await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    call(&line.admin, "POST", "/proxies/p", &format!(r#"{{"upstream": "{gone}"}}"#)).await;

    let mut client = TcpStream::connect(line.proxy).await.unwrap();

    let (rest, _ended) = read_to_end(&mut client).await;
    assert_eq!(rest, b"");
    let event = line.event(|event| matches!(event.kind, ChaosEventKind::ConnectionFailed { .. })).await;
    assert!(event.reason().contains(&gone.to_string()), "{event}");
    assert_eq!(event.connection.unwrap().client, client.local_addr().unwrap());
    line.admin.stop().await;
}

// What passes is counted under Toxiproxy's names, and a deleted proxy is forgotten.
#[tokio::test]
async fn bytes_are_counted_and_forgotten_with_their_proxy() {
    let line = Line::new().await;
    let (mut client, mut server) = line.connect().await;
    client.write_all(b"hello").await.unwrap();
    assert_eq!(read_exactly(&mut server, 5).await, b"hello");

    let metrics = get(&line.admin, "/metrics").await;

    let wanted = format!(
        "toxiproxy_proxy_sent_bytes_total{{direction=\"upstream\",proxy=\"p\",listener=\"{}\",upstream=\"{}\"}} 5",
        line.proxy,
        line.listener.local_addr().unwrap()
    );
    assert!(metrics.body.contains(&wanted), "{metrics:?}");
    call(&line.admin, "DELETE", "/proxies/p", "").await;
    assert!(!get(&line.admin, "/metrics").await.body.contains("proxy=\"p\""));
    line.admin.stop().await;
}

// A client without end must not take the lab's descriptors: what is too much is closed at once, and told; a place that is
// given back can be taken again.
#[tokio::test]
async fn connections_have_a_bound_that_is_told() {
    let mut line = Line::new().await;
    let mut open = Vec::new();
    for _ in 0..256 {
        open.push(line.connect().await);
    }

    let mut more = TcpStream::connect(line.proxy).await.unwrap();

    let (rest, _ended) = read_to_end(&mut more).await;
    assert_eq!(rest, b"");
    let event = line
        .event(|event| {
            matches!(&event.kind, ChaosEventKind::ConnectionFailed { why } if why.contains("256 connections"))
        })
        .await;
    assert_eq!(event.connection.unwrap().client, more.local_addr().unwrap());
    drop(open.pop());
    line.event(|event| matches!(event.kind, ChaosEventKind::ConnectionClosed { .. })).await;
    let (mut client, mut server) = loop {
        // The place is free a moment after the event.
        let client = TcpStream::connect(line.proxy).await.unwrap();
        if let Ok(accepted) = tokio::time::timeout(Duration::from_millis(200), line.listener.accept()).await {
            break (client, accepted.unwrap().0);
        }
    };
    server.write_all(b"room").await.unwrap();
    assert_eq!(read_exactly(&mut client, 4).await, b"room");
    line.admin.stop().await;
}

// Toxics of one direction follow each other in the order of their creation, and live changes find their own.
#[tokio::test]
async fn several_toxics_act_one_after_the_other() {
    let mut line = Line::new().await;
    line.toxic(json(r#"{"name": "slow", "type": "latency", "attributes": {"latency": 3600000}}"#)).await;
    line.toxic(json(r#"{"name": "cut", "type": "limit_data", "attributes": {"bytes": 4}}"#)).await;
    let (mut client, mut server) = line.connect().await;
    server.write_all(b"123456").await.unwrap();
    line.fired("slow").await;

    line.injector().remove_toxic("p", "slow").unwrap();

    assert_eq!(read_to_end(&mut client).await.0, b"1234", "what latency held still meets the limit");
    line.admin.stop().await;
}
