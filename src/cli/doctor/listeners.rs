//! The ports: what answers on each, and which process holds one that a stranger has taken (rows 27, 29, 56, 82).
//!
//! **Why it asks and does not only connect.** A port that is open may be another program's; only its answer tells.
//! Neighbours: [`crate::lab::busy_port`] names the process. Not here: what happens on the fault path.

use std::time::Duration;

use hyper::Method;

use crate::cli::connection::Connection;
use crate::cli::doctor::report::Report;
use crate::cli::doctor::{Examination, PATIENCE};
use crate::config::HostPort;
use crate::lab::busy_port;
use crate::lab::runner::toxic_client::PROXY;
use crate::wire::api::ApiKey;

/// Looks at every listener.
pub(super) async fn look(examination: &Examination, report: &mut Report) {
    let target = &examination.target;
    for (what, flag, url) in [
        ("API, java", "--java-port", &target.java),
        ("API, librdkafka", "--librdkafka-port", &target.librdkafka),
    ] {
        facade(examination, report, what, flag, url).await;
    }
    injector(examination, report).await;
    for server in target.kafka.split(',') {
        kafka(report, server.trim()).await;
    }
    if examination.is_kubernetes {
        report.ok("node ports", "java 31080, librdkafka 31081, injector 31474, proxy 32093, Kafka 32092");
    }
    if !examination.is_kubernetes && is_local(&target.java) {
        internal(report).await;
        page(examination, report).await;
    }
}

/// The course's internal port of Kafka; an outside one need not have it.
async fn internal(report: &mut Report) {
    let address = HostPort { host: "localhost".to_owned(), port: INTERNAL_PORT };
    let subject = format!("Kafka, internal, {address} (optional)");
    match (Connection::open(&address, PATIENCE).await, holder(INTERNAL_PORT).as_str()) {
        (Ok(_), _) => report.ok(subject, "a broker answers"),
        (Err(_), "") => report.ok(subject, "free"),
        (Err(error), holder) => report.note(
            subject,
            format!("{error}{holder}"),
            "`facteur serve` needs another --kafka-internal-port while this program runs",
        ),
    }
}

async fn facade(examination: &Examination, report: &mut Report, what: &str, flag: &str, url: &str) {
    let subject = format!("{what} {}", host_port(url));
    match examination.http.call(Method::GET, &format!("{url}/health"), None).await {
        Ok(answer) if answer.status.is_success() && answer.text().trim().trim_matches('"') == "OK" => {
            let ready = examination.http.call(Method::GET, &format!("{url}/readyz"), None).await;
            match ready {
                Ok(ready) if ready.status.as_u16() == 503 => {
                    let said = checks_that_fail(&ready.text());
                    report.wrong(
                        subject,
                        format!("answers, but its producers are not ready: {said}"),
                        "see the rows about Kafka; GET /readyz tells when it is well",
                    );
                }
                Ok(ready) if ready.status.is_success() => report.ok(subject, "answers OK, producers ready"),
                // The course's original APIs have no readiness.
                Ok(_) | Err(_) => report.ok(subject, "answers OK"),
            }
        }
        Ok(answer) => {
            let found = format!("something else answers: HTTP {}", answer.status.as_u16());
            report.wrong(
                subject,
                found + &held_by(url),
                format!("stop that program, or start facteur with another port ({flag})"),
            );
        }
        Err(error) => silent(report, subject, url, &error.reason, flag),
    }
}

fn silent(report: &mut Report, subject: String, url: &str, reason: &str, flag: &str) {
    match held_by(url).as_str() {
        "" => report.wrong(
            subject,
            "nothing listens there",
            "start the lab: `facteur`; its first lines name a variable or a port that is wrong",
        ),
        holder => report.wrong(
            subject,
            format!("no HTTP answer: {reason}{holder}"),
            format!("stop that program, or start facteur with another port ({flag})"),
        ),
    }
}

async fn injector(examination: &Examination, report: &mut Report) {
    let url = &examination.target.toxiproxy;
    let subject = format!("injector API {}", host_port(url));
    match examination.toxics.version().await {
        Ok(version) => {
            let number = version.get("version").and_then(serde_json::Value::as_str).unwrap_or("?");
            let by = version.get("implementation").and_then(serde_json::Value::as_str);
            let by = by.map(|by| format!(", {by}")).unwrap_or_default();
            report.ok(subject, format!("Toxiproxy API {number}{by}"));
            proxy(examination, report).await;
        }
        Err(_) if url.is_empty() => {
            report.wrong(subject, "this lab has no injector", "start it without --no-chaos");
        }
        Err(stop) => silent(report, subject, url, &stop.reason, "--admin-port"),
    }
}

