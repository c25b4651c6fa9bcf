//! The table: medians, ranges over the rounds, and ratios in this run.

use crate::arguments::Arguments;
use crate::builds::{Absent, BASELINE, FLOOR};
use crate::figures::{Figures, Spread};

/// Prints everything as Markdown.
pub fn print(arguments: &Arguments, figures: &[Figures], absent: &[Absent]) {
    println!("`arena {}`\n", std::env::args().skip(1).collect::<Vec<_>>().join(" "));
    println!("{}\n", described(arguments));
    if figures.iter().any(|it| it.latencies_us.is_some()) {
        print_latencies(figures);
    } else if !figures.is_empty() {
        print_throughput(arguments, figures);
    }
    for absent in absent {
        println!("\nNot measured: {}: {}", absent.name, absent.reason);
    }
}

/// The workload in a sentence.
pub fn described(arguments: &Arguments) -> String {
    let target = match &arguments.bootstrap {
        None => format!(
            "the sink, {} topics of {} partitions, answers {} us later",
            arguments.topics, arguments.partitions, arguments.rtt_us
        ),
        Some(bootstrap) => format!("Kafka at {bootstrap}, topics {}-CLIENT", arguments.topic),
    };
    let batches = if arguments.own_best {
        "each client's own best batch size".to_owned()
    } else {
        format!("batches of {} bytes", arguments.batch_bytes)
    };
    let keys = if arguments.keys == 0 { "no key".to_owned() } else { format!("{} keys", arguments.keys) };
    let senders = match arguments.tasks {
        0 => format!("{} threads", arguments.threads),
        tasks => format!("{tasks} tasks, each awaiting every record"),
    };
    let varied = arguments.vary.as_ref().map_or_else(String::new, |vary| format!("; varied: {vary}"));
    format!(
        "Values of {} bytes, {keys}, {senders}, codec {}, linger {} ms, {batches}, {} bytes of buffer, idempotent, acks=all; \
         {target}{varied}; {} rounds of about {} s each, by turns.",
        arguments.value_bytes,
        arguments.codec,
        arguments.linger_ms,
        arguments.buffer_bytes,
        arguments.rounds,
        arguments.round_seconds
    )
}

/// The workload in a line.
pub fn title(arguments: &Arguments) -> String {
    let mut parts = vec![format!("{} B", arguments.value_bytes)];
    parts.extend((arguments.codec != "none").then(|| arguments.codec.clone()));
    parts.extend((arguments.keys > 0).then(|| format!("{} keys", arguments.keys)));
    parts.push(match arguments.tasks {
        0 => format!("{} threads", arguments.threads),
        tasks => format!("{tasks} tasks"),
    });
    parts.push(format!("{} partitions", arguments.partitions));
    parts.push(format!("linger {} ms", arguments.linger_ms));
    parts.extend(arguments.rate.map(|rate| format!("{rate}/s")));
    parts.extend((arguments.rtt_us > 0).then(|| format!("{} us away", arguments.rtt_us)));
    parts.push(if arguments.bootstrap.is_some() { "Kafka" } else { "the sink" }.to_owned());
    parts.join(", ")
}

fn is_client(it: &Figures) -> bool {
    ![FLOOR, BASELINE].contains(&it.name)
}

/// Of the same variant.
fn beside<'a>(figures: &'a [Figures], it: &Figures, name: &str) -> Option<&'a Figures> {
    figures.iter().find(|other| other.name == name && other.variant == it.variant)
}

fn cell(spread: Spread) -> String {
    format!("{:.0} ({:.0}-{:.0})", spread.median, spread.least, spread.most)
}

fn print_throughput(arguments: &Arguments, figures: &[Figures]) {
    let has = |name: &str| figures.iter().any(|it| it.name == name);
    let (has_floor, has_baseline) = (has(FLOOR), has(BASELINE));
    let has_codec = figures.iter().any(|it| it.variant.starts_with("codec")) || arguments.codec != "none";
    let mut columns = vec![
        "client",
        "ns CPU/record (range)",
        "user",
        "system",
        "records/s (range)",
        "MB/s",
        "peak RSS",
        "CPU, times facteur's",
    ];
    // With a codec the floor's one thread compresses, and a client's several: only what they cost compares.
    columns.extend(has_floor.then_some(match has_codec {
        true => "ns CPU/record, of it the floor's",
        false => "records/s, of the floor",
    }));
    columns.extend(has_baseline.then_some("ns CPU/record beyond the baseline"));
    columns.extend(has_codec.then_some("batch bytes/record"));
    println!("| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()));
    for it in figures {
        let mut cells = vec![
            it.label.clone(),
            cell(it.cpu_ns),
            format!("{:.0}", it.user_ns.median),
            format!("{:.0}", it.system_ns.median),
            if it.name == BASELINE { "-".to_owned() } else { cell(it.per_second) },
            if it.name == BASELINE { "-".to_owned() } else { format!("{:.0}", it.mb_per_second) },
            format!("{:.1} MB", it.peak_bytes / 1e6),
        ];
        let ours = beside(figures, it, "facteur").filter(|_| is_client(it));
        let dash = || "-".to_owned();
        cells.push(ours.map_or_else(dash, |ours| format!("{:.2}", it.cpu_ns.median / ours.cpu_ns.median)));
        if has_floor {
            let floor = beside(figures, it, FLOOR).filter(|_| is_client(it));
            let share = |floor: &Figures| match has_codec {
                true => 100.0 * floor.cpu_ns.median / it.cpu_ns.median,
                false => 100.0 * it.per_second.median / floor.per_second.median,
            };
            cells.push(floor.map_or_else(dash, |floor| format!("{:.0} %", share(floor))));
        }
        if has_baseline {
            let base = beside(figures, it, BASELINE).filter(|_| is_client(it));
            let beyond = |base: &Figures| it.cpu_ns.median - base.cpu_ns.median;
            cells.push(base.map_or_else(dash, |base| format!("{:.0}", beyond(base))));
        }
        if has_codec {
            cells.push(it.sunk_bytes.map_or_else(dash, |sunk| format!("{:.1}", sunk.median)));
        }
        println!("| {} |", cells.join(" | "));
    }
}

fn print_latencies(figures: &[Figures]) {
    println!(
        "| client | p50 (range) us | p99 (range) | p99.9 (range) | max (range) | ns CPU/record (range) | peak RSS |"
    );
    println!("|---|---|---|---|---|---|---|");
    for it in figures {
        let Some([p50, p99, p999, max]) = it.latencies_us.map(|all| all.map(cell)) else { continue };
        println!(
            "| {} | {p50} | {p99} | {p999} | {max} | {} | {:.1} MB |",
            it.label,
            cell(it.cpu_ns),
            it.peak_bytes / 1e6
        );
    }
}
