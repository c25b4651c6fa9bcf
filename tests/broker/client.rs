//! A client of a few lines: requests as bytes, answers as fields. It retries nothing and believes nothing.

use std::time::Duration;

use bytes::Bytes;
use facteur::HostPort;
use facteur::broker::{Broker, BrokerConfig};
use facteur::wire::api::ApiKey;
use facteur::wire::reader::Reader;
use facteur::wire::writer::Writer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Long enough for a busy machine, short enough to fail a test that would hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection.
pub struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

/// What one partition of a Produce request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Produced {
    pub code: i16,
    pub base_offset: i64,
    pub append_time_ms: i64,
}

/// Starts a broker with these topics.
pub async fn broker_with(topics: &[(&str, i32)]) -> Broker {
    let topics = topics.iter().map(|(name, partitions)| ((*name).to_owned(), *partitions)).collect();
    Broker::start(BrokerConfig { topics, ..BrokerConfig::default() }).await.unwrap()
}

impl Client {
    pub async fn connect(address: &HostPort) -> Self {
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await.unwrap();
        Self { stream, correlation_id: 0 }
    }

    /// Sends bytes as they are.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Says that nothing more will be sent.
    pub async fn send_end(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// The next frame without its length; `None` if the broker closed the connection.
    pub async fn receive(&mut self) -> Option<Bytes> {
        tokio::time::timeout(PATIENCE, async {
            let length = self.stream.read_i32().await.ok()?;
            let mut frame = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut frame).await.ok()?;
            Some(Bytes::from(frame))
        })
        .await
        .expect("the broker answers in time")
    }

    /// Sends a request.
    pub async fn send(&mut self, api: ApiKey, version: i16, body: impl FnOnce(&mut Writer)) {
        self.correlation_id += 1;
        let mut writer = Writer::request(api, version, self.correlation_id, "test");
        body(&mut writer);
        self.send_raw(&writer.finish()).await;
    }

    /// Sends a request and returns the body of the answer; `None` if the broker closed the connection.
    pub async fn ask(&mut self, api: ApiKey, version: i16, body: impl FnOnce(&mut Writer)) -> Option<Reader> {
        self.send(api, version, body).await;
        self.answer(api, version).await
    }

    /// The answer to the request sent last.
    pub async fn answer(&mut self, api: ApiKey, version: i16) -> Option<Reader> {
        let frame = self.receive().await?;
        let mut reader = Reader::new("answer", frame).flexible(api.has_flexible_response_header(version));
        assert_eq!(reader.i32().unwrap(), self.correlation_id, "answers come in order");
        reader.skip_tags().unwrap();
        Some(reader.flexible(api.is_flexible(version)))
    }

    /// Produce 7 with `acks`, one partition.
    pub async fn send_produce(&mut self, topic: &str, partition: i32, acks: i16, records: &[u8]) {
        self.send(ApiKey::Produce, 7, |writer| {
            writer.nullable_string(None);
            writer.i16(acks);
            writer.i32(5_000);
            writer.array_of(&[partition], |writer, partition| {
                writer.string(topic);
                writer.array_of(&[*partition], |writer, partition| {
                    writer.i32(*partition);
                    writer.length(Some(records.len()));
                    writer.raw(records);
                });
            });
        })
        .await;
    }

    /// The answer to [`Self::send_produce`].
    pub async fn produced(&mut self) -> Option<Produced> {
        let mut answer = self.answer(ApiKey::Produce, 7).await?;
        assert_eq!(answer.i32().unwrap(), 1);
        answer.string().unwrap();
        assert_eq!(answer.i32().unwrap(), 1);
        answer.i32().unwrap();
        Some(Produced {
            code: answer.i16().unwrap(),
            base_offset: answer.i64().unwrap(),
            append_time_ms: answer.i64().unwrap(),
        })
    }

    /// Produce 7, acks=-1.
    pub async fn produce(&mut self, topic: &str, records: &[u8]) -> Option<Produced> {
        self.send_produce(topic, 0, -1, records).await;
        self.produced().await
    }

    /// ListOffsets 1: `(code, timestamp, offset)`.
    pub async fn list_offset(&mut self, topic: &str, timestamp_ms: i64) -> (i16, i64, i64) {
        let mut answer = self
            .ask(ApiKey::ListOffsets, 1, |writer| {
                writer.i32(-1);
                writer.array_of(&[0], |writer, partition| {
                    writer.string(topic);
                    writer.array_of(&[*partition], |writer, partition| {
                        writer.i32(*partition);
                        writer.i64(timestamp_ms);
                    });
                });
            })
            .await
            .unwrap();
        answer.i32().unwrap();
        answer.string().unwrap();
        answer.i32().unwrap();
        answer.i32().unwrap();
        (answer.i16().unwrap(), answer.i64().unwrap(), answer.i64().unwrap())
    }

    /// CreateTopics 2, one partition; the error code.
    pub async fn create_topic(&mut self, topic: &str, settings: &[(&str, &str)]) -> i16 {
        let mut answer = self
            .ask(ApiKey::CreateTopics, 2, |writer| {
                writer.array_of(&[topic], |writer, topic| {
                    writer.string(topic);
                    writer.i32(1);
                    writer.i16(1);
                    writer.length(Some(0));
                    writer.array_of(settings, |writer, (name, value)| {
                        writer.string(name);
                        writer.string(value);
                    });
                });
                writer.i32(10_000);
                writer.bool(false);
            })
            .await
            .unwrap();
        answer.i32().unwrap();
        answer.i32().unwrap();
        answer.string().unwrap();
        answer.i16().unwrap()
    }

    /// Fetch 4 from one partition: `(code, high watermark, bytes of batches)`.
    pub async fn fetch(&mut self, topic: &str, offset: i64, wait: Wait) -> Option<(i16, i64, Bytes)> {
        self.send_fetch(topic, offset, wait).await;
        self.fetched().await
    }

    pub async fn send_fetch(&mut self, topic: &str, offset: i64, wait: Wait) {
        self.send(ApiKey::Fetch, 4, |writer| {
            writer.i32(-1);
            writer.i32(wait.max_ms);
            writer.i32(wait.min_bytes);
            writer.i32(wait.max_bytes);
            writer.i8(0);
            writer.array_of(&[topic], |writer, topic| {
                writer.string(topic);
                writer.array_of(&[0], |writer, partition| {
                    writer.i32(*partition);
                    writer.i64(offset);
                    writer.i32(wait.max_bytes);
                });
            });
        })
        .await;
    }

    pub async fn fetched(&mut self) -> Option<(i16, i64, Bytes)> {
        let mut answer = self.answer(ApiKey::Fetch, 4).await?;
        answer.i32().unwrap();
        answer.i32().unwrap();
        answer.string().unwrap();
        answer.i32().unwrap();
        answer.i32().unwrap();
        let (code, high_watermark) = (answer.i16().unwrap(), answer.i64().unwrap());
        answer.i64().unwrap();
        answer.i32().unwrap();
        Some((code, high_watermark, answer.nullable_bytes().unwrap().unwrap_or_default()))
    }
}

/// How long a Fetch may wait, and for how much.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    pub max_ms: i32,
    pub min_bytes: i32,
    pub max_bytes: i32,
}

impl Wait {
    pub const NOT: Self = Self { max_ms: 0, min_bytes: 1, max_bytes: 1 << 20 };
}
