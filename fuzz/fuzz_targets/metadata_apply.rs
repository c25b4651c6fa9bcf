//! See `facteur_fuzz::targets::metadata_apply`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| facteur_fuzz::targets::metadata_apply::run(data));
