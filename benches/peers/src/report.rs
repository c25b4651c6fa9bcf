//! The table: medians, ranges over the rounds, and ratios in this run.

use crate::arguments::Arguments;
use crate::builds::Absent;
use crate::measure::Measured;

/// A figure of several rounds.
#[derive(Debug, Clone, Copy)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
        Self { median: at(values.len() / 2), least: at(0), most: at(values.len().saturating_sub(1)) }
    }
}

/// Prints everything as Markdown.
pub fn print(arguments: &Arguments, measured: &[Measured], absent: &[Absent]) {
    println!("`arena {}`\n", std::env::args().skip(1).collect::<Vec<_>>().join(" "));
    println!("{}\n", described(arguments));
    if arguments.rate.is_some() {
        print_latencies(measured)
    } else {
        print_throughput(arguments, measured)
    }
    for absent in absent {
        println!("\nNot measured: {}: {}", absent.name, absent.reason);
    }
}

fn described(arguments: &Arguments) -> String {
    let target = arguments.bootstrap.as_ref().map_or_else(
        || format!("the sink, {} partitions, answers {} us later", arguments.partitions, arguments.rtt_us),
        |bootstrap| format!("Kafka at {bootstrap}, topic {}", arguments.topic),
    );
    let batches = if arguments.own_best {
        "each client's own best batch size".to_owned()
    } else {
        format!("batches of {} bytes", arguments.batch_bytes)
    };
    let keys = if arguments.keys == 0 { "no key".to_owned() } else { format!("{} keys", arguments.keys) };
    format!(
        "Values of {} bytes, {keys}, {} threads, codec {}, linger {} ms, {batches}, {} bytes of buffer, idempotent, acks=all; \
         {target}; {} rounds of about {} s each, by turns.",
        arguments.value_bytes,
        arguments.threads,
        arguments.codec,
        arguments.linger_ms,
        arguments.buffer_bytes,
        arguments.rounds,
        arguments.round_seconds
    )
}

fn print_throughput(arguments: &Arguments, measured: &[Measured]) {
    println!(
        "| client | ns CPU/record (range) | user | system | records/s (range) | MB/s | peak RSS | CPU, times facteur's |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let per_record = |ns: u64, records: u64| ns as f64 / records as f64;
    let cpu = |it: &Measured| {
        Spread::of(
            it.rounds
                .iter()
                .map(|round| per_record(round.used.user_ns + round.used.system_ns, round.records)),
        )
    };
    let ours = measured.iter().find(|it| it.name == "facteur").map(|it| cpu(it).median);
    for it in measured {
        let all = cpu(it);
        let user = Spread::of(it.rounds.iter().map(|round| per_record(round.used.user_ns, round.records)));
        let system =
            Spread::of(it.rounds.iter().map(|round| per_record(round.used.system_ns, round.records)));
        let speed =
            Spread::of(it.rounds.iter().map(|round| round.records as f64 / round.elapsed.as_secs_f64()));
        let peak = it.rounds.iter().map(|round| round.peak_bytes).max().unwrap_or(0);
        println!(
            "| {} | {:.0} ({:.0}-{:.0}) | {:.0} | {:.0} | {:.0} ({:.0}-{:.0}) | {:.0} | {:.1} MB | {} |",
            it.version,
            all.median,
            all.least,
            all.most,
            user.median,
            system.median,
            speed.median,
            speed.least,
            speed.most,
            speed.median * arguments.value_bytes as f64 / 1e6,
            peak as f64 / 1e6,
            ours.map_or_else(|| "-".to_owned(), |ours| format!("{:.2}", all.median / ours)),
        );
    }
}

fn print_latencies(measured: &[Measured]) {
    println!(
        "| client | p50 (range) us | p99 (range) | p99.9 (range) | max (range) | ns CPU/record | peak RSS |"
    );
    println!("|---|---|---|---|---|---|---|");
    for it in measured {
        let at = |share: f64| {
            Spread::of(it.latencies_us.iter().map(|sorted| {
                let place = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
                sorted.get(place).copied().map_or(f64::NAN, f64::from)
            }))
        };
        let cell = |spread: Spread| format!("{:.0} ({:.0}-{:.0})", spread.median, spread.least, spread.most);
        let cpu = Spread::of(
            it.rounds
                .iter()
                .map(|round| (round.used.user_ns + round.used.system_ns) as f64 / round.records as f64),
        );
        let peak = it.rounds.iter().map(|round| round.peak_bytes).max().unwrap_or(0);
        println!(
            "| {} | {} | {} | {} | {} | {} | {:.1} MB |",
            it.version,
            cell(at(0.5)),
            cell(at(0.99)),
            cell(at(0.999)),
            cell(at(1.0)),
            cell(cpu),
            peak as f64 / 1e6
        );
    }
}
