//! The fault path: whether the producers' traffic passes the injector, and whether a fault there can cause a retry.
//!
//! **Why it looks at advertised addresses.** Kafka tells every client which address to use. A proxy that does not rewrite
//! them is left after the first answer, and every experiment behind it shows nothing: that was the course's bug (spec,
//! facts 0.1 and 0.2). Neighbours: `crate::chaos` rewrites them; rows 27 and 28 of the inventory. Not here: whether the
//! experiment succeeds, which `facteur validate` shows.

use serde_json::Value;

use crate::cli::client::Client;
use crate::cli::doctor::Examination;
use crate::cli::doctor::listeners::{CONNECT_PATIENCE, host_port};
use crate::cli::doctor::report::Report;
use crate::config::HostPort;
use crate::lab::runner::toxic_client::PROXY;

/// Looks at the path and at what stands on it.
pub(super) async fn look(examination: &Examination, report: &mut Report) {
    let Ok(proxies) = examination.toxics.proxies().await else {
        report.wrong(
            "fault path",
            "no injector answers: no fault can be injected",
            "start the lab with its injector",
        );
        return;
    };
    let Some(port) = proxies.get(PROXY).and_then(listen_port) else {
        report.wrong("fault path", "the injector has no proxy \"kafka\"", "see the row of the proxy");
        return;
    };
    advertised(examination, &proxies, port, report).await;
    producers(examination, &proxies, report);
    standing(examination, &proxies, report);
}

/// What a client learns that begins at the proxy.
async fn advertised(examination: &Examination, proxies: &Value, port: u16, report: &mut Report) {
    let admin = host_port(&examination.target.toxiproxy);
    let host = admin.rsplit_once(':').map_or(admin.as_str(), |(host, _)| host);
    let port = if examination.is_kubernetes { KUBERNETES_PROXY_PORT } else { port };
    let entry = format!("{host}:{port}");
    let subject = format!("through the proxy {entry}");
    let found = async { Client::connect(&entry, CONNECT_PATIENCE).await?.metadata(Some(&[])).await };
    let brokers = match found.await {
        Ok(metadata) => metadata.brokers,
        Err(failure) => {
            report.wrong(
                subject,
                failure.message,
                "is its upstream right, and Kafka there? GET /proxies shows it",
            );
            return;
        }
    };
    let advertised: Vec<HostPort> =
        brokers.into_iter().map(|broker| HostPort { host: broker.host, port: broker.port }).collect();
    let ports = if examination.is_kubernetes { vec![KUBERNETES_PROXY_PORT] } else { Vec::new() };
    match leaves(&advertised, proxies, &ports) {
        None => report.ok(subject, format!("clients are told {}: they stay on the fault path", shown(&advertised))),
        Some(away) => report.wrong(
            subject,
            format!("BYPASSED: Kafka advertises {away}; a client that begins here leaves the proxy after its first answer"),
            "use facteur's injector (it rewrites advertised addresses), or set KAFKA_ADDRESS_MAP of the APIs, or Kafka's advertised.listeners",
        ),
    }
}

/// An advertised address that no proxy listens on.
fn leaves(advertised: &[HostPort], proxies: &Value, more_ports: &[u16]) -> Option<HostPort> {
    let ports = listen_ports(proxies);
    advertised
        .iter()
        .find(|address| !ports.contains(&address.port) && !more_ports.contains(&address.port))
        .cloned()
}

/// Where the façade's own producers begin.
fn producers(examination: &Examination, proxies: &Value, report: &mut Report) {
    let facts = examination.overview.as_ref().and_then(|overview| overview.get("producers"));
    let Some(facts) = facts.filter(|facts| facts.is_object()) else {
        report.note(
            "fault path",
            "these APIs do not tell where their producers connect",
            "facteur validate shows it: plain must be stored at least twice",
        );
        return;
    };
    let bootstrap = facts.get("bootstrap").and_then(Value::as_str).unwrap_or("");
    let map = facts.get("addressMap").and_then(Value::as_str);
    match (begins_at_a_proxy(bootstrap, proxies), map) {
        (true, None) => {
            report.ok("fault path", format!("active: the producers connect to {bootstrap}, the injector"));
        }
        (_, Some(map)) => report.ok("fault path", format!("active: KAFKA_ADDRESS_MAP sends them to {map}")),
        (false, None) => report.wrong(
            "fault path",
            format!("BYPASSED: the producers connect to {bootstrap}, where no proxy of the injector listens"),
            "start facteur without --no-chaos, or with KAFKA_ADDRESS_MAP; no toxic can reach them now",
        ),
    }
}

fn begins_at_a_proxy(bootstrap: &str, proxies: &Value) -> bool {
    let ports = listen_ports(proxies);
    let mut servers =
        bootstrap.split(',').filter_map(|server| server.trim().parse::<HostPort>().ok()).peekable();
    servers.peek().is_some() && servers.all(|server| ports.contains(&server.port))
}

