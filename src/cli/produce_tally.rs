//! What became of the records that `produce` sent.
//!
//! **Why three numbers.** Acknowledged, rejected, unknown: the last may be in the log, and sending them again may
//! duplicate them. Neighbours: [`crate::cli::produce`] counts. Not here: waiting for outcomes.

use serde::Serialize;

use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::produce_input::Place;
use crate::error::Error;
use crate::runtime::delivery::DeliveryReport;
use crate::time::Instant;

/// The counts so far.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    acknowledged: u64,
    rejected: u64,
    unknown: u64,
    bytes: u64,
    errors_shown: u32,
    names: Vec<String>,
    is_verbose: bool,
    is_json: bool,
}

/// A delivery, with `-v --json`.
#[derive(Debug, Serialize)]
struct DeliveryLine<'a> {
    input: &'a str,
    line: u64,
    topic: &'a str,
    partition: i32,
    offset: Option<i64>,
}

/// The summary, with `--json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    records: u64,
    acknowledged: u64,
    rejected: u64,
    unknown: u64,
    bytes: u64,
    seconds: f64,
    mb_per_second: f64,
}

impl Tally {
    /// Nothing yet; `names` are the inputs', for messages.
    pub fn new(names: Vec<String>, is_verbose: bool, is_json: bool) -> Self {
        Self { names, is_verbose, is_json, ..Self::default() }
    }

    /// Counts an outcome.
    ///
    /// # Errors
    ///
    /// As stdout's, with `-v`.
    pub fn add(
        &mut self,
        place: Place,
        bytes: u64,
        outcome: &Result<DeliveryReport, Error>,
    ) -> Result<(), Failure> {
        match outcome {
            Ok(report) => {
                self.acknowledged += 1;
                self.bytes += bytes;
                if self.is_verbose { self.show_delivery(place, report) } else { Ok(()) }
            }
            Err(error) => {
                self.add_failure(place, error);
                Ok(())
            }
        }
    }

    /// Counts a record that has no delivery, or a bad one.
    pub fn add_failure(&mut self, place: Place, error: &Error) {
        if error.may_have_been_written() {
            self.unknown += 1;
        } else {
            self.rejected += 1;
        }
        self.errors_shown += 1;
        match self.errors_shown.cmp(&MOST_ERRORS_SHOWN) {
            std::cmp::Ordering::Less => eprintln!("facteur: {}: {error}", self.place(place)),
            std::cmp::Ordering::Equal => eprintln!("facteur: further errors are only counted"),
            std::cmp::Ordering::Greater => self.errors_shown = MOST_ERRORS_SHOWN,
        }
    }

    /// How many records have an outcome.
    pub const fn records(&self) -> u64 {
        self.acknowledged + self.rejected + self.unknown
    }

    /// The exit code that the counts mean.
    pub const fn exit(&self) -> Exit {
        if self.unknown > 0 {
            Exit::DeliveryUnknown
        } else if self.rejected > 0 {
            Exit::DeliveryFailed
        } else {
            Exit::Ok
        }
    }

    /// `file, line 5`
    pub fn place(&self, place: Place) -> String {
        format!("{}, line {}", self.names.get(place.input).map_or("?", String::as_str), place.line)
    }

    /// Prints the summary: to stderr, or as JSON to stdout.
    ///
    /// # Errors
    ///
    /// As stdout's, with `--json`.
    pub fn print_summary(&self, since: Instant, now: Instant, is_unconfirmed: bool) -> Result<(), Failure> {
        let seconds = now.since(since).as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
        let mb_per_second = if seconds > 0.0 { self.bytes as f64 / 1e6 / seconds } else { 0.0 };
        if self.is_json {
            return output::json_line(&Summary {
                records: self.records(),
                acknowledged: self.acknowledged,
                rejected: self.rejected,
                unknown: self.unknown,
                bytes: self.bytes,
                seconds,
                mb_per_second,
            });
        }
        let verb = if is_unconfirmed { "sent (acks=0: nobody confirms)" } else { "acknowledged" };
        eprintln!(
            "{} records: {} {verb}, {} rejected, {} unknown, in {seconds:.3} s, {mb_per_second:.1} MB/s",
            self.records(),
            self.acknowledged,
            self.rejected,
            self.unknown
        );
        Ok(())
    }

    fn show_delivery(&self, place: Place, report: &DeliveryReport) -> Result<(), Failure> {
        if self.is_json {
            return output::json_line(&DeliveryLine {
                input: self.names.get(place.input).map_or("?", String::as_str),
                line: place.line,
                topic: report.topic(),
                partition: report.partition(),
                offset: report.offset(),
            });
        }
        let offset = report.offset().map_or_else(|| "?".to_owned(), |offset| offset.to_string());
        output::line(&format!("{}: {}-{}@{offset}", self.place(place), report.topic(), report.partition()))
    }
}

const MOST_ERRORS_SHOWN: u32 = 11;
