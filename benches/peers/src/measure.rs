//! Interleaved rounds.

use facteur_peers::Outcome;

use crate::arguments::Arguments;
use crate::builds::{Absent, Built};
use crate::client::{Client, Round};
use crate::payload;

/// A client's rounds.
#[derive(Debug)]
pub struct Measured {
    pub name: &'static str,
    pub version: String,
    pub rounds: Vec<Round>,
    /// With `--rate`: each round's latencies in microseconds, smallest first.
    pub latencies_us: Vec<Vec<u32>>,
}

/// A client between its rounds.
struct Runner {
    client: Client,
    /// So many records make a round.
    records: u64,
    measured: Measured,
}

/// Warms every client up, then lets them send by turns.
///
/// # Errors
/// A file that cannot be written. What goes wrong with a client makes it absent.
pub fn all(arguments: &Arguments, built: Vec<Built>, absent: &mut Vec<Absent>) -> Outcome<Vec<Measured>> {
    let scratch = std::env::temp_dir().join(format!("facteur-arena-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    let values = scratch.join("values").to_string_lossy().into_owned();
    std::fs::write(&values, payload::values(arguments.value_bytes))?;
    let file = scratch.join("latencies").to_string_lossy().into_owned();
    let mut running = Vec::new();
    for built in built {
        eprintln!("arena: warming {} up", built.name);
        match warm(&built, arguments, &values, &file) {
            Ok(runner) => running.push(runner),
            Err(error) => absent.push(Absent { name: built.name, reason: error.to_string() }),
        }
    }
    for round in 1..=arguments.rounds {
        eprintln!("arena: round {round} of {}", arguments.rounds);
        // Whoever goes first finds another machine than the last one.
        let turn = round % running.len().max(1);
        running.rotate_left(usize::from(turn > 0));
        running.retain_mut(|runner| match runner.round(arguments, &file) {
            Ok(()) => true,
            Err(error) => {
                absent.push(Absent { name: runner.measured.name, reason: error.to_string() });
                false
            }
        });
    }
    std::fs::remove_dir_all(&scratch)?;
    let mut measured: Vec<Measured> = running.into_iter().map(|runner| runner.measured).collect();
    measured.sort_by_key(|measured| measured.name != "facteur");
    Ok(measured)
}

/// Starts a client and sends until it is warm; finds out how many records make a round.
fn warm(built: &Built, arguments: &Arguments, values: &str, file: &str) -> Outcome<Runner> {
    let mut client = Client::start(built, arguments, values)?;
    let measured = Measured {
        name: client.name,
        version: client.version.clone(),
        rounds: Vec::new(),
        latencies_us: Vec::new(),
    };
    if let Some(rate) = arguments.rate {
        client.send_at(rate, arguments.warm_up_seconds.ceil() as u64, file)?;
        return Ok(Runner { client, records: 0, measured });
    }
    let mut records = 10_000;
    let mut spent = 0.0;
    loop {
        let round = client.send(records)?;
        let seconds = round.elapsed.as_secs_f64();
        spent += seconds;
        let per_second = records as f64 / seconds.max(1e-6);
        records = ((per_second * arguments.round_seconds) as u64).clamp(1_000, records * 8);
        if spent >= arguments.warm_up_seconds {
            return Ok(Runner { client, records, measured });
        }
    }
}

impl Runner {
    fn round(&mut self, arguments: &Arguments, file: &str) -> Outcome<()> {
        if let Some(rate) = arguments.rate {
            let (round, latencies) =
                self.client.send_at(rate, arguments.round_seconds.ceil() as u64, file)?;
            self.measured.rounds.push(round);
            self.measured.latencies_us.push(latencies);
        } else {
            self.measured.rounds.push(self.client.send(self.records)?);
        }
        Ok(())
    }
}
