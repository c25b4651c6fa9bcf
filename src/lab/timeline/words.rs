//! The sentences of a story, in two languages.
//!
//! **Why here and not with the witnesses.** Producer and broker speak English to logs and programs; a class reads French.
//! One place has both, so that they say the same. Neighbours: [`super::story`] asks. Not here: the injector's reasons,
//! which are passed on as its toxics word them.

use crate::broker::BrokerEvent;
use crate::broker::events::EventKind;
use crate::chaos::definition::Stream;
use crate::chaos::events::ChaosEvent;
use crate::engine::Observation;
use crate::error::ErrorCode;
use crate::lab::language::Language;
use crate::lab::timeline::event::{CallStep, Settled};

/// A step of the call.
pub fn of_call(step: &CallStep, language: Language) -> String {
    let is_french = language == Language::French;
    match step {
        CallStep::Arrived { profile, mode, send_mode, topic } if is_french => {
            format!(
                "appel HTTP : mode {}, sendMode {send_mode}, profil {profile}, topic {topic}",
                mode.name()
            )
        }
        CallStep::Arrived { profile, mode, send_mode, topic } => {
            format!("HTTP call: mode {}, sendMode {send_mode}, profile {profile}, topic {topic}", mode.name())
        }
        CallStep::Accepted { topic, partition, client_id, place } if is_french => format!(
            "accepté par le producteur {client_id} : partition {topic}-{partition}, lot {}, enregistrement {} du lot",
            place.batch.0, place.index
        ),
        CallStep::Accepted { topic, partition, client_id, place } => format!(
            "accepted by producer {client_id}: partition {topic}-{partition}, batch {}, record {} of the batch",
            place.batch.0, place.index
        ),
        CallStep::Settled(settled) => of_settled(settled, language),
        CallStep::Answered { status } if is_french => format!("réponse HTTP {status}"),
        CallStep::Answered { status } => format!("HTTP answer {status}"),
    }
}

fn of_settled(settled: &Settled, language: Language) -> String {
    let is_french = language == Language::French;
    match settled {
        Settled::Acknowledged { offset: Some(offset) } if is_french => format!("acquitté, offset {offset}"),
        Settled::Acknowledged { offset: Some(offset) } => format!("acknowledged, offset {offset}"),
        Settled::Acknowledged { offset: None } => {
            language.pick("acknowledged; nobody told the offset", "acquitté, offset inconnu").to_owned()
        }
        Settled::Rejected { cause } if is_french => {
            format!("refusé, certainement pas dans le journal : {cause}")
        }
        Settled::Rejected { cause } => format!("rejected, certainly not in the log: {cause}"),
        Settled::Unknown { cause } if is_french => {
            format!("issue inconnue, peut-être dans le journal : {cause}")
        }
        Settled::Unknown { cause } => format!("outcome unknown, possibly in the log: {cause}"),
    }
}

/// An observation of the producer about a batch; none for what tells a reader nothing.
pub fn of_producer(observation: &Observation, local: Option<&str>, language: Language) -> Option<String> {
    match language {
        Language::English => producer_in_english(observation, local),
        Language::French => producer_in_french(observation, local),
    }
}

fn producer_in_english(observation: &Observation, local: Option<&str>) -> Option<String> {
    let from = local.map_or_else(String::new, |local| format!(" from {local}"));
    let text = if let Observation::BatchStamped { batch } = observation {
        let (identity, base) = batch.stamp?;
        format!(
            "stamped: producer id {}, epoch {}, first sequence {base}, {} record(s) in the batch",
            identity.producer_id, identity.epoch, batch.records
        )
    } else if let Observation::BatchSent { batch, node, correlation_id, size_bytes, .. } = observation {
        let bytes = size_bytes;
        let number = batch.attempt;
        format!("attempt {number}: sent to node {node}{from}, correlation id {correlation_id}, {bytes} bytes")
    } else if let Observation::BatchAnswered { code, base_offset, waited_us, .. } = observation {
        let waited = milliseconds(*waited_us);
        match base_offset {
            Some(offset) if code.is_none() => {
                format!("answered after {waited} ms: written, first offset of the batch {offset}")
            }
            _ => format!("answered after {waited} ms: {}", code_text(*code)),
        }
    } else if let Observation::BatchUnanswered { was_written, reason, .. } = observation {
        if *was_written {
            format!("no answer ({reason}); the request had left whole, so the batch may be in the log")
        } else {
            format!("not sent whole ({reason}): the broker cannot have acted on it")
        }
    } else if let Observation::BatchRetried { code, in_doubt, .. } = observation {
        let doubt = if *in_doubt { ", although it may be in the log already" } else { "" };
        format!("to be sent again after {}{doubt}", code_text(*code))
    } else if let Observation::BatchAcknowledged { base_offset, deduplicated, .. } = observation {
        let offset = base_offset.map_or_else(String::new, |offset| format!(" (batch at offset {offset})"));
        let known = if *deduplicated == Some(true) { "; the broker had it already" } else { "" };
        format!("acknowledged{offset}{known}")
    } else if let Observation::BatchRejected { cause, .. } = observation {
        format!("rejected, certainly not in the log: {cause}")
    } else if let Observation::BatchUnknown { cause, .. } = observation {
        format!("outcome unknown, possibly in the log: {cause}")
    } else if let Observation::LateAcknowledgement { .. } = observation {
        "acknowledged late: the caller had been told that nobody knows".to_owned()
    } else if let Observation::BatchAbandoned { .. } = observation {
        "given up: it is not resent any more, and whether it is in the log stays unknown".to_owned()
    } else if let Observation::BatchSplit { parts, .. } = observation {
        format!("cut in {parts} parts: the broker found the batch too large")
    } else {
        return None;
    };
    Some(text)
}

