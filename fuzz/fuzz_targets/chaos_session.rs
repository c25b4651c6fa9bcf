//! See `facteur_fuzz::targets::chaos_session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| facteur_fuzz::targets::chaos_session::run(data));
