//! An embedded broker: a single-node look-alike of Apache Kafka 4.4, for tests, simulations and the lab.
//!
//! **Why our own.** Idempotence has two halves. A producer can only be understood, and tested, with a peer that answers
//! as a real broker does, that can be told to misbehave at an exact request, and that says why it did what it did. No
//! broker that can be embedded does so (see `docs/`), and this one doubles as the wire layer's best test.
//!
//! ```text
//!   TCP ─▶ server ─▶ handlers ─▶ cluster ─▶ log_validator ─▶ producer_state_manager ─▶ log
//!            │          │           └ topics, producer ids, memory limits
//!            │          └ faults: what tests and labs armed
//!            └ events ─▶ subscribers
//! ```
//!
//! Everything but [`server`] is pure: no clock, no sockets, no locks; time and entropy are handed in. What is answered
//! where the specification leaves room was measured on real brokers: `tests/broker` holds the table.
//!
//! Neighbours: [`crate::wire`] below; the lab and the simulation above. [`crate::engine`] never meets it in code. Not
//! here: several nodes, transactions, disks.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod cluster;
pub mod compaction;
pub mod config;
pub mod events;
pub mod faults;
pub mod groups;
pub mod handlers;
pub mod log;
pub mod log_validator;
pub mod personality;
pub mod producer_state_manager;
pub mod rewritten_batch;
pub mod server;
pub mod topic_config;

pub use cluster::cleaner::CompactionReport;
pub use config::{BrokerConfig, BrokerError, CompactionTiming, Listener};
pub use events::{BrokerEvent, CompactionCause, EventKind};
pub use faults::{ArmedFault, Fault, FaultAction, FaultId};
pub use groups::GroupSettings;
pub use log::StoredBatch;
pub use producer_state_manager::Personality;
pub use server::{Broker, BrokerHandle};
