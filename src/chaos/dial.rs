//! From an upstream, as text, to an open socket.
//!
//! **Why per connection and with a time limit.** Toxiproxy dials inside its accept loop, so that one black hole stalls
//! every client. Several servers with commas are tried in turn: the façade's bootstrap list may be one. Neighbours:
//! [`super::connection`] asks. Not here: backoff; a client that wants to come again comes again.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpStream, lookup_host};

use crate::chaos::core::Core;
use crate::chaos::error::ChaosError;
use crate::config::HostPort;

/// The servers of an upstream.
///
/// # Errors
///
/// If it is no `host:port`, or one that this injector may not lead to.
pub fn parse_upstream(core: &Core, text: &str) -> Result<Vec<HostPort>, ChaosError> {
    let mut servers = Vec::new();
    for part in text.split(',') {
        let server: HostPort =
            part.parse().map_err(|why: String| ChaosError::bad_body(format!("upstream {why}")))?;
        if !core.allows(&server) {
            return Err(ChaosError::bad_request(format!(
                "upstream {server} is not allowed: in a lab a proxy leads to this machine or to the configured Kafka. \
                 Name the server with --bootstrap-server, or run facteur chaos serve, which leads anywhere"
            )));
        }
        servers.push(server);
    }
    Ok(servers)
}

/// Opens a socket to the first server that answers.
///
/// # Errors
///
/// Why none did, in words.
///
/// # Cancel safety
///
/// Dropping the future opens nothing.
pub async fn dial(core: &Core, servers: &[HostPort]) -> Result<TcpStream, String> {
    let mut last = "no server is named".to_owned();
    for server in servers {
        match tokio::time::timeout(core.options.dial_timeout, open(core, server)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(why)) => last = why,
            Err(_elapsed) => {
                last = format!("no connection to {server} within {:?}", core.options.dial_timeout);
            }
        }
    }
    Err(last)
}

async fn open(core: &Core, server: &HostPort) -> Result<TcpStream, String> {
    let addresses: Vec<SocketAddr> = match core.alias(server) {
        Some(address) => vec![address],
        None => lookup_host((server.host.as_str(), server.port))
            .await
            .map_err(|error| format!("{:?} does not resolve: {error}", server.host))?
            .collect(),
    };
    let mut last = format!("{:?} does not resolve to any address", server.host);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("{server} cannot be reached ({address}): {error}"),
        }
    }
    Err(last)
}

/// Where to listen, from the API's text: `host:port`, `:port` for all addresses, nothing for any free port here.
///
/// # Errors
///
/// If it is none of these, or the name does not resolve.
///
/// # Cancel safety
///
/// Safe: nothing is opened.
pub async fn resolve_listen(text: &str) -> Result<SocketAddr, ChaosError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], 0)));
    }
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let wrong = |why: &str| {
        ChaosError::bad_body(format!("listen {text:?} {why}; expected host:port, such as 127.0.0.1:29093"))
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("has no port"))?;
    let port: u16 = port.parse().map_err(|_| wrong("has a port that is not a number from 0 to 65535"))?;
    if host.is_empty() {
        return Ok(SocketAddr::from(([0, 0, 0, 0], port)));
    }
    let found: io::Result<Vec<SocketAddr>> = lookup_host((host, port)).await.map(Iterator::collect);
    let found = found.map_err(|error| wrong(&format!("does not resolve ({error})")))?;
    // IPv4 first: clients of the course write localhost and mean 127.0.0.1.
    let best = found.iter().find(|address| address.is_ipv4()).or_else(|| found.first());
    best.copied().ok_or_else(|| wrong("does not resolve to any address"))
}
