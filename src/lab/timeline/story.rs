//! The story of one event: each call, stage by stage, with times, and the verdict.
//!
//! **Why stages in one list.** What happened is a sequence with four witnesses; a reader wants it from top to bottom.
//! Broker and injector tell whole milliseconds, so theirs are put where they must have been: after the sending of their
//! attempt and, if they fell into the same millisecond, before its answer. Neighbours: [`super::join`] finds what
//! belongs together, [`super::words`] has the sentences. Not here: the log itself, which `routes/audit` counts.

use serde::Serialize;
use utoipa::ToSchema;

use super::event::{CallNote, CallStep, Settled};
use super::join::{At, Attempt, Told, position, told_of};
use super::{Timeline, words};
use crate::broker::events::EventKind;
use crate::chaos::definition::Stream;
use crate::chaos::events::{ChaosEvent, ChaosEventKind};
use crate::engine::Observation;
use crate::lab::clock;
use crate::lab::language::Language;
use crate::runtime::observations::Observed;

/// What is known of an event.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// The event.
    #[schema(example = "E-1")]
    pub event_id: String,
    /// One entry per HTTP call that carried it, oldest first; the newest twenty.
    pub sends: Vec<SendStory>,
    /// Copies in the log that all these calls made; null where nobody saw it.
    #[schema(required = true)]
    pub copies: Option<u64>,
    /// Who saw the copies: `broker` (its events), `log` (read through the Kafka protocol); null where nobody did.
    #[schema(required = true)]
    pub copies_from: Option<&'static str>,
    /// In one sentence.
    pub verdict: String,
    /// Whether nothing was lost that could belong to it.
    pub is_complete: bool,
}

/// One call and its record.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendStory {
    /// The call's number since the start of the lab.
    pub call: u64,
    /// When it came, ISO-8601, UTC.
    pub at: String,
    /// The topic.
    #[schema(required = true)]
    pub topic: Option<String>,
    /// How often the batch was handed to a connection.
    pub attempts: usize,
    /// `OK`, `PENDING`, `ERROR` or `UNKNOWN`; null if it never came to a record.
    #[schema(required = true)]
    pub outcome: Option<&'static str>,
    /// Copies that its attempts made, as the broker told; null without the embedded broker.
    #[schema(required = true)]
    pub copies: Option<u64>,
    /// In one sentence.
    pub verdict: String,
    /// What happened, in order.
    pub stages: Vec<Stage>,
}

/// One stage.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// When, ISO-8601, UTC.
    pub at: String,
    /// Milliseconds since the call came.
    pub since_ms: f64,
    /// Its kind: `http_call`, `accepted`, `stamped`, `sent`, `injector`, `broker`, `answered`, `unanswered`, `retry`,
    /// `acknowledged`, `rejected`, `unknown`, `late_acknowledgement`, `abandoned`, `split`, `http_answer`.
    pub stage: &'static str,
    /// The attempt that it belongs to, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<usize>,
    /// What happened, in words.
    pub text: String,
    /// The kind of the broker's or the injector's event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// The broker's node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<i32>,
    /// Our end of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_address: Option<String>,
    /// The request's number on the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<i32>,
    /// The producer id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub producer_id: Option<i64>,
    /// Its epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub producer_epoch: Option<i16>,
    /// The batch's first sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_sequence: Option<i32>,
    /// The partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// The batch's first offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// The broker's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<i16>,
    /// The HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip)]
    at_us: i64,
    /// Stages of one microsecond are in the order of the path.
    #[serde(skip)]
    rank: usize,
}

/// The story of an event; `None` if no call with it is remembered.
pub fn story_of(timeline: &Timeline, event_id: &str, has_broker: bool, language: Language) -> Option<Story> {
    let told = told_of(timeline, event_id);
    if told.is_empty() {
        return None;
    }
    let sends: Vec<SendStory> = told.iter().map(|told| send_of(told, has_broker, language)).collect();
    let copies = sends.iter().map(|send| send.copies).sum::<Option<u64>>();
    let lost = timeline.lost();
    let arrived = |told: &Told| {
        told.notes.first().is_some_and(|note| matches!(note.what.step, CallStep::Arrived { .. }))
    };
    Some(Story {
        event_id: event_id.to_owned(),
        copies,
        copies_from: copies.is_some().then_some("broker"),
        verdict: verdict_of_all(&sends, copies, language),
        is_complete: lost == super::Lost::default() && told.iter().all(arrived),
        sends,
    })
}

