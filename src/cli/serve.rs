//! `facteur serve`, and `facteur` alone: the lab.
//!
//! **Why it prints two commands.** Whoever starts it for the first time should see something happen within ten seconds.
//! Neighbours: [`crate::lab::running`] is started and stopped here. Not here: what the lab does.

use std::net::IpAddr;
use std::time::Duration;

use clap::{Args, ValueEnum as _};
use serde::Serialize;

use crate::cli::broker_flags::BrokerFlags;
use crate::cli::client::{Client, parse_bootstrap};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::settings_arguments::SettingsArguments;
use crate::cli::signals::Signals;
use crate::lab::breaker::BreakerSettings;
use crate::lab::clock;
use crate::lab::environment::port_of_aspnetcore_urls;
use crate::lab::injector::InjectorSettings;
use crate::lab::profile::Profile;
use crate::lab::running::{LabSettings, RunningLab, StartError, StopReport};
use crate::lab::tasks;

/// Flags of `serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArguments {
    /// The address of all listeners; only this machine can reach the default.
    #[arg(long, env = "FACTEUR_LISTEN", default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub listen: IpAddr,
    /// Port of the façade with profile `java` [default: 18080, or `SERVER_PORT`]; 0 takes any free port, as everywhere.
    #[arg(long, env = "FACTEUR_JAVA_PORT", value_name = "PORT")]
    pub java_port: Option<u16>,
    /// Port of the façade with profile `librdkafka` [default: 18081, or the port in `ASPNETCORE_URLS`].
    #[arg(long, env = "FACTEUR_LIBRDKAFKA_PORT", value_name = "PORT")]
    pub librdkafka_port: Option<u16>,
    /// Serve one profile alone: one container for each, as in the course [default: both].
    #[arg(long, env = "FACTEUR_ONLY", value_enum, value_name = "PROFILE")]
    pub only: Option<Profile>,
    /// Port of the embedded broker.
    #[arg(long, env = "FACTEUR_KAFKA_PORT", default_value_t = 9092, value_name = "PORT")]
    pub kafka_port: u16,
    /// Second port of the embedded broker, the course's internal one.
    #[arg(long, env = "FACTEUR_KAFKA_INTERNAL_PORT", default_value_t = 29092, value_name = "PORT")]
    pub kafka_internal_port: u16,
    /// Port of the fault injector's admin API, which is Toxiproxy's.
    #[arg(long, env = "FACTEUR_TOXIPROXY_PORT", default_value_t = 8474, value_name = "PORT")]
    pub toxiproxy_port: u16,
    /// Port of the injector's proxy `kafka`, through which the façade's own producers go.
    #[arg(long, env = "FACTEUR_PROXY_PORT", default_value_t = 29093, value_name = "PORT")]
    pub proxy_port: u16,
    /// Without the fault injector: the producers go straight to Kafka.
    #[arg(long, env = "FACTEUR_NO_CHAOS", value_parser = clap::builder::FalseyValueParser::new())]
    pub no_chaos: bool,
    /// Decides every draw of the fault injector, so that a run can be repeated [default: a new one].
    #[arg(long, env = "FACTEUR_CHAOS_SEED", value_name = "SEED")]
    pub chaos_seed: Option<u64>,
    /// The host name that the embedded broker tells its clients [default: the bound address].
    #[arg(long, env = "FACTEUR_ADVERTISED_HOST", value_name = "HOST")]
    pub advertised_host: Option<String>,
    /// Serve this outside Kafka instead of the embedded broker (HOST:PORT, several with commas).
    #[arg(long, short = 'b', env = "KAFKA_BOOTSTRAP_SERVERS", value_name = "SERVERS")]
    pub bootstrap_server: Option<String>,
    /// The topic of calls that name none; the embedded broker has it from the start.
    #[arg(long, env = "FACTEUR_TOPIC", default_value = "bhf-transactions", value_name = "TOPIC")]
    pub topic: String,
    /// Its partitions.
    #[arg(long, env = "FACTEUR_PARTITIONS", default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub partitions: i32,
    /// Send calls at once; further ones are answered 503.
    #[arg(long, env = "FACTEUR_MAX_CALLS", default_value_t = 1024, value_name = "N")]
    pub max_calls: u16,
    #[command(flatten)]
    behaviour: BrokerFlags,
    /// Settings of the producers.
    #[command(flatten)]
    pub settings: SettingsArguments,
    /// Refuse calls for a while (503) after several failures in a row: theory 4.2's circuit breaker.
    #[arg(long, env = "FACTEUR_BREAKER")]
    pub breaker: bool,
    /// Failures in a row that open the circuit.
    #[arg(long, env = "FACTEUR_BREAKER_THRESHOLD", default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub breaker_threshold: u32,
    /// Milliseconds that the circuit stays open before one call may try.
    #[arg(long, env = "FACTEUR_BREAKER_COOL_DOWN_MS", default_value_t = 60_000, value_name = "MS")]
    pub breaker_cool_down_ms: u64,
    /// Print the addresses as one line of JSON.
    #[arg(long)]
    pub json: bool,
}

