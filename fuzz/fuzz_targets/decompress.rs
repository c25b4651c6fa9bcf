//! Compressed bytes from a stranger: no panic, and no more output than allowed.
#![no_main]

use facteur::wire::compression::{DecompressionLimits, decompress};
use facteur::wire::record_batch::CodecId;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [codec, input @ ..] = data else { return };
    let codec = CodecId::ALL[usize::from(*codec) % CodecId::ALL.len()];
    let limits = DecompressionLimits { max_output_bytes: 1 << 20, max_ratio: 1024 };
    if let Ok(output) = decompress(codec, input, &limits) {
        assert!(output.len() <= 1 << 20, "{codec:?} gave {} bytes", output.len());
    }
});
