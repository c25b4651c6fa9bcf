//! The deduplication table D1 to D20 and the list K1 to K10 as one table, for every broker that there is.
//!
//! **Why one table.** The promises of a producer stand on what brokers answer to a repeated, late, torn or foreign batch.
//! Each row was measured on real brokers; the embedded broker and the model cluster of the simulation must answer the
//! same, and so must every real Kafka that is tried. A difference fails, unless the row says that this broker differs.
//!
//! ```text
//!   rows ──▶ run ──▶ Broker: socket (embedded, 4.4.0, 3.9.2, 2.8.2) or model ──▶ table: docs/conformance.md
//! ```
//!
//! Venues (D-72): D1-D13 and D17-D19 on every broker; D14-D16, K9 and K10 need followers: three nodes of 4.4.0, and the
//! model; D20 the model alone, for no client can reach a follower. Who uses this module also has `batch` and, for the
//! model, `simulation` at its root. Not here: how a broker is started.
#![allow(dead_code, reason = "each test target uses the venues that it has")]

pub mod model;
pub mod replicated;
pub mod rows;
pub mod socket;
pub mod table;

use crate::batch::Batch;

/// A broker that the table is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Venue {
    Embedded,
    Model,
    Kafka440,
    Kafka392,
    Kafka282,
}

impl Venue {
    pub const ALL: [Self; 5] = [Self::Embedded, Self::Model, Self::Kafka440, Self::Kafka392, Self::Kafka282];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Model => "model",
            Self::Kafka440 => "4.4.0",
            Self::Kafka392 => "3.9.2",
            Self::Kafka282 => "2.8.2",
        }
    }
}

/// What one batch was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub code: i16,
    pub base_offset: i64,
    pub append_time_ms: i64,
}

/// One step of a row.
#[derive(Debug, Clone)]
pub enum Step {
    /// A batch goes out, and this comes back. An append time is -1 at a first append; a duplicate is answered with its
    /// largest timestamp.
    Send { batch: Box<Batch>, acks: i16, answer: Answer },
    /// All records are deleted (`DeleteRecords`).
    Empty,
    /// The broker forgets producers that are older than a week by record time.
    Expire,
}

/// One row of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// `D5`, `K1`, both, or neither.
    pub id: &'static str,
    pub story: &'static str,
    pub steps: Vec<Step>,
    /// The end of the log afterwards.
    pub end: i64,
    /// Where it runs, and how: only brokers from 4.5 on, or the rest.
    pub since_45: bool,
    /// Brokers that differ, with what they do instead.
    pub except: Vec<(Venue, Vec<Step>, i64)>,
}

impl Row {
    /// What this broker is expected to do; `None` if the row is not for it.
    pub fn for_venue(&self, venue: Venue) -> Option<(&[Step], i64)> {
        // No Kafka of 4.5 is out; our own two can be one.
        if self.since_45 && !matches!(venue, Venue::Embedded | Venue::Model) {
            return None;
        }
        let other = self.except.iter().find(|(differs, _, _)| *differs == venue);
        Some(other.map_or((&self.steps, self.end), |(_, steps, end)| (steps, *end)))
    }
}

/// A broker with one node, as the rows need it.
pub trait Broker {
    fn venue(&self) -> Venue;
    /// A topic of one partition that nobody has written to; later calls are about it.
    fn fresh_topic(&mut self, since_45: bool);
    fn produce(&mut self, acks: i16, records: &[u8]) -> Answer;
    /// The end of the log.
    fn end(&mut self) -> i64;
    fn empty(&mut self);
    /// Whether [`Self::expire`] can be asked here without waiting for long.
    fn can_expire(&self) -> bool;
    fn expire(&mut self);
}

/// What a broker did with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// `0@0 · 45@-1 | 15`: code at base offset for each batch, then the end of the log; `–` if the row is not for it.
    pub text: String,
    /// What was expected instead.
    pub wrong: Option<String>,
}

fn tell(answers: &[Answer], end: i64) -> String {
    let told: Vec<String> = answers
        .iter()
        .map(|answer| {
            let again = if answer.append_time_ms == -1 { "" } else { " again" };
            format!("{}@{}{again}", answer.code, answer.base_offset)
        })
        .collect();
    format!("{} | {end}", told.join(" · "))
}

/// Runs one row on one broker.
pub fn run(broker: &mut dyn Broker, row: &Row) -> Outcome {
    let Some((steps, end)) = row.for_venue(broker.venue()) else {
        return Outcome { text: "–".to_owned(), wrong: None };
    };
    if !broker.can_expire() && steps.iter().any(|step| matches!(step, Step::Expire)) {
        return Outcome { text: "–".to_owned(), wrong: None };
    }
    broker.fresh_topic(row.since_45);
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Send { batch, acks, answer } => {
                expected.push(*answer);
                found.push(broker.produce(*acks, &batch.bytes()));
            }
            Step::Empty => broker.empty(),
            Step::Expire => broker.expire(),
        }
    }
    let found_end = broker.end();
    let wrong = (found != expected || found_end != end)
        .then(|| format!("{expected:?} and {end} in the log, it did {found:?} and {found_end}"));
    Outcome { text: tell(&found, found_end), wrong }
}

/// Runs all rows.
pub fn run_all(broker: &mut dyn Broker) -> Vec<Outcome> {
    rows::all().iter().map(|row| run(broker, row)).collect()
}

/// Fails with every row that went wrong.
pub fn assert_conforms(venue: Venue, outcomes: &[Outcome]) {
    let rows = rows::all();
    let wrong: Vec<String> = rows
        .iter()
        .zip(outcomes)
        .filter_map(|(row, outcome)| {
            Some(format!("{} {}: expected {}", row.id, row.story, outcome.wrong.as_ref()?))
        })
        .collect();
    assert!(wrong.is_empty(), "{} answers otherwise:\n{}", venue.name(), wrong.join("\n"));
}
