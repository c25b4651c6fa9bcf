//! What a run measured, and Kafka's words for it.
//!
//! **Why a histogram.** Kafka's tool keeps every five-hundredth latency or so and sorts; a histogram with three digits
//! keeps them all in bounded memory. Neighbours: `session` adds outcomes, `perf` and `table` print. Not here: rates of
//! the network; bytes are those of the values.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::cli::perf::histogram::{self, Row};
use crate::error::Error;
use crate::lab::clock;
use crate::time::Instant;

/// The outcomes of a run.
#[derive(Debug, Clone)]
pub struct Measure {
    whole: Figures,
    /// Without the records of the warm-up, if there is one.
    steady: Option<Figures>,
    window: Window,
    warmup_records: u64,
    /// Records that are certainly not in the log.
    pub rejected: u64,
    /// Records of which nobody knows.
    pub unknown: u64,
    /// The first failure, for people.
    pub first_error: Option<String>,
}

/// Acknowledged records.
#[derive(Debug, Clone)]
pub struct Figures {
    began: Instant,
    last: Instant,
    count: u64,
    bytes: u64,
    latencies_us: Histogram<u64>,
    sum_us: u64,
    max_us: u64,
}

/// Acknowledged records since the last line that told of them.
#[derive(Debug, Clone, Copy)]
struct Window {
    began: Instant,
    count: u64,
    bytes: u64,
    sum_us: u64,
    max_us: u64,
}

/// One record on its way.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// Its place, from 0.
    pub index: u64,
    /// Bytes of its value.
    pub bytes: u64,
    /// When it was handed over.
    pub at: Instant,
}

/// The figures, in numbers: JSON and the table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Acknowledged records.
    pub records: u64,
    /// From the first record to the last acknowledgement.
    pub seconds: f64,
    /// Records a second.
    pub records_per_second: f64,
    /// 1024 x 1024 bytes a second.
    pub mb_per_second: f64,
    /// Mean latency.
    pub latency_avg_ms: f64,
    /// Half were faster.
    pub latency_p50_ms: f64,
    /// 95 of 100 were faster.
    pub latency_p95_ms: f64,
    /// 99 of 100 were faster.
    pub latency_p99_ms: f64,
    /// 999 of 1000 were faster.
    pub latency_p999_ms: f64,
    /// The slowest.
    pub latency_max_ms: f64,
}

impl Measure {
    /// Nothing yet; `None` if a histogram cannot be made, which its constant bounds rule out.
    pub fn begin(warmup_records: u64) -> Option<Self> {
        let now = clock::now();
        let figures = Figures::begin(now)?;
        Some(Self {
            steady: (warmup_records > 0).then(|| figures.clone()),
            whole: figures,
            window: Window { began: now, count: 0, bytes: 0, sum_us: 0, max_us: 0 },
            warmup_records,
            rejected: 0,
            unknown: 0,
            first_error: None,
        })
    }

    /// The warm-up is over: the steady state is measured from now on.
    pub const fn end_warmup(&mut self, now: Instant) {
        if let Some(steady) = &mut self.steady {
            steady.began = now;
            steady.last = now;
        }
    }

    /// Counts an acknowledged record.
    pub fn acknowledged(&mut self, sent: Sent, now: Instant) {
        let latency_us = u64::try_from(now.since(sent.at).as_micros()).unwrap_or(u64::MAX);
        self.whole.add(sent.bytes, latency_us, now);
        if let Some(steady) = &mut self.steady
            && sent.index >= self.warmup_records
        {
            steady.add(sent.bytes, latency_us, now);
        }
        self.window.count += 1;
        self.window.bytes += sent.bytes;
        self.window.sum_us = self.window.sum_us.saturating_add(latency_us);
        self.window.max_us = self.window.max_us.max(latency_us);
    }

    /// Counts a record that failed: it is in no other figure.
    pub fn failed(&mut self, error: &Error) {
        if error.may_have_been_written() {
            self.unknown += 1;
        } else {
            self.rejected += 1;
        }
        if self.first_error.is_none() {
            self.first_error = Some(error.to_string());
        }
    }

    /// How many records have an outcome.
    pub const fn outcomes(&self) -> u64 {
        self.whole.count + self.rejected + self.unknown
    }

    /// All acknowledged records.
    pub const fn whole(&self) -> &Figures {
        &self.whole
    }

    /// Those behind the warm-up.
    pub const fn steady(&self) -> Option<&Figures> {
        self.steady.as_ref()
    }

    /// Kafka's line about the time since the last one, which ends here.
    pub fn end_window(&mut self, now: Instant) -> String {
        let Window { began, count, bytes, sum_us, max_us } = self.window;
        self.window = Window { began: now, count: 0, bytes: 0, sum_us: 0, max_us: 0 };
        let (records, mb) = rates(count, bytes, now.since(began));
        let average = mean_ms(sum_us, count);
        let max = ms(max_us);
        format!(
            "{count} records sent, {records:.1} records/sec ({mb:.2} MB/sec), {average:.1} ms avg latency, {max:.1} ms max latency."
        )
    }
}

