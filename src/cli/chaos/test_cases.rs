//! The faults of `chaos test-all`: what is done, and what must be seen.
//!
//! **Why bounds on one side only.** A fault that delays must delay at least so long; how much longer is the machine's
//! business, so no busy machine fails a test. Only "no delay" has an upper bound, far above what it takes. Neighbours:
//! [`super::test_all`] runs them. Not here: the peer.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cli::chaos::admin::{Admin, ToxicSpec};
use crate::cli::chaos::show;
use crate::cli::chaos::test_peer::{ADVERTISED_HOST, CLOSE, TestPeer};
use crate::cli::exit::{Exit, Failure};
use crate::lab::clock;
use crate::wire::api::{ApiKey, api_versions, metadata};
use crate::wire::frame::decode_response_header;

/// A fault and its row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) which: Which,
    pub(crate) fault: &'static str,
    pub(crate) expected: &'static str,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) what: String,
    pub(crate) ok: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Which {
    Noop,
    Latency,
    Bandwidth,
    SlowClose,
    Timeout,
    ResetPeer,
    Slicer,
    LimitData,
    Down,
    Addresses,
    DropResponse,
    DelayResponse,
    CloseAfterRequest,
    ErrorResponse,
    DuplicateRequest,
}

const fn case(which: Which, fault: &'static str, expected: &'static str) -> Case {
    Case { which, fault, expected }
}

pub(crate) const BYTE_CASES: &[Case] = &[
    case(Which::Noop, "noop", "bytes come back"),
    case(Which::Latency, "latency 150 ms", "at least 150 ms, and none once removed"),
    case(Which::Bandwidth, "bandwidth 100 KB/s", "40 KB take at least 300 ms"),
    case(Which::SlowClose, "slow_close 150 ms", "the end comes at least 150 ms late"),
    case(Which::Timeout, "timeout 150 ms", "no byte, and the end after 150 ms"),
    case(Which::ResetPeer, "reset_peer", "the connection is reset"),
    case(Which::Slicer, "slicer 10 bytes", "200 bytes come in pieces"),
    case(Which::LimitData, "limit_data 10 bytes", "10 bytes, then the end"),
    case(Which::Down, "down", "refused, and back once enabled"),
];

pub(crate) const KAFKA_CASES: &[Case] = &[
    case(Which::Addresses, "addresses", "Metadata names the proxy"),
    case(Which::DropResponse, "drop_response", "the broker acts, the answer is lost, once"),
    case(Which::DelayResponse, "delay_response 150 ms", "the answer takes at least 150 ms"),
    case(Which::CloseAfterRequest, "close_after_request", "the broker gets it, the connection ends"),
    case(Which::ErrorResponse, "error_response 5", "code 5, and the broker sees nothing"),
    case(Which::DuplicateRequest, "duplicate_request", "the broker gets two, the client one answer"),
];

/// Where the cases are tried.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    admin: &'a Admin,
    proxy: String,
    address: SocketAddr,
    host: String,
    peer: &'a TestPeer,
}

impl<'a> Bench<'a> {
    /// `listen` is what the injector says; where that is every address, the injector's own host is taken.
    pub(crate) fn new(
        admin: &'a Admin,
        proxy: &str,
        listen: &str,
        peer: &'a TestPeer,
    ) -> Result<Self, Failure> {
        let mut address: SocketAddr = listen.parse().map_err(|_| {
            Failure::new(Exit::CheckFailed, format!("the injector says that the proxy listens on {listen:?}"))
        })?;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        let host = address.ip().to_string();
        Ok(Self { admin, proxy: proxy.to_owned(), address, host, peer })
    }

    /// Tries one fault.
    pub(crate) async fn attempt(&self, which: Which) -> Result<Seen, Failure> {
        match which {
            Which::Noop => self.noop().await,
            Which::Latency => self.latency().await,
            Which::Bandwidth => self.bandwidth().await,
            Which::SlowClose => self.slow_close().await,
            Which::Timeout => self.timeout().await,
            Which::ResetPeer => self.reset_peer().await,
            Which::Slicer => self.slicer().await,
            Which::LimitData => self.limit_data().await,
            Which::Down => self.down().await,
            Which::Addresses => self.addresses().await,
            Which::DropResponse => self.drop_response().await,
            Which::DelayResponse => self.delay_response().await,
            Which::CloseAfterRequest => self.close_after_request().await,
            Which::ErrorResponse => self.error_response().await,
            Which::DuplicateRequest => self.duplicate_request().await,
        }
    }

