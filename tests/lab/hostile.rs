//! The façade among people who mean harm, and among very many: rows F01 to F25 whose other halves are in `limits`,
//! `patience`, `errors`, `idempotency` and `outcomes`.
//!
//! `FACTEUR_MANY=10000` makes the crowds as large as the rows say; each caller needs a file of this process.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::routing::get as get_route;
use facteur::lab::environment::ProducerEnvironment;
use facteur::lab::routes::events::MAX_STREAMS;
use facteur::lab::running::LabSettings;
use facteur::lab::server::{MOST_CONNECTIONS, Patience, Server};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::support::{Answer, broker, call, exchange, get, java, records, send, settings, started};

/// How many make a crowd: a short one in plain `cargo test`.
fn many(short: usize) -> usize {
    std::env::var("FACTEUR_MANY").ok().and_then(|text| text.parse().ok()).unwrap_or(short)
}

/// Resident memory of this process.
fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}

// F01: a body that comes byte by byte. The call ends with 408 after ten seconds, and until then it holds no permit: a
// hundred such callers would otherwise stop everybody. Nothing is written.
#[tokio::test(flavor = "multi_thread")]
async fn f01_a_body_that_dribbles_is_408_and_holds_no_permit() {
    let lab = started(LabSettings { most_calls: 1, ..settings() }).await;
    let address = java(&lab);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /api/v1/send?mode=plain&eventId=SLOW HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let dribble = async {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let told = async {
        let mut answer = vec![0; 4096];
        let read = reader.read(&mut answer).await.unwrap_or(0);
        String::from_utf8_lossy(&answer[..read]).into_owned()
    };
    let other = async {
        for number in 0..3 {
            assert_eq!(send(address, &format!("mode=plain&eventId=OTHER-{number}")).await.status, 200);
        }
    };

    let ((), answer) = tokio::join!(other, async {
        tokio::select! { answer = told => answer, () = dribble => String::new() }
    });

    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("/problems/body-timeout"), "{answer}");
    assert_eq!(records(&lab, "bhf-transactions", 3), 3);
}

/// A caller that reads nothing, with as small a buffer as the system gives.
async fn reading_nothing(address: SocketAddr, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

// F02: readers of something large who take nothing of it. They are given up after the limit and what their answers held
// comes back, while others are served. Fails if a stuck reader keeps its connection and its place for ever.
#[tokio::test(flavor = "multi_thread")]
async fn f02_readers_that_take_nothing_are_given_up_and_others_are_served() {
    let places = Arc::new(Semaphore::new(8));
    let held = Arc::clone(&places);
    let endless = move || async move {
        let place = held.try_acquire_owned().expect("a place");
        Body::new(Endless { _place: place })
    };
    let routes: Router = Router::new().route("/endless", get_route(endless)).route("/ok", get_route("fine"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let patience = Patience { header: Duration::from_secs(5), write: Duration::from_millis(300) };
    let server = Server::start_with(listener, address, routes, patience);

    let mut stuck = Vec::new();
    for _ in 0..8 {
        stuck.push(reading_nothing(address, "/endless").await);
    }
    while places.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(get(address, "/ok").await.body, "fine");

    // All of them come back, each a little after the limit.
    let back = tokio::time::timeout(Duration::from_secs(20), places.acquire_many(8)).await;
    assert!(back.is_ok(), "{} of 8 places came back", places.available_permits());
    server.stop_accepting(Duration::from_secs(5));
    assert!(server.stopped().await, "a stuck reader held up the end");
}

/// A body that has always more.
struct Endless {
    _place: OwnedSemaphorePermit,
}

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 65_536])))))
    }
}

/// One send that may be refused; none if the connection was.
async fn sent(address: SocketAddr, event_id: String) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!(
        "POST /api/v1/send?mode=idempotent&eventId={event_id} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

// F03: everybody at once, twice. Each has an answer: the offset, or 503 with a time to come back; what was acknowledged
// is in the log, no more and no less, and the second wave needs no more memory than the first.
#[tokio::test(flavor = "multi_thread")]
async fn f03_a_crowd_is_answered_within_bounds_and_every_accepted_record_is_in_the_log() {
    let lab = started(LabSettings { most_calls: 64, ..settings() }).await;
    let (address, callers) = (java(&lab), many(600));
    let (mut accepted, mut memory) = (0, Vec::new());
    for wave in 0..3 {
        let calls: Vec<_> =
            (0..callers).map(|number| tokio::spawn(sent(address, format!("W{wave}-{number}")))).collect();
        let (mut answered, mut refused) = (0, 0);
        for call in calls {
            let answer = call.await.unwrap().expect("every call is answered");
            match answer.status {
                200 => answered += 1,
                503 => {
                    assert_eq!(answer.problem(), "overloaded");
                    assert!(answer.header("retry-after").is_some(), "{answer:?}");
                    refused += 1;
                }
                other => panic!("{other}: {answer:?}"),
            }
        }
        println!(
            "wave {wave}: {answered} stored, {refused} told to come back, {} MB",
            resident_bytes() >> 20
        );
        accepted += answered;
        memory.push(resident_bytes());
    }

    assert!(accepted > 0);
    assert_eq!(records(&lab, "bhf-transactions", 3), accepted);
    assert_eq!(lab.shared().calls.available_permits(), 64);
    assert!(memory[2] < memory[1] + (32 << 20), "{memory:?}");
    let report = lab.stop().await;
    assert_eq!((report.records.rejected, report.records.unknown), (0, 0));
}

// Thousands of connections that say nothing: beyond the bound they wait at the door, and when they go, or their time for a
// head is over, others come in. Fails if silent connections shut the façade for good.
#[tokio::test(flavor = "multi_thread")]
async fn f03_silent_connections_are_closed_and_the_next_caller_is_served() {
    let lab = started(LabSettings { header_timeout: Duration::from_millis(500), ..settings() }).await;
    let address = java(&lab);
    let mut silent = Vec::new();
    for _ in 0..MOST_CONNECTIONS + many(200) {
        silent.push(TcpStream::connect(address).await.unwrap());
    }

    let answer = send(address, "mode=plain&eventId=E").await;

    assert_eq!(answer.status, 200, "{answer:?}");
    for stream in silent.iter_mut().take(10) {
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "a silent connection stays");
    }
}