impl Story {
    /// The one topic that all its calls went to.
    pub fn topic(&self) -> Option<&str> {
        let mut topics = self.sends.iter().map(|send| send.topic.as_deref());
        let first = topics.next()??;
        topics.all(|topic| topic == Some(first)).then_some(first)
    }

    /// Tells the copies that were counted in the log, where no broker of ours saw them.
    pub fn count_in_the_log(&mut self, copies: u64, language: Language) {
        self.copies = Some(copies);
        self.copies_from = Some("log");
        let text = match (copies, language) {
            (0, Language::English) => "The log holds no copy now.".to_owned(),
            (0, Language::French) => "Le journal n'en contient pas de copie pour l'instant.".to_owned(),
            (1, Language::English) => "The log holds one copy.".to_owned(),
            (1, Language::French) => "Le journal en contient une copie.".to_owned(),
            (copies, Language::English) => format!("The log holds {copies} copies."),
            (copies, Language::French) => format!("Le journal en contient {copies} copies."),
        };
        self.verdict = format!("{} {text}", self.verdict);
    }
}

fn send_of(told: &Told, has_broker: bool, language: Language) -> SendStory {
    let mut stages: Vec<Stage> = Vec::new();
    let is_observed = told.observed.iter().any(|one| outcome_of_observation(&one.what.observation).is_some());
    for note in &told.notes {
        // The producer's own words about the outcome say more.
        if is_observed && matches!(note.what.step, CallStep::Settled(_)) {
            continue;
        }
        let mut stage = stage_of_note(note, language);
        if let (CallStep::Accepted { .. }, Some(first)) = (&note.what.step, told.observed.first()) {
            // The I/O thread may have been faster than the façade's note.
            stage.at_us = stage.at_us.min(first.at_us);
        }
        stages.push(stage);
    }
    stages.extend(told.observed.iter().filter_map(|one| stage_of_observation(told, one, language)));
    for (index, attempt) in told.attempts.iter().enumerate() {
        stages.extend(stages_of_witnesses(index, attempt, language));
    }
    stages.sort_by_key(|stage| (stage.at_us, stage.rank));
    let begun = told.notes.first().map_or(0, |note| note.at_us);
    for stage in &mut stages {
        stage.at = clock::iso_8601_us(stage.at_us);
        let since_us = i32::try_from(stage.at_us.saturating_sub(begun)).unwrap_or(i32::MAX);
        stage.since_ms = f64::from(since_us) / 1000.0;
    }
    // An acknowledged record has a copy; if none was seen, the broker's word was lost or is still on its way.
    let copies = (has_broker && told.place().is_some())
        .then(|| copies_of(told))
        .filter(|copies| *copies > 0 || outcome_of(told) != Some("OK"));
    SendStory {
        call: told.notes.first().map_or(0, |note| note.what.call),
        at: clock::iso_8601_us(begun),
        topic: topic_of(told),
        attempts: told.attempts.len(),
        outcome: outcome_of(told),
        copies,
        verdict: verdict_of_one(told, copies, language),
        stages,
    }
}

/// The place of a stage on the path; the injector has another one on the way back.
fn rank(stage: &str) -> usize {
    const ORDER: &[&str] = &["http_call", "accepted", "stamped", "sent", "injector", "broker", WAY_BACK];
    ORDER.iter().position(|known| *known == stage).unwrap_or(ORDER.len())
}

fn stage_of_note(note: &At<CallNote>, language: Language) -> Stage {
    let step = &note.what.step;
    let mut stage = Stage {
        at_us: note.at_us,
        stage: step.name(),
        rank: rank(step.name()),
        text: words::of_call(step, language),
        ..Stage::default()
    };
    match step {
        CallStep::Accepted { partition, .. } => stage.partition = Some(*partition),
        CallStep::Answered { status } => stage.status = Some(*status),
        CallStep::Settled(Settled::Acknowledged { offset }) => stage.offset = *offset,
        CallStep::Arrived { .. } | CallStep::Settled(Settled::Rejected { .. } | Settled::Unknown { .. }) => {}
    }
    stage
}

