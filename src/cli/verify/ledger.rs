//! What the producer said of each record.
//!
//! **Why kept whole.** The audit compares the log with what was *said*, record by record. Neighbours: `sending` writes,
//! `audit` reads. Not here: the log.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::cli::exit::Failure;
use crate::cli::output;
use crate::error::Error;
use crate::lab::clock;
use crate::runtime::delivery::DeliveryReport;

/// What became of a record, as the producer tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Nothing yet.
    Nothing,
    /// It is in the log.
    Acknowledged {
        /// Where, if the broker said so.
        offset: Option<i64>,
    },
    /// It is certainly not in the log.
    Rejected,
    /// Nobody knows.
    Unknown,
}

/// All records of a run.
#[derive(Debug)]
pub struct Ledger {
    run_id: String,
    topic: String,
    partitions: i32,
    said: Vec<Said>,
    prints: bool,
    /// Why stdout cannot be written any more.
    pub broken: Option<Failure>,
}

/// A line of `VerifiableProducer` (org.apache.kafka.tools): the same names and members.
#[derive(Debug, Serialize)]
struct AckLine<'a> {
    timestamp: i64,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    key: Option<&'a str>,
    value: String,
    topic: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
}

impl Ledger {
    /// No record yet.
    pub fn new(run_id: &str, topic: &str, partitions: i32, prints: bool) -> Self {
        let (run_id, topic) = (run_id.to_owned(), topic.to_owned());
        Self { run_id, topic, partitions, said: Vec::new(), prints, broken: None }
    }

    /// The partition of a record: they take turns.
    pub fn partition_of(&self, number: u32) -> i32 {
        i32::try_from(number % self.partitions.unsigned_abs().max(1)).unwrap_or_default()
    }

    /// A record was handed over.
    pub fn begin(&mut self) {
        self.said.push(Said::Nothing);
    }

    /// The producer told what became of it; `is_confirmed` is false with acks=0, where a success says nothing.
    pub fn tell(&mut self, number: u32, outcome: &Result<DeliveryReport, Error>, is_confirmed: bool) {
        let said = match outcome {
            Ok(report) if is_confirmed => Said::Acknowledged { offset: report.offset() },
            Ok(_) => Said::Unknown,
            Err(error) if error.may_have_been_written() => Said::Unknown,
            Err(_) => Said::Rejected,
        };
        if let Some(place) = usize::try_from(number).ok().and_then(|number| self.said.get_mut(number)) {
            *place = said;
        }
        if self.prints {
            self.print_ack(number, outcome);
        }
    }

    fn print_ack(&mut self, number: u32, outcome: &Result<DeliveryReport, Error>) {
        let value = format!("{}.{number}", self.run_id);
        let timestamp = clock::unix_time_ms();
        let line = match outcome {
            Ok(report) => AckLine {
                timestamp,
                name: "producer_send_success",
                exception: None,
                message: None,
                key: None,
                value,
                topic: &self.topic,
                partition: Some(report.partition()),
                offset: Some(report.offset().unwrap_or(-1)),
            },
            Err(error) => AckLine {
                timestamp,
                name: "producer_send_error",
                exception: Some(if error.may_have_been_written() { "Unknown" } else { "Rejected" }),
                message: Some(error.to_string()),
                key: None,
                value,
                topic: &self.topic,
                partition: None,
                offset: None,
            },
        };
        if let Err(failure) = output::json_line(&line) {
            self.broken.get_or_insert(failure);
        }
    }

    /// Prints another line of `VerifiableProducer`.
    ///
    /// # Errors
    ///
    /// As stdout's.
    pub fn print_event(&self, name: &str, members: Value) -> Result<(), Failure> {
        if !self.prints {
            return Ok(());
        }
        let mut line = BTreeMap::from([
            ("timestamp".to_owned(), Value::from(clock::unix_time_ms())),
            ("name".to_owned(), Value::from(name)),
        ]);
        if let Value::Object(members) = members {
            line.extend(members);
        }
        output::json_line(&line)
    }

    /// What was said of the records of a partition, in the order of sending.
    pub fn of_partition(&self, partition: i32) -> impl Iterator<Item = (u32, Said)> + '_ {
        let numbered = (0u32..).zip(self.said.iter().copied());
        numbered.filter(move |(number, _)| self.partition_of(*number) == partition)
    }

    /// The largest offset that was told of a partition.
    pub fn last_offset(&self, partition: i32) -> Option<i64> {
        let offset = |(_, said)| match said {
            Said::Acknowledged { offset } => offset,
            Said::Nothing | Said::Rejected | Said::Unknown => None,
        };
        self.of_partition(partition).filter_map(offset).max()
    }

    /// How many records were handed over.
    pub const fn len(&self) -> usize {
        self.said.len()
    }

    /// How many were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.said.iter().filter(|said| matches!(said, Said::Acknowledged { .. })).count()
    }
}
