//! A hostile cluster against the real engine: wild answers to Metadata, Produce, ApiVersions and InitProducerId, honest
//! ones in between, cuts, and time.
//!
//! What must hold whatever is answered: no panic (the engine asserts its invariants), it comes to rest after each event,
//! it does not storm, and once the cluster is honest again every record gets exactly one outcome and all memory comes
//! back. The body is that of `tests/conformance`.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;
use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};

use super::tape::Tape;

#[path = "../../../tests/conformance/peer.rs"]
#[allow(dead_code, reason = "this target needs a part of it")]
pub mod peer;
#[path = "../../../tests/conformance/world.rs"]
#[allow(dead_code, reason = "this target needs a part of it")]
pub mod world;

use peer::{API_VERSIONS, INIT_PRODUCER_ID, METADATA, PRODUCE, Reply, Request};
use world::World;

const MOST_STEPS: usize = 96;
const MOST_RECORDS: usize = 64;
/// No honest reason makes the engine send more than this in a simulated second, connections included.
const MOST_REQUESTS_PER_SECOND: usize = 2_000;

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut world = started(&mut tape);
    for _ in 0..MOST_STEPS {
        if tape.is_over() {
            break;
        }
        step(&mut world, &mut tape);
        assert!(world.known_partitions("t") <= 64, "{} partitions", world.known_partitions("t"));
    }
    heal(&mut world);
}

fn started(tape: &mut Tape<'_>) -> World {
    let choice = tape.byte();
    let mut properties = vec![("delivery.timeout.ms", "5000"), ("retry.backoff.ms", "20")];
    properties.push(("enable.idempotence", if choice & 1 == 1 { "false" } else { "true" }));
    if choice & 1 == 1 {
        properties.push(("acks", if choice & 2 == 2 { "1" } else { "all" }));
    }
    let mut world = World::cold(&properties, 3, &[1, 2, 3]);
    world.cluster.produce_max = if choice & 4 == 4 { 13 } else { 12 };
    world.cluster.metadata_max = if choice & 8 == 8 { 13 } else { 12 };
    world.want_topic("t");
    if choice & 16 == 0 {
        // Most inputs begin where the interesting part does: everything is known.
        world.advance(1);
    }
    (world.hold_control, world.hold_versions) = (true, true);
    world
}

fn step(world: &mut World, tape: &mut Tape<'_>) {
    match tape.below(12) {
        0 | 1 => send(world, tape),
        2 => advance(world, u64::from(tape.byte())),
        3 => advance(world, u64::from(tape.byte()) * 20),
        4 | 5 => answer_honestly(world, tape),
        6 => {
            let Some(request) = taken(world, tape) else { return };
            let frame = [&request.correlation_id.to_be_bytes()[..], tape.bytes(300)].concat();
            world.receive(request.connection, Bytes::from(frame));
        }
        7 | 8 => {
            let Some(request) = taken(world, tape) else { return };
            if let Some(frame) = wild(&request, tape) {
                world.receive(request.connection, frame);
            }
        }
        9 => damage(world, tape),
        10 => {
            let connections: Vec<_> = world.connections.keys().copied().collect();
            let Some(connection) = connections.get(tape.below(8)) else { return };
            if tape.coin() {
                world.cut(*connection);
            } else {
                world.receive(*connection, Bytes::copy_from_slice(tape.bytes(40)));
            }
        }
        _ => {
            let (partition, node) = (tape.below(3), i32::from(tape.byte() % 4) - 1);
            world.move_leader(partition, node, tape.i32());
        }
    }
}

fn send(world: &mut World, tape: &mut Tape<'_>) {
    let partitions = world.known_partitions("t").min(3);
    if partitions > 0 && world.outcomes.len() < MOST_RECORDS {
        let partition = i32::try_from(tape.below(partitions)).expect("few");
        world.send(partition, "value");
    }
}

fn advance(world: &mut World, millis: u64) {
    let before = world.history.len() + world.dials;
    world.advance(millis);
    let done = world.history.len() + world.dials - before;
    let seconds = usize::try_from(millis / 1000).expect("short") + 1;
    assert!(done <= seconds * MOST_REQUESTS_PER_SECOND, "{done} requests and connections in {millis} ms");
}

