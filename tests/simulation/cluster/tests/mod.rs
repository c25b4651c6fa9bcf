//! The model's own tests: it must be Kafka where it claims to be, and each check must be able to fail.

mod scenarios;
mod support;
