//! The lab: the course's HTTP façade in front of the producer, with the embedded broker behind it.
//!
//! **Why it exists.** A course about producers needs something that `curl` can talk to; its every line must work
//! unchanged against us, and tell the truth where the originals did not (spec `lab.md` 1.1-1.6, D-57 to D-59, D-64).
//! Neighbours: `cli` starts it, [`crate::producer`] does the work, [`crate::broker`] is the default cluster.
//! Not here: the web page; the fault injector itself, which is [`crate::chaos`].
//!
//! Reading order: [`running`] starts everything, [`server`] accepts connections, [`app`] routes a call, `routes/send`
//! is the heart, [`dto`] and [`error`] are the shapes that leave.

pub mod app;
pub mod asked;
pub mod breaker;
pub mod busy_port;
pub mod clock;
pub mod dto;
pub mod effective_settings;
pub mod embedded;
pub mod environment;
pub mod error;
pub mod guard;
pub mod idempotency;
pub mod injector;
pub mod language;
pub mod metrics;
pub mod openapi;
pub mod patient_stream;
pub mod problem_kind;
pub mod producers;
pub mod profile;
pub mod query;
pub mod request_id;
pub mod routes;
pub mod runner;
pub mod running;
pub mod send_parameters;
pub mod server;
pub mod settings_layers;
pub mod status_store;
pub mod tasks;
pub mod timeline;
pub mod topic_reader;
pub mod trace_context;
