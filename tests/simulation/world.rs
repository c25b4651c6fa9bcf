//! The world of a run: producers, network and cluster on one clock.
//!
//! One loop takes the next thing that happens (an event, a deadline of the cluster, a deadline of an engine), lets it
//! happen, and lets each producer that has news take its turns. Nothing else moves. Neighbours: `links` moves bytes,
//! `faults` troubles, `phases` says what a run is. Not here: what is planned (`swarm`) and what is judged (`verdict`).

use std::collections::VecDeque;
use std::time::Duration;

use facteur::engine::Action;
use facteur::sequence::Sequence;
use facteur::time::Instant;

use super::cluster::{Cluster, Effect};
use super::context::{Context, Counts};
use super::faults::FaultKind;
use super::network::Network;
use super::producer::{BodyTopic, Command, Life, Producer};
use super::queue::{Happening, Queue};
use super::swarm::Plan;
use super::tape::{Draw, Tape};
use super::trace::Trace;
use super::wiretap::Wiretap;
use crate::oracle::History;

/// No run needs so many steps: beyond them something goes round in circles.
const MAX_STEPS: u64 = 400_000;
/// Turns of one producer at one moment.
const MAX_TURNS: u32 = 10_000;
/// The wall clock at the beginning of each run, milliseconds.
pub const WALL_START_MS: i64 = 1_700_000_000_000;

/// Everything of a run.
#[derive(Debug)]
pub struct World {
    pub cx: Context,
    pub plan: Plan,
    pub network: Network,
    pub cluster: Cluster,
    pub producers: Vec<Producer>,
    pub suspended_until: Vec<Instant>,
    /// How long processes stood still, all in all.
    pub suspended_ns: u64,
    /// What may break in the present window.
    pub window: Vec<FaultKind>,
    pub window_ends: Instant,
    pub faults: [u32; FaultKind::ALL.len()],
    /// Faults of the cluster that last: what ends them.
    pub lasting: Vec<super::faults::Lasting>,
    /// The last fault that was on ends here (D-69: peace between two).
    pub peace_from: Instant,
    pub bursts_left: u64,
    /// By topic: partitions that were added on the way.
    pub added_partitions: Vec<u64>,
    /// By topic: how often it was deleted and made anew.
    pub recreations: Vec<u32>,
    pub steps: u64,
    pub(super) effects: Vec<Effect>,
    actions: Vec<Action>,
    is_stopping: Vec<bool>,
}

impl World {
    pub fn new(plan: Plan, mut tape: Tape, is_told: bool) -> Self {
        let cluster = Cluster::new(&super::shape::cluster_plan(&plan, &mut tape));
        let producers = (0..plan.producers)
            .map(|number| {
                let topics = plan.topics.iter().filter(|topic| topic.producer == number);
                let topics = topics.map(|topic| BodyTopic::new(topic.name, topic.first_lane)).collect();
                let config = std::sync::Arc::clone(&plan.config);
                let mut producer = Producer::new(number, config, tape.below(u64::MAX), topics);
                producer.engine.prime_sequences(Sequence::new(plan.primed.sequence));
                producer.engine.prime_correlation_ids(plan.primed.correlation_id);
                producer.inline_bytes = plan.inline_bytes;
                producer.codec_delay_us = plan.codec_delay_us;
                producer
            })
            .collect();
        Self {
            cx: Context {
                now: Instant::ZERO,
                wall_start_ms: WALL_START_MS,
                tape,
                queue: Queue::default(),
                trace: Trace::new(is_told),
                history: History::with_capacity(plan.lanes() + 4, 512),
                wiretap: Wiretap::new(&plan),
                next_record: 0,
                counts: Counts::default(),
                acked: Vec::new(),
                is_healed: false,
                epochs_were_invented: false,
            },
            network: Network::new(plan.brokers, plan.producers),
            cluster,
            producers,
            suspended_until: vec![Instant::ZERO; plan.producers],
            suspended_ns: 0,
            window: Vec::new(),
            window_ends: Instant::ZERO,
            faults: [0; FaultKind::ALL.len()],
            lasting: Vec::new(),
            peace_from: Instant::ZERO,
            bursts_left: plan.load.bursts,
            added_partitions: vec![0; plan.topics.len()],
            recreations: vec![0; plan.topics.len()],
            steps: 0,
            effects: Vec::new(),
            actions: Vec::new(),
            is_stopping: vec![false; plan.producers],
            plan,
        }
    }

