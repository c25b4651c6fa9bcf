//! See `facteur_fuzz::targets::record_batch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| facteur_fuzz::targets::record_batch::run(data));