/// The addresses, with `--json`.
#[derive(Debug, Serialize)]
struct Addresses {
    status: &'static str,
    kafka: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    java: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    librdkafka: Option<String>,
    /// The fault injector's admin API.
    #[serde(skip_serializing_if = "Option::is_none")]
    toxiproxy: Option<String>,
    /// Kafka through the injector.
    #[serde(skip_serializing_if = "Option::is_none")]
    proxied: Option<String>,
    #[serde(rename = "chaosSeed", skip_serializing_if = "Option::is_none")]
    chaos_seed: Option<u64>,
    topic: String,
    embedded: bool,
    /// Whether the producers are connected.
    ready: bool,
    /// From the start of the process to this line.
    #[serde(rename = "startMs")]
    start_ms: u128,
}

/// Runs until a signal comes.
///
/// # Errors
///
/// What is wrong with the environment, or which port is taken.
///
/// # Cancel safety
///
/// Dropping the future stops without draining.
pub async fn run(arguments: ServeArguments) -> Result<Exit, Failure> {
    let settings = settings(&arguments)?;
    let mut signals = Signals::listen()?;
    if !settings.listen.is_loopback() {
        eprintln!(
            "facteur: warning: listening on {}: everyone who reaches this machine can write.",
            settings.listen
        );
    }
    let mut lab = RunningLab::start(settings).await.map_err(|error| failure(&error))?;
    // Without the embedded broker readiness depends on others: the addresses are told at once.
    let is_ready = lab.broker().is_some()
        && tokio::select! {
            () = lab.ready() => true,
            () = tasks::sleep(READY_PATIENCE) => false,
        };
    announce(&arguments, &lab, is_ready)?;
    if lab.broker().is_none() {
        warn_if_unreachable(lab.bootstrap()).await;
    }
    signals.next().await;
    eprintln!(
        "facteur: stopping: no new calls; delivering what was accepted (a second Ctrl-C stops at once)."
    );
    let report = tokio::select! {
        report = lab.stop() => report,
        () = signals.next() => return Err(Failure::new(Exit::Interrupted, "stopped at once; accepted records may be lost")),
    };
    say_what_was_lost(&report);
    Ok(Exit::Ok)
}

fn settings(arguments: &ServeArguments) -> Result<LabSettings, Failure> {
    let lookup = |name: &str| std::env::var(name).ok();
    let environment = arguments.settings.environment()?;
    let bootstrap = arguments.bootstrap_server.clone().filter(|text| !text.trim().is_empty());
    if let Some(bootstrap) = &bootstrap {
        parse_bootstrap(bootstrap)?;
        if arguments.behaviour.are_given() {
            return Err(Failure::usage(format!(
                "--strict-compaction, --cap and --group-initial-rebalance-delay are for the embedded broker, but an outside one \
                 is named ({bootstrap}); leave out one or the other"
            )));
        }
    }
    Ok(LabSettings {
        listen: arguments.listen,
        java_port: port(Profile::Java, arguments.java_port, lookup)?,
        librdkafka_port: port(Profile::Librdkafka, arguments.librdkafka_port, lookup)?,
        only: arguments.only,
        bootstrap,
        kafka_ports: vec![arguments.kafka_port, arguments.kafka_internal_port],
        injector: (!arguments.no_chaos).then_some(InjectorSettings {
            admin_port: arguments.toxiproxy_port,
            proxy_port: arguments.proxy_port,
            seed: arguments.chaos_seed,
        }),
        advertised_host: arguments.advertised_host.clone(),
        behaviour: arguments.behaviour.behaviour(),
        topics: vec![(arguments.topic.clone(), arguments.partitions)],
        default_topic: arguments.topic.clone(),
        environment,
        most_calls: usize::from(arguments.max_calls.max(1)),
        breaker: arguments.breaker.then(|| BreakerSettings {
            threshold: arguments.breaker_threshold,
            cool_down: Duration::from_millis(arguments.breaker_cool_down_ms),
        }),
        ..LabSettings::default()
    })
}

