//! The bars of performance, judged from the figures of one run of `scripts/arena.sh`.
//!
//! ```text
//! bars <directory>      <directory>/<workload>.tsv, as `arena --figures` writes them
//! ```
//!
//! A bar whose workload has no file was not run and is not judged; one whose figure is missing says which. "Best peer" is
//! always that of the same file. Not here: workloads, which are lines of the script.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use facteur_peers::Outcome;

const OURS: &str = "facteur";
/// No clients, and so no peers.
const YARDSTICKS: [&str; 2] = ["floor", "baseline"];
/// `--buffer-bytes` of every workload here, and what may come on top of it.
const BUFFER_BYTES: f64 = 33_554_432.0;
const BESIDE_BUFFER_BYTES: f64 = 10e6;
/// How much more a batch byte may be and still count as the same: the rounds end in batches of other sizes.
const SAME_RATIO: f64 = 1.01;

/// Where the peak resident set is judged.
const MEMORY: [&str; 15] = [
    "same-100b",
    "same-1k",
    "same-10k",
    "tasks-10000",
    "codec-lz4",
    "codec-snappy",
    "codec-zstd",
    "codec-gzip",
    "threads-own",
    "rtt-2ms",
    "memory-full",
    "growth-records",
    "growth-partitions",
    "growth-keyed",
    "growth-topics",
];

#[derive(Debug, Clone, Copy)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    /// The median, and the range of the rounds.
    fn text(self) -> String {
        format!("{:.0} ({:.0}-{:.0})", self.median, self.least, self.most)
    }
}

/// A bar's outcome: what was found, and whether that is enough.
type Judged = Result<(String, Verdict), String>;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    Met,
    /// The medians say no, but the rounds' ranges overlap.
    WithinRange,
    NotMet,
    /// There is nothing to be met: the figure itself is what is asked for.
    Shown,
}

impl Verdict {
    fn of(is_met: bool) -> Self {
        if is_met { Self::Met } else { Self::NotMet }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::WithinRange => "met, within the rounds' range",
            Self::NotMet => "**not met**",
            Self::Shown => "shown",
        }
    }
}

/// A workload's figures, by client, variant and name.
#[derive(Debug)]
struct Figures(BTreeMap<(String, String, String), Spread>);

impl Figures {
    fn read(path: &Path) -> Outcome<Self> {
        let mut all = BTreeMap::new();
        for line in std::fs::read_to_string(path)?.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [client, variant, figure, median, least, most] = fields[..] else {
                return Err(format!("{}: {line:?} has not six fields", path.display()).into());
            };
            let spread = Spread { median: median.parse()?, least: least.parse()?, most: most.parse()? };
            all.insert((client.to_owned(), variant.to_owned(), figure.to_owned()), spread);
        }
        Ok(Self(all))
    }

    fn of(&self, client: &str, variant: &str, figure: &str) -> Result<Spread, String> {
        let key = (client.to_owned(), variant.to_owned(), figure.to_owned());
        self.0.get(&key).copied().ok_or_else(|| format!("{client} has no {figure} {variant}"))
    }

    fn ours(&self, figure: &str) -> Result<Spread, String> {
        self.of(OURS, "", figure)
    }

    /// The peer with the best median.
    fn best_peer(&self, figure: &str, best: Best) -> Result<(&str, Spread), String> {
        let peers = self.0.iter().filter(|((client, variant, name), _)| {
            client != OURS && !YARDSTICKS.contains(&&**client) && variant.is_empty() && name == figure
        });
        let peers = peers.map(|((client, ..), spread)| (&**client, *spread));
        let order = |a: &(&str, Spread), b: &(&str, Spread)| a.1.median.total_cmp(&b.1.median);
        let found = match best {
            Best::Least => peers.min_by(order),
            Best::Most => peers.max_by(order),
        };
        found.ok_or_else(|| format!("no peer has {figure}"))
    }
}

