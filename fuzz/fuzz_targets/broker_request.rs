//! See `facteur_fuzz::targets::broker_request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| facteur_fuzz::targets::broker_request::run(data));
