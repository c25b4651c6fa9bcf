//! See `facteur_fuzz::targets::properties_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| facteur_fuzz::targets::properties_file::run(data));
