//! `facteur broker`: the embedded broker alone.
//!
//! **Why.** To try any Kafka client against it. Neighbours: [`crate::lab::embedded`]. Not here: the façade.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use serde::Serialize;

use crate::cli::broker_flags::BrokerFlags;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::signals::Signals;
use crate::lab::embedded::{EmbeddedBroker, EmbeddedSettings};

/// Flags of `broker`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  facteur broker --kafka-port 9092 --topic orders:6\n  \
                  facteur broker --strict-compaction          compaction as a real Kafka does it\n  \
                  facteur broker --cap produce=7              what Wireshark 4.0 can read\n  facteur topics list")]
pub struct BrokerArguments {
    /// The address to listen on; only this machine can reach the default.
    #[arg(long, env = "FACTEUR_LISTEN", default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub listen: IpAddr,
    /// The port; 0 takes any free one.
    #[arg(long, env = "FACTEUR_KAFKA_PORT", default_value_t = 9092, value_name = "PORT")]
    pub kafka_port: u16,
    /// The host name that clients are told [default: the bound address].
    #[arg(long, env = "FACTEUR_ADVERTISED_HOST", value_name = "HOST")]
    pub advertised_host: Option<String>,
    /// A topic to begin with, and its partitions; may be repeated.
    #[arg(long = "topic", short = 't', value_name = "NAME[:PARTITIONS]", value_parser = parse_topic)]
    pub topics: Vec<(String, i32)>,
    #[command(flatten)]
    behaviour: BrokerFlags,
    /// Print the address as one line of JSON.
    #[arg(long)]
    pub json: bool,
}

/// The address, with `--json`.
#[derive(Debug, Serialize)]
struct Addresses {
    status: &'static str,
    kafka: Vec<String>,
}

/// Runs until a signal comes.
///
/// # Errors
///
/// Which port is taken.
///
/// # Cancel safety
///
/// Dropping the future stops the broker.
pub async fn run(arguments: BrokerArguments) -> Result<Exit, Failure> {
    let mut signals = Signals::listen()?;
    let settings = EmbeddedSettings {
        listeners: vec![("PLAINTEXT", SocketAddr::new(arguments.listen, arguments.kafka_port))],
        advertised_host: arguments.advertised_host,
        topics: arguments.topics,
    };
    let broker = EmbeddedBroker::start_with(settings, arguments.behaviour.behaviour())
        .await
        .map_err(|text| Failure::new(Exit::CannotConnect, text))?;
    let kafka: Vec<String> = broker.addresses().iter().map(ToString::to_string).collect();
    if arguments.json {
        output::json_line(&Addresses { status: "listening", kafka })?;
    } else {
        output::line(&format!(
            "Kafka broker on {}. Ctrl-C stops it; its records are in memory only.",
            kafka.join(", ")
        ))?;
    }
    signals.next().await;
    broker.stop().await;
    Ok(Exit::Ok)
}

fn parse_topic(text: &str) -> Result<(String, i32), String> {
    let (name, partitions) = text.rsplit_once(':').unwrap_or((text, "1"));
    match partitions.parse::<i32>() {
        Ok(partitions) if (1..=10_000).contains(&partitions) => Ok((name.to_owned(), partitions)),
        Ok(_) | Err(_) => {
            Err(format!("{partitions:?} is not a number of partitions; expected NAME:1 to NAME:10000"))
        }
    }
}
