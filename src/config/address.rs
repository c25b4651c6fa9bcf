//! A host and a port, as a configuration writes it.
//!
//! **Why it exists.** A missing port or a stray scheme is the most frequent first error with Kafka; the message says what
//! to write instead. Neighbours: [`super::setting`] parses lists of them, the dialler resolves them. Not here: name
//! resolution.

use std::fmt;
use std::str::FromStr;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// A name or an address, an IPv6 one without its brackets.
    pub host: String,
    /// The port; never 0 when it was parsed.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for HostPort {
    type Err = String;

    /// Understands `host:port`, `[::1]:9092` and either with `PLAINTEXT://` in front.
    fn from_str(text: &str) -> Result<Self, String> {
        let address = without_scheme(text.trim())?;
        let (host, port) = split(address)?;
        let port = match port.parse::<u16>() {
            Ok(port) if port > 0 => port,
            _ => return Err(format!("{text:?} has the port {port:?}; a port is a number from 1 to 65535")),
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

fn without_scheme(text: &str) -> Result<&str, String> {
    let Some((scheme, address)) = text.split_once("://") else { return Ok(text) };
    if scheme.eq_ignore_ascii_case("PLAINTEXT") {
        return Ok(address);
    }
    let reason = match scheme.to_ascii_uppercase().as_str() {
        "SSL" | "SASL_SSL" | "SASL_PLAINTEXT" => "TLS and SASL are not built into this producer",
        "HTTP" | "HTTPS" => "a Kafka broker does not speak HTTP",
        _ => "only PLAINTEXT:// may stand before an address",
    };
    Err(format!("{text:?}: {reason}; write host:port, such as localhost:9092"))
}

fn split(address: &str) -> Result<(&str, &str), String> {
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest
            .split_once(']')
            .ok_or_else(|| format!("{address:?} has no ']'; write an IPv6 address as [::1]:9092"))?;
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(format!("{address:?}: {host:?} is no IPv6 address"));
        }
        (host, rest.strip_prefix(':'))
    } else if address.matches(':').count() > 1 {
        return Err(format!(
            "{address:?} has more than one ':'; write an IPv6 address as {}",
            bracketed(address)
        ));
    } else {
        address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port)))
    };
    let port = port.filter(|port| !port.is_empty()).ok_or_else(|| {
        format!("{address:?} has no port; write {address}:9092, or the port your broker listens on")
    })?;
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_alphanumeric() || "-_.:".contains(c));
    if !is_host {
        return Err(format!("{address:?} has no valid host; write host:port, such as localhost:9092"));
    }
    Ok((host, port))
}

/// What was probably meant by an IPv6 address without brackets.
fn bracketed(address: &str) -> String {
    match address.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && host.parse::<std::net::Ipv6Addr>().is_ok() => {
            format!("[{host}]:{port}")
        }
        _ if address.parse::<std::net::Ipv6Addr>().is_ok() => format!("[{address}]:9092"),
        _ => "[::1]:9092".to_owned(),
    }
}
