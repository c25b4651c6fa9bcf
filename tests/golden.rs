//! Batches that other clients wrote, read by us; and what we write, compared with theirs byte for byte.
#![allow(clippy::expect_used, clippy::panic, reason = "a helper that fails fails its test")]

use bytes::Bytes;
use facteur::Header;
use facteur::identifiers::ProducerIdentity;
use facteur::wire::WireError;
use facteur::wire::compression::DecompressionLimits;
use facteur::wire::record_batch::{
    BatchSummary, CodecId, ProducerStamp, RecordFields, append_record, body_crc, encode_header,
};
use facteur::wire::record_batch_reader::{BatchView, RecordView, split_batches};

const BASE_TIME_MS: i64 = 1_700_000_000_000;

/// A record with its absolute timestamp.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expected {
    timestamp_ms: Option<i64>,
    key: Option<String>,
    value: Option<String>,
    headers: Vec<(&'static str, Option<&'static str>)>,
}

fn golden(client: &str, codec: &str) -> Bytes {
    let path = format!("{}/tests/golden/{client}-{codec}.batches", env!("CARGO_MANIFEST_DIR"));
    Bytes::from(std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")))
}

fn batches(bytes: &Bytes) -> Vec<BatchView> {
    split_batches(bytes.clone()).collect::<Result<Vec<_>, _>>().expect("every batch has its structure")
}

fn text(bytes: Option<&Bytes>) -> Option<String> {
    bytes.map(|bytes| String::from_utf8(bytes.to_vec()).expect("the golden records are text"))
}

fn java_records() -> Vec<Expected> {
    let special = |delta, key: Option<&str>, value: Option<&str>, headers| Expected {
        timestamp_ms: Some(BASE_TIME_MS + delta),
        key: key.map(str::to_owned),
        value: value.map(str::to_owned),
        headers,
    };
    let headers = vec![("h", Some("1")), ("h", Some("2")), ("empty", Some("")), ("null", None)];
    let mut records = vec![
        special(0, Some("key"), Some("value"), headers),
        special(1, None, Some("no key"), Vec::new()),
        special(2, Some("tombstone"), None, Vec::new()),
        special(-5, Some(""), Some(""), Vec::new()),
    ];
    for i in 0..200_i64 {
        let value = format!(
            "{{\"eventId\":\"E-{i}\",\"account\":\"customer-{}\",\"amount\":{}.50}}",
            i % 13,
            i * 37 % 1000
        );
        let key = format!("k{}", i % 7);
        records.push(special(10 + i, Some(&key), Some(&value), Vec::new()));
    }
    records
}

fn aiokafka_records() -> Vec<Expected> {
    let record = |i: i64| Expected {
        timestamp_ms: Some(BASE_TIME_MS + i),
        key: Some("k".to_owned()),
        value: Some(format!("value-{i}")),
        headers: vec![("h", Some("1")), ("h", Some("2"))],
    };
    (0..50).map(record).collect()
}

fn kcat_records() -> Vec<Expected> {
    let record = |(key, value): (&str, &str)| Expected {
        timestamp_ms: None,
        key: Some(key.to_owned()),
        value: Some(value.to_owned()),
        headers: vec![("h", Some("1")), ("h", Some("2"))],
    };
    [("key", "value"), ("key2", "value2"), ("k3", "")].map(record).to_vec()
}

/// Checks every record of a file, and that each batch names the codec or, where `may_be_plain`, none.
fn check(client: &str, codec: CodecId, expected: &[Expected], may_be_plain: bool) {
    let mut records = expected.iter();
    for batch in batches(&golden(client, codec.name())) {
        let found = batch.codec().expect("a codec that exists");
        assert!(found == codec || (may_be_plain && found == CodecId::None), "{client} {codec}: {found}");
        assert!(batch.crc_is_valid(), "{client} {codec}: CRC {:08x}", batch.crc);
        assert!(batch.has_producer_id() && batch.producer_epoch == 0, "{client} {codec}: idempotent");
        for (index, record) in batch.records(&DecompressionLimits::default()).expect("it unpacks").enumerate()
        {
            let record = record.expect("it has its structure");
            let expected = records.next().unwrap_or_else(|| panic!("{client} {codec}: a record too many"));
            check_record(&batch, &record, index, expected);
        }
    }
    assert_eq!(records.next(), None, "{client} {codec}: a record too few");
}

fn check_record(batch: &BatchView, record: &RecordView, index: usize, expected: &Expected) {
    assert_eq!(usize::try_from(record.offset_delta), Ok(index));
    if let Some(timestamp_ms) = expected.timestamp_ms {
        assert_eq!(batch.base_timestamp_ms + record.timestamp_delta_ms, timestamp_ms);
    }
    assert_eq!(text(record.key.as_ref()), expected.key);
    assert_eq!(text(record.value.as_ref()), expected.value);
    let headers: Vec<_> =
        record.headers.iter().map(|(key, value)| (key.clone(), text(value.as_ref()))).collect();
    let wanted: Vec<_> =
        expected.headers.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect();
    assert_eq!(headers, wanted);
}

// The Java client's batches, each codec. Fails if a field, a null, a repeated header, a negative timestamp delta or a
// codec's framing (xerial snappy, lz4 frames) is read wrongly.
#[test]
fn batches_of_the_java_client_are_read_in_every_codec() {
    for codec in CodecId::ALL {
        check("java", codec, &java_records(), false);
    }
}

// aiokafka's batches, whose codecs are Rust's (cramjam): other writers of the same formats.
#[test]
fn batches_of_aiokafka_are_read_in_every_codec() {
    for codec in CodecId::ALL {
        check("aiokafka", codec, &aiokafka_records(), false);
    }
}

// librdkafka's batches: snappy without xerial framing, and plain ones where compression did not pay.
#[test]
fn batches_of_librdkafka_are_read_in_every_codec() {
    for codec in CodecId::ALL {
        check("kcat", codec, &kcat_records(), true);
    }
}

/// Writes a batch's records and header with our own code.
fn written_by_us(batch: &BatchView) -> Vec<u8> {
    let mut body = Vec::new();
    for record in batch.records(&DecompressionLimits::default()).expect("it unpacks") {
        let record = record.expect("it has its structure");
        let headers: Vec<Header<'_>> =
            record.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        let fields = RecordFields {
            offset_delta: record.offset_delta,
            timestamp_delta_ms: record.timestamp_delta_ms,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        };
        append_record(&mut body, &fields);
    }
    let summary = BatchSummary {
        codec: CodecId::None,
        record_count: u32::try_from(batch.record_count).expect("not negative"),
        base_timestamp_ms: batch.base_timestamp_ms,
        max_timestamp_ms: batch.max_timestamp_ms,
        body_size_bytes: body.len(),
        body_crc: body_crc(&[Bytes::from(body.clone())]),
        is_transactional: batch.is_transactional(),
    };
    let identity = ProducerIdentity { producer_id: batch.producer_id, epoch: batch.producer_epoch };
    let stamp =
        batch.has_producer_id().then_some(ProducerStamp { identity, base_sequence: batch.base_sequence });
    [&encode_header(&summary, stamp)[..], &body].concat()
}

// The same records, written by the Java client and by us, are the same bytes but for what the broker filled in.
// Fails if our encoding differs in anything, the base timestamp (first, not smallest) and the CRC included.
#[test]
fn our_writer_makes_the_same_bytes_as_the_java_client() {
    let golden = golden("java", "none");
    let mut at = 0;
    for batch in batches(&golden) {
        let theirs = &golden[at..at + batch.total_size_bytes];
        let ours = written_by_us(&batch);
        assert_eq!(ours[8..12], theirs[8..12], "length");
        assert_eq!(ours[16..], theirs[16..], "everything from the magic on");
        assert_eq!(ours[..8], [0; 8], "base offset");
        assert_eq!(ours[12..16], [0xff; 4], "leader epoch");
        at += batch.total_size_bytes;
    }
    assert_eq!(at, golden.len());
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex")).collect()
}

const SAMPLE_A: &str = "00000000000000000000003affffffff02e99b8dd80000000000000000018bcfe568000000018bcfe56800ffffffff\
                        ffffffffffffffffffff0000000110000000026b027600";
const SAMPLE_B: &str = "00000000000000000000004affffffff02f06647770010000000010000018bcfe568000000018bcfe568050000000000\
                        000fa0000300000011000000021800000001047630020268027816000a02046b310102026e01";

// Two small batches worked out by hand: without and with a producer id, a transaction, nulls, headers. Fails at the
// first byte that we write otherwise.
#[test]
fn the_two_sample_batches_are_written_byte_for_byte() {
    let first = RecordFields {
        offset_delta: 0,
        timestamp_delta_ms: 0,
        key: Some(b"k"),
        value: Some(b"v"),
        headers: &[],
    };
    let headers_of_first = [Header::new("h", b"x")];
    let headers_of_second = [Header::null("n")];
    let pair = [
        RecordFields {
            offset_delta: 0,
            timestamp_delta_ms: 0,
            key: None,
            value: Some(b"v0"),
            headers: &headers_of_first,
        },
        RecordFields {
            offset_delta: 1,
            timestamp_delta_ms: 5,
            key: Some(b"k1"),
            value: None,
            headers: &headers_of_second,
        },
    ];
    let identity = ProducerIdentity { producer_id: 4000, epoch: 3 };
    let stamp = ProducerStamp { identity, base_sequence: 17 };

    assert_eq!(batch_of(&[first], None), unhex(SAMPLE_A));
    assert_eq!(batch_of(&pair, Some(stamp)), unhex(SAMPLE_B));
}

/// A batch that is transactional if it is stamped.
fn batch_of(records: &[RecordFields<'_>], stamp: Option<ProducerStamp>) -> Vec<u8> {
    let mut body = Vec::new();
    for record in records {
        append_record(&mut body, record);
    }
    let summary = BatchSummary {
        codec: CodecId::None,
        record_count: u32::try_from(records.len()).expect("few"),
        base_timestamp_ms: BASE_TIME_MS,
        max_timestamp_ms: BASE_TIME_MS
            + records.iter().map(|record| record.timestamp_delta_ms).max().unwrap_or(0),
        body_size_bytes: body.len(),
        body_crc: body_crc(&[Bytes::from(body.clone())]),
        is_transactional: stamp.is_some(),
    };
    [&encode_header(&summary, stamp)[..], &body].concat()
}

// Integrity: any changed bit from the attributes on must be seen, and what the broker fills in must not matter.
// Fails if the CRC covers too little or too much.
#[test]
fn a_flipped_bit_anywhere_behind_the_crc_is_noticed_and_before_it_is_not() {
    let whole = unhex(SAMPLE_B);
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x01;
        let parsed = BatchView::parse(&Bytes::from(flipped));
        match at {
            0..8 | 12..16 => assert!(parsed.expect("still a batch").crc_is_valid(), "byte {at}"),
            8..12 | 16 => {
                assert!(parsed.is_err() || parsed.is_ok_and(|batch| !batch.crc_is_valid()), "byte {at}");
            }
            _ => {
                let batch = parsed.expect("still a batch");
                assert!(!batch.crc_is_valid(), "byte {at}");
                assert!(matches!(batch.check_crc(), Err(WireError::BadCrc { .. })), "byte {at}");
            }
        }
    }
}

// A broker cuts a Fetch answer at a byte limit, in the middle of a batch. Fails if the cut batch is an error, or the
// whole ones before it are lost.
#[test]
fn a_last_batch_that_is_cut_short_is_left_out() {
    let golden = golden("java", "none");
    let whole = batches(&golden);
    let twice = Bytes::from([&golden[..], &golden[..golden.len() - 1]].concat());

    let found = batches(&twice);

    assert_eq!(found.len(), 2 * whole.len() - 1);
}

// An old-format message (magic 1) in the middle of a log must not be taken for a batch.
#[test]
fn a_batch_with_another_magic_is_refused() {
    let mut bytes = unhex(SAMPLE_A);
    bytes[16] = 1;
    assert_eq!(BatchView::parse(&Bytes::from(bytes)), Err(WireError::BadMagic { magic: 1 }));
}