/// Toxics that stand, and whether latency can cause a retry.
fn standing(examination: &Examination, proxies: &Value, report: &mut Report) {
    let toxics = proxies.get(PROXY).and_then(|proxy| proxy.get("toxics")).and_then(Value::as_array);
    let toxics = toxics.cloned().unwrap_or_default();
    let names: Vec<&str> = toxics.iter().filter_map(|toxic| toxic.get("name")?.as_str()).collect();
    if names.is_empty() {
        report.ok("toxics", "none stands on the proxy kafka");
    } else {
        let base = &examination.target.toxiproxy;
        report.note(
            "toxics",
            format!("on the proxy kafka: {}", names.join(", ")),
            format!(
                "they act on every send; remove one with curl -X DELETE {base}/proxies/kafka/toxics/NAME"
            ),
        );
    }
    let number = |member: &str| examination.overview.as_ref()?.get("producers")?.get(member)?.as_u64();
    let (Some(request_ms), Some(socket_ms)) = (number("requestTimeoutMs"), number("socketTimeoutMs")) else {
        return;
    };
    timeouts(&toxics, request_ms, socket_ms, report);
}

/// A retry by latency needs a client that stops waiting first; profile `java` by its request timeout, profile
/// `librdkafka` by its socket timeout.
fn timeouts(toxics: &[Value], request_ms: u64, socket_ms: u64, report: &mut Report) {
    let latencies =
        toxics.iter().filter(|toxic| toxic.get("type").and_then(Value::as_str) == Some("latency"));
    let largest = latencies.filter_map(|toxic| toxic.pointer("/attributes/latency")?.as_u64()).max();
    let shortest = request_ms.min(socket_ms);
    let found = format!("java waits {request_ms} ms, librdkafka {socket_ms} ms for an answer");
    match largest {
        Some(latency) if latency >= shortest => report.note(
            "timeouts",
            format!("{found}; a latency of {latency} ms stands"),
            "every attempt times out while it stands: sends are repeated, and end only after it is removed",
        ),
        Some(latency) => report.note(
            "timeouts",
            format!("{found}; a latency of {latency} ms stands"),
            "latency alone cannot cause a retry here: the answer is waited for",
        ),
        None => report.note(
            "timeouts",
            found,
            "latency alone cannot cause a retry unless it is longer: lose answers (facteur validate), or set KAFKA_REQUEST_TIMEOUT_MS and KAFKA_SOCKET_TIMEOUT_MS",
        ),
    }
}

fn listen_ports(proxies: &Value) -> Vec<u16> {
    proxies.as_object().map(|all| all.values().filter_map(listen_port).collect()).unwrap_or_default()
}

fn listen_port(proxy: &Value) -> Option<u16> {
    proxy.get("listen")?.as_str()?.rsplit_once(':')?.1.parse().ok()
}

fn shown(addresses: &[HostPort]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The course's node port of the proxy.
const KUBERNETES_PROXY_PORT: u16 = 32_093;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::doctor::report::State;

    fn proxies() -> Value {
        json!({
            "kafka": {"name": "kafka", "listen": "127.0.0.1:29093", "upstream": "127.0.0.1:29092", "enabled": true, "toxics": []},
            "kafka-2": {"name": "kafka-2", "listen": "127.0.0.1:29094", "upstream": "127.0.0.1:29095", "enabled": true, "toxics": []},
        })
    }

    fn address(text: &str) -> HostPort {
        text.parse().unwrap()
    }

    // The course's own wiring: bootstrap at 29093, advertised address 29092. The detector exists for this.
    #[test]
    fn an_advertised_address_without_a_proxy_is_a_bypass() {
        assert_eq!(leaves(&[address("kafka:29092")], &proxies(), &[]), Some(address("kafka:29092")));
        assert_eq!(
            leaves(&[address("toxiproxy:29093"), address("kafka:9092")], &proxies(), &[]),
            Some(address("kafka:9092"))
        );
    }

    // Child listeners of several brokers are on the path too (D-60).
    #[test]
    fn proxies_and_their_children_are_no_bypass() {
        assert_eq!(leaves(&[address("127.0.0.1:29093"), address("127.0.0.1:29094")], &proxies(), &[]), None);
        assert_eq!(leaves(&[address("node:32093")], &proxies(), &[32_093]), None);
    }

    // One server of the list that is not a proxy is enough to leave the path.
    #[test]
    fn producers_begin_at_a_proxy_only_if_all_their_servers_do() {
        assert!(begins_at_a_proxy("127.0.0.1:29093", &proxies()));
        assert!(!begins_at_a_proxy("127.0.0.1:29093,127.0.0.1:9092", &proxies()));
        assert!(!begins_at_a_proxy("", &proxies()));
    }

    // With the shipped 30 s a latency of 5 s only delays; with 1 s it makes every attempt fail while it stands.
    #[test]
    fn the_timeouts_tell_what_a_latency_can_do() {
        let latency =
            [json!({"name": "latency", "type": "latency", "attributes": {"latency": 5000, "jitter": 0}})];
        let advice = |toxics: &[Value], request_ms| {
            let mut report = Report::default();
            timeouts(toxics, request_ms, 60_000, &mut report);
            assert_eq!(report.rows()[0].state, State::Note);
            report.rows()[0].advice.clone().unwrap()
        };

        assert!(advice(&latency, 30_000).contains("latency alone cannot cause a retry here"));
        assert!(advice(&latency, 1000).contains("every attempt times out"));
        assert!(advice(&[], 30_000).contains("latency alone cannot cause a retry"));
    }
}