#[derive(Debug, Clone, Copy)]
enum Best {
    Least,
    Most,
}

/// Everything of one run.
struct Run {
    directory: PathBuf,
}

impl Run {
    /// None if the workload was not run.
    fn figures(&self, workload: &str) -> Option<Outcome<Figures>> {
        let path = self.directory.join(format!("{workload}.tsv"));
        path.exists().then(|| Figures::read(&path))
    }

    /// One line of the table.
    fn judge(&self, workload: &str, bar: &str, judge: impl FnOnce(&Figures) -> Judged) {
        let Some(figures) = self.figures(workload) else { return };
        let judged = figures.map_err(|error| error.to_string()).and_then(|figures| judge(&figures));
        let (found, verdict) = match judged {
            Ok((found, verdict)) => (found, verdict.text()),
            Err(why) => (why, "not judged"),
        };
        println!("| {workload} | {bar} | {found} | {verdict} |");
    }

    fn per_core(&self, workload: &str, bar: &str, wanted: f64) {
        self.judge(workload, bar, |figures| {
            let ours = figures.ours("cpu_ns")?;
            let (peer, theirs) = figures.best_peer("cpu_ns", Best::Least)?;
            let times = theirs.median / ours.median;
            let (least, most) = (theirs.least / ours.most, theirs.most / ours.least);
            let found = format!("{times:.2}x {peer} (rounds {least:.2}-{most:.2})");
            Ok((found, Verdict::of(times >= wanted)))
        });
    }

    /// More of it is better.
    fn throughput(&self, workload: &str, bar: &str, wanted: f64) {
        self.judge(workload, bar, |figures| {
            let ours = figures.ours("records_per_second")?;
            let (peer, theirs) = figures.best_peer("records_per_second", Best::Most)?;
            let times = ours.median / theirs.median;
            let verdict = match times >= wanted {
                true => Verdict::Met,
                false if wanted <= 1.0 && ours.most >= theirs.least => Verdict::WithinRange,
                false => Verdict::NotMet,
            };
            Ok((format!("{times:.2}x {peer}: {} to {} records/s", ours.text(), theirs.text()), verdict))
        });
    }

    fn of_the_floor(&self, workload: &str) {
        self.judge(workload, "records/s: at least 75 % of the floor's", |figures| {
            let ours = figures.ours("records_per_second")?;
            let floor = figures.of("floor", "", "records_per_second")?;
            let share = 100.0 * ours.median / floor.median;
            let (least, most) = (100.0 * ours.least / floor.most, 100.0 * ours.most / floor.least);
            let found = format!("{share:.0} % (rounds {least:.0}-{most:.0})");
            Ok((found, Verdict::of(share >= 75.0)))
        });
    }

    /// Less of it is better; no worse than the best peer's.
    fn latency(&self, workload: &str, figure: &str) {
        self.judge(workload, &format!("{figure}: no worse than the best peer's"), |figures| {
            let ours = figures.ours(figure)?;
            let (peer, theirs) = figures.best_peer(figure, Best::Least)?;
            let verdict = match ours.median <= theirs.median {
                true => Verdict::Met,
                false if ours.least <= theirs.most => Verdict::WithinRange,
                false => Verdict::NotMet,
            };
            Ok((format!("{}, {peer} {}", ours.text(), theirs.text()), verdict))
        });
    }

    fn least_cpu(&self, workload: &str) {
        self.judge(workload, "the least CPU of all clients", |figures| {
            let ours = figures.ours("cpu_ns")?;
            let (peer, theirs) = figures.best_peer("cpu_ns", Best::Least)?;
            let found = format!("{:.0} ns/record, {peer} {:.0}", ours.median, theirs.median);
            Ok((found, Verdict::of(ours.median <= theirs.median)))
        });
    }

