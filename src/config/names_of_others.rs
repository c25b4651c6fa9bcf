//! Names that other Kafka clients use for what we have under another name, or do not have.
//!
//! **Why they are answered and not accepted.** librdkafka's names look like aliases, but several differ in meaning
//! (which clock, which unit, per what). Taking them silently would be wrong by a little; the answer tells ours and the
//! difference. Confluent's `LingerMs`, Java's `LINGER_MS_CONFIG` and Python's `linger_ms` are recognised by their letters.
//!
//! Neighbours: [`super::builder`] asks before it calls a name unknown. Not here: misspelt names (`nearest`).

use super::{catalogue, not_honoured};

/// A name of another client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Foreign {
    /// Their name.
    pub name: &'static str,
    /// Our setting for it, if there is one.
    pub ours: Option<&'static str>,
    /// How the meaning differs, or why there is none.
    pub difference: &'static str,
}

const fn same(name: &'static str, ours: &'static str, difference: &'static str) -> Foreign {
    Foreign { name, ours: Some(ours), difference }
}

const fn none(name: &'static str, difference: &'static str) -> Foreign {
    Foreign { name, ours: None, difference }
}

/// librdkafka's names, which Confluent.Kafka, confluent-kafka-python and rust-rdkafka share.
pub const LIBRDKAFKA: &[Foreign] = &[
    same(
        "metadata.broker.list",
        "bootstrap.servers",
        "the same, but a missing port is an error here, not 9092",
    ),
    same("queue.buffering.max.ms", "linger.ms", "the same, in whole milliseconds"),
    same("message.send.max.retries", "retries", "the same; only delivery.timeout.ms bounds it in practice"),
    same("compression.codec", "compression.type", "the same words"),
    same(
        "compression.level",
        "compression.zstd.level",
        "one level for all codecs there, one setting per codec here (compression.gzip.level, compression.zstd.level)",
    ),
    same("request.required.acks", "acks", "the same; -1 is all"),
    same(
        "message.timeout.ms",
        "delivery.timeout.ms",
        "there 300000 by default and per record from its enqueueing, 0 is endless; here 120000 from the batch's first record",
    ),
    same(
        "queue.buffering.max.kbytes",
        "buffer.memory",
        "kilobytes there, bytes here; what is full there fails at once, here the call waits max.block.ms",
    ),
    same(
        "queue.buffering.max.messages",
        "buffer.memory",
        "records are not counted here, only their bytes: multiply by the size of a record",
    ),
    same(
        "socket.timeout.ms",
        "request.timeout.ms",
        "there request.timeout.ms only tells the broker how long to wait for replicas, and socket.timeout.ms is the client's \
         own patience; here request.timeout.ms is both",
    ),
    same(
        "batch.num.messages",
        "batch.size",
        "a batch is bounded by its bytes here, not by the number of its records",
    ),
    same(
        "message.max.bytes",
        "max.request.size",
        "the same: the largest request, checked against each record before compression",
    ),
    same(
        "max.in.flight",
        "max.in.flight.requests.per.connection",
        "5 by default, and at most 5 with idempotence",
    ),
    same(
        "partitioner",
        "partitioner.class",
        "consistent_random is crc32 here, murmur2_random is murmur2; keyless records stick to a partition by bytes (KIP-794), \
         not by time",
    ),
    same(
        "sticky.partitioning.linger.ms",
        "batch.size",
        "a keyless partition is kept for batch.size bytes here, not for a time",
    ),
    same("reconnect.backoff.jitter.ms", "reconnect.backoff.ms", "jitter is always 20 % here"),
    same("topic.metadata.refresh.interval.ms", "metadata.max.age.ms", "the same"),
    same("topic.metadata.propagation.max.ms", "max.block.ms", "a send waits this long for a topic to appear"),
    same(
        "socket.send.buffer.bytes",
        "send.buffer.bytes",
        "0 there is -1 here: the operating system's default",
    ),
    same(
        "socket.receive.buffer.bytes",
        "receive.buffer.bytes",
        "0 there is -1 here: the operating system's default",
    ),
    same("receive.message.max.bytes", "facteur.receive.max.bytes", "the same; 64 MiB by default, not 100 MB"),
    same("allow.auto.create.topics", "facteur.allow.auto.create.topics", "the same; true by default"),
    none("socket.nagle.disable", "Nagle's algorithm is always off"),
    none("socket.keepalive.enable", "idle connections are closed after connections.max.idle.ms instead"),
    none("socket.max.fails", "a connection is closed when its oldest request exceeds request.timeout.ms"),
    none("broker.address.family", "all addresses of a name are tried, one after the other"),
    none("broker.address.ttl", "names are looked up anew at each connection"),
    none("broker.version.fallback", "versions are negotiated; brokers before 2.0 are not supported"),
    none("api.version.request", "versions are always negotiated"),
    none("statistics.interval.ms", "ask Producer::statistics() when you want it"),
    none("delivery.report.only.error", "a delivery that nobody looks at costs nothing"),
    none("produce.offset.report", "offsets are always reported"),
    none("enable.gapless.guarantee", "a rejected record does not stop its partition; look at each delivery"),
    none(
        "queue.buffering.backpressure.threshold",
        "batches grow while a connection is busy, see facteur.batch.growth.enable",
    ),
    none("enable.background.poll", "nothing has to be polled"),
    none("enable.delivery.reports", "a delivery that nobody looks at costs nothing"),
    none("delivery.report.fields", "a delivery holds no copy of the record"),
    none("log_level", "set the level in the tracing subscriber"),
    none("debug", "set the level in the tracing subscriber"),
    none("dr_msg_cb", "await the Delivery, or use the callback of send"),
    none("plugin.library.paths", "there are no plug-ins"),
];