fn producer_in_french(observation: &Observation, local: Option<&str>) -> Option<String> {
    let from = local.map_or_else(String::new, |local| format!(" depuis {local}"));
    let text = if let Observation::BatchStamped { batch } = observation {
        let (identity, base) = batch.stamp?;
        format!(
            "numéroté : producer id {}, époque {}, premier numéro de séquence {base}, {} enregistrement(s) dans le lot",
            identity.producer_id, identity.epoch, batch.records
        )
    } else if let Observation::BatchSent { batch, node, correlation_id, size_bytes, .. } = observation {
        let bytes = size_bytes;
        let number = batch.attempt;
        format!(
            "tentative {number} : envoyé au nœud {node}{from}, correlation id {correlation_id}, {bytes} octets"
        )
    } else if let Observation::BatchAnswered { code, base_offset, waited_us, .. } = observation {
        let waited = milliseconds(*waited_us);
        match base_offset {
            Some(offset) if code.is_none() => {
                format!("réponse après {waited} ms : écrit, premier offset du lot {offset}")
            }
            _ => format!("réponse après {waited} ms : {}", code_text(*code)),
        }
    } else if let Observation::BatchUnanswered { was_written, reason, .. } = observation {
        if *was_written {
            format!(
                "pas de réponse ({reason}) ; la requête était partie entière, le lot est peut-être dans le journal"
            )
        } else {
            format!("pas envoyé en entier ({reason}) : le broker ne peut pas l'avoir traité")
        }
    } else if let Observation::BatchRetried { code, in_doubt, .. } = observation {
        let doubt = if *in_doubt { ", bien qu'il soit peut-être déjà dans le journal" } else { "" };
        format!("sera renvoyé après {}{doubt}", code_text(*code))
    } else if let Observation::BatchAcknowledged { base_offset, deduplicated, .. } = observation {
        let offset = base_offset.map_or_else(String::new, |offset| format!(" (lot à l'offset {offset})"));
        let known = if *deduplicated == Some(true) { " ; le broker l'avait déjà" } else { "" };
        format!("acquitté{offset}{known}")
    } else if let Observation::BatchRejected { cause, .. } = observation {
        format!("refusé, certainement pas dans le journal : {cause}")
    } else if let Observation::BatchUnknown { cause, .. } = observation {
        format!("issue inconnue, peut-être dans le journal : {cause}")
    } else if let Observation::LateAcknowledgement { .. } = observation {
        "acquitté en retard : l'appelant avait déjà reçu « inconnu »".to_owned()
    } else if let Observation::BatchAbandoned { .. } = observation {
        "abandonné : il n'est plus renvoyé, et l'on ne saura pas s'il est dans le journal".to_owned()
    } else if let Observation::BatchSplit { parts, .. } = observation {
        format!("coupé en {parts} parties : le broker trouve le lot trop grand")
    } else {
        return None;
    };
    Some(text)
}

/// What the broker did, with its reason.
pub fn of_broker(event: &BrokerEvent, language: Language) -> String {
    if language == Language::English {
        return format!("broker: {}", event.reason());
    }
    let offset = event.offset.unwrap_or(-1);
    let (id, epoch) = (event.producer_id.unwrap_or(-1), event.epoch.unwrap_or(-1));
    let sequence = event.base_sequence.unwrap_or(-1);
    let text = if let EventKind::Appended = event.kind {
        if id < 0 {
            format!(
                "écrit à l'offset {offset} ; le lot n'a pas de producer id, une copie ne peut pas être reconnue"
            )
        } else {
            format!(
                "écrit à l'offset {offset} : {sequence} est la séquence suivante du producteur {id}, époque {epoch}"
            )
        }
    } else if let EventKind::DuplicateRecognised = event.kind {
        format!(
            "doublon reconnu : le producteur {id} a déjà envoyé ce lot (époque {epoch}, séquence {sequence}) ; il est à \
             l'offset {offset}, rien n'est écrit et la réponse est un succès"
        )
    } else if let EventKind::SequenceGap { expected, code } = event.kind {
        format!(
            "la séquence {sequence} du producteur {id} ne suit pas : {expected} était attendue ; réponse {code}"
        )
    } else if let EventKind::EpochFenced { current, code } = event.kind {
        format!("le producteur {id} envoie l'époque {epoch}, le broker en est à {current} ; réponse {code}")
    } else if let EventKind::BatchRefused { code, why } = &event.kind {
        format!("refusé, {code} : {why}")
    } else if let EventKind::FaultFired { what } = &event.kind {
        format!("une panne armée a joué : {what}")
    } else {
        event.reason()
    };
    format!("broker : {text}")
}

/// What the injector did.
pub fn of_injector(event: &ChaosEvent, language: Language) -> String {
    let who = match (&event.proxy, &event.toxic) {
        (Some(proxy), Some(toxic)) => format!("{toxic} @ {proxy}"),
        (Some(name), None) | (None, Some(name)) => name.to_string(),
        (None, None) => String::new(),
    };
    let way = match event.stream {
        Some(Stream::Upstream) => language.pick(", towards the broker", ", vers le broker"),
        Some(Stream::Downstream) => language.pick(", towards the client", ", vers le client"),
        None => "",
    };
    let name = language.pick("injector", "injecteur");
    let colon = language.pick(":", " :");
    format!("{name} [{who}{way}]{colon} {}", event.reason())
}

/// A code with its number; code 0 in words.
fn code_text(code: ErrorCode) -> String {
    if code.is_none() { "NONE".to_owned() } else { format!("{} {}", code.0, code.name()) }
}

/// Microseconds as milliseconds with three digits.
pub fn milliseconds(us: u64) -> String {
    format!("{}.{:03}", us / 1000, us % 1000)
}
