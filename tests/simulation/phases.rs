//! A run from its first choice to its verdict: faults, healing, canaries, quiet, close, judgement.
//!
//! ```text
//!   0 ───────── faults ─────────▶ heal ── L ──▶ a canary to every lane ── L ──▶ quiet ──▶ close ──▶ judged
//! ```
//!
//! **Why L before the canaries.** What was buffered must be out by then; a canary that has to wait for it would be
//! measured by somebody else's deadline. Neighbours: `runner` makes runs, the oracle judges. Not here: the faults.

use std::time::Duration;

use facteur::Acks;
use facteur::broker::Personality;
use facteur::time::Instant;

use super::producer::Life;
use super::queue::Happening;
use super::runner::{RunResult, Stats};
use super::shape;
use super::swarm::Plan;
use super::tape::Tape;
use super::world::World;
use crate::oracle::{self, Breach, Budget, Check, Conditions, Leaks, Timeouts};

/// Beyond it a lane bumps only to fence what it has given up (D-7).
const LAST_CLEAN_EPOCH: i16 = 32_000;

/// A batch of one small record: its header and twenty bytes.
const LEAST_BATCH_BYTES: usize = 80;

impl Plan {
    /// What sending everything that fits into the buffer may take, one batch after the other.
    fn drain(&self) -> Duration {
        let fit = (self.config.buffer_memory / self.config.batch_size.max(LEAST_BATCH_BYTES)) as u64;
        // Batches of one record go five at a time; of the others there are so few that it does not matter.
        let batches =
            if self.config.batch_size == 1 { fit / self.config.max_in_flight as u64 } else { fit } + 8;
        Duration::from_secs(1) + Duration::from_micros(2 * self.latency_us.1 * batches)
    }

    pub fn timeouts(&self) -> Timeouts {
        Timeouts::of(&self.config, self.drain())
    }

    pub fn bound(&self) -> Duration {
        Duration::from_nanos(self.timeouts().liveness_bound_ns())
    }

    /// The run begins so near the last epoch that a lane may use up its id.
    pub fn epochs_may_run_out(&self) -> bool {
        self.first_epoch > LAST_CLEAN_EPOCH
    }

    fn conditions(&self) -> Conditions {
        let timeouts = self.timeouts();
        let nodes = (self.brokers.cast_unsigned() + 3) * self.producers as u32;
        Conditions {
            acks: match self.config.acks {
                Acks::All => -1,
                Acks::Leader => 1,
                Acks::None => 0,
            },
            is_idempotent: self.config.enable_idempotence,
            max_in_flight: self.config.max_in_flight,
            personality: match self.personality {
                Personality::ApacheBefore45 | Personality::Apache45 => oracle::Personality::Apache,
                Personality::NoLocalEpochBump => oracle::Personality::RefusesLocalBumps,
                _ => oracle::Personality::Other,
            },
            epochs_run_out: false,
            timeouts: Some(timeouts),
            budget: Some(Budget::of(&timeouts, nodes, self.lanes() as u32)),
        }
    }
}

impl World {
    pub(super) fn bound_ms(&self) -> u64 {
        self.plan.bound().as_millis() as u64
    }

    /// Everything up to the close.
    pub fn live(&mut self) {
        self.cx.trace.say(self.cx.now, || format!("PLAN {:?}", self.plan));
        self.cx.plan(Instant::ZERO, Happening::Window);
        for number in 0..self.producers.len() {
            self.plan_work(number);
        }
        self.run_until(Instant::ZERO + self.plan.fault_phase);
        self.heal();
        self.run_for(self.plan.bound());
        self.cx.trace.say(self.cx.now, || "CANARIES".to_owned());
        self.canaries();
        self.run_for(self.plan.bound());
        self.run_for(self.plan.rest());
    }

    /// Everything is at rest: what is still held is a leak. Then the producers are closed, and nothing is held at all.
    fn close_all(&mut self) -> Leaks {
        let mut leaks = Leaks::new();
        for number in 0..self.producers.len() {
            if self.producers[number].life == Life::Open {
                for (name, held) in self.producers[number].held() {
                    leaks.at_rest(name, held);
                }
                self.producers[number].close(&mut self.cx, Duration::from_secs(10));
            }
        }
        self.run_producers();
        self.run_for(Duration::from_secs(11));
        for producer in &self.producers {
            leaks.at_rest("buffer bytes after close", producer.memory.held_bytes() as u64);
            leaks.at_rest("records without an outcome after close", producer.unresolved);
            leaks.at_rest("producers that do not stop", u64::from(producer.life != Life::Stopped));
        }
        leaks.at_rest("sockets after close", self.network.open_count() as u64);
        leaks
    }

    fn judge(&mut self, leaks: &Leaks) -> Vec<Breach> {
        self.cx.history.ended(self.cx.now.as_nanos());
        shape::excuse_losses(&self.plan, &self.cluster, &mut self.cx.history);
        let (log, astray) = shape::final_log(&self.plan, &self.cluster);
        let mut conditions = self.plan.conditions();
        conditions.epochs_run_out = self.cx.history.wire.has_the_last_epoch();
        // A process that stands still tells nobody anything.
        let slack = Duration::from_nanos(self.suspended_ns);
        conditions.timeouts = conditions.timeouts.map(|timeouts| timeouts.with_slack(slack));
        let mut breaches = oracle::check(&self.cx.history, &log, &conditions, Some(leaks));
        for finding in self.cluster.findings() {
            let check = Check::ALL.into_iter().find(|check| format!("{check:?}") == finding.check);
            breaches.push(Breach::new(check.unwrap_or(Check::Q11), finding.text));
        }
        if self.cx.counts.given_up_with_answer > 0 {
            let text = "a connection was given up for want of an answer, in the turn in which it came (K16)";
            breaches.push(Breach::new(Check::Q17, text));
        }
        breaches.extend(astray.into_iter().map(|text| Breach::new(Check::Q7, text)));
        breaches
    }
}

/// What a run is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be judged.
    Verdict,
    /// To be compared with another run of the same tape, which is judged: the hash says everything.
    Comparison,
}

/// The whole run of a tape.
pub fn run(mut tape: Tape, is_told: bool, purpose: Purpose) -> RunResult {
    let plan = Plan::draw(&mut tape);
    let mut world = World::new(plan, tape, is_told);
    if purpose == Purpose::Comparison {
        world.cluster.check_nothing();
        world.cx.wiretap.switch_off();
    }
    world.live();
    let leaks = world.close_all();
    let breaches = match purpose {
        Purpose::Verdict => world.judge(&leaks),
        Purpose::Comparison => Vec::new(),
    };
    let stats = Stats::of(&world);
    let hash = world.cx.trace.hash() ^ u128::from(stats.checksum());
    let position = world.cx.tape.position();
    RunResult {
        breaches,
        stats,
        hash,
        tape_length: position,
        lines: world.cx.trace.into_lines(),
        tape: world.cx.tape.into_record(),
    }
}