impl Figures {
    fn begin(now: Instant) -> Option<Self> {
        let latencies_us = Histogram::new_with_bounds(1, LONGEST_US, 3).ok()?;
        Some(Self { began: now, last: now, count: 0, bytes: 0, latencies_us, sum_us: 0, max_us: 0 })
    }

    fn add(&mut self, bytes: u64, latency_us: u64, now: Instant) {
        self.count += 1;
        self.bytes += bytes;
        self.sum_us = self.sum_us.saturating_add(latency_us);
        self.max_us = self.max_us.max(latency_us);
        self.last = now;
        self.latencies_us.saturating_record(latency_us);
    }

    /// How the latencies lie.
    pub fn histogram(&self) -> Vec<Row> {
        histogram::rows(&self.latencies_us)
    }

    /// In numbers.
    pub fn summary(&self) -> Summary {
        let elapsed = self.last.since(self.began);
        let (records_per_second, mb_per_second) = rates(self.count, self.bytes, elapsed);
        let quantile = |quantile| ms(self.latencies_us.value_at_quantile(quantile).min(self.max_us));
        Summary {
            records: self.count,
            seconds: elapsed.as_secs_f64(),
            records_per_second,
            mb_per_second,
            latency_avg_ms: mean_ms(self.sum_us, self.count),
            latency_p50_ms: quantile(0.5),
            latency_p95_ms: quantile(0.95),
            latency_p99_ms: quantile(0.99),
            latency_p999_ms: quantile(0.999),
            latency_max_ms: ms(self.max_us),
        }
    }

    /// Kafka's last line; `kind` is empty or " steady state".
    pub fn line(&self, kind: &str) -> String {
        let figures = self.summary();
        format!(
            "{}{kind} records sent, {:.6} records/sec ({:.2} MB/sec), {:.2} ms avg latency, {:.2} ms max latency, \
             {:.0} ms 50th, {:.0} ms 95th, {:.0} ms 99th, {:.0} ms 99.9th.",
            figures.records,
            figures.records_per_second,
            figures.mb_per_second,
            figures.latency_avg_ms,
            figures.latency_max_ms,
            figures.latency_p50_ms,
            figures.latency_p95_ms,
            figures.latency_p99_ms,
            figures.latency_p999_ms,
        )
    }
}

#[allow(clippy::cast_precision_loss, reason = "rates for people")]
fn rates(count: u64, bytes: u64, elapsed: Duration) -> (f64, f64) {
    let seconds = elapsed.as_secs_f64();
    if seconds <= 0.0 {
        return (0.0, 0.0);
    }
    (count as f64 / seconds, bytes as f64 / seconds / BYTES_PER_MB)
}

#[allow(clippy::cast_precision_loss, reason = "latencies for people")]
fn mean_ms(sum_us: u64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { sum_us as f64 / count as f64 / 1000.0 }
}

fn ms(us: u64) -> f64 {
    mean_ms(us, 1)
}

/// An hour: longer than any delivery timeout that one waits for.
const LONGEST_US: u64 = 3_600_000_000;
/// Kafka's tool divides by 1024 x 1024.
const BYTES_PER_MB: f64 = 1_048_576.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(index: u64, at: Instant) -> Sent {
        Sent { index, bytes: 1024, at }
    }

    // The shape of the line is what scripts cut at: `kafka-producer-perf-test`'s, digit for digit. Two records within two
    // seconds, one after 1 ms and one after 3 ms.
    #[test]
    fn the_last_line_has_the_shape_of_kafkas_tool() {
        let began = Instant::from_nanos(0);
        let mut figures = Figures::begin(began).unwrap();
        figures.add(1024 * 1024, 1_000, began + Duration::from_secs(1));
        figures.add(1024 * 1024, 3_000, began + Duration::from_secs(2));

        assert_eq!(
            figures.line(""),
            "2 records sent, 1.000000 records/sec (1.00 MB/sec), 2.00 ms avg latency, 3.00 ms max latency, 1 ms 50th, \
             3 ms 95th, 3 ms 99th, 3 ms 99.9th."
        );
    }

    // A record that failed must be in no figure, or a cluster that refuses everything looks fast.
    #[test]
    fn failed_records_and_the_warm_up_are_counted_apart() {
        let mut measure = Measure::begin(1).unwrap();
        let now = clock::now();
        measure.acknowledged(sent(0, now), now + Duration::from_millis(900));
        measure.acknowledged(sent(1, now), now + Duration::from_millis(1));
        measure.failed(&Error::Closed);

        assert_eq!((measure.whole().summary().records, measure.rejected, measure.unknown), (2, 1, 0));
        let steady = measure.steady().unwrap().summary();
        assert_eq!((steady.records, steady.latency_max_ms), (1, 1.0));
        assert!(measure.end_window(now + Duration::from_secs(1)).starts_with("2 records sent, "));
        assert!(
            measure
                .end_window(now + Duration::from_secs(2))
                .starts_with("0 records sent, 0.0 records/sec (0.00 MB/sec)")
        );
    }
}