// F04, F16: requests that are broken as HTTP. Each is refused or closed, none is taken for a send, and the façade lives.
#[tokio::test(flavor = "multi_thread")]
async fn f16_broken_chunks_odd_methods_and_paths_are_refused() {
    let lab = started(LabSettings { header_timeout: Duration::from_millis(500), ..settings() }).await;
    let address = java(&lab);
    let send = "POST /api/v1/send?mode=plain&eventId=E HTTP/1.1\r\nHost: localhost\r\n";
    for (head, rest, statuses) in [
        (send, "Transfer-Encoding: chunked\r\n\r\nzz\r\nxx\r\n0\r\n\r\n", &[0, 400][..]),
        (send, "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx", &[0, 400]),
        (send, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello", &[0, 400]),
        (send, "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", &[0, 400]),
        (send, "Content-Length: -1\r\n\r\n", &[0, 400]),
        (send, "Bad Header: x\r\n\r\n", &[0, 400]),
        ("GET /api/v1/send HTTP/1.1\r\nHost: localhost\r\n", "Connection: close\r\n\r\n", &[405]),
        ("BREW /api/v1/send HTTP/1.1\r\nHost: localhost\r\n", "Connection: close\r\n\r\n", &[405]),
        ("TRACE / HTTP/1.1\r\nHost: localhost\r\n", "Connection: close\r\n\r\n", &[404, 405]),
        ("GET /docs/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n", "Connection: close\r\n\r\n", &[404]),
        (
            "GET /docs/..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: localhost\r\n",
            "Connection: close\r\n\r\n",
            &[404],
        ),
        ("POST /api/v1/send?mode=plain&eventId=\u{0} HTTP/1.1\r\nHost: localhost\r\n", "\r\n", &[0, 400]),
        ("PRI * HTTP/2.0\r\n", "\r\nSM\r\n\r\n", &[0, 400, 505]),
        ("\u{16}\u{3}\u{1}\u{2}", "", &[0, 400]),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        drop(stream.write_all(rest.as_bytes()).await);
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "{head:?} {rest:?} hangs");
        let text = String::from_utf8_lossy(&answer);
        let status: u16 = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        assert!(statuses.contains(&status), "{head:?} {rest:?}: {text}");
    }
    assert_eq!(records(&lab, "bhf-transactions", 3), 0, "something was taken for a send");
    assert_eq!(get(address, "/health").await.status, 200);
}

