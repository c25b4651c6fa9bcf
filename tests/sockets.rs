//! The oracle on real sockets: the producer as users have it, the embedded broker, and our injector between them.
//!
//! **Why beside the simulation.** Here the driver, the handle, threads, tokio, the kernel's buffers and our own broker are
//! what they are. Records flow on four lanes, by deliveries and by callbacks, while a seeded plan of faults runs: toxics on
//! the bytes, toxics that know Kafka, faults of the broker. Then all is healed, each lane gets a canary, and the same
//! oracle that judges the simulation judges this (`tests/oracle/`): Q1 to Q5, Q7, Q8, Q12 to Q15, and after a quiet
//! period the log again.
//!
//! The plain form takes some seconds. The longer one:
//! ```text
//! SOCKET_FAULTS=300 SOCKET_SEED=7 cargo test --release --test sockets -- --nocapture
//! ```
//! Neighbours: `sockets/plan.rs` has the faults, `sockets/workload.rs` the records; `tests/kafka/` is the same against a
//! real Kafka.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a harness on real sockets lives on the real clock and reports on standard output"
)]

#[path = "oracle/mod.rs"]
mod oracle;

#[path = "sockets/path.rs"]
mod path;
#[path = "sockets/plan.rs"]
mod plan;
#[path = "sockets/run.rs"]
mod run;
#[path = "sockets/workload.rs"]
mod workload;

use std::sync::{Mutex, PoisonError};

use oracle::Check;
use plan::{FAULTS, Kind};
use run::{Run, number_from};

/// One run at a time: they share two cores, and count the sockets of the process. A runtime has one of its own, so the
/// next test's must not begin while this one counts.
static ALONE: Mutex<()> = Mutex::new(());

fn alone<T>(test: impl Future<Output = T>) -> T {
    let _turn = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().expect("a runtime").block_on(test)
}

// Every kind of fault at least once, in an order drawn from the seed, under load. Fails if a record is lost, repeated,
// reordered, told wrongly or late or twice, or not at all; if a lane does not work afterwards; or if something is left.
#[test]
fn every_kind_of_fault_on_sockets_breaks_no_promise() {
    let count = usize::try_from(number_from("SOCKET_FAULTS", FAULTS.len() as u64)).unwrap();
    let run = Run { seed: number_from("SOCKET_SEED", 1), faults: plan::drawn(FAULTS, count), settings: &[] };

    let verdict = alone(run.play());

    println!("{}", verdict.report(&format!("{count} faults on sockets")));
    assert!(verdict.breaches.is_empty(), "{:#?}", verdict.breaches);
    assert!(verdict.total.acknowledged > 1_000, "{}", verdict.total);
}

// The control: lost answers and repeated requests with a producer that does not number its batches. Fails if the oracle
// is blind, or the faults do not happen; then the run above would pass for nothing.
#[test]
fn the_same_faults_repeat_the_records_of_a_plain_producer() {
    let kinds = [Kind::DropResponse, Kind::DuplicateRequest, Kind::LoseAnswer];
    let plain = &[("enable.idempotence", "false"), ("acks", "all")];
    let run = Run { seed: 1, faults: plan::drawn(&kinds, 3), settings: plain };

    let verdict = alone(run.play());

    println!("{}", verdict.report("a plain producer, judged by the whole contract"));
    assert!(verdict.total.repeated() > 0, "{}", verdict.total);
    // With five requests in flight, what is sent again also comes too late.
    let others: Vec<_> = verdict
        .breaches
        .iter()
        .filter(|breach| !matches!(breach.check, Check::Q2 | Check::Q4 | Check::Q5))
        .collect();
    assert!(others.is_empty(), "{others:#?}");
}
