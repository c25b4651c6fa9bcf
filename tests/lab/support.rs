//! A lab on free ports, and an HTTP client of a few lines: what it sends and reads can be seen whole.

use std::net::SocketAddr;
use std::time::Duration;

use facteur::broker::BrokerHandle;
use facteur::lab::environment::ProducerEnvironment;
use facteur::lab::injector::InjectorSettings;
use facteur::lab::profile::Profile;
use facteur::lab::running::{LabSettings, RunningLab};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Settings with free ports and short times.
pub fn settings() -> LabSettings {
    LabSettings {
        java_port: 0,
        librdkafka_port: 0,
        kafka_ports: vec![0, 0],
        injector: Some(InjectorSettings { admin_port: 0, proxy_port: 0, seed: Some(1) }),
        environment: ProducerEnvironment {
            request_timeout_ms: 5_000,
            retry_backoff_ms: 10,
            ..ProducerEnvironment::default()
        },
        ..LabSettings::default()
    }
}

/// A lab that is ready.
pub async fn started(settings: LabSettings) -> RunningLab {
    let mut lab = RunningLab::start(settings).await.unwrap();
    lab.ready().await;
    lab
}

/// Its broker.
pub fn broker(lab: &RunningLab) -> BrokerHandle {
    lab.broker().unwrap().handle()
}

/// An answer, taken apart.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (candidate, value) = line.split_once(':')?;
            candidate.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body, or null if it is no JSON.
    pub fn json_if_any(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The names of the body's members, in the order in which they came.
    pub fn members(&self) -> Vec<String> {
        serde_json::Deserializer::from_str(&self.body).deserialize_map(Names).unwrap()
    }

    /// The last part of a problem's type.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let json = self.json();
        assert_eq!(json["status"], self.status, "{self:?}");
        json["type"].as_str().unwrap().strip_prefix("/problems/").unwrap().to_owned()
    }
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut names = Vec::new();
        while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            names.push(name);
        }
        Ok(names)
    }
}

/// Sends bytes as they are and reads until the other side closes.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The other side may answer and close before it has read everything.
    drop(stream.write_all(request).await);
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
    drop(read.expect("an answer within 30 seconds"));
    parse(&answer)
}

fn parse(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// One call, with more header lines if wanted.
pub async fn call(address: SocketAddr, method: &str, path: &str, headers: &[&str]) -> Answer {
    let more: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{more}\r\n");
    exchange(address, request.as_bytes()).await
}

pub async fn get(address: SocketAddr, path: &str) -> Answer {
    call(address, "GET", path, &[]).await
}

/// A send call with this query.
pub async fn send(address: SocketAddr, query: &str) -> Answer {
    call(address, "POST", &format!("/api/v1/send?{query}"), &[]).await
}

/// Asks for a status until it is final.
pub async fn final_status(address: SocketAddr, request_id: &str) -> Answer {
    for _ in 0..1_000 {
        let answer = get(address, &format!("/api/v1/status?requestId={request_id}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        if answer.json()["state"] != "PENDING" {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the status of {request_id} stayed PENDING");
}

pub fn java(lab: &RunningLab) -> SocketAddr {
    lab.address(Profile::Java)
}

pub fn librdkafka(lab: &RunningLab) -> SocketAddr {
    lab.address(Profile::Librdkafka)
}

/// How many records a topic's partitions have in all.
pub fn records(lab: &RunningLab, topic: &str, partitions: i32) -> i64 {
    let broker = broker(lab);
    (0..partitions).filter_map(|partition| broker.high_watermark(topic, partition)).sum()
}
