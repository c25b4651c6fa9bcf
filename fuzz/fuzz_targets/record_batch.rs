//! Record batches from a stranger: every record is read or refused, within the decompression limits.
#![no_main]

use bytes::Bytes;
use facteur::wire::compression::DecompressionLimits;
use facteur::wire::record_batch_reader::split_batches;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = DecompressionLimits { max_output_bytes: 1 << 20, max_ratio: 1024 };
    for batch in split_batches(Bytes::copy_from_slice(data)) {
        let Ok(batch) = batch else { break };
        let _crc = batch.crc_is_valid();
        if let Ok(records) = batch.records(&limits) {
            for record in records {
                if record.is_err() {
                    break;
                }
            }
        }
    }
});