/// The port of a profile: its flag, or the variable that the course's image of that API knows, or the course's own.
fn port(
    profile: Profile,
    flag: Option<u16>,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<u16, Failure> {
    if let Some(flag) = flag {
        return Ok(flag);
    }
    let (from_variable, standard) = match profile {
        Profile::Java => {
            (lookup("SERVER_PORT").map(|value| parse_port("SERVER_PORT", &value)).transpose()?, 18_080)
        }
        Profile::Librdkafka => {
            let urls = lookup("ASPNETCORE_URLS").map(|value| port_of_aspnetcore_urls(&value)).transpose();
            (urls.map_err(|error| Failure::usage(error.to_string()))?, 18_081)
        }
    };
    Ok(from_variable.unwrap_or(standard))
}

/// The port on which a `serve` without flags, with the same variables, listens: what a health check asks.
///
/// # Errors
///
/// Which variable is wrong.
pub fn own_port() -> Result<u16, Failure> {
    own_port_of(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

fn own_port_of(lookup: impl Fn(&str) -> Option<String>) -> Result<u16, Failure> {
    let only = match lookup("FACTEUR_ONLY") {
        None => Profile::Java,
        Some(name) => Profile::from_str(&name, true).map_err(|_| {
            Failure::usage(format!(
                "FACTEUR_ONLY is {name:?}; expected java or librdkafka. Correct it or unset it"
            ))
        })?,
    };
    let variable = match only {
        Profile::Java => "FACTEUR_JAVA_PORT",
        Profile::Librdkafka => "FACTEUR_LIBRDKAFKA_PORT",
    };
    let flag = lookup(variable).map(|value| parse_port(variable, &value)).transpose()?;
    port(only, flag, lookup)
}

fn parse_port(variable: &str, value: &str) -> Result<u16, Failure> {
    value.trim().parse().map_err(|_| {
        Failure::usage(format!("environment variable {variable} is {value:?}; expected a port from 0 to 65535. Correct it or unset it"))
    })
}

fn failure(error: &StartError) -> Failure {
    let exit = match error {
        StartError::Port { .. } | StartError::Broker(_) | StartError::Injector(_) => Exit::CannotConnect,
        StartError::Producer(_) => Exit::Usage,
    };
    Failure::new(exit, error.to_string())
}

fn announce(arguments: &ServeArguments, lab: &RunningLab, is_ready: bool) -> Result<(), Failure> {
    let url = |profile| lab.served(profile).map(|address| format!("http://{address}"));
    let (java, librdkafka) = (url(Profile::Java), url(Profile::Librdkafka));
    let kafka: Vec<String> = match lab.broker() {
        Some(broker) => broker.addresses().iter().map(ToString::to_string).collect(),
        None => vec![lab.bootstrap().to_owned()],
    };
    let start_ms = clock::since_start().as_millis();
    let injector = lab.lab_injector();
    if arguments.json {
        return output::json_line(&Addresses {
            toxiproxy: injector.map(|injector| format!("http://{}", injector.admin_address())),
            proxied: injector.map(|injector| injector.proxy_address().to_string()),
            chaos_seed: injector.map(|injector| injector.injector().seed()),
            status: "listening",
            kafka,
            java,
            librdkafka,
            topic: arguments.topic.clone(),
            embedded: lab.broker().is_some(),
            ready: is_ready,
            start_ms,
        });
    }
    let (kind, topic, shown) =
        (if lab.broker().is_some() { "embedded" } else { "outside" }, &arguments.topic, kafka.join(", "));
    let first = kafka.first().map_or("", String::as_str);
    let consume = if first == "127.0.0.1:9092" { String::new() } else { format!(" -b {first}") };
    let line = |profile: &str, url: &Option<String>| {
        url.as_ref().map_or_else(String::new, |url| format!("  {:<22}{url}\n", format!("façade, {profile}")))
    };
    let facades = line("java", &java) + &line("librdkafka", &librdkafka);
    let chaos = injector.map_or_else(String::new, |injector| {
        format!(
            "  {:<22}{} (every producer of the façade goes this way)\n  {:<22}http://{} (Toxiproxy's API; seed {})\n",
            "Kafka, with faults",
            injector.proxy_address(),
            "fault injector",
            injector.admin_address(),
            injector.injector().seed()
        )
    });
    let facade = java.or(librdkafka).unwrap_or_default();
    output::line(&format!(
        "facteur {version}, {state} {start_ms} ms
  Kafka ({kind})      {shown}
{chaos}{facades}  topic                 {topic}

Try next:
  curl -X POST '{facade}/api/v1/send?mode=idempotent&sendMode=sync&eventId=E-1'
  facteur consume{consume} -t {topic} --from-beginning -e

Ctrl-C stops it.",
        version = env!("CARGO_PKG_VERSION"),
        state = if is_ready { "ready in" } else { "producers not ready yet (GET /readyz); listening after" },
    ))
}

/// An outside Kafka may come later (D-45), but whoever mistyped its name should hear it now.
async fn warn_if_unreachable(bootstrap: &str) {
    if let Err(failure) = Client::connect(bootstrap, Duration::from_secs(3)).await {
        eprintln!("facteur: warning: {}. Calls are answered 503 until it can be reached.", failure.message);
    }
}

fn say_what_was_lost(report: &StopReport) {
    let records = report.records;
    eprintln!(
        "facteur: stopped. While stopping: {} acknowledged, {} rejected, {} unknown.",
        records.acknowledged, records.rejected, records.unknown
    );
    if records.rejected > 0 {
        eprintln!("facteur: {} accepted records are certainly not in the log.", records.rejected);
    }
    if records.unknown > 0 {
        eprintln!(
            "facteur: of {} accepted records nobody knows whether they are in the log.",
            records.unknown
        );
    }
    if !report.all_calls_answered {
        eprintln!("facteur: some connections were cut before their call was answered.");
    }
}

/// An embedded broker takes milliseconds; this is for a machine that is very busy.
const READY_PATIENCE: Duration = Duration::from_secs(5);

/// Shown below the flags.
pub const EXAMPLES: &str = "\
Examples:
  facteur serve
  facteur serve -b kafka.example:9092 --json
  SERVER_PORT=8080 facteur serve --only java --listen 0.0.0.0      one API in a container
  KAFKA_LINGER_MS=20 facteur serve --max-calls 64

Variables of the producers: KAFKA_REQUEST_TIMEOUT_MS, KAFKA_SOCKET_TIMEOUT_MS, KAFKA_DELIVERY_TIMEOUT_MS,
KAFKA_RETRY_BACKOFF_MS, KAFKA_RETRIES, KAFKA_LINGER_MS, KAFKA_BUFFER_MEMORY, KAFKA_MAX_BLOCK_MS, KAFKA_ACKS_PLAIN,
KAFKA_ADDRESS_MAP. Exit codes: 0 stopped, 2 a flag or variable is wrong, 3 a port is taken, 130 stopped at once.";

#[cfg(test)]
mod tests {
    use super::*;

    fn own(pairs: &[(&str, &str)]) -> Result<u16, Failure> {
        own_port_of(|name| {
            pairs.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| (*value).to_owned())
        })
    }

    // A health check that asks another port than the container serves would restart a healthy container for ever.
    #[test]
    fn the_health_check_asks_the_port_that_serve_takes() {
        assert_eq!(own(&[]), Ok(18_080));
        assert_eq!(own(&[("SERVER_PORT", "8080")]), Ok(8080));
        assert_eq!(own(&[("SERVER_PORT", "8080"), ("FACTEUR_JAVA_PORT", "9000")]), Ok(9000));
        assert_eq!(own(&[("FACTEUR_ONLY", "librdkafka")]), Ok(18_081));
        assert_eq!(own(&[("FACTEUR_ONLY", "librdkafka"), ("ASPNETCORE_URLS", "http://+:8080")]), Ok(8080));
    }

    // A wrong variable is named, as `serve` itself does.
    #[test]
    fn a_wrong_variable_is_named_by_the_health_check() {
        for (variable, value) in
            [("FACTEUR_ONLY", "dotnet"), ("SERVER_PORT", "http"), ("FACTEUR_JAVA_PORT", "70000")]
        {
            let failure = own(&[(variable, value)]).unwrap_err();
            assert!(failure.message.contains(variable) && failure.message.contains(value), "{failure:?}");
        }
    }
}
