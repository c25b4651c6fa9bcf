//! What hostile or broken brokers answer, where a fuzzer is not the proof: rows N28, N38, B03, receive and count limits.
//!
//! N27, N29, B23 and N15 have their tests in `tests/conformance/network.rs`.

use std::time::Duration;

use bytes::Bytes;
use facteur::wire::WireError;
use facteur::wire::api::{metadata, produce};
use facteur::{Cause, Producer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::targets::metadata_apply::peer::{API_VERSIONS, METADATA, PRODUCE, Reply, Request, produce_answer};
use crate::targets::metadata_apply::world::World;

/// Accepts one connection after the other and answers whatever comes with these bytes.
async fn answering(bytes: &'static [u8]) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[allow(clippy::disallowed_methods, reason = "the test aborts it")]
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 1024];
            drop(stream.read(&mut asked).await);
            drop(stream.write_all(bytes).await);
        }
    });
    (address, task)
}

/// What the producer says of a bootstrap server that answers so.
async fn obstacle(bytes: &'static [u8]) -> String {
    let (address, task) = answering(bytes).await;
    let address = address.to_string();
    let settings = [("bootstrap.servers", address.as_str()), ("max.block.ms", "300")];
    let producer = Producer::from_properties(settings).unwrap();
    let error = producer.ready(Duration::from_millis(600)).await.expect_err("nobody here speaks Kafka");
    producer.close(Duration::from_secs(1)).await;
    task.abort();
    error.to_string()
}

// N28: the port is a web server's, an SSH server's or wants TLS. Whoever mistyped it is told so; the length that these
// bytes would be is never reserved. Fails if the error says nothing of it, or the producer waits for 300 MB.
#[tokio::test]
async fn n28_a_peer_of_another_protocol_is_named_in_the_error() {
    for (bytes, word) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
        (&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46], "TLS"),
    ] {
        let said = obstacle(bytes).await;
        assert!(said.contains(word), "{said}");
    }
}

// Receive limits: until a peer has given its ApiVersions answer it may send 512 KiB and no more. Fails if a stranger can
// make the producer hold 64 MiB.
#[tokio::test]
async fn a_first_answer_beyond_512_kib_is_refused() {
    static LARGE: [u8; 8] = [0x00, 0x08, 0x00, 0x01, 0, 0, 0, 0];
    let said = obstacle(&LARGE).await;
    assert!(said.contains("524289") && said.contains("524288"), "{said}");
}

/// A Metadata answer of version 1 with so many elements: brokers, topics, partitions of each.
fn giant(brokers: u32, topics: u32, partitions: u32) -> Bytes {
    let mut body = brokers.to_be_bytes().to_vec();
    for _ in 0..brokers {
        // Node -1, no host, port 0, no rack.
        body.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    }
    body.extend_from_slice(&1_i32.to_be_bytes());
    body.extend_from_slice(&topics.to_be_bytes());
    for _ in 0..topics {
        // No error, an empty name, not internal.
        body.extend_from_slice(&[0, 0, 0, 0, 0]);
        body.extend_from_slice(&partitions.to_be_bytes());
        for _ in 0..partitions {
            // No error, partition 0, leader 0, no replicas.
            body.extend_from_slice(&[0; 18]);
        }
    }
    Bytes::from(body)
}

// Count limits: an answer within the receive limit can name millions of brokers, topics or partitions, each of which
// costs more memory than bytes. Fails if they are read before they are counted, or an honest large cluster is refused.
#[test]
fn giant_lists_are_refused_before_they_are_read() {
    let honest = metadata::decode_response(1, giant(1_000, 1_000, 200)).expect("a large cluster");
    assert_eq!(honest.topics.iter().map(|topic| topic.partitions.len()).sum::<usize>(), 200_000);

    for body in [giant(10_001, 0, 0), giant(0, 1_000_001, 0), giant(0, 2, 500_001), giant(0, 11, 100_000)] {
        let refused = metadata::decode_response(1, body);
        assert!(
            matches!(&refused, Err(WireError::Protocol(text)) if text.contains("more than")),
            "{refused:?}"
        );
    }
}

// The same for Produce answers: no request has that many partitions.
#[test]
fn giant_produce_answers_are_refused() {
    // Version 3: one topic with an empty name.
    let mut body = vec![0, 0, 0, 1, 0, 0];
    body.extend_from_slice(&1_000_001_u32.to_be_bytes());
    body.resize(body.len() + 1_000_001 * 22, 0);
    let refused = produce::decode_response(3, &Bytes::from(body));
    assert!(matches!(&refused, Err(WireError::Protocol(text)) if text.contains("more than")), "{refused:?}");
}

