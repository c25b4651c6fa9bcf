//! Raw bytes on a socket: the embedded broker, and any real one.
//!
//! **Why Produce 7.** It is spoken by every broker from 2.1 to 4.4, and its answer has all that the rows ask for.
//! Neighbours: whoever starts the broker says how it is made to forget producers. Not here: retries of anything but a
//! topic that is not led yet.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use facteur::wire::api::ApiKey;
use facteur::wire::reader::Reader;
use facteur::wire::writer::Writer;

use super::{Answer, Broker, Venue};

/// Long enough for a busy machine, short enough to fail a test that would hang.
const PATIENCE: Duration = Duration::from_secs(40);

/// A connection that sends what it is told.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    correlation_id: i32,
}

impl Link {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the broker accepts a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, correlation_id: 0 }
    }

    pub fn send(&mut self, api: ApiKey, version: i16, body: impl FnOnce(&mut Writer)) {
        self.correlation_id += 1;
        let mut writer = Writer::request(api, version, self.correlation_id, "dedup");
        body(&mut writer);
        self.stream.write_all(&writer.finish()).expect("the broker takes a request");
    }

    /// The body of the next answer, old dialect.
    pub fn receive(&mut self) -> Reader {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).expect("an answer in time");
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(length)).expect("a length")];
        self.stream.read_exact(&mut frame).expect("the rest of the answer");
        let mut reader = Reader::new("answer", Bytes::from(frame));
        assert_eq!(reader.i32().expect("a correlation id"), self.correlation_id, "answers come in order");
        reader
    }

    pub fn send_produce(&mut self, topic: &str, (acks, timeout_ms): (i16, i32), records: &[u8]) {
        self.send(ApiKey::Produce, 7, |writer| {
            writer.nullable_string(None);
            writer.i16(acks);
            writer.i32(timeout_ms);
            one_partition(writer, topic, |writer| {
                writer.length(Some(records.len()));
                writer.raw(records);
            });
        });
    }

    pub fn produced(&mut self) -> Answer {
        let mut answer = self.receive();
        answer.i32().expect("topics");
        answer.string().expect("the topic");
        answer.i32().expect("partitions");
        answer.i32().expect("the partition");
        Answer {
            code: answer.i16().expect("a code"),
            base_offset: answer.i64().expect("an offset"),
            append_time_ms: answer.i64().expect("a time"),
        }
    }

    /// Whether nothing comes for so long.
    pub fn is_silent_for(&self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).expect("a read timeout");
        let is_silent = self.stream.peek(&mut [0]).is_err();
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
        is_silent
    }

    /// Code and end of the log.
    pub fn end(&mut self, topic: &str) -> (i16, i64) {
        self.send(ApiKey::ListOffsets, 1, |writer| {
            writer.i32(-1);
            one_partition(writer, topic, |writer| writer.i64(-1));
        });
        let mut answer = self.receive();
        answer.i32().expect("topics");
        answer.string().expect("the topic");
        answer.i32().expect("partitions");
        answer.i32().expect("the partition");
        let code = answer.i16().expect("a code");
        answer.i64().expect("a time");
        (code, answer.i64().expect("an offset"))
    }

    /// Whether the broker's metadata has the topic: a 2.8 that was just started serves what it leads before that.
    pub fn knows(&mut self, topic: &str) -> bool {
        self.send(ApiKey::Metadata, 1, |writer| {
            writer.array_of(&[topic], |writer, topic| writer.string(topic));
        });
        let answer = self.receive();
        let rest = answer.remaining();
        let body = answer.clone().take(rest).expect("the body");
        let answer = facteur::wire::api::metadata::decode_response(1, body).expect("a Metadata answer");
        answer.topics.iter().all(|topic| {
            topic.error.is_none() && topic.partitions.iter().all(|partition| partition.leader.is_some())
        })
    }

    /// `CreateTopics` 2 with one partition and one copy, which never expires by age.
    pub fn create_topic(&mut self, topic: &str) -> i16 {
        self.send(ApiKey::CreateTopics, 2, |writer| {
            writer.array_of(&[topic], |writer, topic| {
                writer.string(topic);
                writer.i32(1);
                writer.i16(1);
                writer.length(Some(0));
                writer.array_of(&[("retention.ms", "-1")], |writer, (name, value)| {
                    writer.string(name);
                    writer.string(value);
                });
            });
            writer.i32(10_000);
            writer.bool(false);
        });
        let mut answer = self.receive();
        answer.i32().expect("throttle");
        answer.i32().expect("topics");
        answer.string().expect("the topic");
        answer.i16().expect("a code")
    }

    /// `DeleteRecords` 0 up to `offset`; the code.
    pub fn delete_records(&mut self, topic: &str, offset: i64) -> i16 {
        self.send(ApiKey::DeleteRecords, 0, |writer| {
            one_partition(writer, topic, |writer| writer.i64(offset));
            writer.i32(10_000);
        });
        let mut answer = self.receive();
        answer.i32().expect("throttle");
        answer.i32().expect("topics");
        answer.string().expect("the topic");
        answer.i32().expect("partitions");
        answer.i32().expect("the partition");
        answer.i64().expect("the low watermark");
        answer.i16().expect("a code")
    }
}

