//! Addresses in answers: every version, every cut of the stream, and not a byte more than they.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages as kp;
use kafka_protocol::protocol::{Encodable, HeaderVersion};

use crate::support::{Connection, PROXY_HOST, answer, framed, proxy, request, text, topic_name};

/// Sends a request and its answer through a session, the answer cut into pieces; what the client got.
fn through<Q: Encodable + HeaderVersion>(
    api: i16,
    version: i16,
    ask: &Q,
    answered: &[u8],
    cut: usize,
) -> Vec<u8> {
    let mut connection = Connection::new(&proxy());
    let asked = request(api, version, 5, ask);
    for piece in asked.chunks(cut) {
        connection.client_sends(piece);
    }
    assert_eq!(connection.to_server, asked, "the request passes untouched");
    for piece in answered.chunks(cut) {
        connection.server_sends(piece);
    }
    assert_eq!(connection.closed, None, "API {api} version {version}");
    connection.to_client
}

/// The answer with the old addresses must become, byte for byte, the answer that a broker at the new ones would send.
fn check<Q: Encodable + HeaderVersion, R: Encodable + HeaderVersion>(
    api: i16,
    version: i16,
    ask: &Q,
    make: impl Fn(&Address) -> R,
) {
    let old = |node: i32| (format!("kafka-{node}"), 9092);
    let new = |node: i32| (PROXY_HOST.to_owned(), 30_000 + node);
    let answered = answer(version, 5, &make(&old));
    let expected = answer(version, 5, &make(&new));
    for cut in [1, 7, usize::MAX] {
        let cut = cut.min(answered.len());
        assert_eq!(
            through(api, version, ask, &answered, cut),
            expected,
            "API {api} version {version} cut {cut}"
        );
    }
}

type Address = dyn Fn(i32) -> (String, i32);

/// A tagged field that no version knows: it must come through.
fn unknown_fields(is_flexible: bool) -> BTreeMap<i32, Bytes> {
    if is_flexible { BTreeMap::from([(77, Bytes::from_static(b"later"))]) } else { BTreeMap::new() }
}

// Fails if a client could learn a broker's own address from Metadata, or if anything else of it were changed.
#[test]
fn metadata_is_readdressed_in_every_version() {
    for version in 0..=13 {
        let ask = kp::MetadataRequest::default().with_topics(None);
        let ask = if version == 0 { ask.with_topics(Some(Vec::new())) } else { ask };
        check(3, version, &ask, |address| {
            let broker = |node: i32| {
                let (host, port) = address(node);
                kp::metadata_response::MetadataResponseBroker::default()
                    .with_node_id(node.into())
                    .with_host(text(&host))
                    .with_port(port)
                    .with_rack((version >= 1).then(|| text("r1")))
                    .with_unknown_tagged_fields(unknown_fields(version >= 9))
            };
            let mut topic =
                kp::metadata_response::MetadataResponseTopic::default().with_name(Some(topic_name("t")));
            if version >= 10 {
                topic.topic_id = uuid::Uuid::from_bytes([3; 16]);
            }
            let mut body = kp::MetadataResponse::default()
                .with_brokers(vec![broker(0), broker(1), broker(300)])
                .with_topics(vec![topic])
                .with_unknown_tagged_fields(unknown_fields(version >= 9));
            if version >= 2 {
                body.cluster_id = Some(text("cluster"));
            }
            body
        });
    }
}

// Consumers find their coordinator this way, transactions theirs.
#[test]
fn find_coordinator_is_readdressed_in_every_version() {
    for version in 0..=6 {
        let ask = kp::FindCoordinatorRequest::default();
        let ask = if version >= 4 {
            ask.with_coordinator_keys(vec![text("a"), text("b")])
        } else {
            ask.with_key(text("a"))
        };
        check(10, version, &ask, |address| {
            if version < 4 {
                let (host, port) = address(1);
                let body = kp::FindCoordinatorResponse::default().with_node_id(1.into());
                let body = body.with_host(text(&host)).with_port(port);
                return if version >= 1 { body.with_error_message(Some(text("NONE"))) } else { body };
            }
            let coordinator = |key: &str, node: i32| {
                let (host, port) = address(node);
                kp::find_coordinator_response::Coordinator::default()
                    .with_key(text(key))
                    .with_node_id(node.into())
                    .with_host(text(&host))
                    .with_port(port)
                    .with_unknown_tagged_fields(unknown_fields(true))
            };
            // The third key has no coordinator: nothing to change.
            let none = kp::find_coordinator_response::Coordinator::default()
                .with_key(text("c"))
                .with_node_id((-1).into())
                .with_port(-1)
                .with_error_code(15);
            kp::FindCoordinatorResponse::default().with_coordinators(vec![
                coordinator("a", 1),
                coordinator("b", 2),
                none,
            ])
        });
    }
}

