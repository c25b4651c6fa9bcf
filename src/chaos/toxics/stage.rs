//! One toxic on one direction of one connection: its queue, its lot, its behaviour.
//!
//! **Why the lot is drawn once.** Toxiproxy draws again whenever a neighbour changes, and throws its seed away, so that
//! no run can be repeated. Here each stage has a generator seeded by (seed, proxy, connection, toxic), and one draw for
//! the life of the connection; a changed toxicity is compared with the same draw. Neighbours: the behaviours beside this
//! file. Not here: how stages follow each other, which is [`super::chain`].

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::bandwidth::Bandwidth;
use super::latency::Latency;
use super::limit_data::LimitData;
use super::reset_peer::ResetPeer;
use super::slicer::Slicer;
use super::slow_close::SlowClose;
use super::timeout::Timeout;
use crate::chaos::toxic::ByteToxic;
use crate::time::Instant;

/// Bytes that arrived together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The bytes.
    pub bytes: Bytes,
    /// When they arrived here; a delay moves it on, so that two delays add up.
    pub at: Instant,
}

/// What goes through a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Some bytes.
    Chunk(Chunk),
    /// The end of the stream: the destination is closed.
    End,
    /// The end by force: both sides see a reset.
    Reset,
}

/// What a stage has to say when it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This leaves now.
    Item(Item),
    /// Nothing before this time, unless something arrives.
    Wait(Instant),
    /// Nothing until something arrives.
    Idle,
}

/// What becomes of a connection when a toxic is taken away from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// What is held goes on at once.
    Flush,
    /// Bytes are missing, so the stream must end.
    Close,
}

/// What a behaviour may use.
#[derive(Debug)]
pub struct Context<'a> {
    /// The time.
    pub now: Instant,
    /// This stage's own generator.
    pub random: &'a mut StdRng,
    told: &'a mut Vec<Told>,
    quiet_until: &'a mut Instant,
}

/// What a stage did, for the event bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// In words.
    pub what: String,
    /// How many bytes were concerned.
    pub bytes: usize,
}

impl Context<'_> {
    /// Tells of something that happens with every chunk; at most 200 a second are told, so that bulk cannot flood.
    pub fn tell_often(&mut self, bytes: usize, what: impl FnOnce() -> String) {
        if self.now >= *self.quiet_until {
            *self.quiet_until = self.now + Duration::from_millis(5);
            self.told.push(Told { what: what(), bytes });
        }
    }

    /// Tells of something that ends a connection or begins a silence.
    pub fn tell(&mut self, bytes: usize, what: impl Into<String>) {
        self.told.push(Told { what: what.into(), bytes });
    }
}

/// What a toxic does with its input.
pub trait Behaviour: Debug + Send {
    /// Whether another chunk may be taken in, given what waits.
    fn has_room(&self, input: &VecDeque<Item>) -> bool {
        input.is_empty()
    }

    /// What leaves now.
    fn next(&mut self, input: &mut VecDeque<Item>, context: &mut Context<'_>) -> Next;

    /// New attributes, for a connection that is open.
    fn change(&mut self, toxic: &ByteToxic, now: Instant);

    /// What was taken from the input and has not left yet, in order.
    fn held(&mut self) -> Vec<Item> {
        Vec::new()
    }

    /// What its removal does.
    fn removal(&self) -> Removal {
        Removal::Flush
    }
}

/// Which toxic a stage stands for; the same on all connections of a proxy.
#[derive(Debug, Clone)]
pub struct StageSpec {
    /// Unique among all toxics that the proxy ever had.
    pub id: u64,
    /// Grows with every change of the toxic.
    pub generation: u64,
    /// Its name.
    pub name: Arc<str>,
    /// The share of connections that it acts on.
    pub toxicity: f64,
    /// What it does.
    pub toxic: ByteToxic,
}

/// A toxic on one direction of one connection.
#[derive(Debug)]
pub struct Stage {
    spec: StageSpec,
    draw: f64,
    random: StdRng,
    input: VecDeque<Item>,
    behaviour: Option<Box<dyn Behaviour>>,
    is_ended: bool,
    quiet_until: Instant,
    told: Vec<Told>,
}

impl Stage {
    /// A stage for a connection; `seed` says which.
    #[must_use]
    pub fn new(spec: StageSpec, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let draw: f64 = random.random_range(0.0..1.0);
        let behaviour = (draw < spec.toxicity).then(|| behaviour(&spec.toxic)).flatten();
        Self {
            spec,
            draw,
            random,
            input: VecDeque::new(),
            behaviour,
            is_ended: false,
            quiet_until: Instant::ZERO,
            told: Vec::new(),
        }
    }

