//! Properties of record batches and codecs: round trips, agreement with an independent decoder, and hostile bytes.
#![allow(clippy::expect_used, reason = "a helper that fails fails its test")]

use bytes::Bytes;
use facteur::Compression;
use facteur::Header;
use facteur::identifiers::ProducerIdentity;
use facteur::wire::WireError;
use facteur::wire::compression::{
    DecompressionLimits, codec_of, compress, decompress, is_available, supported_levels,
};
use facteur::wire::measured_record::MeasuredRecord;
use facteur::wire::reader::Reader;
use facteur::wire::record_batch::{
    BATCH_HEADER_BYTES, BatchSummary, CodecId, ProducerStamp, RecordFields, append_record, body_crc,
    encode_header, record_size_bytes, record_size_upper_bound,
};
use facteur::wire::record_batch_reader::{BatchView, split_batches};
use facteur::wire::varint::{put_varint, put_varlong, size_of_varint, size_of_varlong};
use proptest::collection::vec;
use proptest::prelude::*;

const ALL: [Compression; 6] = [
    Compression::None,
    Compression::Gzip(1),
    Compression::Gzip(6),
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd(3),
];

/// A record that owns its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owned {
    timestamp_delta_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn bytes_or_null(max: usize) -> impl Strategy<Value = Option<Vec<u8>>> {
    proptest::option::of(vec(any::<u8>(), 0..max))
}

fn record() -> impl Strategy<Value = Owned> {
    let delta = prop_oneof![-5_i64..20_000, any::<i32>().prop_map(i64::from), any::<i64>()];
    let headers = vec(("[a-c]{0,3}", bytes_or_null(20)), 0..4);
    (delta, bytes_or_null(200), bytes_or_null(2_000), headers).prop_map(
        |(timestamp_delta_ms, key, value, headers)| Owned { timestamp_delta_ms, key, value, headers },
    )
}

