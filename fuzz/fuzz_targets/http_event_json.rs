//! See `facteur_fuzz::targets::http_event_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| facteur_fuzz::targets::http_event_json::run(data));