/// A list of one topic with one partition, number 0.
fn one_partition(writer: &mut Writer, topic: &str, field: impl Fn(&mut Writer)) {
    writer.array_of(&[topic], |writer, topic| {
        writer.string(topic);
        writer.array_of(&[0], |writer, partition| {
            writer.i32(*partition);
            field(writer);
        });
    });
}

/// A broker behind a socket.
pub struct SocketBroker<F> {
    venue: Venue,
    address: SocketAddr,
    /// The same broker with the manners of 4.5, if there is one.
    since_45: Option<SocketAddr>,
    /// Makes the broker forget old producers, if that can be done; connections may end by it.
    expire: Option<F>,
    link: Link,
    prefix: String,
    count: u32,
}

impl<F: FnMut(&str)> SocketBroker<F> {
    pub fn new(venue: Venue, address: SocketAddr, since_45: Option<SocketAddr>, expire: Option<F>) -> Self {
        let prefix = format!("dedup-{}", crate::batch::wall_ms());
        Self { venue, address, since_45, expire, link: Link::open(address), prefix, count: 0 }
    }

    fn topic(&self) -> String {
        format!("{}-{}", self.prefix, self.count)
    }

    /// A real cluster answers 3, 5 or 6 until the partition's leader has heard of it.
    fn await_leader(&mut self) {
        let topic = self.topic();
        let mut tries = 0;
        while self.link.end(&topic).0 != 0 || !self.link.knows(&topic) {
            tries += 1;
            assert!(tries < 100_000, "{topic} is not led");
        }
    }
}

impl<F: FnMut(&str)> Broker for SocketBroker<F> {
    fn venue(&self) -> Venue {
        self.venue
    }

    fn fresh_topic(&mut self, since_45: bool) {
        self.count += 1;
        let address = if since_45 { self.since_45.expect("a broker of 4.5") } else { self.address };
        self.link = Link::open(address);
        let topic = self.topic();
        assert_eq!(self.link.create_topic(&topic), 0, "{topic} is created");
        self.await_leader();
    }

    fn produce(&mut self, acks: i16, records: &[u8]) -> Answer {
        let topic = self.topic();
        self.link.send_produce(&topic, (acks, 5_000), records);
        self.link.produced()
    }

    fn end(&mut self) -> i64 {
        let topic = self.topic();
        self.link.end(&topic).1
    }

    fn empty(&mut self) {
        let (topic, end) = (self.topic(), self.end());
        assert_eq!(self.link.delete_records(&topic, end), 0, "records can be deleted");
    }

    fn can_expire(&self) -> bool {
        self.expire.is_some()
    }

    fn expire(&mut self) {
        let topic = self.topic();
        (self.expire.as_mut().expect("it was asked"))(&topic);
        self.link = Link::open(self.address);
        self.await_leader();
    }
}