    /// Lets everything happen until `end`.
    pub fn run_until(&mut self, end: Instant) {
        self.run_producers();
        loop {
            let next = self.next_time();
            if next > end {
                break;
            }
            self.steps += 1;
            assert!(
                self.steps < MAX_STEPS,
                "the run goes round in circles at {:?}{}",
                self.cx.now,
                self.cx.trace.last(60)
            );
            self.cx.now = self.cx.now.max(next);
            // Sockets before timers (K16): whatever has happened by now is handled before deadlines are looked at.
            if let Some(happening) = self.cx.queue.pop_due(self.cx.now) {
                self.happen(happening);
            } else if self.cluster.next_deadline().is_some_and(|at| at <= self.cx.now) {
                let Self { cluster, cx, effects, .. } = self;
                cluster.tick(cx.now, &mut cx.tape, effects);
                self.perform_effects();
            }
            self.run_producers();
        }
        self.cx.now = self.cx.now.max(end);
        self.run_producers();
    }

    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(self.cx.now + duration);
    }

    /// Whether a process is suspended beyond this moment. What is put off until it resumes may come before `Resume`, and
    /// for ever if it were put off again: so whoever comes first wakes it.
    pub(super) fn is_asleep(&mut self, number: usize) -> bool {
        let producer = &mut self.producers[number];
        producer.is_suspended &= self.suspended_until[number] > self.cx.now;
        producer.is_suspended
    }

    fn next_time(&self) -> Instant {
        let mut next = self.cx.queue.next().unwrap_or(Instant::NEVER);
        if let Some(at) = self.cluster.next_deadline() {
            next = next.min(at);
        }
        for producer in &self.producers {
            if !producer.is_suspended
                && producer.life != Life::Stopped
                && let Some(at) = producer.deadline
            {
                next = next.min(at);
            }
        }
        next
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Dialled { link, opens } => self.dialled(link, opens),
            Happening::Drain { link } => self.drain(link),
            Happening::ArriveUp { link } => self.deliver_up(link),
            Happening::ArriveDown { link } => self.deliver_down(link),
            Happening::ClientEnd { link } => self.client_end(link),
            Happening::ServerEnd { link } => self.server_end(link),
            Happening::Unstall { node } => self.unstall(node),
            Happening::Codec { producer, job } => self.producers[usize::from(producer)].codec_done(job),
            Happening::TaskDeadline { producer, task } => {
                let number = usize::from(producer);
                if self.is_asleep(number) {
                    self.cx.plan(self.suspended_until[number], happening);
                } else {
                    self.producers[number].task_deadline(&mut self.cx, task);
                }
            }
            Happening::Resume { producer } => {
                let number = usize::from(producer);
                let _wakes_it = self.is_asleep(number);
            }
            Happening::Work { producer } => self.work(usize::from(producer)),
            Happening::CloseDeadline { producer } => self.stop(usize::from(producer)),
            Happening::Window => self.begin_window(),
            Happening::Fault => self.next_fault(),
            Happening::FaultEnd { index } => self.end_fault(index),
            Happening::Cluster => {}
        }
    }

    /// Each producer that has news, or whose deadline has come, takes its turns until it is at rest.
    pub fn run_producers(&mut self) {
        for number in 0..self.producers.len() {
            self.run_producer(number);
        }
    }

    fn run_producer(&mut self, number: usize) {
        let mut turns = 0;
        loop {
            let producer = &mut self.producers[number];
            if producer.is_suspended || producer.life == Life::Stopped {
                return;
            }
            let is_due = producer.deadline.is_some_and(|at| at <= self.cx.now);
            if !is_due && !producer.has_news() {
                return;
            }
            turns += 1;
            assert!(turns < MAX_TURNS, "producer {number} never comes to rest at {:?}", self.cx.now);
            let mut actions = std::mem::take(&mut self.actions);
            producer.turn(&mut self.cx, &mut actions);
            for action in actions.drain(..) {
                self.perform(number, action);
            }
            self.actions = actions;
            self.ask_durability();
            let producer = &mut self.producers[number];
            producer.wake_senders(&mut self.cx);
            if producer.may_stop() {
                self.stop(number);
            }
            if self.producers[number].life == Life::Stopped {
                self.close_sockets(number);
            }
        }
    }

    /// Q9: what was acknowledged just now is below the high watermark now.
    fn ask_durability(&mut self) {
        let mut acked = std::mem::take(&mut self.cx.acked);
        for ack in acked.drain(..) {
            let at = super::shape::place_of(&self.plan, ack.lane);
            if self.recreations[at.topic] > 0 {
                // The offset may be one of the topic's former life.
                continue;
            }
            let is_durable = self.cluster.at_ack(at.topic, at.partition, ack.offset);
            self.cx.history.was_durable(ack.id, is_durable);
        }
        self.cx.acked = acked;
    }

    /// The end of `close`, in time or not: `Command::Stop`, once.
    fn stop(&mut self, number: usize) {
        let producer = &mut self.producers[number];
        if producer.life == Life::Closing && !self.is_stopping[number] {
            self.is_stopping[number] = true;
            producer.command(Command::Stop);
        }
    }

    fn close_sockets(&mut self, number: usize) {
        let open: VecDeque<u32> = (0..self.network.links.len() as u32)
            .filter(|index| self.network.links[*index as usize].producer == number)
            .collect();
        for link in open {
            self.give_up(link);
        }
    }
}
