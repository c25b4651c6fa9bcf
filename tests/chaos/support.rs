//! An injector with its admin port, an HTTP call, and a server that can be watched.

use std::net::SocketAddr;
use std::time::Duration;

use facteur::chaos::api::server::AdminServer;
use facteur::chaos::events::{ChaosEvent, ChaosEventKind};
use facteur::chaos::view::NewProxy;
use facteur::chaos::{Injector, InjectorOptions};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

/// Long enough for a busy machine; reached only by a failure.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn started() -> AdminServer {
    started_with(InjectorOptions::default())
}

pub fn started_with(options: InjectorOptions) -> AdminServer {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    AdminServer::start(listener, Injector::new(options)).unwrap()
}

/// An answer, taken apart.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (candidate, value) = line.split_once(':')?;
            candidate.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Asserts Toxiproxy's error format.
    pub fn is_error(&self, status: u16, message: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let json = self.json();
        assert_eq!((&json["error"], &json["status"]), (&message.into(), &status.into()), "{self:?}");
        assert!(self.body.ends_with('\n'), "{self:?}");
    }
}

/// One call with these header lines.
pub async fn call_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> Answer {
    let more: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
    let host = if more.to_ascii_lowercase().contains("host:") {
        String::new()
    } else {
        format!("Host: {address}\r\n")
    };
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {length}\r\n{more}\r\n{body}"
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    drop(stream.write_all(request.as_bytes()).await);
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    drop(read.expect("an answer in time"));
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

pub async fn call(server: &AdminServer, method: &str, path: &str, body: &str) -> Answer {
    call_with(server.address(), method, path, &[], body).await
}

pub async fn get(server: &AdminServer, path: &str) -> Answer {
    call(server, "GET", path, "").await
}

/// A proxy named `p` in front of a server of the test, which is given each connection's other end.
pub struct Line {
    pub admin: AdminServer,
    pub proxy: SocketAddr,
    pub listener: TcpListener,
    pub events: broadcast::Receiver<ChaosEvent>,
}

impl Line {
    pub async fn new() -> Self {
        Self::with(started(), |_| {}).await
    }

    pub async fn with(admin: AdminServer, change: impl FnOnce(&mut NewProxy)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut wanted = NewProxy::new("p", "", listener.local_addr().unwrap().to_string());
        change(&mut wanted);
        let view = admin.injector().create(wanted).await.unwrap().value;
        let events = admin.injector().subscribe();
        Self { proxy: view.listen.parse().unwrap(), admin, listener, events }
    }

    pub fn injector(&self) -> &Injector {
        self.admin.injector()
    }

    /// Both ends of a connection through the proxy: the client's and the server's.
    pub async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.proxy).await.unwrap();
        client.set_nodelay(true).unwrap();
        let accepted = tokio::time::timeout(PATIENCE, self.listener.accept()).await;
        let (server, _) = accepted.expect("the proxy dials in time").unwrap();
        server.set_nodelay(true).unwrap();
        (client, server)
    }

    /// Adds a toxic over HTTP.
    pub async fn toxic(&self, definition: Value) {
        let answer = call(&self.admin, "POST", "/proxies/p/toxics", &definition.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Waits for an event that this accepts.
    pub async fn event(&mut self, accepts: impl Fn(&ChaosEvent) -> bool + Send + Sync) -> ChaosEvent {
        let waiting = async {
            loop {
                let event = self.events.recv().await.unwrap();
                if accepts(&event) {
                    return event;
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the event in time")
    }

    /// Waits until a toxic has told that it acted.
    pub async fn fired(&mut self, toxic: &str) -> ChaosEvent {
        self.event(|event| {
            matches!(event.kind, ChaosEventKind::FaultFired { .. }) && event.toxic.as_deref() == Some(toxic)
        })
        .await
    }
}

/// Reads exactly this many bytes in time.
pub async fn read_exactly(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut bytes)).await;
    read.expect("the bytes in time").unwrap();
    bytes
}

/// Reads to the end in time: what came, and how it ended.
pub async fn read_to_end(stream: &mut TcpStream) -> (Vec<u8>, std::io::Result<()>) {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    let ended = read.expect("the end in time").map(|_| ());
    (bytes, ended)
}
