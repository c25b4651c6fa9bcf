//! See `facteur_fuzz::targets::varint`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| facteur_fuzz::targets::varint::run(data));
