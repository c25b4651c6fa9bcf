//! The producer against the embedded broker, over real sockets.

mod integration {
    pub mod support;

    mod delivery;
    mod refusal;
}
