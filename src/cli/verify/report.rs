//! The report of a run: for people, and as JSON.
//!
//! **Why the seed comes first.** Whoever sees a breach wants to see it again. Neighbours: `audit` has judged. Not here:
//! lines per acknowledgement, which are `ledger`'s.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::verify::audit::{Audit, PartitionAudit, Promise};
use crate::cli::verify::sending::Sent;

/// A run that was audited.
#[derive(Debug)]
pub struct Report {
    topic: String,
    run_id: String,
    promise: Promise,
    sent: Sent,
    audit: Audit,
    breaches: Vec<String>,
}

impl Report {
    /// Judges.
    pub fn new(topic: String, run_id: String, promise: Promise, sent: Sent, audit: Audit) -> Self {
        let breaches = promise.breaches(&audit);
        Self { topic, run_id, promise, sent, audit, breaches }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        if !self.breaches.is_empty() {
            return Exit::CheckFailed;
        }
        let has_proof = !self.promise.is_confirmed() || self.audit.total(|one| one.acknowledged) > 0;
        if has_proof { Exit::Ok } else { Exit::DeliveryFailed }
    }

    fn verdict(&self) -> String {
        let promised = self.promise.words();
        if !self.breaches.is_empty() {
            return format!("BROKEN: {} (promised: {promised})", self.breaches.join("; "));
        }
        if self.exit() == Exit::Ok {
            format!("OK: the promise held ({promised})")
        } else {
            "NOTHING VERIFIED: no record was acknowledged".to_owned()
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sent { seed, faults, elapsed, is_cut, batches_retried, .. } = &self.sent;
        writeln!(
            f,
            "run {}  topic {}  seed {seed}  {:.1} s",
            self.run_id,
            self.topic,
            elapsed.as_secs_f64()
        )?;
        if *is_cut {
            writeln!(f, "stopped by a signal: only the records so far were sent and audited")?;
        }
        let acted = faults.iter().filter(|(_, has_fired)| *has_fired).count();
        writeln!(f, "faults armed {}, acted {acted}; batches sent again {batches_retried}", faults.len())?;
        for (planned, has_fired) in faults {
            let idle = if *has_fired { "" } else { "   (found no request)" };
            writeln!(f, "  at record {:>6}  {}{idle}", planned.at_record, planned.kind.describe())?;
        }
        writeln!(
            f,
            "partition    sent   acked rejected unknown  in log    lost  duplicated  reordered  misplaced"
        )?;
        for one in &self.audit.partitions {
            row(f, &one.partition.to_string(), |of| of(one))?;
        }
        row(f, "all", |of| self.audit.total(of))?;
        f.write_str(&self.verdict())
    }
}

fn row(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    sum: impl Fn(fn(&PartitionAudit) -> u64) -> u64,
) -> fmt::Result {
    writeln!(
        f,
        "{name:>9} {:>7} {:>7} {:>8} {:>7} {:>7} {:>7} {:>11} {:>10} {:>10}",
        sum(|one| one.sent),
        sum(|one| one.acknowledged),
        sum(|one| one.rejected),
        sum(|one| one.unknown),
        sum(|one| one.in_log),
        sum(|one| one.lost.count),
        sum(|one| one.duplicated.count),
        sum(|one| one.reordered.count),
        sum(|one| one.misplaced.count),
    )
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let faults: Vec<_> = self
            .sent
            .faults
            .iter()
            .map(|(planned, has_fired)| json!({"fault": planned, "fired": has_fired}))
            .collect();
        let report = json!({
            "name": "verify_report",
            "ok": self.exit() == Exit::Ok,
            "promise": self.promise.words(),
            "breaches": self.breaches,
            "runId": self.run_id,
            "topic": self.topic,
            "seed": self.sent.seed,
            "faults": faults,
            "batchesRetried": self.sent.batches_retried,
            "complete": !self.sent.is_cut,
            "seconds": self.sent.elapsed.as_secs_f64(),
            "partitions": self.audit.partitions,
        });
        report.serialize(serializer)
    }
}
