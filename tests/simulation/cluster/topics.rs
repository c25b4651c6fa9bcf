//! Topics come, are created again under the same name, and grow.
//!
//! Neighbours: [`super::faults`] asks, [`super::Cluster::new`] begins. Not here: hiding a topic, which is an answer only.

use std::sync::Arc;

use facteur::broker::producer_state_manager::LogNumber;
use facteur::time::Instant;

use super::replica::Replica;
use super::state::{Part, PartState, Topic};
use super::{Cluster, Turn};

/// The id of a topic: never zero.
fn topic_id(topic: usize, generation: u32) -> [u8; 16] {
    let mut id = [0x5e; 16];
    id[..4].copy_from_slice(&generation.to_be_bytes());
    id[4..8].copy_from_slice(&(topic as u32).to_be_bytes());
    id
}

/// The topic's number, whichever of its lives the id is of.
pub fn topic_of_id(id: [u8; 16]) -> usize {
    u32::from_be_bytes([id[4], id[5], id[6], id[7]]) as usize
}

impl Cluster {
    pub(super) fn add_topic(&mut self, name: &str, partitions: i32) {
        let topic = self.topics.len();
        self.topics.push(Topic {
            name: Arc::from(name),
            id: topic_id(topic, 0),
            generation: 0,
            parts: Vec::new(),
            hidden_until: Instant::ZERO,
        });
        for _ in 0..partitions {
            self.add_part(topic);
        }
    }

    /// One more partition, led by the next broker; nobody has heard of it.
    fn add_part(&mut self, topic: usize) -> usize {
        let (place, nodes) = (self.parts.len(), self.nodes.len());
        let replication = self.plan.topics[topic].replication.clamp(1, nodes as i32) as usize;
        let index = self.topics[topic].parts.len();
        let assigned: Vec<usize> = (0..replication).map(|copy| (index + topic + copy) % nodes).collect();
        let isr = assigned.iter().fold(0, |isr, node| isr | 1 << node);
        let leader = assigned.iter().copied().find(|node| !self.nodes[*node].is_fenced);
        self.parts.push(Part {
            topic,
            index: index as i32,
            log: LogNumber(place as u32),
            assigned,
            state: PartState { leader, epoch: 0, isr, version: 1 },
            replicas: vec![Replica::empty(); nodes],
            round_at: None,
            isr_check_at: None,
            held_until: Instant::ZERO,
            committed: 0,
            ever_committed: 0,
            was_unclean: false,
            committed_in: 0,
            acked_alone: 0,
            is_gone: false,
            life: self.topics[topic].generation as u16,
        });
        self.topics[topic].parts.push(place);
        for node in &mut self.nodes {
            node.views.push(None);
            node.older_views.push(None);
        }
        place
    }

    /// The topic is deleted with all it holds, and there is another of its name.
    pub(super) fn recreate(&mut self, topic: usize, turn: &mut Turn<'_>) {
        if topic >= self.topics.len() {
            return;
        }
        let old = std::mem::take(&mut self.topics[topic].parts);
        for part in &old {
            self.note_loss(*part, 0, turn.now, "topic deleted");
            self.parts[*part].is_gone = true;
            for replica in &mut self.parts[*part].replicas {
                replica.leads = None;
            }
        }
        self.topics[topic].generation += 1;
        self.topics[topic].id = topic_id(topic, self.topics[topic].generation);
        for _ in old {
            let part = self.add_part(topic);
            self.publish(part, turn);
        }
    }

    pub(super) fn add_partition(&mut self, topic: usize, turn: &mut Turn<'_>) {
        if topic < self.topics.len() {
            let part = self.add_part(topic);
            self.publish(part, turn);
        }
    }
}
