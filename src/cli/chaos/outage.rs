//! A broker that is gone, and a network that is cut: `crash-broker` and `partition`.
//!
//! **Why two.** A dead process refuses connections, so its clients know at once; a cut cable swallows packets, so they
//! find out by their own time limits. The first is a proxy that is down, the second a pair of `timeout` toxics that pass
//! nothing (row 67 of the course's inventory: what a pod's deletion and a network policy do in Kubernetes).
//!
//! Neighbours: [`super::admin`]. Not here: a broker's process, which keeps running behind the injector.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::chaos::admin::{Admin, ToxicSpec};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::signals::Signals;
use crate::lab::tasks;

/// Flags of `crash-broker` and `partition`.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutageArguments {
    /// The proxy in front of the broker.
    #[arg(short, long, default_value = super::DEFAULT_PROXY)]
    proxy: String,
    /// End it after this many milliseconds; without it, it lasts until `--heal`.
    #[arg(long = "for", value_name = "MS", conflicts_with = "heal", value_parser = clap::value_parser!(u64).range(1..=super::MOST_MS))]
    for_ms: Option<u64>,
    /// End it now.
    #[arg(long)]
    heal: bool,
}

#[derive(Debug, Clone, Copy)]
enum Outage {
    Crash,
    Partition,
}

pub(crate) async fn crash(admin: &Admin, wanted: &OutageArguments, is_json: bool) -> Result<(), Failure> {
    act(admin, Outage::Crash, wanted, is_json).await
}

pub(crate) async fn partition(admin: &Admin, wanted: &OutageArguments, is_json: bool) -> Result<(), Failure> {
    act(admin, Outage::Partition, wanted, is_json).await
}

async fn act(admin: &Admin, outage: Outage, wanted: &OutageArguments, is_json: bool) -> Result<(), Failure> {
    let proxy = wanted.proxy.as_str();
    if wanted.heal {
        outage.end(admin, proxy).await?;
        return tell(is_json, outage, proxy, "healed", outage.healed());
    }
    let mut signals = Signals::listen()?;
    outage.begin(admin, proxy).await?;
    tell(is_json, outage, proxy, "begun", outage.begun())?;
    let Some(for_ms) = wanted.for_ms else {
        if !is_json {
            output::line(&format!("end it with: facteur chaos {} --proxy {proxy} --heal", outage.verb()))?;
        }
        return Ok(());
    };
    // Ctrl-C ends the outage early instead of leaving it behind.
    tokio::select! {
        () = tasks::sleep(Duration::from_millis(for_ms)) => {}
        () = signals.next() => {}
    }
    outage.end(admin, proxy).await?;
    tell(is_json, outage, proxy, "healed", outage.healed())
}

fn tell(is_json: bool, outage: Outage, proxy: &str, state: &str, sentence: &str) -> Result<(), Failure> {
    if is_json {
        return output::json_line(&json!({"proxy": proxy, "outage": outage.verb(), "state": state}));
    }
    output::line(&format!("proxy {proxy}: {sentence}"))
}

impl Outage {
    const fn verb(self) -> &'static str {
        match self {
            Self::Crash => "crash-broker",
            Self::Partition => "partition",
        }
    }

    const fn begun(self) -> &'static str {
        match self {
            Self::Crash => "down; connections are closed, new ones refused",
            Self::Partition => "cut; nothing passes in either direction, connections stay open",
        }
    }

    const fn healed(self) -> &'static str {
        match self {
            Self::Crash => "up again",
            Self::Partition => {
                "whole again; connections that were open during the cut are closed, for bytes are missing"
            }
        }
    }

    async fn begin(self, admin: &Admin, proxy: &str) -> Result<(), Failure> {
        match self {
            Self::Crash => admin.change(proxy, &json!({"enabled": false})).await.map(drop),
            Self::Partition => {
                let mut added = Vec::new();
                for (stream, name) in CUTS {
                    let toxic = ToxicSpec {
                        type_name: "timeout".to_owned(),
                        name: Some(name.to_owned()),
                        stream,
                        toxicity: 1.0,
                        attributes: json!({"timeout": 0}),
                    };
                    if let Err(failure) = admin.add(proxy, &toxic).await {
                        // Half a cut would be another fault than the one that was asked for; what was there before
                        // stays.
                        for name in added {
                            admin.remove(proxy, name).await?;
                        }
                        return Err(failure);
                    }
                    added.push(name);
                }
                Ok(())
            }
        }
    }

    async fn end(self, admin: &Admin, proxy: &str) -> Result<(), Failure> {
        match self {
            Self::Crash => admin.change(proxy, &json!({"enabled": true})).await.map(drop),
            Self::Partition => {
                let mut removed = 0;
                let mut last = None;
                for (_, name) in CUTS {
                    match admin.remove(proxy, name).await {
                        Ok(()) => removed += 1,
                        Err(failure) if failure.exit == Exit::CannotConnect => return Err(failure),
                        Err(failure) => last = Some(failure),
                    }
                }
                // One half that is left over may be removed; nothing to remove is an error.
                if removed > 0 { Ok(()) } else { last.map_or(Ok(()), Err) }
            }
        }
    }
}

/// The two toxics of a cut: stream and name.
const CUTS: [(&str, &str); 2] = [("upstream", "partition_upstream"), ("downstream", "partition_downstream")];
