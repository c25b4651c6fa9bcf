//! `facteur partition`: where keys go, under each family's hash.
//!
//! **Why both hashes.** Java's clients and librdkafka's (so .NET, Python, Go) put one key into different partitions;
//! whoever mixes them on one topic loses the order per key, and nothing says so (lab 02.5, row 24). For a list of keys the
//! histogram shows how evenly each hash spreads them, and on how many keys the two agree (row 88).
//!
//! Neighbours: [`crate::accumulator::partitioner`] has the hashes, `GET /api/v1/partition` the same for one key. Not here:
//! sticky and round robin, which do not look at the key; sending.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use crate::accumulator::partitioner::{KeyHash, crc32, murmur2};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// Flags of `partition`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct PartitionArguments {
    /// The keys.
    #[arg(required_unless_present = "keys", conflicts_with = "keys")]
    key: Vec<String>,
    /// How many partitions the topic has.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=MAX_PARTITIONS))]
    partitions: i32,
    /// A file with one key a line, `-` for stdin: prints how many keys each partition gets.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Which hash.
    #[arg(long, value_enum, default_value_t = Partitioner::All)]
    partitioner: Partitioner,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Which hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Partitioner {
    /// Java's clients.
    Murmur2,
    /// librdkafka's clients: .NET, Python, Go, C.
    #[value(alias = "consistent_random")]
    Crc32,
    /// Both, side by side.
    All,
}

impl Partitioner {
    const fn hashes(self) -> &'static [KeyHash] {
        match self {
            Self::Murmur2 => &[KeyHash::Murmur2],
            Self::Crc32 => &[KeyHash::Crc32],
            Self::All => &[KeyHash::Murmur2, KeyHash::Crc32],
        }
    }
}

/// Runs it.
///
/// # Errors
///
/// What is wrong with the command line or the file.
pub fn run(arguments: &PartitionArguments) -> Result<Exit, Failure> {
    let hashes = arguments.partitioner.hashes();
    match &arguments.keys {
        None => {
            let rows: Vec<Row> =
                arguments.key.iter().map(|key| Row::new(key, arguments.partitions, hashes)).collect();
            if arguments.json {
                rows.iter().try_for_each(output::json_line)?;
            } else {
                print_rows(&rows, arguments.partitions, hashes)?;
            }
        }
        Some(path) => {
            let histogram = read_keys(path, arguments.partitions, hashes)?;
            if arguments.json { histogram.print_json()? } else { histogram.print()? }
        }
    }
    Ok(Exit::Ok)
}

/// One key.
#[derive(Debug, Serialize)]
struct Row {
    key: String,
    partitions: i32,
    choices: Vec<Choice>,
}

#[derive(Debug, Serialize)]
struct Choice {
    partitioner: &'static str,
    clients: &'static str,
    /// As the family's own clients count it: signed for murmur2.
    hash: i64,
    /// `null`: these clients take the key for none.
    partition: Option<i32>,
}

impl Row {
    fn new(key: &str, partitions: i32, hashes: &[KeyHash]) -> Self {
        let bytes = key.as_bytes();
        let choices = hashes.iter().map(|hash| Choice {
            partitioner: name(*hash),
            clients: clients(*hash),
            hash: match hash {
                KeyHash::Murmur2 => i64::from(murmur2(bytes)),
                KeyHash::Crc32 => i64::from(crc32(bytes)),
            },
            partition: hash.partition(Some(bytes), partitions),
        });
        Self { key: key.to_owned(), partitions, choices: choices.collect() }
    }

    fn do_agree(&self) -> bool {
        self.choices
            .windows(2)
            .all(|pair| pair.first().map(|one| one.partition) == pair.last().map(|one| one.partition))
    }
}

const fn name(hash: KeyHash) -> &'static str {
    match hash {
        KeyHash::Murmur2 => "murmur2",
        KeyHash::Crc32 => "crc32",
    }
}

const fn clients(hash: KeyHash) -> &'static str {
    match hash {
        KeyHash::Murmur2 => "Java",
        KeyHash::Crc32 => "librdkafka: .NET, Python, Go, C",
    }
}

