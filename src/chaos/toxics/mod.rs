//! What each toxic does to one direction of one connection, as small state machines.
//!
//! **Why machines and not tasks.** A stage is handed chunks and the time, and answers what leaves now or when to ask
//! again. So a change acts between two steps, a test needs no sleep, and a connection without toxics costs nothing.
//!
//! ```text
//!  socket ──▶ head ──▶ stage ──▶ stage ──▶ tail ──▶ socket        one chain per direction, stages in creation order
//! ```
//!
//! Neighbours: [`crate::chaos::toxic`] parses what is asked for, [`chain`] lines stages up, `connection` feeds it. Not
//! here: sockets, clocks, Kafka.

pub mod bandwidth;
pub mod chain;
pub mod head;
pub mod latency;
pub mod limit_data;
pub mod reset_peer;
pub mod slicer;
pub mod slow_close;
pub mod stage;
pub mod timeout;
