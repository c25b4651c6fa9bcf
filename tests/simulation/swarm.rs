//! The plan of a run: everything about it that does not change while it goes on.
//!
//! **Why a swarm.** A run with every fault at once is as blind as one without: some bugs need one fault often, some need
//! the absence of another. So each run draws its own shape (cluster, settings, load) and its own subset of faults, and
//! rotates smaller subsets of that every few seconds, with none at all in a quarter of the windows.
//!
//! Neighbours: `world` builds what is planned here, `faults` lists the kinds. Not here: choices made on the way.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use facteur::broker::Personality;
use facteur::{Acks, Compression, ProducerConfig};

use super::faults::FaultKind;
use super::tape::{Draw, Size, Tape};

/// Spare lanes of each topic, for partitions that are added on the way.
pub const SPARE_PARTITIONS: u32 = 2;

/// What kind of run it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Any faults.
    Rough,
    /// D-69: network faults alone, each shorter than L, peace of at least L between two, a delivery timeout of 4 L or
    /// more: U must be absent (Q17).
    Gentle,
}

/// Where numbers begin that take months to get large.
#[derive(Debug, Clone, Copy)]
pub struct PrimedStart {
    pub correlation_id: i32,
    pub sequence: u64,
}

/// A topic of the run.
#[derive(Debug, Clone)]
pub struct TopicPlan {
    pub name: &'static str,
    pub partitions: i32,
    pub replication: i32,
    pub first_lane: u32,
    /// The producer that sends to it.
    pub producer: usize,
}

/// How the application behaves.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub bursts: u64,
    pub most_records: u64,
    pub least_bytes: u64,
    pub most_bytes: u64,
    /// Of 1000 bursts, so many go by key, so many go where the partitioner likes.
    pub keyed: u64,
    pub sticky: u64,
    /// Of 1000 bursts to a partition, so many go to the first.
    pub hot: u64,
    /// Of 1000 steps, so many are flushes, cancellations.
    pub flushes: u64,
    pub cancels: u64,
    /// The producer is closed in the middle, with or without patience.
    pub closes_early: bool,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Plan {
    pub flavour: Flavour,
    pub brokers: i32,
    pub min_isr: i32,
    pub personality: Personality,
    pub topics: Vec<TopicPlan>,
    pub producers: usize,
    pub config: Arc<ProducerConfig>,
    pub primed: PrimedStart,
    pub first_epoch: i16,
    pub produce_max: i16,
    pub metadata_max: i16,
    pub load: Load,
    pub inline_bytes: usize,
    pub codec_delay_us: u64,
    /// One way, microseconds, from and to.
    pub latency_us: (u64, u64),
    pub faults: Vec<FaultKind>,
    /// Mean time between two faults of a window, milliseconds.
    pub fault_gap_ms: u64,
    pub fault_phase: Duration,
}

impl Plan {
    pub fn lanes(&self) -> usize {
        self.topics.iter().map(|topic| topic.partitions as usize).sum()
    }

    pub fn is_apache(&self) -> bool {
        matches!(self.personality, Personality::ApacheBefore45 | Personality::Apache45)
    }

    /// How long the run takes to come to rest after healing, at most.
    pub fn rest(&self) -> Duration {
        let config = &self.config;
        config.delivery_timeout + config.late_resolution + config.request_timeout * 4 + Duration::from_secs(5)
    }

