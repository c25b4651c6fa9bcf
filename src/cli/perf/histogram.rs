//! How the latencies of a run lie: one row for each doubling.
//!
//! **Why doublings.** A percentile says where a share of the records ends, not whether there are two hills; latencies span
//! five powers of ten, and rows of equal width would show either the fast ones or the slow ones. Neighbours: `measure` has
//! the latencies, `session` the rows as JSON. Not here: percentiles.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Records whose latency is above the row before and not above this one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The row's end.
    pub up_to_ms: f64,
    /// How many.
    pub records: u64,
}

/// The rows from the fastest record to the slowest; none if there is no record.
#[allow(clippy::cast_precision_loss, reason = "latencies for people")]
pub fn rows(latencies_us: &Histogram<u64>) -> Vec<Row> {
    latencies_us
        .iter_log(FIRST_ROW_US, 2.0)
        .map(|step| Row {
            up_to_ms: step.value_iterated_to() as f64 / 1000.0,
            records: step.count_since_last_iteration(),
        })
        .skip_while(|row| row.records == 0)
        .collect()
}

/// For people, a line for each row.
#[allow(clippy::cast_precision_loss, reason = "shares for people")]
pub fn lines(rows: &[Row]) -> Vec<String> {
    let most = rows.iter().map(|row| row.records).max().unwrap_or(0).max(1);
    let all = rows.iter().map(|row| row.records).sum::<u64>().max(1);
    let line = |row: &Row| {
        let share = row.records as f64 * 100.0 / all as f64;
        let length = usize::try_from(row.records.saturating_mul(BAR).div_ceil(most)).unwrap_or(0);
        let bar = "#".repeat(length);
        format!("{:>12.3} ms {:>12} {share:>6.2} % {bar}", row.up_to_ms, row.records).trim_end().to_owned()
    };
    let heading = format!("{:>15} {:>12} {:>8}", "latency up to", "records", "share");
    std::iter::once(heading).chain(rows.iter().map(line)).collect()
}

/// Faster than an eighth of a millisecond is one row.
const FIRST_ROW_US: u64 = 125;
/// The longest bar.
const BAR: u64 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    // Every record must be in exactly one row, and an empty row between two hills must show. Fails if rows overlap, the slowest
    // records fall off the end, or gaps are left out.
    #[test]
    fn every_record_is_in_one_row_and_gaps_show() {
        let mut latencies_us = Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap();
        for (latency_us, times) in [(300, 3), (400, 37), (9_000, 10)] {
            latencies_us.record_n(latency_us, times).unwrap();
        }

        let found = rows(&latencies_us);

        assert_eq!(found.iter().map(|row| row.records).collect::<Vec<_>>(), [40, 0, 0, 0, 0, 10]);
        assert!(found.windows(2).all(|pair| pair[1].up_to_ms > pair[0].up_to_ms * 1.9), "{found:?}");
        assert!(found[0].up_to_ms >= 0.4 && found[5].up_to_ms >= 9.0, "{found:?}");
        let said = lines(&found);
        assert!(said[1].ends_with(&format!("80.00 % {}", "#".repeat(40))), "{said:?}");
        assert!(said[6].ends_with(&format!("20.00 % {}", "#".repeat(10))), "{said:?}");
    }

    #[test]
    fn without_a_record_there_is_no_row() {
        assert_eq!(rows(&Histogram::new_with_bounds(1, 1000, 3).unwrap()), []);
    }
}
