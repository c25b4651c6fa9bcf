//! The key experiment (lab 02.4): a lost acknowledgement stores a plain record twice and an idempotent one once.
//!
//! **Why it cannot flake.** Each producer is warm before the fault (a cold one would lose the answer of another request),
//! the fault hits one client id only (D-61), nothing is waited for by the clock where a condition can be awaited, and the
//! log is read up to the offset that the answer named. Neighbours: [`super::recipe`], [`super::verdict`], [`super::run`].
//! Not here: choosing where it runs.

use std::time::Duration;

use serde_json::json;

use crate::cli::exit::Failure;
use crate::lab::clock;
use crate::lab::profile::{Mode, Profile};
use crate::lab::runner::checkpoint::Stop;
use crate::lab::runner::facade_client::FacadeAnswer;
use crate::lab::runner::log_reader::{LogReader, Mark};
use crate::lab::runner::recipe::Recipe;
use crate::lab::runner::run::Runner;
use crate::lab::runner::toxic_client::fired;
use crate::lab::runner::verdict::{Measured, Verdict};
use crate::lab::tasks;

/// The four producers, in the order of the course's line.
const PRODUCERS: [(Profile, Mode); 4] = [
    (Profile::Java, Mode::Idempotent),
    (Profile::Java, Mode::Plain),
    (Profile::Librdkafka, Mode::Idempotent),
    (Profile::Librdkafka, Mode::Plain),
];

/// The topic of the course.
pub const TOPIC: &str = "bhf-transactions";
/// With how many partitions it is made where it is missing.
pub const PARTITIONS: i32 = 3;

/// Measures all four.
///
/// # Errors
///
/// If a façade, the injector or Kafka does not answer; numbers that are wrong are in the verdict.
///
/// # Cancel safety
///
/// A toxic may stand; [`super::toxic_client::ToxicClient::heal`] removes it.
pub async fn run(runner: &Runner, recipe: Recipe) -> Result<Verdict, Stop> {
    let began = clock::now();
    let mut log = runner.log().await?;
    let mut numbers = Vec::new();
    for producer in PRODUCERS {
        numbers.push(one(runner, recipe, producer, &mut log).await?);
    }
    Ok(Verdict::of(numbers, runner.language, milliseconds(clock::now().since(began))))
}

/// Measures one producer.
///
/// # Errors
///
/// As [`run`].
///
/// # Cancel safety
///
/// As [`run`].
pub async fn one(
    runner: &Runner,
    recipe: Recipe,
    (profile, mode): (Profile, Mode),
    log: &mut LogReader,
) -> Result<Measured, Stop> {
    let measured = Experiment { runner, recipe, profile, mode }.measure(log).await;
    // Whatever happened, the next one must not meet this one's fault.
    runner.toxics.heal().await?;
    measured
}

struct Experiment<'a> {
    runner: &'a Runner,
    recipe: Recipe,
    profile: Profile,
    mode: Mode,
}