fn stage_of_observation(told: &Told, one: &At<Observed>, language: Language) -> Option<Stage> {
    let observation = &one.what.observation;
    let local = one.what.local_address.map(|address| address.to_string());
    let batch = observation.batch()?;
    let mut stage = Stage {
        at_us: one.at_us,
        stage: stage_name(observation)?,
        rank: rank(stage_name(observation)?),
        text: words::of_producer(observation, local.as_deref(), language)?,
        local_address: local,
        partition: Some(batch.partition),
        producer_id: batch.stamp.map(|(identity, _)| identity.producer_id),
        producer_epoch: batch.stamp.map(|(identity, _)| identity.epoch),
        base_sequence: batch.stamp.map(|(_, sequence)| sequence),
        ..Stage::default()
    };
    if let Observation::BatchSent { node, connection, correlation_id, .. }
    | Observation::BatchAnswered { node, connection, correlation_id, .. }
    | Observation::BatchUnanswered { node, connection, correlation_id, .. } = observation
    {
        stage.node = Some(node.0);
        stage.correlation_id = Some(*correlation_id);
        stage.attempt = position(&told.attempts, *connection, *correlation_id).map(|index| index + 1);
    }
    if let Observation::BatchAnswered { code, base_offset, .. } = observation {
        stage.error_code = Some(code.0);
        stage.offset = *base_offset;
    }
    if let Observation::BatchAcknowledged { base_offset, .. }
    | Observation::LateAcknowledgement { base_offset, .. } = observation
    {
        stage.offset = *base_offset;
    }
    Some(stage)
}

const fn stage_name(observation: &Observation) -> Option<&'static str> {
    Some(match observation {
        Observation::BatchStamped { .. } => "stamped",
        Observation::BatchSent { .. } => "sent",
        Observation::BatchAnswered { .. } => "answered",
        Observation::BatchUnanswered { .. } => "unanswered",
        Observation::BatchRetried { .. } => "retry",
        Observation::BatchAcknowledged { .. } => "acknowledged",
        Observation::BatchRejected { .. } => "rejected",
        Observation::BatchUnknown { .. } => "unknown",
        Observation::LateAcknowledgement { .. } => "late_acknowledgement",
        Observation::BatchAbandoned { .. } => "abandoned",
        Observation::BatchSplit { .. } => "split",
        Observation::OffsetRegression { .. }
        | Observation::ConnectionReady { .. }
        | Observation::ConnectionLost { .. }
        | Observation::LaneReset { .. }
        | Observation::ProducerIdAssigned { .. }
        | Observation::EpochBumped { .. }
        | Observation::MetadataUpdated { .. }
        | Observation::LeaderChanged { .. }
        | Observation::Throttled { .. }
        | Observation::ProtocolViolation { .. } => return None,
    })
}

/// What broker and injector did with an attempt, in the order of the path: what the injector did on the way there, the
/// broker, what the injector did on the way back.
fn stages_of_witnesses(index: usize, attempt: &Attempt, language: Language) -> Vec<Stage> {
    let blank =
        |at_us: i64| Stage { at_us: placed(at_us, attempt), attempt: Some(index + 1), ..Stage::default() };
    // The end of the connection is a fault's last word, and says nothing that the fault did not say.
    let has_fault =
        attempt.injector.iter().any(|event| matches!(event.what.kind, ChaosEventKind::FaultFired { .. }));
    let injector = |is_way_back: bool| {
        let is_wanted = move |event: &&At<ChaosEvent>| {
            let is_end = matches!(event.what.kind, ChaosEventKind::ConnectionClosed { .. });
            (is_end || event.what.stream == Some(Stream::Downstream)) == is_way_back && !(is_end && has_fault)
        };
        attempt.injector.iter().filter(is_wanted).map(move |event| Stage {
            stage: "injector",
            rank: rank(if is_way_back { WAY_BACK } else { "injector" }),
            kind: Some(event.what.kind.name()),
            text: words::of_injector(&event.what, language),
            correlation_id: event.what.request.as_ref().map(|request| request.correlation_id),
            ..blank(event.at_us)
        })
    };
    let broker = attempt.broker.iter().map(|event| Stage {
        stage: "broker",
        rank: rank("broker"),
        kind: Some(event.what.kind.name()),
        text: words::of_broker(&event.what, language),
        partition: event.what.partition,
        producer_id: event.what.producer_id,
        producer_epoch: event.what.epoch,
        base_sequence: event.what.base_sequence,
        offset: event.what.offset,
        ..blank(event.at_us)
    });
    injector(false).chain(broker).chain(injector(true)).collect()
}

/// A time of whole milliseconds, put after the attempt's sending and, within one millisecond, before its end.
fn placed(at_us: i64, attempt: &Attempt) -> i64 {
    let after = at_us.max(attempt.sent_at_us);
    match attempt.ended_at_us {
        Some(ended) if at_us.div_euclid(1000) <= ended.div_euclid(1000) => after.min(ended),
        Some(_) | None => after,
    }
}

