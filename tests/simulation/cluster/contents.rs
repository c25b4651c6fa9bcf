//! What is in the logs in the end.
//!
//! Neighbours: the oracle compares it with what was accepted. Not here: any judgement.

use std::sync::Arc;

use bytes::Bytes;

use super::Cluster;
use super::checks::record_id;
use super::replica::Replica;
use super::wire::for_each_value;

/// One record of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub offset: i64,
    /// The id that its value begins with; `None` if it has none.
    pub id: Option<usize>,
    /// The record, from its attributes to its headers.
    pub record: Bytes,
}

/// One partition: its leader's log, and each in-sync copy's ids below the high watermark.
#[derive(Debug, Clone)]
pub struct Contents {
    pub topic: Arc<str>,
    pub partition: i32,
    pub log_start: i64,
    pub found: Vec<Found>,
    pub replicas: Vec<Vec<(i64, Option<usize>)>>,
}

fn read(replica: &Replica, upto: i64, mut visit: impl FnMut(i64, Bytes, Option<&[u8]>)) {
    for entry in replica.entries.iter().filter(|entry| entry.base >= replica.log_start && entry.end <= upto) {
        let start = entry.bytes.as_ptr() as usize;
        for_each_value(&entry.bytes, |delta, record, value| {
            let from = record.as_ptr() as usize - start;
            visit(entry.base + i64::from(delta), entry.bytes.slice(from..from + record.len()), value);
        });
    }
}

impl Cluster {
    /// Every partition of every topic that exists now, in order.
    #[must_use]
    pub fn contents(&self) -> Vec<Contents> {
        let mut all = Vec::new();
        for topic in &self.topics {
            for part in &topic.parts {
                let part = &self.parts[*part];
                let longest = part.assigned.iter().copied().max_by_key(|node| part.replicas[*node].end());
                let leader = part.state.leader.or(longest).unwrap_or(0);
                let log = &part.replicas[leader];
                let mut found = Vec::new();
                read(log, log.end(), |offset, record, value| {
                    found.push(Found { offset, id: value.and_then(record_id), record });
                });
                let others =
                    part.assigned.iter().filter(|node| part.state.has_in_sync(**node) && **node != leader);
                let replicas = others
                    .map(|node| {
                        let mut ids = Vec::new();
                        let upto = log.high_watermark.min(part.replicas[*node].end());
                        read(&part.replicas[*node], upto, |offset, _, value| {
                            ids.push((offset, value.and_then(record_id)));
                        });
                        ids
                    })
                    .collect();
                let topic = Arc::clone(&topic.name);
                all.push(Contents {
                    topic,
                    partition: part.index,
                    log_start: log.log_start,
                    found,
                    replicas,
                });
            }
        }
        all
    }
}