impl Experiment<'_> {
    async fn measure(&self, log: &mut LogReader) -> Result<Measured, Stop> {
        let name = Measured::name_of(self.profile, self.mode);
        let event_id = self.runner.event_id(&name.to_uppercase().replace('_', "-"));
        self.warm_up(&event_id).await?;
        let mark = log.end(TOPIC).await?;
        let (answer, fired) = match self.recipe {
            Recipe::Drop => self.drop_one_answer(&event_id).await?,
            Recipe::Timeout => self.swallow_answers(&event_id, log, &mark).await?,
            Recipe::Seed => self.delay_answers(&event_id).await?,
        };
        let (partition, offset) = (answer.number("partition"), answer.number("offset"));
        if let (Some(partition), Some(offset)) = (partition, offset)
            && let Ok(partition) = i32::try_from(partition)
        {
            log.offset_readable(TOPIC, partition, offset, READABLE_PATIENCE).await?;
        }
        let copies = log.lines_since(&mark, |line| line.value.contains(&event_id)).await?;
        Ok(Measured {
            profile: self.profile,
            mode: self.mode,
            name,
            copies: copies.len(),
            partition: partition.or_else(|| copies.first().map(|line| i64::from(line.partition))),
            offsets: copies.iter().map(|line| line.offset).collect(),
            status: answer.status.as_u16(),
            attempts: answer.number("attempts"),
            producer_id: answer.number("producerId"),
            producer_epoch: answer.number("producerEpoch"),
            base_sequence: answer.number("baseSequence"),
            answered_offset: offset,
            deduplicated: answer.json.get("deduplicated").and_then(serde_json::Value::as_bool),
            fired,
            elapsed_ms: milliseconds(answer.elapsed),
            problem: (answer.status.as_u16() != 200).then(|| answer.short()),
            event_id,
        })
    }

    /// The producer knows the topic, has its id and is connected to the leader of the event's partition.
    async fn warm_up(&self, event_id: &str) -> Result<(), Stop> {
        let warm = self.runner.event_id("WARM-UP");
        let answer = self.send(&warm, event_id).await?;
        if answer.status.as_u16() != 200 {
            let (name, said) = (Measured::name_of(self.profile, self.mode), answer.short());
            return Err(Stop::new(format!(
                "the warm-up send of {name}, before any fault of ours, was answered {said}"
            )));
        }
        Ok(())
    }

    async fn drop_one_answer(&self, event_id: &str) -> Result<(FacadeAnswer, Option<u64>), Stop> {
        let toxic = self.toxic_name();
        let client_id = format!("m02-{}-{}", self.profile.name(), self.mode.name());
        let attributes = json!({"api": "Produce", "clientId": client_id, "count": 1});
        self.runner.toxics.add(&toxic, "drop_response", attributes).await?;
        let answer = self.send(event_id, event_id).await?;
        let fired = self.runner.toxics.toxic(&toxic).await?.as_ref().and_then(fired);
        self.runner.toxics.remove(&toxic).await?;
        Ok((answer, fired))
    }

    /// While the toxic stands nobody gets an answer; once the record is in the log it is removed, and the connection,
    /// whose bytes are missing, is cut.
    async fn swallow_answers(
        &self,
        event_id: &str,
        log: &mut LogReader,
        mark: &Mark,
    ) -> Result<(FacadeAnswer, Option<u64>), Stop> {
        let toxic = self.toxic_name();
        self.runner.toxics.add(&toxic, "timeout", json!({"timeout": 0})).await?;
        let healing = async {
            let seen = log.line_after(mark, |line| line.value.contains(event_id), APPENDED_PATIENCE).await;
            self.runner.toxics.remove(&toxic).await?;
            seen.map_err(|Failure { message, .. }| Stop::new(message))
        };
        let (answer, seen) = tokio::join!(self.send(event_id, event_id), healing);
        seen?;
        Ok((answer?, None))
    }

    async fn delay_answers(&self, event_id: &str) -> Result<(FacadeAnswer, Option<u64>), Stop> {
        let toxic = self.toxic_name();
        self.runner.toxics.add(&toxic, "latency", json!({"latency": 5000, "jitter": 0})).await?;
        let healing = async {
            // The course's two seconds are part of the recipe: they must be longer than the producers' 1,000 ms.
            tasks::sleep(SEED_FAULT).await;
            self.runner.toxics.remove(&toxic).await
        };
        let (answer, healed) = tokio::join!(self.send(event_id, event_id), healing);
        healed?;
        Ok((answer?, None))
    }

    async fn send(&self, event_id: &str, key: &str) -> Result<FacadeAnswer, Stop> {
        let parameters = [
            ("mode", self.mode.name()),
            ("sendMode", "sync"),
            ("topic", TOPIC),
            ("eventId", event_id),
            ("key", key),
        ];
        Ok(self.runner.facade(self.profile).send(&parameters).await?)
    }

    fn toxic_name(&self) -> String {
        format!("validate-{}", Measured::name_of(self.profile, self.mode))
    }
}

/// A duration as whole milliseconds.
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How long an acknowledged record may take to be readable.
const READABLE_PATIENCE: Duration = Duration::from_secs(10);
/// How long a sent record may take to be in the log.
const APPENDED_PATIENCE: Duration = Duration::from_secs(20);
/// How long the course's latency stands.
const SEED_FAULT: Duration = Duration::from_secs(2);