fn topic_of(told: &Told) -> Option<String> {
    told.notes.iter().find_map(|note| match &note.what.step {
        CallStep::Arrived { topic, .. } | CallStep::Accepted { topic, .. } => Some(topic.to_string()),
        CallStep::Settled(_) | CallStep::Answered { .. } => None,
    })
}

fn copies_of(told: &Told) -> u64 {
    let appended = |event: &&At<crate::broker::BrokerEvent>| event.what.kind == EventKind::Appended;
    let count = told.attempts.iter().flat_map(|attempt| &attempt.broker).filter(appended).count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn outcome_of_observation(observation: &Observation) -> Option<&'static str> {
    if let Observation::BatchAcknowledged { .. } = observation {
        Some("OK")
    } else if let Observation::BatchRejected { .. } = observation {
        Some("ERROR")
    } else if let Observation::BatchUnknown { .. } = observation {
        Some("UNKNOWN")
    } else {
        None
    }
}

/// The first outcome counts: what comes later was told to nobody.
fn outcome_of(told: &Told) -> Option<&'static str> {
    let settled = told.notes.iter().find_map(|note| match &note.what.step {
        CallStep::Settled(Settled::Acknowledged { .. }) => Some("OK"),
        CallStep::Settled(Settled::Rejected { .. }) => Some("ERROR"),
        CallStep::Settled(Settled::Unknown { .. }) => Some("UNKNOWN"),
        CallStep::Arrived { .. } | CallStep::Accepted { .. } | CallStep::Answered { .. } => None,
    });
    let observed = || told.observed.iter().find_map(|one| outcome_of_observation(&one.what.observation));
    settled.or_else(observed).or_else(|| told.place().map(|_| "PENDING"))
}

fn verdict_of_one(told: &Told, copies: Option<u64>, language: Language) -> String {
    let attempts = told.attempts.len();
    let is_recognised = told
        .attempts
        .iter()
        .flat_map(|attempt| &attempt.broker)
        .any(|event| event.what.kind == EventKind::DuplicateRecognised);
    if told.place().is_none() {
        let text = language.pick(
            "No record was accepted: nothing was written.",
            "Aucun enregistrement n'a été accepté : rien n'a été écrit.",
        );
        return text.to_owned();
    }
    let french = language == Language::French;
    match (copies, outcome_of(told)) {
        (_, Some("PENDING")) => language.pick("It is on its way.", "Il est en route.").to_owned(),
        (Some(1), _) if is_recognised && french => format!(
            "Une copie : {attempts} tentatives portaient le même numéro de séquence, le broker a reconnu la répétition."
        ),
        (Some(1), _) if is_recognised => format!(
            "One copy: {attempts} attempts bore the same sequence number, and the broker recognised the repetition."
        ),
        (Some(1), _) if french => format!("Une copie, {attempts} tentative(s)."),
        (Some(1), _) => format!("One copy, {attempts} attempt(s)."),
        (Some(0), _) => language.pick("No copy in the log.", "Aucune copie dans le journal.").to_owned(),
        (Some(copies), _) if french => format!(
            "{copies} copies : sans producer id ni numéro de séquence, le broker ne peut pas reconnaître une répétition."
        ),
        (Some(copies), _) => format!(
            "{copies} copies: without a producer id and a sequence number the broker cannot recognise a repetition."
        ),
        (None, Some("UNKNOWN")) => language
            .pick("Nobody knows whether it is in the log.", "On ne sait pas s'il est dans le journal.")
            .to_owned(),
        (None, Some("ERROR")) => {
            language.pick("It is not in the log.", "Il n'est pas dans le journal.").to_owned()
        }
        (None, _) if french => format!("Acquitté après {attempts} tentative(s)."),
        (None, _) => format!("Acknowledged after {attempts} attempt(s)."),
    }
}

fn verdict_of_all(sends: &[SendStory], copies: Option<u64>, language: Language) -> String {
    let french = language == Language::French;
    match (sends, copies) {
        ([one], _) => one.verdict.clone(),
        (_, Some(copies)) if french => format!(
            "{copies} copies en {} appels HTTP : l'idempotence du producteur ne couvre que ses propres répétitions ; \
             l'en-tête Idempotency-Key couvre celles de l'appelant.",
            sends.len()
        ),
        (_, Some(copies)) => format!(
            "{copies} copies by {} HTTP calls: the producer's idempotence covers its own repetitions only; the header \
             Idempotency-Key covers the caller's.",
            sends.len()
        ),
        (_, None) if french => format!("{} appels HTTP portaient cet eventId.", sends.len()),
        (_, None) => format!("{} HTTP calls carried this eventId.", sends.len()),
    }
}

const WAY_BACK: &str = "injector, way back";