    pub fn draw(tape: &mut Tape) -> Self {
        let flavour = if tape.chance(150) { Flavour::Gentle } else { Flavour::Rough };
        let brokers = 1 + tape.below(5) as i32;
        let producers = if tape.chance(200) { 2 } else { 1 };
        let topics = draw_topics(tape, producers, brokers);
        let min_isr = if brokers >= 2 && tape.chance(700) { 2 } else { 1 };
        let personality = if flavour == Flavour::Rough && tape.chance(200) {
            tape.one_of(&Personality::ALL)
        } else {
            Personality::ApacheBefore45
        };
        let config = draw_config(tape, flavour);
        let is_old = tape.chance(150);
        let codec_delay_us = tape.one_of(&[0, 0, 2_000, 50_000]);
        let primed = draw_primed(tape, personality);
        let mut faults = draw_faults(tape, flavour, brokers);
        if !matches!(personality, Personality::ApacheBefore45 | Personality::Apache45) {
            // What other brokers remember after an unclean election is nobody's promise.
            faults.retain(|kind| *kind != FaultKind::Unclean);
        }
        if faults.is_empty() {
            faults.push(FaultKind::Reset);
        }
        // Only by its id can the old topic be told from the new one on every path (D-40).
        let is_old = is_old && !faults.contains(&FaultKind::TopicRecreated);
        let newest = if faults.contains(&FaultKind::TopicRecreated) { 13 } else { tape.one_of(&[13, 12]) };
        Self {
            flavour,
            brokers,
            min_isr,
            personality,
            topics,
            producers,
            primed,
            first_epoch: tape.one_of(&[0, 0, 0, 31_997, 32_764]),
            produce_max: if is_old { 3 + tape.below(10) as i16 } else { newest },
            metadata_max: if is_old { 1 + tape.below(12) as i16 } else { 13 },
            load: draw_load(tape, &config, flavour),
            inline_bytes: tape.one_of(&[32 * 1024, 0, 300]),
            codec_delay_us,
            latency_us: draw_latency(tape, &config),
            faults,
            fault_gap_ms: tape.one_of(&[1_500, 3_000, 800, 400]),
            fault_phase: Duration::from_secs(match tape.size() {
                Size::Small => tape.between(3, 9),
                Size::Usual => tape.between(18, 44),
                Size::Long => tape.between(25, 60),
            }),
            config: Arc::new(config),
        }
    }
}

/// A window is full for as long as answers take.
fn draw_latency(tape: &mut Tape, config: &ProducerConfig) -> (u64, u64) {
    let latency = tape.one_of(&[(100, 1_000), (50, 500), (1_000, 20_000), (5_000, 80_000)]);
    if config.batch_size == 1 { (5_000, 150_000) } else { latency }
}

fn draw_topics(tape: &mut Tape, producers: usize, brokers: i32) -> Vec<TopicPlan> {
    let count = producers.max(1 + tape.below(2) as usize);
    let mut lanes_left = tape.one_of(&[8, 16, 6, 12]) - count as u64;
    let mut first_lane = 0;
    let mut topics = Vec::new();
    for (place, name) in ["t", "u"].into_iter().enumerate().take(count) {
        let more = tape.below(lanes_left / (count - place) as u64 + 1);
        lanes_left -= more;
        let partitions = 1 + more as i32;
        let replication = 1 + tape.below(brokers.min(3) as u64) as i32;
        // Mostly three copies, as one does.
        let replication = if tape.chance(700) { brokers.min(3) } else { replication };
        topics.push(TopicPlan { name, partitions, replication, first_lane, producer: place % producers });
        first_lane += partitions.cast_unsigned() + SPARE_PARTITIONS;
    }
    topics
}

/// Checking settings takes longer than a run: a checked base is copied and its fields set.
fn base() -> ProducerConfig {
    static BASE: OnceLock<ProducerConfig> = OnceLock::new();
    BASE.get_or_init(|| {
        let builder = ProducerConfig::builder("b1:9092,b2:9092,b3:9092").property("client.id", "simulated");
        builder.build().expect("valid settings")
    })
    .clone()
}

