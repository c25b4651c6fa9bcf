//! The embedded broker as a stranger sees it: bytes on a socket in, bytes out.
//!
//! Nearly everything here goes through TCP; `broker/group_states.rs` does not. What real brokers
//! answer to batches stands in `tests/dedup/`; the groups' table also runs against a real Kafka when
//! `FACTEUR_KAFKA_BOOTSTRAP` names one. Not here: the state machines' own tests, which stand
//! beside them in `src/broker`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::doc_markdown,
    reason = "helpers of tests may panic: it fails the test that called them"
)]

#[path = "broker/admin.rs"]
mod admin;
#[path = "broker/admin_codec.rs"]
mod admin_codec;
#[path = "broker/batch.rs"]
mod batch;
#[path = "broker/client.rs"]
mod client;
#[path = "broker/compaction.rs"]
mod compaction;
#[path = "broker/conformance.rs"]
mod conformance;
#[path = "broker/faults.rs"]
mod faults;
#[path = "broker/fetching.rs"]
mod fetching;
#[path = "broker/group_conformance.rs"]
mod group_conformance;
#[path = "broker/group_protocol.rs"]
mod group_protocol;
#[path = "broker/group_states.rs"]
mod group_states;
#[path = "broker/groups.rs"]
mod groups;
#[path = "broker/hostile.rs"]
mod hostile;
#[path = "broker/idempotence_law.rs"]
mod idempotence_law;
#[path = "broker/protocol.rs"]
mod protocol;
#[path = "broker/retention.rs"]
mod retention;
#[path = "broker/segments.rs"]
mod segments;
#[path = "broker/support.rs"]
mod support;