/// The honest answer to any request.
fn honest(world: &mut World, request: &Request) -> Bytes {
    match request.api {
        API_VERSIONS => world.cluster.versions(request),
        METADATA => world.cluster.metadata(request),
        PRODUCE => {
            let replies: Vec<Reply> = request.batches.iter().map(|batch| Reply::to(batch, 0, 7)).collect();
            produce_answer(request, &replies, 0, &[])
        }
        _ => world.cluster.init_producer_id(request),
    }
}

/// A cold producer and one record; the answer with this number has this bit turned. Everything else is honest. False if
/// there are fewer answers or bits.
fn with_a_flipped_bit(answer: usize, bit: usize) -> bool {
    let mut world = World::cold(&[("delivery.timeout.ms", "4000")], 1, &[1]);
    (world.hold_control, world.hold_versions) = (true, true);
    world.want_topic("t");
    let (mut answered, mut is_flipped, mut record) = (0, false, None);
    for _ in 0..400 {
        while let Some(request) = world.requests.pop_front() {
            let mut frame = honest(&mut world, &request).to_vec();
            if answered == answer {
                let Some(byte) = frame.get_mut(bit / 8) else { return false };
                *byte ^= 1 << (bit % 8);
                is_flipped = true;
            }
            answered += 1;
            world.receive(request.connection, Bytes::from(frame));
        }
        if record.is_none() && world.known_partitions("t") > 0 {
            record = Some(world.send(0, "a"));
        }
        if record.is_some_and(|record| world.outcomes[record].is_some()) {
            break;
        }
        world.advance(50);
    }
    // Kafka's answers have no checksum: a flipped offset or code is believed. But there is one outcome, in time.
    if let Some(record) = record {
        assert!(world.outcomes[record].is_some(), "answer {answer}, bit {bit}: no outcome");
        let retries = world.count(PRODUCE);
        assert!(retries <= 40, "answer {answer}, bit {bit}: {retries} attempts");
    } else {
        assert!(is_flipped, "answer {answer}, bit {bit}: the topic never came");
    }
    is_flipped
}

// N38: each bit of each of the first answers (ApiVersions, Metadata, InitProducerId, Produce) turned, one at a time, in
// virtual time. Fails by a panic, a record without its one outcome, or a storm.
#[test]
fn n38_every_flipped_bit_of_an_answer_ends_in_an_outcome() {
    let mut flipped = 0;
    for answer in 0..5 {
        flipped += (0..).take_while(|bit| with_a_flipped_bit(answer, *bit)).count();
    }
    assert!(flipped > 1_500, "only {flipped} bits");
}

// B03: hints of every bad kind, again and again: no epoch, old, negative, ourselves, unknown, a host that is none. The
// batch stays with the leader that metadata names, at the pace of the backoff, and is acknowledged once it answers well.
#[test]
fn b03_bad_hints_are_ignored_without_a_storm() {
    type Hint = (i32, i32, &'static [(i32, &'static str)]);
    let bad: [Hint; 7] = [
        (-1, 7, &[]),
        (99, 7, &[]),
        (99, 7, &[(98, "elsewhere")]),
        (2, -1, &[]),
        (2, 0, &[(2, "b2")]),
        (1, 0, &[(1, "evil.example")]),
        (i32::MIN, i32::MAX, &[(i32::MIN, "b2")]),
    ];
    for (node, epoch, endpoints) in bad {
        let mut world = World::with(&[("delivery.timeout.ms", "60000")], 2, &[1]);
        let record = world.send(0, "a");
        let mut attempts = 0;
        for _ in 0..100 {
            if let Some(request) = world.requests.pop_front() {
                assert_eq!(request.node, 1, "hint {node}, {epoch}");
                attempts += 1;
                let reply = Reply::to(request.batch(), 6, -1).leader(node, epoch);
                world.answer_with(&request, &[reply], 0, endpoints);
            }
            world.advance(50);
        }
        assert!((2..60).contains(&attempts), "{attempts} attempts in 5 s");
        world.assert_pending(record);
        for _ in 0..100 {
            if world.requests.is_empty() {
                world.advance(50);
            }
        }
        let request = world.request();
        world.ok(&request, 3);
        world.assert_acknowledged(record, Some(3));
    }
}

// D-13, found by `metadata_apply`: a batch may be in the log of a broker that never answered, and the next broker of its
// partition speaks no version of Produce that we do. It is unknown, not rejected; [OUT-3] stopped the producer there.
#[test]
fn a_batch_in_doubt_before_a_broker_that_is_too_old_is_unknown() {
    let mut world = World::with(&[], 2, &[1]);
    let record = world.send(0, "a");
    let first = world.request();
    world.cut(first.connection);
    world.cluster.produce_max = 2;
    world.advance(3_000);

    assert!(matches!(world.unknown(record), Cause::Broker { .. }), "{:?}", world.outcome(record));
    let clean = world.send(0, "b");
    world.assert_rejected_with(clean, 35);
}