fn with_fields<T>(record: &Owned, index: usize, use_fields: impl FnOnce(&RecordFields<'_>) -> T) -> T {
    let headers: Vec<Header<'_>> =
        record.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
    use_fields(&RecordFields {
        offset_delta: i32::try_from(index).expect("few records"),
        timestamp_delta_ms: record.timestamp_delta_ms,
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers: &headers,
    })
}

fn body_of(records: &[Owned]) -> Vec<u8> {
    let mut body = Vec::new();
    for (index, record) in records.iter().enumerate() {
        with_fields(record, index, |fields| append_record(&mut body, fields));
    }
    body
}

fn batch_of(records: &[Owned], compression: Compression, stamp: Option<ProducerStamp>) -> Bytes {
    let plain = Bytes::from(body_of(records));
    // Two segments, so that joining them is exercised.
    let segments = [plain.slice(..plain.len() / 2), plain.slice(plain.len() / 2..)];
    let mut body = Vec::new();
    compress(compression, &segments, &mut body).expect("every codec is compiled in");
    let body = Bytes::from(body);
    let summary = BatchSummary {
        codec: codec_of(compression),
        record_count: u32::try_from(records.len()).expect("few records"),
        base_timestamp_ms: 1_000,
        max_timestamp_ms: 2_000,
        body_size_bytes: body.len(),
        body_crc: body_crc(&[body.slice(..body.len() / 3), body.slice(body.len() / 3..)]),
        is_transactional: false,
    };
    Bytes::from([&encode_header(&summary, stamp)[..], &body].concat())
}

fn read_back(batch: &BatchView) -> Result<Vec<Owned>, WireError> {
    let records = batch.records(&DecompressionLimits::default())?;
    records
        .map(|record| {
            let record = record?;
            Ok(Owned {
                timestamp_delta_ms: record.timestamp_delta_ms,
                key: record.key.map(|bytes| bytes.to_vec()),
                value: record.value.map(|bytes| bytes.to_vec()),
                headers: record
                    .headers
                    .into_iter()
                    .map(|(key, value)| (key, value.map(|bytes| bytes.to_vec())))
                    .collect(),
            })
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    // What we write we read, in every codec, and the CRC joined from two parts is the CRC of the whole. Fails if any
    // field, null or length is written otherwise than it is read, or a body in segments is joined wrongly.
    #[test]
    fn batches_survive_the_round_trip_in_every_codec(
        records in vec(record(), 1..20),
        producer_id in 0_i64..,
        epoch in 0_i16..,
        base_sequence in 0_i32..,
    ) {
        let stamp = ProducerStamp { identity: ProducerIdentity { producer_id, epoch }, base_sequence };
        for compression in ALL {
            let bytes = batch_of(&records, compression, Some(stamp));
            let batch = BatchView::parse(&bytes).expect("our own batch");
            prop_assert!(batch.crc_is_valid());
            prop_assert_eq!(batch.total_size_bytes, bytes.len());
            prop_assert_eq!(usize::try_from(batch.record_count), Ok(records.len()));
            prop_assert_eq!((batch.producer_id, batch.producer_epoch), (producer_id, epoch));
            prop_assert_eq!(batch.base_sequence, base_sequence);
            prop_assert_eq!(&read_back(&batch).expect("our own records"), &records);
        }
    }

    // The size is known before a record is written, to the byte; the upper bound holds; and with that much to spare
    // nothing is allocated. Fails if a batch could outgrow the buffer that was reserved for it.
    #[test]
    fn sizes_are_exact_and_spare_capacity_suffices(record in record(), index in 0_usize..2_000_000_000) {
        with_fields(&record, index, |fields| {
            let size = record_size_bytes(fields);
            let mut buffer = Vec::with_capacity(size);
            let capacity = buffer.capacity();
            MeasuredRecord::of(fields).append_to(&mut buffer, fields);
            prop_assert_eq!(buffer.len(), size);
            prop_assert_eq!(buffer.capacity(), capacity);
            let bound = record_size_upper_bound(
                fields.key.map(<[u8]>::len), fields.value.map(<[u8]>::len), fields.headers);
            prop_assert!(BATCH_HEADER_BYTES + size <= bound);
            prop_assert!(bound <= BATCH_HEADER_BYTES + size + 18);
            Ok(())
        })?;
    }

    // Someone else's decoder agrees with us about every field.
    #[test]
    fn an_independent_decoder_reads_our_batches(
        mut records in vec(record(), 1..20),
        base_sequence in 0_i32..1_000_000,
    ) {
        for record in &mut records {
            // Its headers are a map and its timestamps are sums: keep to what it can hold.
            record.headers.truncate(1);
            record.timestamp_delta_ms %= 1 << 40;
        }
        let stamp =
            ProducerStamp { identity: ProducerIdentity { producer_id: 7, epoch: 3 }, base_sequence };
        let mut bytes = batch_of(&records, Compression::None, Some(stamp));
        let theirs =
            kafka_protocol::records::RecordBatchDecoder::decode(&mut bytes).expect("they can read it");
        prop_assert_eq!(theirs.records.len(), records.len());
        for (index, (theirs, ours)) in (0..).zip(theirs.records.iter().zip(&records)) {
            prop_assert_eq!(theirs.offset, i64::from(index));
            prop_assert_eq!(theirs.sequence, base_sequence + index);
            prop_assert_eq!((theirs.producer_id, theirs.producer_epoch), (7, 3));
            prop_assert_eq!(theirs.timestamp, 1_000 + ours.timestamp_delta_ms);
            prop_assert_eq!(theirs.key.as_deref(), ours.key.as_deref());
            prop_assert_eq!(theirs.value.as_deref(), ours.value.as_deref());
            prop_assert_eq!(theirs.headers.len(), ours.headers.len());
            for ((their_key, their_value), (key, value)) in theirs.headers.iter().zip(&ours.headers) {
                prop_assert_eq!(their_key.as_str(), key.as_str());
                prop_assert_eq!(their_value.as_deref(), value.as_deref());
            }
        }
    }

    // Each codec by itself, over bytes that shrink and bytes that do not.
    #[test]
    fn codecs_survive_the_round_trip(noise in vec(any::<u8>(), 1..5_000), repeats in 1_usize..40) {
        let input = Bytes::from(noise.repeat(repeats));
        for compression in ALL {
            let mut packed = b"before".to_vec();
            compress(compression, std::slice::from_ref(&input), &mut packed).expect("compiled in");
            prop_assert_eq!(&packed[..6], b"before");
            let unpacked = decompress(codec_of(compression), &packed[6..], &DecompressionLimits::default());
            prop_assert_eq!(unpacked.expect("our own bytes"), &input[..]);
        }
    }

    // Hostile bytes, wholly random: an error or nonsense, never a panic.
    #[test]
    fn random_bytes_never_panic(noise in vec(any::<u8>(), 0..400)) {
        read_everything(&Bytes::from(noise));
    }

    // Hostile bytes, nearly right: a batch of each codec with a few bytes changed or cut off. These get further
    // into the decoders than noise does.
    #[test]
    fn damaged_batches_never_panic(
        records in vec(record(), 1..6),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for compression in ALL {
            let mut bytes = batch_of(&records, compression, None).to_vec();
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] ^= byte;
            }
            read_everything(&Bytes::from(bytes.clone()));
            bytes.truncate(cut.index(bytes.len()));
            read_everything(&Bytes::from(bytes));
        }
    }

    // Any integer survives, in the computed number of bytes.
    #[test]
    fn varints_survive_the_round_trip(short in any::<i32>(), long in any::<i64>()) {
        let mut buffer = Vec::new();
        put_varint(&mut buffer, short);
        prop_assert_eq!(buffer.len(), size_of_varint(short));
        put_varlong(&mut buffer, long);
        prop_assert_eq!(buffer.len(), size_of_varint(short) + size_of_varlong(long));
        let mut reader = Reader::new("varints", Bytes::from(buffer));
        prop_assert_eq!(reader.varint(), Ok(short));
        prop_assert_eq!(reader.varlong(), Ok(long));
        prop_assert_eq!(reader.remaining(), 0);
    }
}

/// Everything that can be asked of bytes that claim to be batches; results are beside the point.
fn read_everything(bytes: &Bytes) {
    for batch in split_batches(bytes.clone()).flatten() {
        std::hint::black_box(read_back(&batch).is_ok());
    }
    let limits = DecompressionLimits { max_output_bytes: 1 << 20, max_ratio: 100 };
    for codec in CodecId::ALL {
        if let Ok(unpacked) = decompress(codec, bytes, &limits) {
            assert!(unpacked.len() <= 1 << 20);
        }
    }
}

// The vectors of the protocol guide. Fails if the sign is folded or the bytes are ordered otherwise.
#[test]
fn zigzag_varints_match_the_published_vectors() {
    let vectors: [(i32, &[u8]); 13] = [
        (0, &[0x00]),
        (-1, &[0x01]),
        (1, &[0x02]),
        (-2, &[0x03]),
        (63, &[0x7e]),
        (-64, &[0x7f]),
        (64, &[0x80, 0x01]),
        (-65, &[0x81, 0x01]),
        (8191, &[0xfe, 0x7f]),
        (-8192, &[0xff, 0x7f]),
        (8192, &[0x80, 0x80, 0x01]),
        (i32::MAX, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
        (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
    ];
    for (value, bytes) in vectors {
        let mut written = Vec::new();
        put_varint(&mut written, value);
        assert_eq!(written, bytes, "{value}");
        assert_eq!(size_of_varint(value), bytes.len(), "{value}");
        assert_eq!(Reader::new("vector", Bytes::copy_from_slice(bytes)).varint(), Ok(value));
    }
}

// A varint that does not end, or holds more bits than its type, must not be read as something else.
#[test]
fn varints_that_are_too_long_are_refused() {
    let read = |bytes: &'static [u8]| Reader::new("varint", Bytes::from_static(bytes));
    assert!(matches!(read(&[0xff; 4]).varint(), Err(WireError::Truncated { .. })));
    assert!(matches!(read(&[0xff; 12]).varlong(), Err(WireError::BadVarint { .. })));
    assert!(matches!(read(&[0xff, 0xff, 0xff, 0xff, 0x1f]).varint(), Err(WireError::BadVarint { .. })));
    assert!(matches!(
        read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).varlong(),
        Err(WireError::BadVarint { .. })
    ));
}

// A batch whose header claims two thousand million records in 20 bytes. Fails if memory is reserved for them.
#[test]
fn a_lying_record_count_is_refused_before_anything_is_reserved() {
    let record = Owned { timestamp_delta_ms: 0, key: None, value: None, headers: Vec::new() };
    let mut bytes = batch_of(&[record], Compression::None, None).to_vec();
    bytes[57..61].copy_from_slice(&i32::MAX.to_be_bytes());

    let batch = BatchView::parse(&Bytes::from(bytes)).expect("the structure is right");

    let error = batch.records(&DecompressionLimits::default()).expect_err("it lies");
    assert!(matches!(error, WireError::BadCount { .. }), "{error}");
}

// Fewer records than the body holds: bytes that no record owns would otherwise be lost without a word.
#[test]
fn bytes_behind_the_last_record_are_an_error() {
    let record = Owned { timestamp_delta_ms: 0, key: None, value: None, headers: Vec::new() };
    let mut bytes = batch_of(&[record.clone(), record], Compression::None, None).to_vec();
    bytes[57..61].copy_from_slice(&1_i32.to_be_bytes());

    let batch = BatchView::parse(&Bytes::from(bytes)).expect("the structure is right");

    assert!(matches!(read_back(&batch), Err(WireError::Protocol(_))));
}

// Bombs: much comes out of little. Fails if a codec unpacks beyond the limit, or refuses what is within it.
#[test]
fn decompression_stops_at_the_limits() {
    let zeros = Bytes::from(vec![0; 6 << 20]);
    for compression in ALL {
        let codec = codec_of(compression);
        let mut packed = Vec::new();
        compress(compression, std::slice::from_ref(&zeros), &mut packed).expect("compiled in");
        let within = DecompressionLimits { max_output_bytes: 6 << 20, max_ratio: usize::MAX };
        let below = DecompressionLimits { max_output_bytes: (6 << 20) - 1, max_ratio: usize::MAX };
        let ratio = DecompressionLimits { max_output_bytes: usize::MAX, max_ratio: 2 };

        assert_eq!(decompress(codec, &packed, &within).map(|bytes| bytes.len()), Ok(6 << 20), "{codec}");
        assert!(matches!(decompress(codec, &packed, &below), Err(WireError::Codec { .. })), "{codec}");
        if codec != CodecId::None {
            assert!(matches!(decompress(codec, &packed, &ratio), Err(WireError::Codec { .. })), "{codec}");
        }
    }
}

// A raw snappy block that claims 4 GiB in five bytes, and a xerial block that claims 2 GiB.
#[test]
fn snappy_blocks_that_lie_about_their_size_are_refused() {
    let limits = DecompressionLimits { max_output_bytes: usize::MAX, max_ratio: usize::MAX };
    let raw = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00];
    assert!(decompress(CodecId::Snappy, &raw, &limits).is_err());
    let mut framed = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    framed.extend_from_slice(&i32::MAX.to_be_bytes());
    assert!(decompress(CodecId::Snappy, &framed, &limits).is_err());
}

// Brokers accept several gzip members and zstd frames in a row; so do we.
#[test]
fn members_and_frames_in_a_row_are_read_as_one() {
    for compression in [Compression::Gzip(6), Compression::Zstd(1)] {
        let mut packed = Vec::new();
        for part in ["one ", "two"] {
            compress(compression, &[Bytes::from_static(part.as_bytes())], &mut packed).expect("compiled in");
        }
        let unpacked = decompress(codec_of(compression), &packed, &DecompressionLimits::default());
        assert_eq!(unpacked.as_deref(), Ok(&b"one two"[..]));
    }
}

// What Kafka's broker demands of an lz4 frame, and what its snappy reader recognises: the first bytes.
#[test]
fn lz4_frames_and_snappy_streams_begin_as_kafka_expects() {
    let input = [Bytes::from(vec![7; 100_000])];
    let mut lz4 = Vec::new();
    compress(Compression::Lz4, &input, &mut lz4).expect("compiled in");
    assert_eq!(lz4[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
    assert_eq!(lz4[lz4.len() - 4..], [0; 4]);
    let mut snappy = Vec::new();
    compress(Compression::Snappy, &input, &mut snappy).expect("compiled in");
    assert_eq!(snappy[..16], *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
}

// A level that does not exist is refused with the range, never clamped; the ends of the range work.
#[test]
fn levels_outside_the_range_are_refused_and_its_ends_work() {
    let input = [Bytes::from_static(b"some bytes to pack, some bytes to pack")];
    for (compression, is_valid) in [
        (Compression::Gzip(0), false),
        (Compression::Gzip(1), true),
        (Compression::Gzip(9), true),
        (Compression::Gzip(10), false),
        (Compression::Zstd(-131_073), false),
        (Compression::Zstd(-131_072), true),
        (Compression::Zstd(22), true),
        (Compression::Zstd(23), false),
    ] {
        let mut out = b"kept".to_vec();
        let result = compress(compression, &input, &mut out);
        assert_eq!(result.is_ok(), is_valid, "{compression:?}: {result:?}");
        if is_valid {
            let unpacked = decompress(codec_of(compression), &out[4..], &DecompressionLimits::default());
            assert_eq!(unpacked.as_deref(), Ok(&input[0][..]), "{compression:?}");
        } else {
            assert_eq!(out, b"kept");
        }
    }
    assert_eq!(supported_levels(CodecId::Lz4), None);
    assert!(CodecId::ALL.into_iter().all(is_available));
}

// Timestamps before the first record and as far from it as i64 goes: the slow path of the writer, and its border.
#[test]
fn records_far_from_the_first_timestamp_survive() {
    let records: Vec<Owned> = [0, -1, i64::from(i32::MIN), i64::from(i32::MAX) + 1, i64::MIN, i64::MAX]
        .map(|timestamp_delta_ms| Owned {
            timestamp_delta_ms,
            key: None,
            value: Some(b"v".to_vec()),
            headers: Vec::new(),
        })
        .to_vec();
    let batch = BatchView::parse(&batch_of(&records, Compression::None, None)).expect("our own");
    assert_eq!(read_back(&batch), Ok(records));
}
