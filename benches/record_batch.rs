//! The hot path of the wire layer: appending records, checksumming, making headers, and each codec.
//!
//! Run with `cargo bench --bench record_batch`. Numbers are for comparing two versions on one machine.
#![allow(missing_docs, reason = "criterion's macro makes an undocumented main")]
#![allow(clippy::expect_used, reason = "a bench that fails may stop")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use facteur::identifiers::ProducerIdentity;
use facteur::wire::compression::{DecompressionLimits, codec_of, compress, decompress};
use facteur::wire::measured_record::MeasuredRecord;
use facteur::wire::record_batch::{
    BatchSummary, CodecId, ProducerStamp, RecordFields, body_crc, encode_header,
};
use facteur::{Compression, Header};

const BATCH_BYTES: usize = 128 * 1024;

/// Fills a batch with records of this shape; the time per iteration is that of one record.
fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    let value = vec![b'x'; 1024];
    let headers = [Header::new("trace", b"0123456789abcdef"), Header::null("n")];
    let key: &[u8] = b"customer-123";
    let shapes = [
        ("100 B", None, 100, 0),
        ("100 B with a key of 12", Some(key), 100, 0),
        ("100 B with a key and two headers", Some(key), 100, 2),
        ("1 KiB with a key of 12", Some(key), 1024, 0),
    ];
    for (name, key, value_bytes, header_count) in shapes {
        let value = value.get(..value_bytes);
        let headers = headers.get(..header_count).unwrap_or_default();
        let mut buffer: Vec<u8> = Vec::with_capacity(BATCH_BYTES);
        let mut offset_delta = 0;
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let fields = RecordFields {
                    offset_delta,
                    timestamp_delta_ms: i64::from(offset_delta >> 6),
                    key: black_box(key),
                    value: black_box(value),
                    headers: black_box(headers),
                };
                let measured = MeasuredRecord::of(&fields);
                let size = measured.size_bytes();
                if buffer.len() + size > BATCH_BYTES {
                    buffer.clear();
                    offset_delta = 0;
                }
                measured.append_to(&mut buffer, &fields);
                offset_delta += 1;
            });
        });
    }
    group.finish();
}

/// What the engine does as it sends a batch: it does not depend on the size of the body.
fn header(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header");
    let body = Bytes::from(vec![b'x'; BATCH_BYTES]);
    let crc = body_crc(std::slice::from_ref(&body));
    let stamp =
        ProducerStamp { identity: ProducerIdentity { producer_id: 4000, epoch: 3 }, base_sequence: 17 };
    for body_size_bytes in [1 << 10, BATCH_BYTES, 1 << 20] {
        let summary = BatchSummary {
            codec: CodecId::None,
            record_count: 1_000,
            base_timestamp_ms: 1_700_000_000_000,
            max_timestamp_ms: 1_700_000_000_100,
            body_size_bytes,
            body_crc: crc,
            is_transactional: false,
        };
        group.bench_function(BenchmarkId::new("encode", body_size_bytes), |bencher| {
            bencher.iter(|| encode_header(black_box(&summary), Some(stamp)));
        });
    }
    group.throughput(Throughput::Bytes(BATCH_BYTES as u64));
    group.bench_function("crc of 128 KiB", |bencher| {
        bencher.iter(|| body_crc(std::slice::from_ref(black_box(&body))));
    });
    group.finish();
}

/// JSON-like payment events, as the course sends them.
fn events(size_bytes: usize) -> Bytes {
    let mut events = Vec::with_capacity(size_bytes + 256);
    let mut seed = 1_u64;
    let mut number = 0;
    while events.len() < size_bytes {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = seed >> 33;
        let event = format!(
            "{{\"eventId\":\"E-{noise:08x}-{number}\",\"account\":\"customer-{}\",\"amount\":{}.{:02},\
             \"currency\":\"EUR\",\"at\":\"2026-11-{:02}T{:02}:{:02}:{:02}Z\",\"note\":\"payment for order {}\"}}",
            noise % 997,
            noise % 10_000,
            noise % 100,
            noise % 28 + 1,
            noise % 24,
            noise % 60,
            (noise >> 7) % 60,
            noise % 100_000
        );
        events.extend_from_slice(event.as_bytes());
        number += 1;
    }
    events.truncate(size_bytes);
    Bytes::from(events)
}

fn codecs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.sample_size(20);
    for size_bytes in [16 * 1024, 1024 * 1024] {
        let input = events(size_bytes);
        group.throughput(Throughput::Bytes(size_bytes as u64));
        for compression in [
            Compression::Gzip(1),
            Compression::Gzip(6),
            Compression::Snappy,
            Compression::Lz4,
            Compression::Zstd(1),
            Compression::Zstd(3),
        ] {
            let mut out = Vec::new();
            group.bench_function(BenchmarkId::new(format!("{compression:?} pack"), size_bytes), |bencher| {
                bencher.iter(|| {
                    out.clear();
                    compress(compression, std::slice::from_ref(&input), &mut out).expect("compiled in");
                });
            });
            let limits = DecompressionLimits::default();
            group.bench_function(
                BenchmarkId::new(format!("{compression:?} unpack"), size_bytes),
                |bencher| {
                    bencher.iter(|| decompress(codec_of(compression), &out, &limits).expect("our own bytes"));
                },
            );
        }
    }
    group.finish();
}

criterion_group!(benches, append, header, codecs);
criterion_main!(benches);