// Administration tools look at the cluster this way and dial what they see.
#[test]
fn describe_cluster_is_readdressed_in_every_version() {
    for version in 0..=2 {
        check(60, version, &kp::DescribeClusterRequest::default(), |address| {
            let broker = |node: i32| {
                let (host, port) = address(node);
                let mut broker = kp::describe_cluster_response::DescribeClusterBroker::default()
                    .with_broker_id(node.into())
                    .with_host(text(&host))
                    .with_port(port)
                    .with_rack(Some(text("r")));
                if version >= 2 {
                    broker.is_fenced = true;
                }
                broker
            };
            kp::DescribeClusterResponse::default()
                .with_cluster_id(text("cluster"))
                .with_controller_id(1.into())
                .with_brokers(vec![broker(1), broker(2)])
        });
    }
}

fn endpoints(address: &Address) -> Vec<kp::produce_response::NodeEndpoint> {
    [4, 5]
        .map(|node| {
            let (host, port) = address(node);
            kp::produce_response::NodeEndpoint::default()
                .with_node_id(node.into())
                .with_host(text(&host))
                .with_port(port)
                .with_rack(Some(text("rack")))
        })
        .to_vec()
}

// KIP-951: the answer to a Produce request that came to the wrong broker names the new leader's address.
#[test]
fn produce_answers_are_readdressed_from_version_10_on() {
    for version in 3..=13 {
        let ask = kp::ProduceRequest::default().with_acks(-1);
        check(0, version, &ask, |address| {
            let error = kp::produce_response::BatchIndexAndErrorMessage::default()
                .with_batch_index(3)
                .with_batch_index_error_message(Some(text("bad")));
            let mut partition =
                kp::produce_response::PartitionProduceResponse::default().with_index(1).with_error_code(6);
            if version >= 8 {
                partition.record_errors = vec![error];
                partition.error_message = Some(text("elsewhere"));
            }
            if version >= 10 {
                partition.current_leader = kp::produce_response::LeaderIdAndEpoch::default()
                    .with_leader_id(4.into())
                    .with_leader_epoch(9);
            }
            let topic = kp::produce_response::TopicProduceResponse::default()
                .with_partition_responses(vec![partition.clone(), partition]);
            let topic =
                if version >= 13 { topic.with_topic_id(uuid::Uuid::from_bytes([1; 16])) } else { topic };
            let mut body = kp::ProduceResponse::default()
                .with_responses(vec![topic])
                .with_unknown_tagged_fields(unknown_fields(version >= 9));
            if version >= 10 {
                body.node_endpoints = endpoints(address);
            }
            body
        });
    }
}

fn fetched(version: i16, address: &Address, records: usize) -> kp::FetchResponse {
    let aborted = kp::fetch_response::AbortedTransaction::default().with_first_offset(7);
    let partition = kp::fetch_response::PartitionData::default()
        .with_partition_index(1)
        .with_aborted_transactions(Some(vec![aborted.clone(), aborted]))
        .with_records(Some(Bytes::from(vec![0x5a; records])));
    let topic = kp::fetch_response::FetchableTopicResponse::default()
        .with_topic_id(uuid::Uuid::from_bytes([1; 16]))
        .with_partitions(vec![partition.clone(), partition.with_records(None)]);
    let mut body = kp::FetchResponse::default().with_responses(vec![topic.clone(), topic]);
    if version >= 16 {
        body.node_endpoints = endpoints(address)
            .into_iter()
            .map(|endpoint| {
                kp::fetch_response::NodeEndpoint::default()
                    .with_node_id(endpoint.node_id)
                    .with_host(endpoint.host)
                    .with_port(endpoint.port)
                    .with_rack(endpoint.rack)
            })
            .collect();
    }
    body
}

// KIP-951 for consumers.
#[test]
fn fetch_answers_are_readdressed_from_version_16_on() {
    for version in 16..=18 {
        check(1, version, &kp::FetchRequest::default(), |address| fetched(version, address, 100));
    }
}

// A large answer cannot be held: its records pass at once, and the addresses become a field that clients do not know.
// Fails if an address is still understood, or if a record is touched, or if the answer is held to its end.
#[test]
fn a_large_fetch_answer_passes_without_its_addresses() {
    for version in 16..=18 {
        let old = |node: i32| (format!("kafka-{node}"), 9092);
        let original = fetched(version, &old, 400_000);
        let answered = answer(version, 5, &original);
        for cut in [1_000, 65_536, 333_333] {
            let mut connection = Connection::new(&proxy());
            connection.client_sends(&request(1, version, 5, &kp::FetchRequest::default()));
            let (most, last) = answered.split_at(answered.len() - 200);
            for piece in most.chunks(cut) {
                connection.server_sends(piece);
            }
            assert!(
                connection.to_client.len() + 200 >= most.len(),
                "held back: {}",
                connection.to_client.len()
            );
            connection.server_sends(last);

            assert_eq!(connection.to_client.len(), answered.len());
            let seen: kp::FetchResponse = crate::support::read_answer(version, 5, &connection.to_client);
            assert_eq!(seen.node_endpoints, Vec::new(), "an address is still there");
            assert_eq!(seen.responses, original.responses);
            assert_eq!(connection.closed, None);
        }
    }
}