    /// Of every variant.
    fn memory(&self, workload: &str) {
        self.judge(workload, "peak resident set: at most buffer.memory + 10 MB", |figures| {
            let peaks =
                figures.0.iter().filter(|((client, _, name), _)| client == OURS && name == "peak_bytes");
            let most = peaks.map(|(_, spread)| spread.most).fold(f64::NAN, f64::max);
            if most.is_nan() {
                return Err("facteur has no peak_bytes".to_owned());
            }
            let allowed = BUFFER_BYTES + BESIDE_BUFFER_BYTES;
            let found = format!("{:.1} of {:.1} MB", most / 1e6, allowed / 1e6);
            Ok((found, Verdict::of(most <= allowed)))
        });
    }

    /// Cost per record of every variant, compared to the first that is named.
    fn growth(&self, workload: &str, bar: &str, variants: &[&str], (least, most): (f64, f64)) {
        self.judge(workload, bar, |figures| {
            let costs = variants.iter().map(|variant| Ok(figures.of(OURS, variant, "cpu_ns")?.median));
            let costs = costs.collect::<Result<Vec<f64>, String>>()?;
            let reference = if least > 0.0 { middle(&costs) } else { costs[0] };
            let cells: Vec<String> =
                variants.iter().zip(&costs).map(|(variant, cost)| format!("{variant} {cost:.0}")).collect();
            let is_met = costs.iter().all(|cost| (least..=most).contains(&(cost / reference)));
            Ok((format!("ns/record: {}", cells.join(", ")), Verdict::of(is_met)))
        });
    }
}

fn middle(values: &[f64]) -> f64 {
    let (least, most) = values
        .iter()
        .fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(*value), most.max(*value)));
    f64::midpoint(least, most)
}

fn same(run: &Run) {
    run.judge("same-100b", "at most 90 ns CPU per record", |figures| {
        let ours = figures.ours("cpu_ns")?;
        let found = format!("{:.0} ({:.0}-{:.0})", ours.median, ours.least, ours.most);
        Ok((found, Verdict::of(ours.median <= 90.0)))
    });
    run.per_core("same-100b", "at least 5x the best peer per core (6x is the goal)", 5.0);
    run.judge("same-100b", "at least 10 million records/s", |figures| {
        let ours = figures.ours("records_per_second")?;
        let [median, least, most] = [ours.median, ours.least, ours.most].map(|it| it / 1e6);
        Ok((format!("{median:.2} million ({least:.2}-{most:.2})"), Verdict::of(median >= 10.0)))
    });
    let alone = run.figures("same-100b").and_then(Result::ok).and_then(|it| it.ours("cpu_ns").ok());
    run.judge("tasks-10000", "at most twice same-100b's CPU beyond the baseline's", |figures| {
        let alone = alone.ok_or("same-100b was not run")?.median;
        let ours = figures.ours("cpu_ns")?.median;
        let baseline = figures.of("baseline", "", "cpu_ns")?.median;
        let beyond = ours - baseline;
        let found = format!("{ours:.0} - {baseline:.0} = {beyond:.0} ns, {:.2}x {alone:.0}", beyond / alone);
        Ok((found, Verdict::of(beyond <= 2.0 * alone)))
    });
    for workload in ["same-1k", "same-10k"] {
        run.per_core(workload, "at least 2x the best peer per core", 2.0);
        run.of_the_floor(workload);
    }
}

fn codecs(run: &Run) {
    for (workload, wanted) in [("lz4", 2.0), ("snappy", 2.0), ("zstd", 1.3), ("gzip", 1.3)] {
        let workload = format!("codec-{workload}");
        run.per_core(&workload, &format!("at least {wanted}x the best peer per core"), wanted);
        run.judge(&workload, "bytes per record: no more than that peer's", |figures| {
            let (peer, _) = figures.best_peer("cpu_ns", Best::Least)?;
            let ours = figures.ours("sunk_bytes")?.median;
            let theirs = figures.of(peer, "", "sunk_bytes")?.median;
            Ok((format!("{ours:.1}, {peer} {theirs:.1}"), Verdict::of(ours <= theirs * SAME_RATIO)))
        });
        run.judge(&workload, "the codec's own floor", |figures| {
            let ours = figures.ours("cpu_ns")?.median;
            let floor = figures.of("floor", "", "cpu_ns")?.median;
            let share = 100.0 * floor / ours;
            let found = format!(
                "{ours:.0} ns/record, of it {floor:.0} ({share:.0} %) the bare encoder and write loop"
            );
            Ok((found, Verdict::Shown))
        });
    }
}