    /// The proxy as it was: enabled, without toxics.
    pub(crate) async fn clean(&self) -> Result<(), Failure> {
        let proxy = self.admin.proxy(&self.proxy).await?;
        for toxic in proxy.get("toxics").and_then(Value::as_array).into_iter().flatten() {
            self.admin.remove(&self.proxy, &show::text(toxic, "name")).await?;
        }
        if show::is_enabled(&proxy) {
            return Ok(());
        }
        self.admin.change(&self.proxy, &json!({"enabled": true})).await.map(drop)
    }

    async fn add(&self, type_name: &str, attributes: Value) -> Result<(), Failure> {
        let toxic = ToxicSpec {
            type_name: type_name.to_owned(),
            name: None,
            stream: "downstream",
            toxicity: 1.0,
            attributes,
        };
        self.admin.add(&self.proxy, &toxic).await.map(drop)
    }

    async fn connect(&self) -> Result<TcpStream, Failure> {
        let stream = TcpStream::connect(self.address).await.map_err(|error| self.unseen(&error))?;
        drop(stream.set_nodelay(true));
        Ok(stream)
    }

    fn unseen(&self, error: &std::io::Error) -> Failure {
        Failure::new(Exit::CheckFailed, format!("{}: {error}", self.address))
    }

    /// Sends and waits for as much to come back; what came, how long it took, and how it ended.
    async fn exchange(&self, stream: &mut TcpStream, bytes: &[u8]) -> Result<Echo, Failure> {
        let begin = clock::now();
        stream.write_all(bytes).await.map_err(|error| self.unseen(&error))?;
        let mut echo = Echo { bytes: 0, pieces: 0, took: Duration::ZERO, end: None };
        let mut buffer = vec![0; 16 * 1024];
        while echo.bytes < bytes.len() {
            match stream.read(&mut buffer).await {
                Ok(0) => echo.end = Some(End::Closed),
                Ok(size) => {
                    echo.bytes = echo.bytes.saturating_add(size);
                    echo.pieces = echo.pieces.saturating_add(1);
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => echo.end = Some(End::Reset),
                Err(error) => return Err(self.unseen(&error)),
            }
            if echo.end.is_some() {
                break;
            }
        }
        echo.took = clock::now().since(begin);
        Ok(echo)
    }

    async fn round_trip(&self, bytes: &[u8]) -> Result<Echo, Failure> {
        let mut stream = self.connect().await?;
        self.exchange(&mut stream, bytes).await
    }

    async fn noop(&self) -> Result<Seen, Failure> {
        self.add("noop", json!({})).await?;
        let echo = self.round_trip(b"hello").await?;
        Ok(Seen { what: format!("{} of 5 bytes", echo.bytes), ok: echo.bytes == 5 && echo.end.is_none() })
    }

    async fn latency(&self) -> Result<Seen, Failure> {
        let mut stream = self.connect().await?;
        self.exchange(&mut stream, b"hello").await?;
        self.add("latency", json!({"latency": 150})).await?;
        // The same connection: toxics act on those that are open.
        let slow = self.exchange(&mut stream, b"hello").await?.took;
        self.clean().await?;
        let quick = self.exchange(&mut stream, b"hello").await?.took;
        let ok = slow >= DELAY && quick < DELAY;
        Ok(Seen { what: format!("{} ms, then {} ms", slow.as_millis(), quick.as_millis()), ok })
    }

    async fn bandwidth(&self) -> Result<Seen, Failure> {
        self.add("bandwidth", json!({"rate": 100})).await?;
        let echo = self.round_trip(&[b'x'; 40_000]).await?;
        let ok = echo.bytes == 40_000 && echo.took >= Duration::from_millis(300);
        Ok(Seen { what: format!("{} bytes in {} ms", echo.bytes, echo.took.as_millis()), ok })
    }

    async fn slow_close(&self) -> Result<Seen, Failure> {
        self.add("slow_close", json!({"delay": 150})).await?;
        let mut stream = self.connect().await?;
        self.exchange(&mut stream, CLOSE).await?;
        let begin = clock::now();
        let end = stream.read(&mut [0; 1]).await;
        let took = clock::now().since(begin);
        // The echo of the last byte and the end leave the peer together.
        let ok = matches!(end, Ok(0)) && took >= DELAY.mul_f64(0.9);
        Ok(Seen { what: format!("{} ms", took.as_millis()), ok })
    }

    async fn timeout(&self) -> Result<Seen, Failure> {
        self.add("timeout", json!({"timeout": 150})).await?;
        let echo = self.round_trip(b"hello").await?;
        let ok = echo.bytes == 0 && echo.end.is_some() && echo.took >= DELAY;
        Ok(Seen { what: format!("{} bytes, the end after {} ms", echo.bytes, echo.took.as_millis()), ok })
    }

    async fn reset_peer(&self) -> Result<Seen, Failure> {
        self.add("reset_peer", json!({"timeout": 0})).await?;
        let echo = self.round_trip(b"hello").await?;
        Ok(Seen { what: echo.ending().to_owned(), ok: echo.end == Some(End::Reset) })
    }

    async fn slicer(&self) -> Result<Seen, Failure> {
        self.add("slicer", json!({"average_size": 10, "size_variation": 2, "delay": 2_000})).await?;
        let echo = self.round_trip(&[b'x'; 200]).await?;
        let ok = echo.bytes == 200 && echo.pieces > 1;
        Ok(Seen { what: format!("{} bytes in {} pieces", echo.bytes, echo.pieces), ok })
    }

    async fn limit_data(&self) -> Result<Seen, Failure> {
        self.add("limit_data", json!({"bytes": 10})).await?;
        let echo = self.round_trip(&[b'x'; 200]).await?;
        Ok(Seen {
            what: format!("{} bytes, {}", echo.bytes, echo.ending()),
            ok: echo.bytes == 10 && echo.end.is_some(),
        })
    }

    async fn down(&self) -> Result<Seen, Failure> {
        self.admin.change(&self.proxy, &json!({"enabled": false})).await?;
        let refused = TcpStream::connect(self.address).await.is_err();
        self.admin.change(&self.proxy, &json!({"enabled": true})).await?;
        let echo = self.round_trip(b"hello").await?;
        let first = if refused { "refused" } else { "NOT refused" };
        Ok(Seen { what: format!("{first}, then {} of 5 bytes", echo.bytes), ok: refused && echo.bytes == 5 })
    }

    /// Asks the Kafka peer; the answer's body, `None` if the connection ended instead.
    async fn ask(&self, api: ApiKey) -> Result<Answer, Failure> {
        let mut stream = self.connect().await?;
        let begin = clock::now();
        let request = if api == ApiKey::Metadata {
            metadata::encode_request(1, 7, CLIENT_ID, Some(&["scratch"]), false)
        } else {
            api_versions::encode_request(0, 7, CLIENT_ID)
        };
        stream.write_all(&request).await.map_err(|error| self.unseen(&error))?;
        let mut body = None;
        let mut prefix = [0; 4];
        if stream.read_exact(&mut prefix).await.is_ok() {
            let size = usize::try_from(i32::from_be_bytes(prefix)).unwrap_or(0).min(64 * 1024);
            let mut frame = vec![0; size];
            if stream.read_exact(&mut frame).await.is_ok() {
                body = decode_response_header(Bytes::from(frame), 7, false).ok();
            }
        }
        Ok(Answer { body, took: clock::now().since(begin) })
    }

    async fn addresses(&self) -> Result<Seen, Failure> {
        let answer = self.ask(ApiKey::Metadata).await?;
        let brokers = answer.metadata()?.brokers;
        let told = brokers.first().map(|broker| format!("{}:{}", broker.host, broker.port));
        let told = told.unwrap_or_else(|| "no broker".to_owned());
        let ok = told == format!("{}:{}", self.host, self.address.port());
        Ok(Seen { what: format!("{told} for {ADVERTISED_HOST}"), ok })
    }

    async fn drop_response(&self) -> Result<Seen, Failure> {
        self.add("drop_response", json!({"api": "ApiVersions"})).await?;
        let before = self.peer.requests();
        let lost = self.ask(ApiKey::ApiVersions).await?.body.is_none();
        let reached = self.peer.requests().saturating_sub(before);
        let second = self.ask(ApiKey::ApiVersions).await?.body.is_some();
        let ok = lost && reached == 1 && second;
        Ok(Seen { what: format!("{}, then {}", word(!lost), word(second)), ok })
    }

    async fn delay_response(&self) -> Result<Seen, Failure> {
        self.add("delay_response", json!({"api": "ApiVersions", "delay": 150})).await?;
        let answer = self.ask(ApiKey::ApiVersions).await?;
        let ok = answer.body.is_some() && answer.took >= DELAY;
        Ok(Seen { what: format!("{} after {} ms", word(answer.body.is_some()), answer.took.as_millis()), ok })
    }

    async fn close_after_request(&self) -> Result<Seen, Failure> {
        self.add("close_after_request", json!({"api": "ApiVersions"})).await?;
        let before = self.peer.requests();
        let answer = self.ask(ApiKey::ApiVersions).await?;
        let reached = self.wait_for_requests(before.saturating_add(1)).await.saturating_sub(before);
        let ok = answer.body.is_none() && reached == 1;
        Ok(Seen { what: format!("{}, {reached} request at the broker", word(answer.body.is_some())), ok })
    }

    async fn error_response(&self) -> Result<Seen, Failure> {
        self.add("error_response", json!({"api": "Metadata", "code": 5})).await?;
        let before = self.peer.requests();
        let answer = self.ask(ApiKey::Metadata).await?;
        let reached = self.peer.requests().saturating_sub(before);
        let code = answer.metadata()?.topics.first().map(|topic| topic.error.0);
        let told = code.map_or_else(|| "no code".to_owned(), |code| format!("code {code}"));
        let ok = code == Some(5) && reached == 0;
        Ok(Seen { what: format!("{told}, {reached} requests at the broker"), ok })
    }

    async fn duplicate_request(&self) -> Result<Seen, Failure> {
        self.add("duplicate_request", json!({"api": "ApiVersions"})).await?;
        let before = self.peer.requests();
        let answered = self.ask(ApiKey::ApiVersions).await?.body.is_some();
        let reached = self.wait_for_requests(before.saturating_add(2)).await.saturating_sub(before);
        let ok = answered && reached == 2;
        Ok(Seen { what: format!("{}, {reached} requests at the broker", word(answered)), ok })
    }

    /// The peer reads a moment later than the client is answered, or closed upon.
    async fn wait_for_requests(&self, wanted: usize) -> usize {
        for _ in 0..200 {
            if self.peer.requests() >= wanted {
                break;
            }
            crate::lab::tasks::sleep(Duration::from_millis(5)).await;
        }
        self.peer.requests()
    }
}

/// What an echo was like.
#[derive(Debug)]
struct Echo {
    bytes: usize,
    pieces: usize,
    took: Duration,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
}

impl Echo {
    const fn ending(&self) -> &'static str {
        match self.end {
            None => "no end",
            Some(End::Closed) => "closed",
            Some(End::Reset) => "reset",
        }
    }
}

/// What the Kafka peer's answer was like.
#[derive(Debug)]
struct Answer {
    body: Option<Bytes>,
    took: Duration,
}

impl Answer {
    fn metadata(&self) -> Result<metadata::MetadataResponse, Failure> {
        let body = self.body.clone();
        let body = body.ok_or_else(|| Failure::new(Exit::CheckFailed, "no answer: the connection ended"))?;
        metadata::decode_response(1, body).map_err(|error| Failure::new(Exit::CheckFailed, error.to_string()))
    }
}

const fn word(is_answered: bool) -> &'static str {
    if is_answered { "answered" } else { "no answer" }
}

/// What the delaying faults are told.
const DELAY: Duration = Duration::from_millis(150);
const CLIENT_ID: &str = "facteur-test-all";
