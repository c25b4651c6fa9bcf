//! A pure-Rust Kafka producer.
pub mod accumulator;
#[cfg(feature = "broker")]
pub mod broker;
#[cfg(feature = "lab")]
pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
pub mod identifiers;
#[cfg(feature = "lab")]
pub mod lab;
pub mod producer;
pub mod record;
pub mod runtime;
pub mod sequence;
pub mod time;
pub mod topic_name;
pub mod wire;

pub use config::{Acks, Compression, HostPort, PartitionerChoice, ProducerConfig, ProducerConfigBuilder};
pub use error::{Cause, Error, ErrorCode, Outcome};
pub use producer::{CloseReport, Guarantees, Producer, Statistics, TopicHandle, TrySendError};
pub use record::{Header, Record};
pub use runtime::delivery::{Delivery, DeliveryDetails, DeliveryReport};
