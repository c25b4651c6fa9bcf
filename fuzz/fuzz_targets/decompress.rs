//! See `facteur_fuzz::targets::decompress`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| facteur_fuzz::targets::decompress::run(data));