/// Settings of Kafka's other clients, often left in a shared file.
pub const CONSUMER: &[Foreign] = &[
    none("group.id", "it belongs to a consumer"),
    none("group.instance.id", "it belongs to a consumer"),
    none("auto.offset.reset", "it belongs to a consumer"),
    none("enable.auto.commit", "it belongs to a consumer"),
    none("auto.commit.interval.ms", "it belongs to a consumer"),
    none("isolation.level", "it belongs to a consumer"),
    none("key.deserializer", "it belongs to a consumer"),
    none("value.deserializer", "it belongs to a consumer"),
    none("session.timeout.ms", "it belongs to a consumer"),
    none("heartbeat.interval.ms", "it belongs to a consumer"),
    none("max.poll.records", "it belongs to a consumer"),
    none("max.poll.interval.ms", "it belongs to a consumer"),
    none("fetch.min.bytes", "it belongs to a consumer"),
    none("fetch.max.bytes", "it belongs to a consumer"),
    none("fetch.max.wait.ms", "it belongs to a consumer"),
];

/// What to say about a name that is none of ours; `None` if no client has it.
#[must_use]
pub fn answer(name: &str) -> Option<String> {
    if let Some(foreign) = find(|candidate| candidate == name) {
        return Some(explain(foreign, "librdkafka's name"));
    }
    // Confluent.Kafka's MessageTimeoutMs, Java's LINGER_MS_CONFIG, Python's linger_ms: the same letters.
    let wanted = letters(name);
    let wanted = wanted.strip_suffix("config").unwrap_or(&wanted);
    if wanted.is_empty() {
        return None;
    }
    if let Some(foreign) = find(|candidate| letters(candidate) == wanted) {
        return Some(explain(foreign, &format!("another spelling of {}, librdkafka's name", foreign.name)));
    }
    let ours = catalogue::settings().map(|setting| setting.name).chain(not_honoured::names());
    let same_letters = |candidate: &&str| letters(candidate) == wanted;
    ours.into_iter()
        .find(same_letters)
        .map(|name| format!("it is another client's spelling of {name}; write {name}"))
}

fn find(wanted: impl Fn(&str) -> bool) -> Option<&'static Foreign> {
    LIBRDKAFKA.iter().chain(CONSUMER).find(|foreign| wanted(foreign.name))
}

fn explain(foreign: &Foreign, whose: &str) -> String {
    match foreign.ours {
        Some(ours) => format!("it is {whose}; write {ours} ({})", foreign.difference),
        None => foreign.difference.to_owned(),
    }
}

fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
