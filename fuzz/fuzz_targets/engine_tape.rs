//! See `facteur_fuzz::targets::engine_tape`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| facteur_fuzz::targets::engine_tape::run(data));