fn print_rows(rows: &[Row], partitions: i32, hashes: &[KeyHash]) -> Result<(), Failure> {
    let mut heads = vec!["Key".to_owned()];
    heads.extend(hashes.iter().map(|hash| format!("{} ({})", name(*hash), clients(*hash))));
    if hashes.len() > 1 {
        heads.push("Agree".to_owned());
    }
    let lines = rows.iter().map(|row| {
        let mut cells = vec![row.key.clone()];
        cells.extend(row.choices.iter().map(|choice| {
            let partition = choice
                .partition
                .map_or_else(|| "none: no key".to_owned(), |partition| format!("partition {partition}"));
            format!("{partition}, hash {}", choice.hash)
        }));
        if hashes.len() > 1 {
            cells.push(if row.do_agree() { "yes" } else { "no" }.to_owned());
        }
        cells
    });
    output::line(&format!("Partitions: {partitions}"))?;
    let table = output::table(std::iter::once(heads).chain(lines).collect());
    table.iter().try_for_each(|line| output::line(line))
}

/// How many keys each partition gets.
#[derive(Debug)]
struct Histogram {
    partitions: i32,
    keys: u64,
    /// Keys on which all hashes agree.
    agreed: u64,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    hash: KeyHash,
    counts: Vec<u64>,
    /// Keys that these clients take for none.
    without_key: u64,
}

impl Histogram {
    fn new(partitions: i32, hashes: &[KeyHash]) -> Self {
        let size = usize::try_from(partitions).unwrap_or(0);
        let columns = hashes.iter().map(|hash| Column { hash: *hash, counts: vec![0; size], without_key: 0 });
        Self { partitions, keys: 0, agreed: 0, columns: columns.collect() }
    }

    fn add(&mut self, key: &[u8]) {
        self.keys = self.keys.saturating_add(1);
        let mut first = None;
        let mut do_agree = true;
        for column in &mut self.columns {
            let partition = column.hash.partition(Some(key), self.partitions);
            do_agree &= *first.get_or_insert(partition) == partition;
            let place = partition.and_then(|partition| usize::try_from(partition).ok());
            match place.and_then(|place| column.counts.get_mut(place)) {
                Some(count) => *count = count.saturating_add(1),
                None => column.without_key = column.without_key.saturating_add(1),
            }
        }
        self.agreed = self.agreed.saturating_add(u64::from(do_agree));
    }

    fn print_json(&self) -> Result<(), Failure> {
        let columns = self.columns.iter().map(|column| {
            json!({
                "partitioner": name(column.hash),
                "clients": clients(column.hash),
                "counts": column.counts,
                "withoutKey": column.without_key,
            })
        });
        output::json_line(&json!({
            "partitions": self.partitions,
            "keys": self.keys,
            "agree": self.agreed,
            "histograms": columns.collect::<Vec<_>>(),
        }))
    }

    fn print(&self) -> Result<(), Failure> {
        output::line(&format!("{} keys over {} partitions", self.keys, self.partitions))?;
        for column in &self.columns {
            output::line(&format!("{} ({})", name(column.hash), clients(column.hash)))?;
            let most = column.counts.iter().copied().max().unwrap_or(0).max(1);
            let rows = column.counts.iter().take(MOST_BARS).enumerate();
            let lines = rows.map(|(partition, count)| {
                let length = usize::try_from(count.saturating_mul(BAR).div_ceil(most)).unwrap_or(0);
                vec![format!("  partition {partition}"), count.to_string(), "#".repeat(length)]
            });
            for line in output::table(lines.collect()) {
                output::line(&line)?;
            }
            if column.counts.len() > MOST_BARS {
                let least = column.counts.iter().min().copied().unwrap_or(0);
                let used = column.counts.iter().filter(|count| **count > 0).count();
                output::line(&format!(
                    "  … of all partitions: {used} used, least {least}, most {most} keys"
                ))?;
            }
            if column.without_key > 0 {
                output::line(&format!(
                    "  {} empty keys, which these clients take for none",
                    column.without_key
                ))?;
            }
        }
        if self.columns.len() > 1 {
            output::line(&format!("the two agree on {} of {} keys", self.agreed, self.keys))?;
        }
        Ok(())
    }
}

