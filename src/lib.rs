//! `facteur` (French: the postman) is a pure-Rust Kafka producer: it delivers each record once, in order per partition,
//! and tells the truth about what it does not know.
//!
//! ```no_run
//! # async fn run() -> Result<(), facteur::Error> {
//! use facteur::{Producer, Record};
//!
//! let producer = Producer::from_properties([("bootstrap.servers", "localhost:9092")])?;
//! let report = producer.send_and_wait(Record::to("orders").key(b"customer-42").value(b"paid")).await?;
//! println!("stored in partition {} at offset {:?}", report.partition(), report.offset());
//! producer.close(std::time::Duration::from_secs(10)).await;
//! # Ok(())
//! # }
//! ```
//!
//! # The idea
//!
//! The [`accumulator`] turns records into sealed batches, one lane per partition. The [`engine`] is a value that takes
//! every decision about a sealed batch and does no I/O. The [`runtime`] is its body: one thread with sockets and timers.
//! The `broker` (feature `broker`) is the peer, built the same way.
//!
//! ```text
//!   send ──▶ partitioner ──▶ open batch ──sealed──▶ engine ──stamp──▶ socket ──▶ broker
//!                            (one lock per            │ id, epoch,                 │ has it been seen?
//!                             partition)              │ sequence                   ▼
//!   Delivery ◀── one cell per batch ◀── outcome ◀─────┴───────── answer ◀──────── log
//! ```
//!
//! # Three outcomes
//!
//! A record that was accepted ends in one of three ways: **acknowledged** (a [`DeliveryReport`]), **rejected** (certainly
//! not in the log; safe to send again) or **unknown** (zero or one copy; sending again may duplicate). [`Error::outcome`]
//! tells the last two apart.
//!
//! # Reading order
//!
//! [`record`] → [`producer`] → [`accumulator::partition_queue`] → [`wire::record_batch`] → [`engine`] (its doors, then
//! `sender`, `produce_response`, `resolution`) → [`error::error_code`]. The private half is documented as well:
//! `cargo doc --document-private-items --open`.
//!
//! # Features
//!
//! | feature | what it brings |
//! |---|---|
//! | `gzip`, `snappy`, `lz4`, `zstd` (default) | the codecs, all in pure Rust |
//! | `broker` | an embedded broker that speaks the real protocol, for tests and teaching |
//! | `lab` | implies `broker`; the HTTP façade, the commands and the binary `facteur` |
//!
//! `engine`, `accumulator`, `wire` and `mutants` are public for those who learn and for simulations; they are **outside
//! semantic versioning**.

pub mod accumulator;
#[cfg(feature = "broker")]
pub mod broker;
#[cfg(feature = "lab")]
pub mod chaos;
#[cfg(feature = "lab")]
pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
pub mod identifiers;
#[cfg(feature = "lab")]
pub mod lab;
pub mod mutants;
pub mod producer;
pub mod record;
pub mod runtime;
pub mod sequence;
pub mod time;
pub mod topic_name;
pub mod wire;

pub use config::{Acks, Compression, HostPort, PartitionerChoice, ProducerConfig, ProducerConfigBuilder};
pub use error::{Cause, Error, ErrorCode, Outcome};
pub use producer::{
    CloseReport, Guarantees, Producer, ProducerBuilder, SendAndWaitFuture, SendFuture, Statistics,
    TopicHandle, TrySendError,
};
pub use record::{Header, Record};
pub use runtime::delivery::{Delivery, DeliveryDetails, DeliveryReport, RecordPlace};
pub use runtime::observations::{Observations, Observed};

/// The README is a test: what it shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
