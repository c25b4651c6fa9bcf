//! Compressed bytes from a stranger, in four codecs and snappy's two framings: no panic, and never more than allowed.

use facteur::Compression;
use facteur::wire::compression::{DecompressionLimits, codec_of, compress, decompress};
use facteur::wire::record_batch::CodecId;

const LIMITS: DecompressionLimits = DecompressionLimits { max_output_bytes: 1 << 20, max_ratio: 1024 };

/// Runs the target: the first byte chooses the codec, and whether the rest is unpacked or first packed.
pub fn run(data: &[u8]) {
    let [choice, input @ ..] = data else { return };
    let codec = CodecId::ALL[usize::from(*choice & 7) % CodecId::ALL.len()];
    if *choice & 8 == 8 {
        return there_and_back(codec, input);
    }
    if let Ok(output) = decompress(codec, input, &LIMITS) {
        assert!(output.len() <= 1 << 20, "{codec:?} gave {} bytes", output.len());
        // What came out once comes out again, and one byte less than it is too little.
        let exact = DecompressionLimits { max_output_bytes: output.len(), max_ratio: usize::MAX };
        assert!(
            decompress(codec, input, &exact).is_ok_and(|again| again == output),
            "{codec:?}: exact limit"
        );
        if let Some(less) = output.len().checked_sub(1) {
            let small = DecompressionLimits { max_output_bytes: less, max_ratio: usize::MAX };
            assert!(decompress(codec, input, &small).is_err(), "{codec:?}: more than the limit");
        }
    }
}

fn there_and_back(codec: CodecId, input: &[u8]) {
    let compression = match codec {
        CodecId::None => Compression::None,
        CodecId::Gzip => Compression::Gzip(1 + u8::try_from(input.len() % 9).expect("small")),
        CodecId::Snappy => Compression::Snappy,
        CodecId::Lz4 => Compression::Lz4,
        CodecId::Zstd => Compression::Zstd(1 + i32::try_from(input.len() % 9).expect("small")),
    };
    assert_eq!(codec_of(compression), codec);
    let (first, second) = input.split_at(input.len() / 2);
    let mut packed = Vec::new();
    compress(compression, &[first, second], &mut packed).expect("every codec is compiled in");
    assert_eq!(decompress(codec, &packed, &LIMITS).expect("our own bytes"), input, "{codec:?}");
}
