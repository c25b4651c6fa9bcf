//! See `facteur_fuzz::targets::response`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| facteur_fuzz::targets::response::run(data));