fn threads_and_distance(run: &Run) {
    run.judge("threads-own", "records/s: 8 threads no less than 1", |figures| {
        let one = figures.of(OURS, "threads=1", "records_per_second")?;
        let eight = figures.of(OURS, "threads=8", "records_per_second")?;
        let verdict = match eight.median >= one.median {
            true => Verdict::Met,
            false if eight.most >= one.least => Verdict::WithinRange,
            false => Verdict::NotMet,
        };
        let spread = |it: Spread| format!("{:.0} ({:.0}-{:.0})", it.median, it.least, it.most);
        Ok((format!("{} against {}", spread(eight), spread(one)), verdict))
    });
    run.throughput("threads-8", "no peer ahead", 1.0);
    run.throughput("rtt-2ms", "at least 3x the best peer", 3.0);
    run.throughput("rtt-2ms-own", "not behind the best peer", 1.0);
    for workload in ["latency-0", "latency-5"] {
        for figure in ["p50_us", "p99_us", "p999_us"] {
            run.latency(workload, figure);
        }
    }
}

fn memory_and_growth(run: &Run) {
    MEMORY.into_iter().for_each(|workload| run.memory(workload));
    let flat = (0.8, 1.2);
    run.growth(
        "growth-records",
        "flat within 20 % of the middle",
        &["records=100000", "records=1000000", "records=10000000", "records=100000000"],
        flat,
    );
    run.growth(
        "growth-partitions",
        "flat within 20 % of the middle",
        &["partitions=1", "partitions=6", "partitions=100", "partitions=1000"],
        flat,
    );
    let no_cliff = (0.0, 1.5);
    run.growth("growth-keyed", "at most 1.5x", &["partitions=6", "partitions=1000"], no_cliff);
    run.growth("growth-topics", "at most 1.5x", &["topics=1", "topics=10000"], no_cliff);
    run.judge("build", "cold release build: at most 60 CPU-seconds", |figures| {
        let used = figures.ours("build_cpu_seconds")?.median;
        Ok((format!("{used:.1}"), Verdict::of(used <= 60.0)))
    });
    run.judge("build", "at most 50 crates", |figures| {
        let crates = figures.ours("build_crates")?.median;
        Ok((format!("{crates:.0}"), Verdict::of(crates <= 50.0)))
    });
}

/// Every `kafka-…` that was run.
fn real_kafka(run: &Run) -> Outcome<()> {
    let mut workloads = Vec::new();
    for entry in std::fs::read_dir(&run.directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let workload = name.strip_suffix(".tsv").filter(|workload| workload.starts_with("kafka-"));
        workloads.extend(workload.map(str::to_owned));
    }
    workloads.sort();
    for workload in workloads {
        if workload.starts_with("kafka-latency") {
            ["p50_us", "p99_us", "p999_us"].into_iter().for_each(|figure| run.latency(&workload, figure));
        } else {
            run.throughput(&workload, "records/s: not behind the best peer", 1.0);
        }
        run.least_cpu(&workload);
    }
    Ok(())
}

fn run() -> Outcome<()> {
    let directory = std::env::args_os().nth(1).ok_or("usage: bars DIRECTORY")?;
    let run = Run { directory: directory.into() };
    println!("| workload | bar | figure | |\n|---|---|---|---|");
    same(&run);
    codecs(&run);
    threads_and_distance(&run);
    memory_and_growth(&run);
    real_kafka(&run)
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bars: {error}");
            ExitCode::FAILURE
        }
    }
}