// Older Fetch answers carry no address and pass as they come, whatever is in them.
#[test]
fn an_old_fetch_answer_passes_unread() {
    let mut connection = Connection::new(&proxy());
    connection.client_sends(&request(1, 12, 5, &kp::FetchRequest::default()));
    let answered = framed(&[&5_i32.to_be_bytes()[..], &[0xff; 5_000]].concat());
    connection.server_sends(&answered[..100]);
    assert_eq!(connection.to_client, answered[..100], "nothing is held");
    connection.server_sends(&answered[100..]);
    assert_eq!(connection.to_client, answered);
}

fn range(key: i16, min: i16, max: i16) -> kp::api_versions_response::ApiVersion {
    kp::api_versions_response::ApiVersion::default()
        .with_api_key(key)
        .with_min_version(min)
        .with_max_version(max)
}

// A client that is told of a newer Metadata than can be rewritten would escape with its first question.
#[test]
fn api_versions_are_lowered_to_what_can_be_rewritten() {
    let theirs =
        [(0, 0, 99), (1, 4, 99), (3, 0, 99), (10, 0, 6), (18, 0, 5), (60, 0, 3), (55, 0, 2), (79, 1, 2)];
    let ours = [(0, 0, 13), (1, 4, 18), (3, 0, 13), (10, 0, 6), (18, 0, 4), (60, 0, 2), (55, 0, 1)];
    // Known and without addresses: whatever the version. Unknown: who knows what it carries.
    let rest = [(12, 0, 40)];
    let unknown = [(93, 0, 0), (500, 0, 1)];
    let list = |ranges: &[(i16, i16, i16)]| {
        ranges.iter().map(|(key, min, max)| range(*key, *min, *max)).collect::<Vec<_>>()
    };
    for version in 0..=4 {
        let make = |ranges: Vec<kp::api_versions_response::ApiVersion>, error: i16| {
            let mut body = kp::ApiVersionsResponse::default().with_api_keys(ranges).with_error_code(error);
            if version >= 1 && error == 0 {
                body.throttle_time_ms = 3;
            }
            if version >= 3 && error == 0 {
                body.finalized_features_epoch = 8;
            }
            body
        };
        let all = [&theirs[..], &rest, &unknown].concat();
        let kept = [&ours[..], &rest].concat();
        let ask = kp::ApiVersionsRequest::default();
        for cut in [1, 4_000] {
            // Success in the version that was asked for.
            let answered = answer(version, 5, &make(list(&all), 0));
            let expected = answer(version, 5, &make(list(&kept), 0));
            assert_eq!(through(18, version, &ask, &answered, cut), expected, "version {version}");
            // Error 35 in version 0, whatever was asked for.
            let answered = answer(0, 5, &make(list(&[(18, 0, 5)]), 35));
            let expected = answer(0, 5, &make(list(&[(18, 0, 4)]), 35));
            assert_eq!(through(18, version, &ask, &answered, cut), expected, "error 35 to version {version}");
            // Another error, with no list, or with nothing but the code.
            let answered = answer(version, 5, &make(Vec::new(), 42));
            assert_eq!(through(18, version, &ask, &answered, cut), answered);
            let bare = framed(&[0, 0, 0, 5, 0, 35]);
            assert_eq!(through(18, version, &ask, &bare, cut), bare);
        }
    }
}

// A client that is newer than the injector must not get an answer that nobody could rewrite: it is told to ask again with
// an older version, in its turn, and the broker does not see the question.
#[test]
fn a_newer_api_versions_request_is_answered_here() {
    let mut connection = Connection::new(&proxy());
    let newer = framed(&[0, 18, 0, 5, 0, 0, 0, 9, 0, 1, b'c', 0, 1, 1, 0]);
    for byte in &newer {
        connection.client_sends(&[*byte]);
    }
    assert!(connection.to_server.is_empty());
    let seen: kp::ApiVersionsResponse = crate::support::read_answer(0, 9, &connection.to_client);
    assert_eq!(seen.error_code, 35);
    assert_eq!(seen.api_keys, vec![range(18, 0, 4)]);
    assert_eq!(connection.closed, None);
}

// Who asks for a version that was never offered is disconnected, with the reason, and does not escape.
#[test]
fn a_newer_metadata_request_closes_the_connection() {
    for (api, version) in [(3_i16, 14_i16), (78, 1)] {
        let mut connection = Connection::new(&proxy());
        let asked = [&api.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 9, 0, 0, 0, 0]].concat();
        connection.client_sends(&framed(&asked));
        assert!(connection.to_server.is_empty());
        let reason = connection.closed.expect("closed");
        assert!(reason.contains("cannot be rewritten"), "{reason}");
    }
}
