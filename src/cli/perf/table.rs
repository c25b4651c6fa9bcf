//! The table of a comparison.
//!
//! **Why numbers and no stars.** The course rates acks levels by adjectives; here each row was measured a moment ago, on
//! this machine, against this cluster. Neighbours: `session` has the results. Not here: which row is best.

use crate::cli::perf::session::RunResult;

/// Rows of equal width.
pub fn of(results: &[RunResult]) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(results.iter().map(row));
    aligned(&rows)
}

/// What sets a run apart from the others.
pub fn label_of(result: &RunResult) -> String {
    let label: Vec<String> = result.label().iter().map(|(name, value)| format!("{name}={value}")).collect();
    label.join(" ")
}

fn row(result: &RunResult) -> [String; HEADINGS.len()] {
    let figures = result.summary();
    [
        label_of(result),
        if result.has_no_duplicates() { "yes" } else { "no" }.to_owned(),
        format!("{:.0}", figures.records_per_second),
        format!("{:.2}", figures.mb_per_second),
        format!("{:.2}", figures.latency_avg_ms),
        format!("{:.2}", figures.latency_p50_ms),
        format!("{:.2}", figures.latency_p95_ms),
        format!("{:.2}", figures.latency_p99_ms),
        format!("{:.2}", figures.latency_p999_ms),
        format!("{:.2}", figures.latency_max_ms),
        result.requests().to_string(),
        if result.is_cut() { format!("{} (cut)", result.failed()) } else { result.failed().to_string() },
    ]
}

/// The first column to the left, the others to the right.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

const HEADINGS: [&str; 12] = [
    "setting",
    "idempotent",
    "records/s",
    "MB/s",
    "avg ms",
    "p50",
    "p95",
    "p99",
    "p99.9",
    "max",
    "requests",
    "failed",
];

#[cfg(test)]
mod tests {
    use super::*;

    // Columns line up, or nobody reads them.
    #[test]
    fn columns_line_up() {
        let rows = [["a", "b", "c"], ["linger.ms=20", "7", "12345"]].map(|row| row.map(str::to_owned));

        assert_eq!(aligned(&rows), "a             b      c\nlinger.ms=20  7  12345");
    }
}
