//! The handle under threads, cancellation and unruly user code, against the embedded broker over real sockets.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a test that cannot go on says why, and real threads have real time"
)]

mod handle {
    pub mod support;

    mod cancel;
    mod ends;
    mod memory;
    mod stress;
    mod user_code;
}
