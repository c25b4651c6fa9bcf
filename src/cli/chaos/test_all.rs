//! `facteur chaos test-all`: every type of fault, tried on a scratch proxy, with what was seen.
//!
//! **Why.** A class that sees no effect asks whether the injector or the experiment is broken; this answers in seconds,
//! for ours and for a real Toxiproxy (row 26 of the course's inventory). It starts a peer on this machine, lets the
//! injector stand in front of it, and removes its proxies whatever happens. Neighbours: [`super::test_cases`] are the
//! faults, [`super::test_peer`] the peer. Not here: the lab's own proxy, which is not touched.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::cli::chaos::admin::Admin;
use crate::cli::chaos::show;
use crate::cli::chaos::test_cases::{BYTE_CASES, Bench, Case, KAFKA_CASES, Seen};
use crate::cli::chaos::test_peer::{TestPeer, Tongue};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::signals::Signals;

/// Flags of `test-all`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TestAllArguments {
    /// How the injector reaches this machine; another name if it runs in a container.
    #[arg(long, default_value = "127.0.0.1", value_name = "HOST")]
    peer_host: String,
    /// Where the scratch proxies listen.
    #[arg(long, default_value = "127.0.0.1", value_name = "HOST")]
    listen_host: String,
}

/// One row of the table.
#[derive(Debug, Serialize)]
struct Row {
    fault: &'static str,
    expected: &'static str,
    seen: String,
    /// `null`: the server does not have it.
    ok: Option<bool>,
}

pub(crate) async fn run(admin: &Admin, arguments: &TestAllArguments, is_json: bool) -> Result<Exit, Failure> {
    let version = admin.version().await?;
    // Only ours says so, and only ours knows Kafka.
    let speaks_kafka = version.get("implementation").is_some();
    let mut signals = Signals::listen()?;
    let mut rows = Vec::new();
    for (tongue, cases) in [(Tongue::Echo, BYTE_CASES), (Tongue::Kafka, KAFKA_CASES)] {
        if matches!(tongue, Tongue::Kafka) && !speaks_kafka {
            rows.extend(cases.iter().map(|case| Row {
                fault: case.fault,
                expected: case.expected,
                seen: "not there: this server knows bytes only".to_owned(),
                ok: None,
            }));
            continue;
        }
        let peer = TestPeer::start(tongue).await?;
        let name = format!("{SCRATCH}-{}", peer.address().port());
        let bench = set_up(admin, arguments, &name, &peer).await?;
        // Ctrl-C ends the tests, not the clean-up.
        let outcome = tokio::select! {
            outcome = try_cases(&bench, cases) => outcome,
            () = signals.next() => Err(Failure::new(Exit::Interrupted, "interrupted; the scratch proxy is removed")),
        };
        let cleaned = admin.delete(&name).await;
        rows.extend(outcome?);
        cleaned?;
    }
    report(admin, &rows, is_json)
}

async fn set_up<'a>(
    admin: &'a Admin,
    arguments: &TestAllArguments,
    name: &str,
    peer: &'a TestPeer,
) -> Result<Bench<'a>, Failure> {
    let upstream = format!("{}:{}", arguments.peer_host, peer.address().port());
    let proxy = json!({"name": name, "listen": format!("{}:0", arguments.listen_host), "upstream": upstream});
    let created = admin.create(&proxy).await?;
    let listen = show::text(&created, "listen");
    match Bench::new(admin, name, &listen, peer) {
        Ok(bench) => Ok(bench),
        Err(failure) => {
            admin.delete(name).await?;
            Err(failure)
        }
    }
}

async fn try_cases(bench: &Bench<'_>, cases: &[Case]) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::with_capacity(cases.len());
    for case in cases {
        let attempt = tokio::time::timeout(LONGEST_CASE, bench.attempt(case.which));
        let Seen { what, ok } = match attempt.await {
            Ok(Ok(seen)) => seen,
            // A fault that cannot be tried is a row, not the end; without an injector there is no table.
            Ok(Err(failure)) if failure.exit == Exit::CannotConnect => return Err(failure),
            Ok(Err(failure)) => Seen { what: failure.message, ok: false },
            Err(_elapsed) => Seen { what: format!("nothing within {} s", LONGEST_CASE.as_secs()), ok: false },
        };
        bench.clean().await?;
        rows.push(Row { fault: case.fault, expected: case.expected, seen: what, ok: Some(ok) });
    }
    Ok(rows)
}

fn report(admin: &Admin, rows: &[Row], is_json: bool) -> Result<Exit, Failure> {
    let failed = rows.iter().filter(|row| row.ok == Some(false)).count();
    let missing = rows.iter().filter(|row| row.ok.is_none()).count();
    if is_json {
        output::json_line(&json!({"url": admin.url(), "ok": failed == 0, "faults": rows}))?;
    } else {
        let heads = ["Fault", "Expected", "Seen", "Result"].map(str::to_owned).to_vec();
        let lines = rows.iter().map(|row| {
            let result = match row.ok {
                Some(true) => "ok",
                Some(false) => "FAILED",
                None => "-",
            };
            vec![row.fault.to_owned(), row.expected.to_owned(), row.seen.clone(), result.to_owned()]
        });
        for line in output::table(std::iter::once(heads).chain(lines).collect()) {
            output::line(&line)?;
        }
        let tried = rows.len().saturating_sub(missing);
        let rest = if missing > 0 { format!("; {missing} are not there") } else { String::new() };
        output::line(&format!("{} of {tried} faults work{rest}", tried.saturating_sub(failed)))?;
    }
    Ok(if failed == 0 { Exit::Ok } else { Exit::CheckFailed })
}

/// The names of scratch proxies begin so.
const SCRATCH: &str = "facteur-test-all";
/// Each fault shows within a second.
const LONGEST_CASE: Duration = Duration::from_secs(10);
