//! A client's figures: medians and ranges over its rounds.
//!
//! Neighbours: [`crate::report`] and [`crate::plot`] show them; the file that [`write`] writes is for `bin/bars.rs`, which
//! judges the bars.

use std::fmt::Write as _;
use std::path::Path;

use facteur_peers::Outcome;

use crate::measure::Measured;

/// A figure of several rounds.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
        Self { median: at(values.len() / 2), least: at(0), most: at(values.len().saturating_sub(1)) }
    }
}

/// Everything that was measured of one client (and one variant).
#[derive(Debug)]
pub struct Figures {
    pub name: &'static str,
    pub variant: String,
    /// What the tables call it.
    pub label: String,
    pub cpu_ns: Spread,
    pub user_ns: Spread,
    pub system_ns: Spread,
    pub per_second: Spread,
    pub mb_per_second: f64,
    /// Of all rounds.
    pub peak_bytes: f64,
    /// Of batches that reached the sink, for each record.
    pub sunk_bytes: Option<Spread>,
    /// With `--rate`: p50, p99, p99.9 and the maximum.
    pub latencies_us: Option<[Spread; 4]>,
    /// With `--rate`: the latencies of all rounds together, smallest first.
    pub all_latencies_us: Vec<u32>,
}

impl Figures {
    pub fn of(it: &Measured) -> Self {
        let per_record = |ns: u64, records: u64| ns as f64 / records as f64;
        let rounds = || it.rounds.iter();
        let of_user = |round: &crate::client::Round| per_record(round.used.user_ns, round.records);
        let of_system = |round: &crate::client::Round| per_record(round.used.system_ns, round.records);
        let per_second = Spread::of(rounds().map(|round| round.records as f64 / round.elapsed.as_secs_f64()));
        let sunk: Option<Vec<f64>> =
            rounds().map(|round| Some(per_record(round.sunk_bytes?, round.records))).collect();
        let mut all_latencies_us = it.latencies_us.concat();
        all_latencies_us.sort_unstable();
        Self {
            name: it.name,
            variant: it.variant.clone(),
            label: if it.variant.is_empty() {
                it.version.clone()
            } else {
                format!("{}, {}", it.version, it.variant)
            },
            cpu_ns: Spread::of(rounds().map(|round| of_user(round) + of_system(round))),
            user_ns: Spread::of(rounds().map(of_user)),
            system_ns: Spread::of(rounds().map(of_system)),
            per_second,
            mb_per_second: per_second.median * it.value_bytes as f64 / 1e6,
            peak_bytes: rounds().map(|round| round.peak_bytes).max().unwrap_or(0) as f64,
            sunk_bytes: sunk.map(|sunk| Spread::of(sunk.into_iter())),
            latencies_us: (!it.latencies_us.is_empty()).then(|| {
                [0.5, 0.99, 0.999, 1.0].map(|share| {
                    Spread::of(it.latencies_us.iter().map(|sorted| f64::from(quantile(sorted, share))))
                })
            }),
            all_latencies_us,
        }
    }

    /// Name and spread of each.
    fn all(&self) -> Vec<(&'static str, Spread)> {
        let once = |value: f64| Spread { median: value, least: value, most: value };
        let mut all = vec![
            ("cpu_ns", self.cpu_ns),
            ("user_ns", self.user_ns),
            ("system_ns", self.system_ns),
            ("records_per_second", self.per_second),
            ("mb_per_second", once(self.mb_per_second)),
            ("peak_bytes", once(self.peak_bytes)),
        ];
        all.extend(self.sunk_bytes.map(|sunk| ("sunk_bytes", sunk)));
        if let Some(latencies) = self.latencies_us {
            all.extend(["p50_us", "p99_us", "p999_us", "max_us"].into_iter().zip(latencies));
        }
        all
    }
}

/// Of values in order; 0 if there are none.
pub fn quantile(sorted: &[u32], share: f64) -> u32 {
    let place = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or(0)
}

/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, figures: &[Figures]) -> Outcome<()> {
    let mut text = String::new();
    for it in figures {
        for (figure, Spread { median, least, most }) in it.all() {
            writeln!(text, "{}\t{}\t{figure}\t{median}\t{least}\t{most}", it.name, it.variant)?;
        }
    }
    std::fs::write(path, text).map_err(|error| format!("--figures {}: {error}", path.display()).into())
}
