//! The arena: the same workload for every client, in interleaved rounds of one run.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- [OPTIONS]
//! ```
//!
//! Each client is a process of its own ([`facteur_peers`] says how they talk), and so is the sink, one for each client.
//! A round is: read the client's CPU time, let it send until everything is acknowledged, read again. Rounds of different
//! clients alternate, so that a slow minute of the machine hits all of them. A client that cannot be built, does not start,
//! or does not get every record acknowledged is named with the reason and has no figures.

mod arguments;
mod builds;
mod client;
mod figures;
mod measure;
mod payload;
mod plot;
mod proc;
mod report;
#[path = "../../support/sink.rs"]
#[allow(dead_code, reason = "`Answers` is for the instruction guard")]
mod sink;

use std::process::ExitCode;

use clap::Parser;
use facteur_peers::Outcome;

use crate::arguments::Arguments;
use crate::figures::Figures;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("arena: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Outcome<()> {
    if let Some(address) = &arguments.sink {
        let options = sink::SinkOptions {
            partitions: arguments.partitions,
            verify: arguments.verify,
            rtt: std::time::Duration::from_micros(arguments.rtt_us),
        };
        return Ok(sink::run(address, options)?);
    }
    let variants = arguments.variants()?;
    let (built, mut absent) = builds::all(arguments, &variants)?;
    let measured = measure::all(&variants, &built, &mut absent)?;
    let figures: Vec<Figures> = measured.iter().map(Figures::of).collect();
    report::print(arguments, &figures, &absent);
    if let Some(path) = &arguments.figures {
        figures::write(path, &figures)?;
    }
    if let Some(path) = &arguments.acknowledged {
        let lines = measured.iter().map(|it| format!("{}\t{}\t{}\n", it.name, it.topic, it.acknowledged));
        std::fs::write(path, lines.collect::<String>())?;
    }
    if let Some(path) = &arguments.plot {
        plot::draw(path, &report::title(arguments), &figures)?;
    }
    if measured.is_empty() {
        return Err("nothing was measured".into());
    }
    Ok(())
}
