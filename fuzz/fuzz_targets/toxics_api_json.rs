//! See `facteur_fuzz::targets::toxics_api_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| facteur_fuzz::targets::toxics_api_json::run(data));
