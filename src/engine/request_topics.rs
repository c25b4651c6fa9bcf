//! The batches of a request by topic: on the wire a topic's name stands once, before its partitions.
//!
//! **Why not a search.** A request may hold batches of thousands of topics. Lanes of one topic mostly come together, and most
//! requests have one topic: only what is not the last topic is looked up.
//!
//! Neighbours: `sender` fills it. Not here: which batches, and how they are written.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::identifiers::TopicId;
use crate::wire::api::produce::{PartitionBatch, TopicBatches};

/// A topic and its batches.
#[derive(Debug)]
struct RequestTopic {
    name: Arc<str>,
    id: TopicId,
    partitions: Vec<PartitionBatch>,
}

/// The topics of a request, each once, in the order of their first batches.
#[derive(Debug, Default)]
pub(super) struct RequestTopics {
    list: Vec<RequestTopic>,
    /// Where all but the last one are.
    places: BTreeMap<Arc<str>, usize>,
}

impl RequestTopics {
    pub(super) fn add(&mut self, name: &Arc<str>, id: TopicId, batch: PartitionBatch) {
        let last = self.list.len().wrapping_sub(1);
        let place = match self.list.last() {
            Some(topic) if topic.name == *name => Some(last),
            Some(topic) => {
                let place = self.places.get(name).copied();
                if place.is_none() {
                    self.places.insert(Arc::clone(&topic.name), last);
                }
                place
            }
            None => None,
        };
        match place.and_then(|place| self.list.get_mut(place)) {
            Some(topic) => topic.partitions.push(batch),
            None => self.list.push(RequestTopic { name: Arc::clone(name), id, partitions: vec![batch] }),
        }
    }

    /// As the encoder wants them.
    pub(super) fn batches(&mut self) -> Vec<TopicBatches<'_>> {
        let topics = self.list.iter_mut();
        topics
            .map(|topic| TopicBatches {
                topic: &topic.name,
                topic_id: topic.id,
                partitions: std::mem::take(&mut topic.partitions),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::record_batch::BATCH_HEADER_BYTES;

    // Fails if a topic that comes again after others stands in the request twice: brokers refuse that.
    #[test]
    fn a_topic_stands_once() {
        let mut topics = RequestTopics::default();
        for (name, partition) in [("a", 0), ("b", 0), ("a", 1), ("c", 0), ("c", 1), ("b", 1), ("a", 2)] {
            let batch = PartitionBatch { partition, header: [0; BATCH_HEADER_BYTES], body: Vec::new() };
            topics.add(&name.into(), TopicId::ZERO, batch);
        }
        let batches = topics.batches();
        let seen: Vec<(&str, Vec<i32>)> = batches
            .iter()
            .map(|topic| (topic.topic, topic.partitions.iter().map(|batch| batch.partition).collect()))
            .collect();
        assert_eq!(seen, [("a", vec![0, 1, 2]), ("b", vec![0, 1]), ("c", vec![0, 1])]);
    }
}