async fn proxy(examination: &Examination, report: &mut Report) {
    let base = &examination.target.toxiproxy;
    let Ok(proxies) = examination.toxics.proxies().await else {
        report.wrong("proxy kafka", "GET /proxies has no answer", "restart the injector");
        return;
    };
    let Some(proxy) = proxies.get(PROXY) else {
        let create = format!(
            "curl -X POST {base}/proxies -d '{{\"name\":\"kafka\",\"listen\":\"0.0.0.0:29093\",\"upstream\":\"kafka:29092\"}}'"
        );
        report.wrong("proxy kafka", "the injector has no proxy of this name", create);
        return;
    };
    let text = |member: &str| proxy.get(member).and_then(serde_json::Value::as_str).unwrap_or("?").to_owned();
    let found = format!("listens on {}, leads to {}", text("listen"), text("upstream"));
    for (name, other) in proxies.as_object().into_iter().flatten().filter(|(name, _)| *name != PROXY) {
        let part = |member: &str| other.get(member).and_then(serde_json::Value::as_str).unwrap_or("?");
        report.ok(
            format!("proxy {name}"),
            format!("listens on {}, leads to {}", part("listen"), part("upstream")),
        );
    }
    if proxy.get("enabled").and_then(serde_json::Value::as_bool) == Some(true) {
        report.ok("proxy kafka", found);
    } else {
        report.wrong(
            "proxy kafka",
            format!("is switched off; {found}"),
            format!("curl -X POST {base}/reset"),
        );
    }
}

async fn kafka(report: &mut Report, server: &str) {
    let subject = format!("Kafka {server}");
    let Ok(address) = server.parse::<HostPort>() else {
        report.wrong(subject, "is no host:port", "name it with -b HOST:PORT");
        return;
    };
    match Connection::open(&address, PATIENCE).await {
        Ok(connection) => {
            let version = connection
                .version_for(ApiKey::Produce)
                .map_or_else(|_| "?".to_owned(), |version| version.to_string());
            report.ok(subject, format!("a broker answers; Produce is spoken up to version {version}"));
        }
        Err(error) => {
            let holder = if is_local_host(&address.host) { holder(address.port) } else { String::new() };
            report.wrong(
                subject,
                format!("{error}{holder}"),
                "start it (`facteur` alone does), or name it with -b HOST:PORT",
            );
        }
    }
}

/// The course's page has port 8080; it is optional (D-65).
async fn page(examination: &Examination, report: &mut Report) {
    const URL: &str = "http://localhost:8080";
    match examination.http.call(Method::GET, URL, None).await {
        Ok(answer) => {
            report.ok("port 8080 (optional)", format!("HTTP {}{}", answer.status.as_u16(), held_by(URL)));
        }
        Err(_) => match held_by(URL).as_str() {
            "" => report.ok("port 8080 (optional)", "free"),
            holder => report.note("port 8080 (optional)", format!("taken{holder}"), "nothing here needs it"),
        },
    }
}

/// What `/readyz` says of the checks that fail.
fn checks_that_fail(body: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let checks = json.get("checks").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
    let failing =
        checks.iter().filter(|check| check.get("ok").and_then(serde_json::Value::as_bool) != Some(true));
    let said: Vec<String> = failing
        .filter_map(|check| {
            Some(format!("{}: {}", check.get("name")?.as_str()?, check.get("detail")?.as_str()?))
        })
        .collect();
    if said.is_empty() { "draining".to_owned() } else { said.join("; ") }
}

/// `, held by java (process 4711)` for a port of this machine; empty where nobody listens or it cannot be told.
fn held_by(url: &str) -> String {
    let host_port = host_port(url);
    let (host, port) = host_port.rsplit_once(':').unwrap_or((&host_port, ""));
    match port.parse() {
        Ok(port) if is_local_host(host) => holder(port),
        Ok(_) | Err(_) => String::new(),
    }
}

fn holder(port: u16) -> String {
    busy_port::holder(port).map(|(id, name)| format!(", held by {name} (process {id})")).unwrap_or_default()
}

/// The authority of a URL.
pub(super) fn host_port(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_owned()
}

fn is_local(url: &str) -> bool {
    let host_port = host_port(url);
    is_local_host(host_port.rsplit_once(':').map_or(host_port.as_str(), |(host, _)| host))
}

fn is_local_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

/// The course's `kafka:29092`.
const INTERNAL_PORT: u16 = 29_092;
/// Longer than any listener of this machine needs.
pub(super) const CONNECT_PATIENCE: Duration = PATIENCE;