/// A request that waits, whichever the tape chooses: answers out of order are part of the game.
fn taken(world: &mut World, tape: &mut Tape<'_>) -> Option<Request> {
    let place = if tape.below(4) == 0 { tape.below(world.requests.len()) } else { 0 };
    world.requests.remove(place)
}

fn honest(world: &mut World, request: &Request) -> Bytes {
    match request.api {
        API_VERSIONS => world.cluster.versions(request),
        METADATA => world.cluster.metadata(request),
        INIT_PRODUCER_ID => world.cluster.init_producer_id(request),
        _ => {
            let replies: Vec<Reply> = request.batches.iter().map(|batch| Reply::to(batch, 0, 7)).collect();
            peer::produce_answer(request, &replies, 0, &[])
        }
    }
}

fn answer_honestly(world: &mut World, tape: &mut Tape<'_>) {
    let Some(request) = taken(world, tape) else { return };
    let frame = honest(world, &request);
    world.receive(request.connection, frame);
}

/// N38: an honest answer with bits flipped, cut short, or with bytes behind it.
fn damage(world: &mut World, tape: &mut Tape<'_>) {
    let Some(request) = taken(world, tape) else { return };
    let mut frame = honest(world, &request).to_vec();
    for _ in 0..1 + tape.below(3) {
        let place = usize::from(tape.u16()) % frame.len().max(1);
        if let Some(byte) = frame.get_mut(place) {
            *byte ^= 1 << (tape.byte() % 8);
        }
    }
    match tape.below(4) {
        0 => frame.truncate(usize::from(tape.u16()) % frame.len().max(1)),
        1 => frame.extend_from_slice(tape.bytes(30)),
        _ => {}
    }
    world.receive(request.connection, Bytes::from(frame));
}

/// An answer whose structure is right and whose fields are not.
fn wild(request: &Request, tape: &mut Tape<'_>) -> Option<Bytes> {
    let version = request.version;
    match request.api {
        API_VERSIONS => framed(request, if tape.coin() { 0 } else { version }, &versions(tape)),
        METADATA => framed(request, version, &metadata(version, tape)),
        INIT_PRODUCER_ID => {
            let body = kp::InitProducerIdResponse::default()
                .with_error_code(tape.i16())
                .with_throttle_time_ms(tape.i32())
                .with_producer_id(tape.i64().into())
                .with_producer_epoch(tape.i16());
            framed(request, version, &body)
        }
        PRODUCE => framed(request, version, &produced(request, tape)),
        _ => None,
    }
}

fn framed<T: Encodable + HeaderVersion>(request: &Request, version: i16, body: &T) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    let header = kp::ResponseHeader::default().with_correlation_id(request.correlation_id);
    header.encode(&mut bytes, T::header_version(version)).ok()?;
    body.encode(&mut bytes, version).ok()?;
    Some(bytes.freeze())
}

fn text(tape: &mut Tape<'_>) -> StrBytes {
    let any = tape.text(12);
    StrBytes::from_string(match tape.below(8) {
        0 => String::new(),
        1 => any,
        node => format!("b{node}"),
    })
}

fn versions(tape: &mut Tape<'_>) -> kp::ApiVersionsResponse {
    let mut body = kp::ApiVersionsResponse::default().with_error_code(tape.pick(&[0, 0, 0, 35, 42, -1]));
    for key in [PRODUCE, METADATA, API_VERSIONS, INIT_PRODUCER_ID, 1, -1] {
        if tape.below(5) > 0 {
            let range = kp::api_versions_response::ApiVersion::default()
                .with_api_key(key)
                .with_min_version(if tape.coin() { 0 } else { tape.i16() })
                .with_max_version(if tape.coin() { 12 } else { tape.i16() });
            body.api_keys.push(range);
        }
    }
    body
}

