//! Slow, large, many, foreign; and the end.

use std::sync::Arc;
use std::time::Duration;

use facteur::broker::{Fault, FaultAction};
use facteur::lab::running::{LabSettings, RunningLab, StartError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{
    Answer, broker, call, exchange, get, java, librdkafka, records, send, settings, started,
};

fn delayed(delay: Duration) -> Fault {
    Fault::new(0, FaultAction::DelayAnswer(delay))
}

// F01: headers that dribble must not hold a connection; axum's own accept loop would wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn headers_that_never_end_close_the_connection() {
    let lab = started(LabSettings { header_timeout: Duration::from_millis(200), ..settings() }).await;
    let mut stream = TcpStream::connect(java(&lab)).await.unwrap();
    stream.write_all(b"POST /api/v1/send?mode=plain HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await.unwrap();

    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await;

    assert!(closed.is_ok(), "the connection is still open");
}

// F06: a body is bounded while it streams, with and without a length; nothing is written.
#[tokio::test(flavor = "multi_thread")]
async fn an_oversize_body_is_413_while_it_streams() {
    let lab = started(settings()).await;
    let address = java(&lab);
    let line = "POST /api/v1/send?mode=plain&eventId=E HTTP/1.1\r\nHost: localhost\r\n";

    let announced = exchange(address, format!("{line}Content-Length: 1048577\r\n\r\n").as_bytes()).await;
    let mut chunked = format!("{line}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..17 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend(std::iter::repeat_n(b'x', 0x10000));
        chunked.extend_from_slice(b"\r\n");
    }
    let streamed = exchange(address, &chunked).await;

    for answer in [announced, streamed] {
        assert_eq!((answer.status, answer.problem().as_str()), (413, "body-too-large"));
    }
    let small = format!("{line}Connection: close\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(exchange(address, small.as_bytes()).await.status, 200);
    assert_eq!(records(&lab, "bhf-transactions", 3), 1);
}

// F16, F18, F22: each limit has its own answer.
#[tokio::test(flavor = "multi_thread")]
async fn long_addresses_many_headers_foreign_pages_and_gzip_are_refused() {
    let lab = started(settings()).await;
    let address = java(&lab);
    let path = "/api/v1/send?mode=plain&eventId=E";

    let long = send(address, &format!("mode=plain&eventId=E&key={}", "k".repeat(4096))).await;
    assert_eq!((long.status, long.problem().as_str()), (414, "uri-too-long"));
    let many: Vec<String> = (0..100).map(|number| format!("X-{number}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(call(address, "POST", path, &many).await.status, 431);
    let large = format!("X-Large: {}", "x".repeat(20_000));
    assert_eq!(call(address, "POST", path, &[&large]).await.status, 431);
    assert_eq!(
        call(address, "POST", path, &["Origin: http://evil.example"]).await.problem(),
        "foreign-origin"
    );
    let own = format!("Origin: http://{address}");
    assert_eq!(call(address, "POST", path, &[&own]).await.status, 200);
    let rebound = format!("POST {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert_eq!(exchange(address, rebound.as_bytes()).await.status, 403);
    let gzip = call(address, "POST", path, &["Content-Encoding: gzip"]).await;
    assert_eq!((gzip.status, gzip.problem().as_str()), (415, "unsupported-encoding"));
    assert_eq!(records(&lab, "bhf-transactions", 3), 1);
}

// F03: calls beyond the bound are refused at once, with a time to come back; health goes on.
#[tokio::test(flavor = "multi_thread")]
async fn calls_beyond_the_bound_are_503_with_retry_after() {
    let lab = started(LabSettings { most_calls: 1, ..settings() }).await;
    let address = java(&lab);
    let _armed = broker(&lab).faults().arm(delayed(Duration::from_secs(2)));
    let first = tokio::spawn(async move { send(address, "mode=plain&eventId=FIRST").await });
    while lab.shared().calls.available_permits() > 0 {
        tokio::task::yield_now().await;
    }

    let second = send(librdkafka(&lab), "mode=plain&eventId=SECOND").await;

    assert_eq!((second.status, second.problem().as_str()), (503, "overloaded"));
    assert_eq!(second.header("retry-after"), Some("1"));
    assert_eq!(get(address, "/health").await.status, 200);
    assert_eq!(first.await.unwrap().status, 200);
}

// D-64: a store full of pending requests refuses the next asynchronous one before anything is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_status_store_refuses_before_writing() {
    let lab = started(LabSettings { status_capacity: 1, ..settings() }).await;
    let _armed = broker(&lab).faults().arm(delayed(Duration::from_secs(2)));
    let first = send(java(&lab), "mode=plain&sendMode=async&eventId=FIRST").await;

    let second = send(java(&lab), "mode=plain&sendMode=async&eventId=SECOND").await;

    assert_eq!(first.status, 202);
    assert_eq!((second.status, second.problem().as_str()), (503, "status-store-full"));
    let request_id = first.json()["requestId"].as_str().unwrap().to_owned();
    assert_eq!(crate::support::final_status(java(&lab), &request_id).await.json()["state"], "OK");
    assert_eq!(records(&lab, "bhf-transactions", 3), 1);
}

// F11: the caller leaves; what was accepted is written all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_leaves_does_not_cancel_the_record() {
    let lab = started(settings()).await;
    let _armed = broker(&lab).faults().arm(delayed(Duration::from_millis(300)));
    let mut stream = TcpStream::connect(java(&lab)).await.unwrap();
    let call = b"POST /api/v1/send?mode=idempotent&eventId=GONE HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(call).await.unwrap();
    while lab.shared().calls.available_permits() == lab.shared().most_calls {
        tokio::task::yield_now().await;
    }
    drop(stream);

    let report = lab.stop().await;

    assert_eq!((report.records.rejected, report.records.unknown), (0, 0));
}

// F03 and F14: many calls at once, the end in the middle; each call has one honest answer and none is lost.
#[tokio::test(flavor = "multi_thread")]
async fn draining_under_load_answers_every_call_honestly() {
    let lab = started(settings()).await;
    let address = java(&lab);
    let handle = broker(&lab);
    let calls: Vec<_> =
        (0..100).map(|number| tokio::spawn(async move { try_send(address, number).await })).collect();
    while handle.high_watermark("bhf-transactions", 0).unwrap_or(0) < 3 {
        tokio::task::yield_now().await;
    }

    let report = lab.stop().await;

    let mut acknowledged = 0;
    for call in calls {
        match call.await.unwrap() {
            Some(answer) if answer.status == 200 => acknowledged += 1,
            Some(answer) if answer.status == 503 => assert_eq!(answer.problem(), "draining"),
            Some(answer) => panic!("{answer:?}"),
            // Refused at the door: nothing was accepted.
            None => {}
        }
    }
    let written: i64 =
        (0..3).filter_map(|partition| handle.high_watermark("bhf-transactions", partition)).sum();
    assert_eq!(written, acknowledged);
    assert_eq!((report.records.rejected, report.records.unknown, report.all_calls_answered), (0, 0, true));
}

async fn try_send(address: std::net::SocketAddr, number: u32) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!(
        "POST /api/v1/send?mode=idempotent&eventId=L-{number} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok()?;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

// A busy port is the most frequent trouble of a first start: it is named, and so is the way out.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_port_is_named() {
    let lab = Arc::new(started(settings()).await);
    let taken = java(&lab).port();

    let error = RunningLab::start(LabSettings { java_port: taken, ..settings() }).await.unwrap_err();

    assert!(matches!(error, StartError::Port { .. }));
    let text = error.to_string();
    assert!(text.contains(&taken.to_string()) && text.contains("--java-port"), "{text}");
}

// Every call ends: one that would not is answered honestly, and what it had accepted is written all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_too_long_is_504_and_its_record_goes_on() {
    let lab = started(LabSettings { call_timeout: Some(Duration::from_millis(300)), ..settings() }).await;
    let _armed = broker(&lab).faults().arm(delayed(Duration::from_secs(2)));

    let key = ["Idempotency-Key: k"];
    let path = "/api/v1/send?mode=idempotent&eventId=LONG";
    let answer = call(java(&lab), "POST", path, &key).await;

    assert_eq!((answer.status, answer.problem().as_str()), (504, "call-timeout"), "{answer:?}");
    assert_eq!(answer.json()["possiblyWritten"], true);
    assert_eq!(lab.shared().calls.available_permits(), lab.shared().most_calls, "the permit came back");
    // The key of such a call is bound: to make it again could be the duplicate.
    let again = call(java(&lab), "POST", path, &key).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (504, Some("true")), "{again:?}");
    let report = lab.stop().await;
    assert_eq!((report.records.rejected, report.records.unknown), (0, 0));
}

// A page on another site must neither read an answer, nor frame it, nor have it guessed to be a script.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_security_headers_and_no_cors() {
    let lab = started(settings()).await;
    for (method, path) in [
        ("GET", "/health"),
        ("GET", "/nothing"),
        ("DELETE", "/health"),
        ("OPTIONS", "/api/v1/send"),
        ("POST", "/api/v1/send?mode=plain&eventId=E"),
        ("GET", "/openapi.json"),
        ("GET", "/metrics"),
        ("GET", "/docs/index.html"),
    ] {
        let answer = call(java(&lab), method, path, &[]).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{method} {path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{method} {path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{method} {path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(answer.header("access-control-allow-origin"), None, "{method} {path}");
    }
}
