//! `facteur consume --group`: reads what the group gives us, from where it stopped, and commits.
//!
//! **Why commit at the end, too.** Whatever ends the command (its count, the end of the topic, Ctrl-C, an error), what was
//! printed is committed and the group is told that we go; so the next run begins with the next record.
//!
//! Neighbours: [`crate::cli::group_membership`] talks to the coordinator, [`crate::cli::consume`] fetches and prints. Not
//! here: exactly-once; a command that is killed has printed up to 5 s more than it committed.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cli::client::Client;
use crate::cli::consume::{ConsumeArguments, Position, fetch_once, group_position};
use crate::cli::exit::{Exit, Failure};
use crate::cli::group_membership::{Membership, Pulse};
use crate::cli::message_format::MessageFormat;
use crate::cli::signals::Signals;
use crate::lab::{clock, tasks};
use crate::time::Instant;

const HEARTBEAT_EVERY: Duration = Duration::from_secs(3);
const COMMIT_EVERY: Duration = Duration::from_secs(5);
/// How long to wait if no partition is ours.
const IDLE: Duration = Duration::from_millis(500);

/// Reads until the end, the count, a signal, or the reader of stdout leaves; commits and leaves the group.
pub(super) async fn run(
    arguments: &ConsumeArguments,
    group: &str,
    format: &MessageFormat,
    signals: &mut Signals,
) -> Result<Exit, Failure> {
    if group.is_empty() {
        return Err(Failure::usage("the name of the group is empty; expected one such as --group readers"));
    }
    let mut client = arguments.cluster().connect().await?;
    client.topic(arguments.topic()).await?;
    let membership = Membership::find(&mut client, group, arguments.topic()).await?;
    let mut reader = Reader {
        arguments,
        format,
        client,
        membership,
        positions: BTreeMap::new(),
        committed: BTreeMap::new(),
        left: arguments.max_records(),
    };
    let outcome = tokio::select! {
        outcome = reader.read() => outcome,
        () = signals.next() => Ok(()),
    };
    let finished = tokio::select! {
        finished = reader.finish(group) => finished,
        () = signals.next() => return Ok(Exit::Interrupted),
    };
    outcome.and(finished).map(|()| Exit::Ok)
}

struct Reader<'a> {
    arguments: &'a ConsumeArguments,
    format: &'a MessageFormat,
    client: Client,
    membership: Membership<'a>,
    positions: BTreeMap<i32, Position>,
    /// What the coordinator knows.
    committed: BTreeMap<i32, i64>,
    left: u64,
}

impl Reader<'_> {
    async fn read(&mut self) -> Result<(), Failure> {
        loop {
            self.join().await?;
            if self.read_generation().await? == Done::Yes {
                return Ok(());
            }
        }
    }

    async fn join(&mut self) -> Result<(), Failure> {
        let partitions = self.membership.join(&mut self.client).await?;
        self.committed = self.membership.committed(&self.client, &partitions).await?;
        let topic = self.client.topic(self.arguments.topic()).await?;
        self.positions.clear();
        for known in topic.partitions.iter().filter(|known| partitions.contains(&known.partition)) {
            let Some(leader) = known.leader else { continue };
            let from = self.committed.get(&known.partition).copied();
            let place = (known.partition, leader);
            let position = group_position(&mut self.client, self.arguments, place, from).await?;
            self.positions.insert(known.partition, position);
        }
        Ok(())
    }

    /// Reads until all is read, or until the group gathers anew.
    async fn read_generation(&mut self) -> Result<Done, Failure> {
        let begun = clock::now();
        let (mut heartbeat_at, mut commit_at) = (begun + HEARTBEAT_EVERY, begun + COMMIT_EVERY);
        while self.left > 0 && !self.is_at_end() {
            if self.positions.is_empty() {
                tasks::sleep(IDLE).await;
            } else {
                let Self { client, arguments, positions, format, left, .. } = self;
                fetch_once(client, arguments, positions, format, left).await?;
            }
            let now: Instant = clock::now();
            let mut pulse = Pulse::Alive;
            if now >= commit_at {
                commit_at = now + COMMIT_EVERY;
                pulse = self.commit().await?;
            }
            if now >= heartbeat_at {
                heartbeat_at = now + HEARTBEAT_EVERY;
                pulse = self.membership.heartbeat(&self.client).await?;
            }
            if pulse == Pulse::JoinAgain {
                // A gathering still accepts what its members have read.
                self.commit().await?;
                return Ok(Done::No);
            }
        }
        Ok(Done::Yes)
    }

    /// With `-e`; also for a member that got no partition.
    fn is_at_end(&self) -> bool {
        let stops_at_end = self.arguments.stops_at_end();
        stops_at_end && self.positions.values().all(Position::is_at_end)
    }

    /// What was read and not committed yet.
    fn uncommitted(&self) -> Vec<(i32, i64)> {
        let read = self.positions.iter().map(|(partition, position)| (*partition, position.next_offset));
        read.filter(|(partition, offset)| self.committed.get(partition) != Some(offset)).collect()
    }

    async fn commit(&mut self) -> Result<Pulse, Failure> {
        let offsets = self.uncommitted();
        if offsets.is_empty() {
            return Ok(Pulse::Alive);
        }
        let pulse = self.membership.commit(&self.client, &offsets).await?;
        if pulse == Pulse::Alive {
            self.committed.extend(offsets);
        }
        Ok(pulse)
    }

    async fn finish(&mut self, group: &str) -> Result<(), Failure> {
        let mut client = self.arguments.cluster().connect().await?;
        let coordinator = client.coordinator(group).await?;
        let offsets = self.uncommitted();
        self.membership.finish(&client, coordinator, &offsets).await
    }
}

/// Whether there is nothing more to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Yes,
    No,
}
