//! Record batches from a stranger: read or refused within the limits by the reader and by the broker's validator, which
//! agree on what a batch holds.

use bytes::Bytes;
use facteur::broker::log_validator::{Rules, single_batch, validate};
use facteur::broker::topic_config::TopicConfig;
use facteur::wire::compression::DecompressionLimits;
use facteur::wire::record_batch_reader::{BatchView, split_batches};

const LIMITS: DecompressionLimits = DecompressionLimits { max_output_bytes: 1 << 20, max_ratio: 1024 };

/// Runs the target: the first byte chooses the topic and the version, and whether the checksum is put right first.
pub fn run(data: &[u8]) {
    let [choice, bytes @ ..] = data else { return };
    let bytes = if choice & 1 == 1 { with_right_crc(bytes) } else { Bytes::copy_from_slice(bytes) };
    for batch in split_batches(bytes.clone()) {
        let Ok(batch) = batch else { break };
        assert!(batch.total_size_bytes <= bytes.len());
        read(&batch);
    }
    validated(&bytes, *choice);
}

/// The number of records if every one of them can be read.
fn read(batch: &BatchView) -> Option<usize> {
    let records = batch.records(&LIMITS).ok()?;
    let mut count = 0;
    for record in records {
        record.ok()?;
        count += 1;
    }
    assert_eq!(i32::try_from(count), Ok(batch.record_count), "as many records as the header says");
    Some(count)
}

fn validated(bytes: &Bytes, choice: u8) {
    let is_compacted = choice & 2 == 2;
    let settings = [
        ("cleanup.policy".to_owned(), is_compacted.then(|| "compact".to_owned())),
        ("message.timestamp.type".to_owned(), (choice & 4 == 4).then(|| "LogAppendTime".to_owned())),
    ];
    let topic = TopicConfig::from_pairs(&settings).expect("settings of a topic");
    let Ok(view) = single_batch(Some(bytes)) else { return };
    let rules =
        Rules { produce_version: 3 + i16::from(choice >> 4) % 9, topic: &topic, now_ms: 1_700_000_000_000 };
    let Ok(valid) = validate(&view, bytes, &rules) else { return };
    let stored = BatchView::parse(&valid.bytes).expect("what is stored is a batch");
    stored.check_crc().expect("what is stored has its checksum");
    assert_eq!(stored.record_count, view.record_count);
    assert_eq!(valid.summary.last_offset_delta, view.record_count - 1, "offsets without a gap");
}

/// The first batch with the checksum that its bytes have: otherwise hardly any input gets past it.
fn with_right_crc(bytes: &[u8]) -> Bytes {
    let mut fixed = bytes.to_vec();
    if let Ok(view) = BatchView::parse(&Bytes::copy_from_slice(bytes))
        && let Some(place) = fixed.get_mut(17..21)
    {
        place.copy_from_slice(&view.computed_crc().to_be_bytes());
    }
    Bytes::from(fixed)
}
