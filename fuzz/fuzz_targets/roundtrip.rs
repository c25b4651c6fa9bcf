//! See `facteur_fuzz::targets::roundtrip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| facteur_fuzz::targets::roundtrip::run(data));