    /// Which toxic it stands for.
    #[must_use]
    pub const fn spec(&self) -> &StageSpec {
        &self.spec
    }

    /// Whether it wants more input.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.is_ended
            && self
                .behaviour
                .as_ref()
                .map_or_else(|| self.input.is_empty(), |behaviour| behaviour.has_room(&self.input))
    }

    /// Takes something in.
    pub fn push(&mut self, item: Item) {
        self.is_ended |= matches!(item, Item::End | Item::Reset);
        self.input.push_back(item);
    }

    /// What leaves now.
    pub fn next(&mut self, now: Instant) -> Next {
        // A reset does not wait for anybody: it overtakes what is held.
        if self.input.back() == Some(&Item::Reset) {
            self.input.clear();
            return Next::Item(Item::Reset);
        }
        let Some(behaviour) = &mut self.behaviour else {
            return self.input.pop_front().map_or(Next::Idle, Next::Item);
        };
        let mut context = Context {
            now,
            random: &mut self.random,
            told: &mut self.told,
            quiet_until: &mut self.quiet_until,
        };
        behaviour.next(&mut self.input, &mut context)
    }

    /// Takes over a changed toxic.
    pub fn change(&mut self, spec: StageSpec, now: Instant) -> Vec<Item> {
        let is_active = self.draw < spec.toxicity;
        self.spec = spec;
        match (&mut self.behaviour, is_active) {
            (Some(behaviour), true) => {
                behaviour.change(&self.spec.toxic, now);
                Vec::new()
            }
            (Some(_), false) => {
                let released = self.release();
                self.behaviour = None;
                released
            }
            (None, true) => {
                self.behaviour = behaviour(&self.spec.toxic);
                Vec::new()
            }
            (None, false) => Vec::new(),
        }
    }

    /// Everything that it holds, because it goes away.
    pub fn release(&mut self) -> Vec<Item> {
        let Some(behaviour) = &mut self.behaviour else { return self.input.drain(..).collect() };
        match behaviour.removal() {
            Removal::Close => {
                self.input.clear();
                vec![Item::End]
            }
            Removal::Flush => {
                let mut items = behaviour.held();
                items.extend(self.input.drain(..));
                items
            }
        }
    }

    /// What it did since it was last asked.
    pub fn take_told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }
}

/// The machine of a toxic; `noop` has none.
fn behaviour(toxic: &ByteToxic) -> Option<Box<dyn Behaviour>> {
    Some(match toxic {
        ByteToxic::Latency(attributes) => Box::new(Latency::new(*attributes)),
        ByteToxic::Bandwidth(attributes) => Box::new(Bandwidth::new(*attributes)),
        ByteToxic::SlowClose(attributes) => Box::new(SlowClose::new(*attributes)),
        ByteToxic::Timeout(attributes) => Box::new(Timeout::new(*attributes)),
        ByteToxic::ResetPeer(attributes) => Box::new(ResetPeer::new(*attributes)),
        ByteToxic::Slicer(attributes) => Box::new(Slicer::new(*attributes)),
        ByteToxic::LimitData(attributes) => Box::new(LimitData::new(*attributes)),
        ByteToxic::Noop => return None,
    })
}
