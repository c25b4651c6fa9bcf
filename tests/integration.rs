//! The producer against the embedded broker, over real sockets.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why")]

mod integration {
    pub mod support;

    mod delivery;
    mod observations;
    mod refusal;
    mod threads;
}
