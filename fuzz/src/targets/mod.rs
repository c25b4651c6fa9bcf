//! The targets of `spec/reliability.md` 6.4, one file each: `run(data)` panics on a finding.
//!
//! **Why plain functions.** libFuzzer calls them with its inputs, `cargo test` with the stored ones; both see the same
//! checks. Neighbours: [`tape`] turns bytes into choices; [`engine_tape`] needs `simulation` and `oracle` at the root of the
//! crate. Not here: SCRAM, which is not built.

pub mod broker_request;
pub mod chaos_session;
pub mod decompress;
pub mod engine_tape;
pub mod frame;
pub mod http_event_json;
pub mod metadata_apply;
pub mod properties_file;
pub mod record_batch;
pub mod response;
pub mod roundtrip;
pub mod tape;
pub mod toxics_api_json;
pub mod varint;

/// A target's body.
pub type Run = fn(&[u8]);

/// Every target by its name, which is also the name of its binary and of its folders of seeds and regressions.
pub const ALL: &[(&str, Run)] = &[
    ("frame", frame::run),
    ("response", response::run),
    ("roundtrip", roundtrip::run),
    ("record_batch", record_batch::run),
    ("varint", varint::run),
    ("decompress", decompress::run),
    ("metadata_apply", metadata_apply::run),
    ("broker_request", broker_request::run),
    ("chaos_session", chaos_session::run),
    ("toxics_api_json", toxics_api_json::run),
    ("http_event_json", http_event_json::run),
    ("properties_file", properties_file::run),
    ("engine_tape", engine_tape::run),
];
