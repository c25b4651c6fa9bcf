//! What the application does: bursts of records, flushes, cancellations, closes.
//!
//! **Why bursts.** Records that come together share a batch and a moment, which is what real senders do and what makes
//! batches grow, fill and split. Neighbours: `senders` does what is asked here. Not here: faults.

use std::time::Duration;

use super::queue::Happening;
use super::senders::{Burst, Target};
use super::tape::Draw;
use super::world::World;

impl World {
    /// The producer's application does one thing and plans the next.
    pub(super) fn work(&mut self, number: usize) {
        let producer = number as u8;
        if self.cx.is_healed || self.bursts_left == 0 {
            return;
        }
        if self.is_asleep(number) {
            self.cx.plan(self.suspended_until[number], Happening::Work { producer });
            return;
        }
        self.bursts_left -= 1;
        let load = self.plan.load;
        let choice = self.cx.tape.below(1000);
        if choice >= 1000 - load.flushes {
            self.producers[number].flush(&mut self.cx);
        } else if choice >= 1000 - load.flushes - load.cancels {
            self.producers[number].cancel_one(&mut self.cx);
        } else {
            let burst = self.draw_burst(number);
            self.producers[number].send(&mut self.cx, burst);
        }
        if load.closes_early && self.bursts_left < load.bursts / 4 {
            let timeout = Duration::from_millis(self.cx.tape.below(4_000));
            self.producers[number].close(&mut self.cx, timeout);
        }
        self.plan_work(number);
    }

    /// The time between two bursts fills the phase; zero is at once.
    pub(super) fn plan_work(&mut self, number: usize) {
        let phase_us = self.plan.fault_phase.as_micros() as u64;
        let mean_us = phase_us * self.producers.len() as u64 / self.plan.load.bursts.max(1);
        let gap_us = self.cx.tape.below(mean_us * 2);
        self.cx.plan_after(gap_us, Happening::Work { producer: number as u8 });
    }

    fn draw_burst(&mut self, number: usize) -> Burst {
        let load = self.plan.load;
        let count = self.producers[number].topics.len() as u64;
        let topic = self.cx.tape.below(count) as usize;
        let partitions = self.partitions_of(number, topic);
        let choice = self.cx.tape.below(1000);
        let target = if choice >= 1000 - load.keyed {
            Target::Key(self.cx.tape.below(64))
        } else if choice >= 1000 - load.keyed.min(1000) - load.sticky.min(1000 - load.keyed) {
            Target::Sticky
        } else {
            let is_hot = self.cx.tape.chance(load.hot);
            Target::Partition(if is_hot { 0 } else { self.cx.tape.below(partitions) as i32 })
        };
        Burst {
            topic,
            target,
            records: 1 + self.cx.tape.below(load.most_records) as u32,
            value_bytes: self.cx.tape.between(load.least_bytes, load.most_bytes) as usize,
            is_canary: false,
        }
    }

    /// Partitions of the producer's topic, with those that were added.
    pub(super) fn partitions_of(&self, number: usize, topic: usize) -> u64 {
        let mut plans = self.plan.topics.iter().enumerate().filter(|(_, plan)| plan.producer == number);
        let (place, plan) = plans.nth(topic).expect("one of its topics");
        plan.partitions as u64 + self.added_partitions[place]
    }

    /// One record to each partition, to see whether it lives.
    pub fn canaries(&mut self) {
        for number in 0..self.producers.len() {
            for topic in 0..self.producers[number].topics.len() {
                for partition in 0..self.partitions_of(number, topic) {
                    let target = Target::Partition(partition as i32);
                    let burst = Burst { topic, target, records: 1, value_bytes: 12, is_canary: true };
                    self.producers[number].send(&mut self.cx, burst);
                }
            }
        }
        self.run_producers();
    }
}
