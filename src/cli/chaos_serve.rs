//! `facteur chaos serve`: the fault injector alone, as one container of the course.
//!
//! **Why.** With a real Kafka in Docker or Kubernetes the injector stands between it and everybody, under the name and on
//! the ports of the course's Toxiproxy; its proxies are arguments, so that no one-shot job has to create them. Unlike in
//! `serve`, proxies may lead anywhere, as Toxiproxy's. Neighbours: [`crate::chaos`] is what is started. Not here: a façade.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use serde::Serialize;

use crate::chaos::ChaosErrorKind;
use crate::chaos::api::server::AdminServer;
use crate::chaos::core::InjectorOptions;
use crate::chaos::injector::Injector;
use crate::chaos::listen::bind;
use crate::chaos::view::{NewProxy, ProxyView};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::signals::Signals;
use crate::runtime::environment::entropy;

/// Flags of `chaos serve`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ChaosServeArguments {
    /// The address of the admin API, and of proxies that name only a port; only this machine can reach the default.
    #[arg(long, env = "FACTEUR_LISTEN", default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub listen: IpAddr,
    /// Port of the admin API, which is Toxiproxy's; 0 takes any free one.
    #[arg(
        long,
        alias = "toxiproxy-port",
        env = "FACTEUR_TOXIPROXY_PORT",
        default_value_t = 8474,
        value_name = "PORT"
    )]
    pub port: u16,
    /// A proxy: its name, where it listens (HOST:PORT, or a port), where it leads (HOST:PORT, several with commas). May be
    /// repeated; in the variable they stand apart by blanks.
    #[arg(long = "proxy", env = "FACTEUR_PROXIES", value_delimiter = ' ', value_name = "NAME=LISTEN=UPSTREAM", value_parser = parse_proxy)]
    pub proxies: Vec<ProxyArgument>,
    /// The host name that Kafka clients are told [default: the proxy's address, `localhost` for a wildcard].
    #[arg(long, env = "FACTEUR_ADVERTISED_HOST", value_name = "HOST")]
    pub advertised_host: Option<String>,
    /// Decides every draw, so that a run can be repeated [default: a new one].
    #[arg(long, env = "FACTEUR_CHAOS_SEED", value_name = "SEED")]
    pub seed: Option<u64>,
}

/// A proxy, as an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyArgument {
    name: String,
    /// A port alone, or an address.
    listen: String,
    upstream: String,
}

/// The addresses, with `--json`.
#[derive(Debug, Serialize)]
struct Addresses {
    status: &'static str,
    toxiproxy: String,
    proxies: Vec<ProxyView>,
    seed: u64,
}

/// Runs until a signal comes.
///
/// # Errors
///
/// Which port is taken, or which proxy is wrong.
///
/// # Cancel safety
///
/// Dropping the future closes everything.
pub async fn run(arguments: ChaosServeArguments, json: bool) -> Result<Exit, Failure> {
    let mut signals = Signals::listen()?;
    let seed = arguments.seed.unwrap_or_else(|| entropy() % SHORT_SEEDS);
    let at = SocketAddr::new(arguments.listen, arguments.port);
    let cannot = |why: String| Failure::new(Exit::CannotConnect, why);
    let listener = bind(at, "the injector's admin API")
        .map_err(|error| cannot(format!("{error}. Its port is --port")))?;
    let options = InjectorOptions {
        seed,
        advertised_host: arguments.advertised_host.clone(),
        ..InjectorOptions::default()
    };
    let injector = Injector::new(options);
    for proxy in &arguments.proxies {
        let wanted = NewProxy::new(&proxy.name, proxy.listen_on(arguments.listen), &proxy.upstream);
        injector.create(wanted).await.map_err(|error| {
            let exit = if error.kind == ChaosErrorKind::Listen { Exit::CannotConnect } else { Exit::Usage };
            Failure::new(exit, format!("--proxy {}: {error}", proxy.name))
        })?;
    }
    let server = AdminServer::start(listener, injector).map_err(|error| cannot(error.to_string()))?;
    announce(&server, json)?;
    signals.next().await;
    eprintln!("facteur: stopping: closing every proxy and connection.");
    tokio::select! {
        () = server.stop() => Ok(Exit::Ok),
        () = signals.next() => Err(Failure::new(Exit::Interrupted, "stopped at once")),
    }
}

fn announce(server: &AdminServer, json: bool) -> Result<(), Failure> {
    let toxiproxy = format!("http://{}", server.address());
    let (proxies, seed) = (server.injector().proxies(), server.injector().seed());
    if !server.address().ip().is_loopback() {
        eprintln!(
            "facteur: warning: the admin API listens on {}: everyone who reaches this machine can break connections.",
            server.address()
        );
    }
    if json {
        return output::json_line(&Addresses { status: "listening", toxiproxy, proxies, seed });
    }
    let mut text = format!("Fault injector on {toxiproxy} (Toxiproxy's API; seed {seed})\n");
    for proxy in &proxies {
        text += &format!("  proxy {:<12} {} -> {}\n", proxy.name, proxy.listen, proxy.upstream);
    }
    output::line(&(text + "Ctrl-C stops it."))
}

impl ProxyArgument {
    fn listen_on(&self, address: IpAddr) -> String {
        match self.listen.trim_start_matches(':').parse::<u16>() {
            Ok(port) => SocketAddr::new(address, port).to_string(),
            Err(_) => self.listen.clone(),
        }
    }
}

fn parse_proxy(text: &str) -> Result<ProxyArgument, String> {
    let mut parts = text.splitn(3, '=').map(str::trim);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(listen), Some(upstream))
            if !name.is_empty() && !listen.is_empty() && !upstream.is_empty() =>
        {
            Ok(ProxyArgument {
                name: name.to_owned(),
                listen: listen.to_owned(),
                upstream: upstream.to_owned(),
            })
        }
        _ => Err(format!(
            "{text:?} is no proxy; expected NAME=LISTEN=UPSTREAM, such as kafka=29093=localhost:9092"
        )),
    }
}

/// A seed is read aloud and typed again.
const SHORT_SEEDS: u64 = 1_000_000;

const EXAMPLES: &str = "\
Examples:
  facteur chaos serve --proxy kafka=29093=localhost:9092
  facteur chaos serve --listen 0.0.0.0 --advertised-host toxiproxy --proxy kafka=29093=kafka:29092
  FACTEUR_PROXIES='a=7001=host:1 b=7002=host:2' facteur chaos serve --json

Kafka clients use the proxy's address as their bootstrap server; with several brokers each gets a port after it.";

#[cfg(test)]
mod tests {
    use super::*;

    // The container's argument of the course, and the short form; a wildcard address must stay one.
    #[test]
    fn a_proxy_argument_names_three_things() {
        let proxy = parse_proxy("kafka=0.0.0.0:29093=kafka:29092").unwrap();
        assert_eq!((proxy.name.as_str(), proxy.upstream.as_str()), ("kafka", "kafka:29092"));
        assert_eq!(proxy.listen_on(IpAddr::from([127, 0, 0, 1])), "0.0.0.0:29093");
        let short = parse_proxy("k=29093=a:1,b:2").unwrap();
        assert_eq!(short.listen_on(IpAddr::from([127, 0, 0, 1])), "127.0.0.1:29093");
        assert_eq!(short.upstream, "a:1,b:2");
        for wrong in ["", "kafka", "kafka=29093", "=29093=a:1", "kafka==a:1", "kafka=29093="] {
            assert!(parse_proxy(wrong).unwrap_err().contains("NAME=LISTEN=UPSTREAM"), "{wrong}");
        }
    }
}
