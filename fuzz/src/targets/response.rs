//! Answers of a hostile broker, every API in every version: the first two bytes choose, the rest is the body.

use bytes::Bytes;
use facteur::wire::api::{
    ApiKey, api_versions, consumer_protocol, create_partitions, create_topics, delete_records, delete_topics,
    describe_configs, describe_producers, fetch, find_coordinator, heartbeat, incremental_alter_configs,
    init_producer_id, join_group, leave_group, list_offsets, metadata, offset_commit, offset_fetch, produce,
    sync_group,
};

type Decode = fn(i16, Bytes);

/// Every answer that we read.
pub const DECODERS: &[(ApiKey, Decode)] = &[
    (ApiKey::Produce, |version, body| drop(produce::decode_response(version, &body))),
    (ApiKey::Fetch, |version, body| drop(fetch::decode_response(version, body))),
    (ApiKey::ListOffsets, |version, body| drop(list_offsets::decode_response(version, body))),
    (ApiKey::Metadata, checked_metadata),
    (ApiKey::ApiVersions, |version, body| drop(api_versions::decode_response(version, body))),
    (ApiKey::InitProducerId, checked_producer_id),
    (ApiKey::CreateTopics, |version, body| drop(create_topics::decode_response(version, body))),
    (ApiKey::DeleteTopics, |version, body| drop(delete_topics::decode_response(version, body))),
    (ApiKey::CreatePartitions, |version, body| drop(create_partitions::decode_response(version, body))),
    (ApiKey::DeleteRecords, |version, body| drop(delete_records::decode_response(version, body))),
    (ApiKey::DescribeConfigs, |version, body| drop(describe_configs::decode_response(version, body))),
    (ApiKey::DescribeProducers, |version, body| drop(describe_producers::decode_response(version, body))),
    (ApiKey::IncrementalAlterConfigs, |version, body| {
        drop(incremental_alter_configs::decode_response(version, body));
    }),
    (ApiKey::FindCoordinator, |version, body| drop(find_coordinator::decode_response(version, body))),
    (ApiKey::JoinGroup, |version, body| drop(join_group::decode_response(version, body))),
    (ApiKey::SyncGroup, |version, body| drop(sync_group::decode_response(version, body))),
    (ApiKey::Heartbeat, |version, body| drop(heartbeat::decode_response(version, body))),
    (ApiKey::LeaveGroup, |version, body| drop(leave_group::decode_response(version, body))),
    (ApiKey::OffsetCommit, |version, body| drop(offset_commit::decode_response(version, body))),
    (ApiKey::OffsetFetch, |version, body| drop(offset_fetch::decode_response(version, body))),
];

/// Nobody is told of a node that cannot be reached.
fn checked_metadata(version: i16, body: Bytes) {
    let Ok(response) = metadata::decode_response(version, body) else { return };
    assert!(response.throttle_ms >= 0, "a negative throttle");
    for broker in &response.brokers {
        assert!(broker.node.0 >= 0 && broker.port > 0 && !broker.host.is_empty(), "{broker:?}");
    }
    for partition in response.topics.iter().flat_map(|topic| &topic.partitions) {
        assert!(partition.leader.is_none_or(|leader| leader.0 >= 0), "{partition:?}");
    }
}

/// An identity that is given is one.
fn checked_producer_id(version: i16, body: Bytes) {
    let Ok(response) = init_producer_id::decode_response(version, body) else { return };
    if response.error.is_none() {
        assert!(response.identity.producer_id >= 0 && response.identity.epoch >= 0, "{response:?}");
    }
}

/// Runs the target.
pub fn run(data: &[u8]) {
    let [api, version, body @ ..] = data else { return };
    let body = Bytes::copy_from_slice(body);
    let place = usize::from(*api) % (DECODERS.len() + 1);
    let Some((api, decode)) = DECODERS.get(place) else {
        drop(consumer_protocol::decode_subscription(body.clone()));
        drop(consumer_protocol::decode_assignment(body));
        return;
    };
    // A little more than the versions that we speak: the others are refused.
    let range = api.supported_range();
    let versions = range.max - range.min + 3;
    decode(range.min - 1 + i16::from(*version) % versions, body);
}