fn metadata(version: i16, tape: &mut Tape<'_>) -> kp::MetadataResponse {
    let mut body = kp::MetadataResponse::default();
    for _ in 0..tape.below(6) {
        let broker = kp::metadata_response::MetadataResponseBroker::default()
            .with_node_id(tape.i32().into())
            .with_host(text(tape))
            .with_port(tape.pick(&[9092, 9092, 0, -1, 65_535, 65_536, i32::MAX]));
        body.brokers.push(broker);
    }
    for _ in 0..tape.below(4) {
        let name = tape.pick(&["t", "t", "t", "u", "", ".."]);
        let mut topic = kp::metadata_response::MetadataResponseTopic::default()
            .with_error_code(tape.pick(&[0, 0, 0, 3, 5, 17, 29, -1, 999]))
            .with_name(Some(kp::TopicName(StrBytes::from_static_str(name))));
        if version >= 10 {
            topic.topic_id = uuid::Uuid::from_bytes([tape.pick(&[7, 7, 0, 9]); 16]);
        }
        for _ in 0..tape.below(6) {
            let mut part = kp::metadata_response::MetadataResponsePartition::default()
                .with_error_code(tape.pick(&[0, 0, 5, 6, 9, 72, -1]))
                .with_partition_index(tape.i32() % 6)
                .with_leader_id(tape.i32().into());
            if version >= 7 {
                part.leader_epoch = tape.i32();
            }
            topic.partitions.push(part);
        }
        body.topics.push(topic);
    }
    if version >= 13 {
        body.error_code = tape.pick(&[0, 0, 0, 129, -1]);
    }
    if version >= 3 {
        body.throttle_time_ms = tape.pick(&[0, 0, 0, -1, 50, i32::MAX]);
    }
    body
}

/// N29, B03: partitions left out, added, repeated; hints of every kind.
fn produced(request: &Request, tape: &mut Tape<'_>) -> kp::ProduceResponse {
    let mut body = kp::ProduceResponse::default();
    body.throttle_time_ms = tape.pick(&[0, 0, 0, -1, 50, i32::MAX]);
    for batch in &request.batches {
        for _ in 0..tape.pick(&[1, 1, 1, 0, 2]) {
            let index = if tape.below(6) == 0 { tape.i32() } else { batch.partition };
            let mut part = kp::produce_response::PartitionProduceResponse::default()
                .with_index(index)
                .with_error_code(if tape.below(3) == 0 { 0 } else { tape.i16() })
                .with_base_offset(tape.i64())
                .with_log_append_time_ms(tape.i64());
            if request.version >= 8 && tape.below(3) == 0 {
                let culprit = kp::produce_response::BatchIndexAndErrorMessage::default();
                part.record_errors.push(culprit.with_batch_index(tape.i32()));
            }
            if request.version >= 10 && tape.coin() {
                part.current_leader.leader_id = tape.i32().into();
                part.current_leader.leader_epoch = tape.i32();
            }
            let mut topic =
                kp::produce_response::TopicProduceResponse::default().with_partition_responses(vec![part]);
            let is_other = tape.below(8) == 0;
            if request.version >= 13 {
                let id = if is_other { [tape.byte(); 16] } else { batch.topic_id };
                topic.topic_id = uuid::Uuid::from_bytes(id);
            } else {
                let name = if is_other { text(tape) } else { StrBytes::from_string(batch.topic.clone()) };
                topic.name = kp::TopicName(name);
            }
            body.responses.push(topic);
        }
    }
    if request.version >= 10 {
        for _ in 0..tape.below(3) {
            let endpoint = kp::produce_response::NodeEndpoint::default()
                .with_node_id(tape.i32().into())
                .with_host(text(tape))
                .with_port(tape.pick(&[9092, 0, -1, i32::MAX]));
            body.node_endpoints.push(endpoint);
        }
    }
    body
}

/// From now on everybody is honest: whatever was accepted is told, once, and no later than its time.
fn heal(world: &mut World) {
    (world.hold_control, world.hold_versions) = (false, false);
    let mut waited_ms = 0;
    loop {
        while let Some(request) = world.requests.pop_front() {
            let frame = honest(world, &request);
            world.receive(request.connection, frame);
        }
        let is_told = world.outcomes.iter().all(Option::is_some);
        if is_told && !world.engine.has_late_resolution() && waited_ms >= 30_000 {
            break;
        }
        // delivery.timeout.ms, then late resolution, then an hour's throttle at most.
        assert!(waited_ms < 3_700_000, "outcomes: {:?}", world.outcomes);
        let pause = if waited_ms < 40_000 { 500 } else { 60_000 };
        advance(world, pause);
        waited_ms += pause;
    }
    world.assert_at_rest();
}