fn read_keys(path: &Path, partitions: i32, hashes: &[KeyHash]) -> Result<Histogram, Failure> {
    let failed = |error: std::io::Error| {
        Failure::usage(format!(
            "cannot read the keys in {}: {error}. Expected one key a line",
            path.display()
        ))
    };
    let source: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(std::fs::File::open(path).map_err(failed)?))
    };
    count_keys(source, Histogram::new(partitions, hashes)).map_err(failed)
}

/// Keys are bytes: a line that is no text is a key as well. A line of more than a mebibyte is no key.
fn count_keys(mut source: impl BufRead, mut histogram: Histogram) -> std::io::Result<Histogram> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = u64::try_from(LONGEST_KEY_BYTES).unwrap_or(u64::MAX).saturating_add(2);
        let size = std::io::Read::take(&mut source, limit).read_until(b'\n', &mut line)?;
        if size == 0 {
            return Ok(histogram);
        }
        let key = line.strip_suffix(b"\n").unwrap_or(&line);
        let key = key.strip_suffix(b"\r").unwrap_or(key);
        if key.len() > LONGEST_KEY_BYTES {
            let number = histogram.keys.saturating_add(1);
            let message = format!("line {number} has more than {LONGEST_KEY_BYTES} bytes");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
        }
        histogram.add(key);
    }
}

/// As at the façade.
const MAX_PARTITIONS: i64 = 1_000_000;
/// What a record may have in all by default.
const LONGEST_KEY_BYTES: usize = 1024 * 1024;
/// The length of the longest bar.
const BAR: u64 = 40;
/// Partitions that get a line of their own.
const MOST_BARS: usize = 100;

const EXAMPLES: &str = "\
Examples:
  facteur partition customer-42 customer-99 -n 3      lab 02.5
  facteur partition A B -n 3 --partitioner murmur2
  seq -f 'customer-%.0f' 0 999 | facteur partition --keys - -n 3
  facteur partition --keys keys.txt -n 6 --json";

#[cfg(test)]
mod tests {
    use super::*;

    // The course's errata: both clients' rules, as measured with the clients themselves (spec/lab.md 2.9).
    #[test]
    fn keys_go_where_the_clients_put_them() {
        for (key, java, librdkafka) in
            [("A", 1, 2), ("B", 1, 1), ("customer-42", 0, 2), ("customer-99", 1, 0)]
        {
            let row = Row::new(key, 3, Partitioner::All.hashes());
            let partitions: Vec<Option<i32>> = row.choices.iter().map(|choice| choice.partition).collect();
            assert_eq!(partitions, [Some(java), Some(librdkafka)], "{key}");
            assert_eq!(row.do_agree(), java == librdkafka);
        }
    }

    // "They agree by chance": 317 of 1000 keys over 3 partitions (spec/lab.md 2.9). Fails if a line end is taken as part
    // of a key.
    #[test]
    fn the_histogram_counts_what_the_spec_measured() {
        let keys: String = (0..1000).map(|number| format!("customer-{number}\r\n")).collect();
        let histogram = Histogram::new(3, Partitioner::All.hashes());
        let histogram = count_keys(keys.as_bytes(), histogram).unwrap();
        assert_eq!((histogram.keys, histogram.agreed), (1000, 317));
        for column in &histogram.columns {
            assert_eq!(column.counts.iter().sum::<u64>(), 1000);
        }
    }

    // A file that is no list of keys must not be read into memory whole.
    #[test]
    fn a_line_that_is_too_long_is_refused_with_its_number() {
        let mut text = b"ok\n".to_vec();
        text.extend(vec![b'x'; LONGEST_KEY_BYTES + 1]);
        let error = count_keys(&text[..], Histogram::new(3, Partitioner::All.hashes())).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        let at_the_edge = vec![b'x'; LONGEST_KEY_BYTES];
        assert_eq!(
            count_keys(&at_the_edge[..], Histogram::new(3, Partitioner::All.hashes())).unwrap().keys,
            1
        );
    }
}