// F21: JSON of any depth, with numbers of any size and members twice, in a body that nobody asked for: it is thrown away,
// and the query alone decides. The injector's API reads its bodies, and refuses these.
#[tokio::test(flavor = "multi_thread")]
async fn f21_deep_and_double_json_is_refused_where_it_is_read() {
    let lab = started(settings()).await;
    let admin = lab.lab_injector().unwrap().admin_address();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested =
        format!("{{\"type\":\"noop\",\"attributes\":{}1{}}}", "{\"a\":".repeat(200), "}".repeat(200));
    let bodies = [
        deep.as_str(),
        &nested,
        "{\"type\":\"latency\",\"attributes\":{\"latency\":1e999}}",
        "{\"type\":\"latency\",\"attributes\":{\"latency\":-1}}",
        "{\"type\":\"latency\",\"attributes\":{\"latency\":NaN}}",
        "{\"type\":\"latency\",\"attributes\":{\"latency\":99999999999999999999}}",
        "{\"type\":\"drop_response\",\"attributes\":{\"count\":1.5}}",
        "{\"type\":\"noop\",\"toxicity\":1e309}",
        "\u{feff}{}",
        "{\"type\":\"noop\"",
        "",
    ];
    for body in bodies {
        let request = format!(
            "POST /proxies/kafka/toxics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = exchange(admin, request.as_bytes()).await;
        let start: String = body.chars().take(60).collect();
        assert_eq!(answer.status, 400, "{start}: {answer:?}");
    }
    let request = format!(
        "POST /api/v1/send?mode=plain&eventId=DEEP HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{deep}",
        deep.len()
    );
    assert_eq!(exchange(java(&lab), request.as_bytes()).await.status, 200);
    for partition in ["-1", "2147483648", "NaN", "1e3", "0x1", "%00", "١"] {
        let answer = send(java(&lab), &format!("mode=plain&eventId=E&partition={partition}")).await;
        assert_eq!(
            (answer.status, answer.json()["parameter"].as_str()),
            (400, Some("partition")),
            "{partition}"
        );
    }
    assert_eq!(records(&lab, "bhf-transactions", 3), 1);
}

// F17: a crowd of proxies, and one that leads to a cloud's metadata service, through the lab's own admin port.
#[tokio::test(flavor = "multi_thread")]
async fn f17_the_admin_port_leads_nowhere_and_has_its_bound() {
    let lab = started(settings()).await;
    let admin = lab.lab_injector().unwrap().admin_address();
    let post = async |path: &str, body: String| {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        exchange(admin, request.as_bytes()).await.status
    };
    for upstream in ["169.254.169.254:80", "[fd00:ec2::254]:80", "192.0.2.1:9092", "0.0.0.0:0"] {
        let body = format!("{{\"name\":\"cloud\",\"upstream\":\"{upstream}\",\"enabled\":false}}");
        assert_eq!(post("/proxies", body.clone()).await, 400, "{upstream}");
        assert_eq!(post("/populate", format!("[{body}]")).await, 400, "{upstream}");
        assert_eq!(
            post("/proxies/kafka", format!("{{\"upstream\":\"{upstream}\"}}")).await,
            400,
            "{upstream}"
        );
    }

    let mut created = 0;
    for number in 0..1_000 {
        let body = format!("{{\"name\":\"p{number}\",\"upstream\":\"127.0.0.1:1\",\"enabled\":false}}");
        match post("/proxies", body).await {
            201 => created += 1,
            status => assert_eq!(status, 400),
        }
    }

    assert!((50..64).contains(&created), "{created} proxies");
    assert_eq!(send(java(&lab), "mode=idempotent&eventId=E").await.status, 200);
}

// F25: whatever was set as a secret appears in no answer, no message and no Debug text. The producer refuses SASL, so the
// place where a password could leak is the refusal.
#[tokio::test(flavor = "multi_thread")]
async fn f25_no_secret_is_ever_told() {
    const CANARY: &str = "canary-7f3a";
    let names = [
        "sasl.jaas.config",
        "sasl.password",
        "sasl.login.callback.handler.class",
        "ssl.key.password",
        "ssl.keystore.password",
        "ssl.keystore.key",
        "ssl.truststore.password",
        "config.providers.vault.param.token",
        "schema.registry.basic.auth.user.info",
        "value.serializer.secret",
    ];
    for name in names {
        let file = format!("bootstrap.servers=localhost:9092\n{name}=x {CANARY}\n");
        let outcome = facteur::ProducerConfig::from_properties_file(&file, "producer.properties");
        let told = match outcome {
            Ok(config) => format!("{config:?} {:?}", config.settings()),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!told.contains(CANARY), "{name}: {told}");
    }
    let environment = ProducerEnvironment { address_map: None, ..ProducerEnvironment::default() };
    let lab = started(LabSettings { environment, ..settings() }).await;
    for path in ["/api/v1/config", "/metrics", "/readyz", "/api/v1/events", "/openapi.json"] {
        let answer = call(java(&lab), "GET", path, &["Authorization: Bearer canary-7f3a"]).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.body.contains(CANARY) && !answer.head.contains(CANARY), "{path}");
    }
}

// F20: many listeners, of whom some are stuck: those that read have every event, in order and on time.
#[tokio::test(flavor = "multi_thread")]
async fn f20_stuck_listeners_do_not_hold_up_the_others() {
    let lab = started(settings()).await;
    let address = java(&lab);
    let mut held = Vec::new();
    for _ in 0..MAX_STREAMS / 2 {
        held.push(reading_nothing(address, "/api/v1/events?after=0").await);
    }
    let readers: Vec<_> = (0..MAX_STREAMS / 4)
        .map(|_| {
            tokio::spawn(async move {
                let mut stream = reading_nothing(address, "/api/v1/events?after=0").await;
                let mut text = String::new();
                let mut buffer = vec![0; 16 * 1024];
                while !text.contains("\"eventId\":\"LAST\"") {
                    let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut buffer)).await;
                    let read = read.expect("events come on time").unwrap();
                    assert!(read > 0, "a reader was given up");
                    text.push_str(&String::from_utf8_lossy(&buffer[..read]));
                }
            })
        })
        .collect();
    for number in 0..50 {
        assert_eq!(send(address, &format!("mode=plain&eventId=E-{number}")).await.status, 200);
    }
    assert_eq!(send(address, "mode=plain&eventId=LAST").await.status, 200);
    for reader in readers {
        reader.await.unwrap();
    }
    let handle = Arc::new(broker(&lab));
    assert_eq!(handle.high_watermark("bhf-transactions", 0).map(|end| end > 0), Some(true));
}
