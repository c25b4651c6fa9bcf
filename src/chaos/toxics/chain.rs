//! The toxics of one direction of one connection, in the order of their creation.
//!
//! **Why pulled from the end.** A stage gives only what the one behind it can take, so memory is bounded by the stages'
//! own room, and a slow destination slows the source. A stage that goes away hands what it held to the next one, so that
//! a change never reorders and never loses. Neighbours: [`super::stage`]. Not here: sockets.

use std::collections::VecDeque;

use super::head::Head;
use super::stage::{Item, Next, Stage, StageSpec, Told};
use crate::time::Instant;

/// Stages in line.
#[derive(Debug, Default)]
pub struct Chain {
    stages: Vec<Stage>,
    /// What left a last stage that went away.
    tail: VecDeque<Item>,
}

impl Chain {
    /// What leaves the chain now. `head` is what has arrived and was not taken in yet.
    pub fn next(&mut self, head: &mut Head, now: Instant) -> Next {
        if let Some(item) = self.tail.pop_front() {
            return Next::Item(item);
        }
        pull(&mut self.stages, head, now)
    }

    /// Whether no stage is there and nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty() && self.tail.is_empty()
    }

    /// Makes the stages those of `specs`: keeps, changes, adds, removes.
    pub fn reconcile(&mut self, specs: &[StageSpec], now: Instant, seed_of: impl Fn(&StageSpec) -> u64) {
        let mut old: Vec<Stage> = std::mem::take(&mut self.stages);
        // From the last one on, so that what one releases finds its next one in place.
        let mut at = old.len();
        while at > 0 {
            at -= 1;
            let Some(stage) = old.get_mut(at) else { break };
            let wanted = specs.iter().find(|spec| spec.id == stage.spec().id);
            let released = match wanted {
                Some(spec) if spec.generation != stage.spec().generation => stage.change(spec.clone(), now),
                Some(_) => Vec::new(),
                None => stage.release(),
            };
            let is_gone = wanted.is_none();
            match old.get_mut(at + 1) {
                Some(next) => released.into_iter().for_each(|item| next.push(item)),
                None => self.tail.extend(released),
            }
            if is_gone {
                old.remove(at);
            }
        }
        for spec in specs {
            if !old.iter().any(|stage| stage.spec().id == spec.id) {
                old.push(Stage::new(spec.clone(), seed_of(spec)));
            }
        }
        self.stages = old;
    }

    /// What the stages did since they were last asked, with the toxic's name.
    pub fn take_told(&mut self) -> Vec<(std::sync::Arc<str>, Told)> {
        let mut all = Vec::new();
        for stage in &mut self.stages {
            for told in stage.take_told() {
                all.push((std::sync::Arc::clone(&stage.spec().name), told));
            }
        }
        all
    }
}

/// What leaves the last of these stages now.
fn pull(stages: &mut [Stage], head: &mut Head, now: Instant) -> Next {
    let Some((last, before)) = stages.split_last_mut() else {
        return head.next(now);
    };
    loop {
        let mut has_taken = false;
        let mut waits = Next::Idle;
        while last.has_room() {
            match pull(before, head, now) {
                Next::Item(item) => {
                    last.push(item);
                    has_taken = true;
                }
                nothing @ (Next::Wait(_) | Next::Idle) => {
                    waits = nothing;
                    break;
                }
            }
        }
        match (last.next(now), waits) {
            (Next::Idle, _) if has_taken => {}
            (Next::Idle, waits) => return waits,
            (Next::Wait(due), Next::Wait(other)) => return Next::Wait(due.min(other)),
            (next, _) => return next,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::super::stage::Chunk;
    use super::*;
    use crate::chaos::toxic::{
        BandwidthAttributes, ByteToxic, LatencyAttributes, SlicerAttributes, SlowCloseAttributes,
    };

    /// A toxic that may hold bytes but never loses them.
    fn harmless(random: &mut StdRng) -> ByteToxic {
        match random.random_range(0..5) {
            0 => ByteToxic::Latency(LatencyAttributes {
                latency_ms: random.random_range(0..50),
                jitter_ms: 60,
            }),
            1 => ByteToxic::Bandwidth(BandwidthAttributes { rate_kb_per_s: random.random_range(0..3) }),
            2 => ByteToxic::Slicer(SlicerAttributes { average_size: 4, size_variation: 3, delay_us: 900 }),
            3 => ByteToxic::SlowClose(SlowCloseAttributes { delay_ms: 10 }),
            _ => ByteToxic::Noop,
        }
    }

    /// Takes out all that leaves by then.
    fn drain(chain: &mut Chain, head: &mut Head, now: Instant, out: &mut Vec<u8>) -> bool {
        loop {
            match chain.next(head, now) {
                Next::Item(Item::Chunk(chunk)) => out.extend_from_slice(&chunk.bytes),
                Next::Item(Item::End) => return true,
                Next::Item(Item::Reset) => panic!("nobody resets"),
                Next::Wait(due) => {
                    assert!(due > now, "a wait that is over would never end");
                    return false;
                }
                Next::Idle => return false,
            }
        }
    }

    // Changing toxics on an open connection is what labs do all day. Fails if a change loses, repeats or reorders a byte, or
    // the end overtakes one.
    #[test]
    fn no_change_of_harmless_toxics_loses_or_reorders_a_byte() {
        for seed in 0..100 {
            let mut random = StdRng::seed_from_u64(seed);
            let (mut chain, mut head) = (Chain::default(), Head::default());
            let mut specs: Vec<StageSpec> = Vec::new();
            let (mut sent, mut out, mut now, mut next_id) = (Vec::new(), Vec::new(), Instant::ZERO, 0);
            for _step in 0..200 {
                now = now + std::time::Duration::from_micros(random.random_range(0..20_000));
                match random.random_range(0..6) {
                    0 if specs.len() < 5 => {
                        next_id += 1;
                        let (name, toxic) = (format!("t{next_id}").into(), harmless(&mut random));
                        let toxicity = if random.random_range(0..4) == 0 { 0.5 } else { 1.0 };
                        specs.push(StageSpec { id: next_id, generation: 0, name, toxicity, toxic });
                    }
                    1 if !specs.is_empty() => {
                        specs.remove(random.random_range(0..specs.len()));
                    }
                    2 if !specs.is_empty() => {
                        let at = random.random_range(0..specs.len());
                        specs[at].generation += 1;
                        specs[at].toxicity = random.random_range(0.0..1.0);
                    }
                    _ if head.has_room(now) => {
                        let bytes: Vec<u8> =
                            (0..random.random_range(1..40)).map(|_| random.random_range(0..=255)).collect();
                        sent.extend_from_slice(&bytes);
                        head.push(Item::Chunk(Chunk { bytes: Bytes::from(bytes), at: now }));
                    }
                    _ => {}
                }
                chain.reconcile(&specs, now, |spec| seed ^ spec.id);
                assert!(!drain(&mut chain, &mut head, now, &mut out), "nothing has ended yet, seed {seed}");
                assert!(sent.starts_with(&out), "seed {seed}: {} of {} bytes", out.len(), sent.len());
            }
            head.push(Item::End);
            chain.reconcile(&[], now, |spec| spec.id);
            assert!(drain(&mut chain, &mut head, now, &mut out), "the end comes, seed {seed}");
            assert_eq!(out, sent, "seed {seed}");
        }
    }
}
