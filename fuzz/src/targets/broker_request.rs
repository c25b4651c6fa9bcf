//! The embedded broker's handlers under requests of anybody: whole frames, or a right header with a wild body.
//!
//! Input: two bytes choose the settings; then, again and again, a choice, and a frame of at most 64 KiB with its length in
//! two bytes. What must hold: no panic, answers that name the request they answer, logs without holes, memory within its
//! bounds.

use std::time::Duration;

use bytes::Bytes;
use facteur::broker::cluster::{Cluster, Now};
use facteur::broker::handlers::{Answer, Pending, Reply, RequestContext, advertised_range, decode, handle};
use facteur::broker::topic_config::TopicConfig;
use facteur::broker::{BrokerConfig, Fault, FaultAction};
use facteur::config::HostPort;
use facteur::error::ErrorCode;
use facteur::time::Instant;
use facteur::wire::api::ApiKey;
use facteur::wire::writer::Writer;

use super::tape::Tape;

const MOST_REQUESTS: usize = 40;
const PARTITION_BYTES: u64 = 64 * 1024;
const TOTAL_BYTES: u64 = 256 * 1024;

fn settings(tape: &mut Tape<'_>) -> BrokerConfig {
    let mut config = BrokerConfig {
        partition_memory_bytes: PARTITION_BYTES,
        total_memory_bytes: TOTAL_BYTES,
        max_producers: 16,
        max_partitions: 64,
        seed: Some(7),
        ..BrokerConfig::default()
    };
    let choice = tape.byte();
    config.auto_create_topics = choice & 1 == 1;
    if choice & 2 == 2 {
        config.caps.insert(ApiKey::Produce.code(), 7);
    }
    config
}

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let config = settings(&mut tape);
    let mut now = Now { instant: Instant::ZERO, wall_ms: 1_700_000_000_000 };
    let mut cluster = Cluster::new(config.cluster_settings(), now, 7);
    cluster.create_topic("t", 2, TopicConfig::default(), now).expect("a new topic");
    let compacted = TopicConfig::from_pairs(&[("cleanup.policy".to_owned(), Some("compact".to_owned()))]);
    cluster.create_topic("c", 1, compacted.expect("settings"), now).expect("a new topic");
    let faults = [FaultAction::AnswerError(ErrorCode(7)), FaultAction::LoseAnswer];
    if let Some(action) = faults.get(usize::from(tape.byte() % 8)) {
        cluster.faults.arm(Fault::new(0, *action));
    }
    let advertised = HostPort { host: "localhost".to_owned(), port: 9092 };
    let mut waiting = Vec::new();
    for _ in 0..MOST_REQUESTS {
        if tape.is_over() {
            break;
        }
        let choice = tape.byte();
        let frame = if choice & 1 == 1 { headed(&mut tape) } else { raw(&mut tape) };
        let correlation_id = frame.get(4..8).map(|id| i32::from_be_bytes(id.try_into().expect("four")));
        let context = RequestContext { advertised: &advertised, peer: None, now };
        let reply = match decode(&frame, &config.caps) {
            Ok(request) => handle(&mut cluster, &request, &context).reply,
            Err(reply) => reply,
        };
        match reply {
            Reply::Answer(answer) => checked(&answer, correlation_id),
            Reply::Wait(pending) => waiting.push((pending, correlation_id)),
            Reply::Silence => {}
            Reply::Close(reason) => assert!(!reason.is_empty()),
        }
        let pause = Duration::from_millis(u64::from(choice >> 1) * 40);
        now = Now { instant: now.instant + pause, wall_ms: now.wall_ms + i64::from(choice >> 1) * 40 };
        cluster.sweep(now);
        waiting.retain(|(pending, id)| !resumed(pending, &mut cluster, now, *id));
    }
    // Everything that waits ends by itself: no session or poll is longer than this.
    now = Now { instant: now.instant + Duration::from_secs(40 * 86_400), wall_ms: now.wall_ms + 1 };
    cluster.sweep(now);
    waiting.retain(|(pending, id)| !resumed(pending, &mut cluster, now, *id));
    assert!(waiting.is_empty(), "{waiting:?} waits for ever");
    holds(&cluster);
}

fn raw(tape: &mut Tape<'_>) -> Bytes {
    let length = usize::from(tape.u16());
    Bytes::copy_from_slice(tape.take(length))
}

/// A header that the broker serves; the body is the tape's.
fn headed(tape: &mut Tape<'_>) -> Bytes {
    let api = tape.pick(&ApiKey::ALL);
    let range = advertised_range(api);
    let version = range.min + i16::from(tape.byte()) % (range.max - range.min + 1).max(1);
    let mut writer = Writer::request(api, version, tape.i32(), "fuzz");
    let length = usize::from(tape.u16());
    writer.raw(tape.take(length));
    writer.finish().slice(4..)
}

fn resumed(pending: &Pending, cluster: &mut Cluster, now: Now, correlation_id: Option<i32>) -> bool {
    let answer = match pending {
        Pending::Fetch(pending) => pending.resume(cluster, now),
        Pending::Group(pending) => pending.resume(cluster),
    };
    if let Some(answer) = &answer {
        checked(answer, correlation_id);
    }
    answer.is_some()
}

fn checked(answer: &Answer, correlation_id: Option<i32>) {
    let bytes = answer.to_vec();
    let length = i32::from_be_bytes(bytes[..4].try_into().expect("four"));
    assert_eq!(usize::try_from(length), Ok(bytes.len() - 4), "the length prefix");
    assert_eq!(Some(i32::from_be_bytes(bytes[4..8].try_into().expect("four"))), correlation_id);
}

fn holds(cluster: &Cluster) {
    assert!(cluster.memory_bytes() <= TOTAL_BYTES + (1 << 16), "{} bytes", cluster.memory_bytes());
    assert!(cluster.producers().len() <= 16, "{} producers", cluster.producers().len());
    let mut bytes = 0;
    for topic in cluster.topics() {
        for partition in &topic.partitions {
            let mut last = None;
            for batch in partition.log.batches() {
                let follows = last.map_or_else(|| partition.log.start_offset(), |last: i64| last + 1);
                if topic.config.is_compacted {
                    assert!(last.is_none() || batch.base_offset >= follows, "an offset twice");
                } else if last.is_some() {
                    assert_eq!(batch.base_offset, follows, "a hole");
                } else {
                    // Deleting records may leave the log's start inside a batch.
                    assert!(batch.base_offset <= follows && batch.last_offset() >= follows - 1, "the start");
                }
                assert!(batch.records().is_ok(), "a stored batch can be read");
                last = Some(batch.last_offset());
            }
            assert!(last.is_none_or(|last| last < partition.log.end_offset()));
            bytes += partition.log.size_bytes();
        }
    }
    assert_eq!(bytes, cluster.memory_bytes(), "the account of bytes");
}