fn draw_config(tape: &mut Tape, flavour: Flavour) -> ProducerConfig {
    let millis = Duration::from_millis;
    let mut config = base();
    config.request_timeout = millis(tape.one_of(&[1_000, 500, 2_000, 3_000]));
    config.delivery_timeout = match flavour {
        Flavour::Rough => millis(tape.one_of(&[10_000, 3_500, 6_000, 20_000])),
        Flavour::Gentle => millis(60_000),
    };
    config.late_resolution = match flavour {
        Flavour::Rough => millis(tape.one_of(&[5_000, 0, 2_000, 10_000])),
        Flavour::Gentle => millis(5_000),
    };
    config.max_block = millis(tape.one_of(&[2_000, 500, 5_000]));
    config.linger = millis(tape.one_of(&[0, 5, 50]));
    config.retry_backoff = millis(tape.one_of(&[50, 20, 100]));
    config.retry_backoff_max = millis(500);
    config.reconnect_backoff = millis(50);
    config.reconnect_backoff_max = millis(1_000);
    config.connection_setup_timeout = millis(1_000);
    config.connection_setup_timeout_max = millis(2_000);
    config.connections_max_idle = tape.one_of(&[None, Some(millis(9_000)), Some(millis(3_000))]);
    config.metadata_max_age = millis(tape.one_of(&[300_000, 5_000, 20_000]));
    config.max_in_flight = tape.one_of(&[5, 1, 2, 3, 4, 5]);
    config.batch_size = tape.one_of(&[16_384, 4_096, 1_000, 200]);
    config.batch_growth = !tape.chance(400);
    // A codec's tables cost more than the rest of a run: a quarter of the runs is enough for them.
    config.compression = if tape.chance(250) {
        tape.one_of(&[Compression::Lz4, Compression::Snappy, Compression::Gzip(1), Compression::Zstd(1)])
    } else {
        Compression::None
    };
    let batches = tape.one_of(&[64, 16, 4, 1]);
    config.buffer_memory = (config.batch_size * batches).max(4_096);
    if tape.chance(350) {
        make_deep(&mut config);
    }
    let mode = if flavour == Flavour::Gentle { 0 } else { tape.below(10) };
    (config.acks, config.enable_idempotence) = match mode {
        7 => (Acks::All, false),
        8 => (Acks::Leader, false),
        9 => (Acks::None, false),
        _ => (Acks::All, true),
    };
    if config.enable_idempotence && tape.chance(50) && flavour == Flavour::Rough {
        config.retries = 1 + tape.below(4) as u32;
    }
    config
}

/// Each record is a batch of its own, and five are on their way: what pipelining alone can break shows only then.
const fn make_deep(config: &mut ProducerConfig) {
    config.batch_size = 1;
    config.batch_growth = false;
    config.linger = Duration::ZERO;
    config.max_in_flight = 5;
    config.buffer_memory = 16 * 1024;
}

fn draw_primed(tape: &mut Tape, personality: Personality) -> PrimedStart {
    let sequence = if personality == Personality::ApacheBefore45 && tape.chance(200) {
        i32::MAX as u64 - tape.below(200)
    } else {
        0
    };
    let correlation_id = if tape.chance(200) { i32::MAX - 8 - tape.below(60) as i32 } else { 0 };
    PrimedStart { correlation_id, sequence }
}

fn draw_load(tape: &mut Tape, config: &ProducerConfig, flavour: Flavour) -> Load {
    let buffer_bytes = config.buffer_memory;
    let is_deep = config.batch_size == 1;
    let most_bytes = tape.one_of(&[64, 20, 300, 1_500]);
    Load {
        bursts: match tape.size() {
            Size::Small => tape.between(4, 12),
            Size::Usual => tape.between(34, 70),
            Size::Long => tape.between(40, 90),
        },
        most_records: tape.one_of(&[8, 4, 12]).max(if is_deep { 12 } else { 0 }),
        hot: if is_deep { 600 } else { 0 },
        least_bytes: 12,
        most_bytes: most_bytes.min(buffer_bytes as u64 / 2),
        keyed: tape.one_of(&[100, 0, 500]),
        sticky: tape.one_of(&[200, 0, 600]),
        flushes: 20,
        cancels: 20,
        closes_early: flavour == Flavour::Rough && tape.chance(80),
    }
}

fn draw_faults(tape: &mut Tape, flavour: Flavour, brokers: i32) -> Vec<FaultKind> {
    let share = tape.one_of(&[300, 150, 600, 1_000]);
    let kinds = FaultKind::ALL.iter().copied().take(tape.kinds());
    let candidates = kinds.filter(|kind| match flavour {
        Flavour::Gentle => kind.is_gentle(),
        Flavour::Rough => brokers > 1 || !kind.needs_many_brokers(),
    });
    let mut chosen: Vec<FaultKind> = candidates.filter(|_| tape.chance(share)).collect();
    if chosen.is_empty() {
        chosen.push(FaultKind::Reset);
    }
    if chosen.contains(&FaultKind::TopicRecreated) {
        // An older broker would take a batch for the new topic by its name.
        chosen.retain(|kind| *kind != FaultKind::Upgrade);
    }
    chosen
}
