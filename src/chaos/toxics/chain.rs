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
