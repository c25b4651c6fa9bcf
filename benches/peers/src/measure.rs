//! Interleaved rounds.

use std::path::Path;

use facteur_peers::Outcome;

use crate::arguments::{Arguments, Variant};
use crate::builds::{Absent, Built};
use crate::client::{Client, Round};
use crate::payload;

/// A client's rounds.
#[derive(Debug)]
pub struct Measured {
    pub name: &'static str,
    pub version: String,
    /// The value of what is varied.
    pub variant: String,
    pub value_bytes: usize,
    /// Where its records went.
    pub topic: String,
    /// Everything that was acknowledged, warming up included.
    pub acknowledged: u64,
    pub rounds: Vec<Round>,
    /// With `--rate`: each round's latencies in microseconds, smallest first.
    pub latencies_us: Vec<Vec<u32>>,
}

/// A client between its rounds.
struct Runner<'a> {
    client: Client,
    variant: &'a Variant,
    /// So many records make a round, so many times.
    records: u64,
    times: u64,
    measured: Measured,
}

/// Files that the arena and its clients share, gone with this.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new() -> Outcome<Self> {
        let path = std::env::temp_dir().join(format!("facteur-arena-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    fn values(&self, arguments: &Arguments) -> Outcome<String> {
        let is_packed = arguments.codec != "none";
        let total = if is_packed { payload::PACKED_BYTES } else { payload::PLAIN_BYTES };
        let path = self.file(&format!("values-{}-{total}", arguments.value_bytes));
        if !Path::new(&path).exists() {
            std::fs::write(&path, payload::values(arguments.value_bytes, total))?;
        }
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("arena: {}: {error}", self.0.display());
        }
    }
}

/// Warms every client up, then lets them send by turns.
///
/// # Errors
/// A file that cannot be written. What goes wrong with a client makes it absent.
pub fn all(variants: &[Variant], built: &[Built], absent: &mut Vec<Absent>) -> Outcome<Vec<Measured>> {
    let scratch = Scratch::new()?;
    let file = scratch.file("latencies");
    let mut running = Vec::new();
    for built in built {
        for variant in variants {
            eprintln!("arena: warming {} up {}", built.name, variant.name);
            let values = scratch.values(&variant.arguments)?;
            match warm(built, variant, &values, &file) {
                Ok(runner) => running.push(runner),
                Err(error) => absent.push(without(built.name, variant, &*error)),
            }
        }
    }
    let rounds = variants.first().map_or(0, |variant| variant.arguments.rounds);
    for round in 1..=rounds {
        eprintln!("arena: round {round} of {rounds}");
        // Whoever goes first finds another machine than the last one.
        let turn = round % running.len().max(1);
        running.rotate_left(usize::from(turn > 0));
        running.retain_mut(|runner| match runner.round(&file) {
            Ok(()) => true,
            Err(error) => {
                absent.push(without(runner.measured.name, runner.variant, &*error));
                false
            }
        });
    }
    let mut measured: Vec<Measured> = running.into_iter().map(Runner::end).collect();
    let place = |it: &Measured| {
        let client = built.iter().position(|built| built.name == it.name);
        let variant = variants.iter().position(|variant| variant.name == it.variant);
        (client, variant)
    };
    measured.sort_by_key(place);
    Ok(measured)
}

fn without(name: &'static str, variant: &Variant, error: &dyn std::error::Error) -> Absent {
    let of = if variant.name.is_empty() { String::new() } else { format!("{}: ", variant.name) };
    Absent { name, reason: format!("{of}{error}") }
}

/// Starts a client and sends until it is warm; finds out how many records make a round.
fn warm<'a>(built: &Built, variant: &'a Variant, values: &str, file: &str) -> Outcome<Runner<'a>> {
    let arguments = &variant.arguments;
    let mut client = Client::start(built, arguments, values)?;
    let measured = Measured {
        name: client.name,
        version: client.version.clone(),
        variant: variant.name.clone(),
        value_bytes: arguments.value_bytes,
        topic: arguments.topic_of(client.name),
        acknowledged: 0,
        rounds: Vec::new(),
        latencies_us: Vec::new(),
    };
    if let Some(rate) = arguments.rate {
        client.send_at(rate, arguments.warm_up_seconds.ceil() as u64, file)?;
        return Ok(Runner { client, variant, records: 0, times: 1, measured });
    }
    // Each task sends at least one.
    let mut records = 10_000.max(arguments.tasks as u64);
    let mut spent = 0.0;
    loop {
        let round = client.send(records, 1)?;
        let seconds = round.elapsed.as_secs_f64();
        spent += seconds;
        let per_second = records as f64 / seconds.max(1e-6);
        let in_a_round = per_second * arguments.round_seconds;
        records = (in_a_round as u64).clamp(1_000.max(arguments.tasks as u64), records * 8);
        if spent >= arguments.warm_up_seconds {
            let (records, times) = match arguments.records {
                None => (records, 1),
                Some(records) => (records, ((in_a_round / records as f64).round() as u64).max(1)),
            };
            return Ok(Runner { client, variant, records, times, measured });
        }
    }
}

impl Runner<'_> {
    fn round(&mut self, file: &str) -> Outcome<()> {
        let arguments = &self.variant.arguments;
        if let Some(rate) = arguments.rate {
            let (round, latencies) =
                self.client.send_at(rate, arguments.round_seconds.ceil() as u64, file)?;
            self.measured.rounds.push(round);
            self.measured.latencies_us.push(latencies);
        } else {
            self.measured.rounds.push(self.client.send(self.records, self.times)?);
        }
        Ok(())
    }

    fn end(self) -> Measured {
        Measured { acknowledged: self.client.acknowledged, ..self.measured }
    }
}
