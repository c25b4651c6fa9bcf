//! The half of the injector that speaks Kafka: addresses rewritten, one answer lost on purpose.
//!
//! **Why.** A proxy for bytes is bypassed after the first Metadata answer, because clients dial what brokers advertise;
//! and a fault by time ("hold answers for two seconds") hits whatever happens to pass. Here every answer that carries an
//! address is rewritten, so no client leaves the faulty path, and a fault hits one request by API, topic and client.
//!
//! **Why pure.** [`session::KafkaSession`] is fed bytes and hands out steps; it owns no socket, clock or task, so every
//! version of every answer and every cut of the stream is tested without a network. Bytes from both sides are strangers':
//! all reads are checked, nothing is reserved by a length that was only claimed, and what is held is bounded.
//!
//! ```text
//!   client ──▶ from_client ──▶ request heads ──▶ claims ──▶ ToServer | held | answered here
//!                                  │ pending, in order
//!   client ◀── ToClient ◀── rewritten | passed | dropped ◀── from_server ◀── server
//! ```
//!
//! Reading order: [`session`], [`proxy`], [`toxic`], [`rewrite`]; `request`, `fetch_answer` and `error_answer` know the
//! fields, [`api`] the names. Not here: sockets, delays and the admin API, which are the core's.

#![warn(clippy::indexing_slicing)]

pub mod api;
mod chunk;
pub mod error_answer;
mod fetch_answer;
pub mod proxy;
mod request;
mod rewrite;
pub mod session;
pub mod toxic;
