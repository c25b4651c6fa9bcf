//! Faults that tests and labs arm: the next three Produce answers are lost, the next Metadata is answered with an error.
//!
//! **Why it exists.** The headline of the course is the lost acknowledgement: the batch is in the log and the client does
//! not know. A byte proxy can only guess when to cut; the broker knows which answer belongs to which request. Faults are
//! one-shot by count, so a script says exactly how often, and whoever armed one can ask how often it fired.
//!
//! Neighbours: [`super::handlers`] asks [`Faults::next`] for each request once it is decoded; [`super::server`] carries out
//! what touches the connection. Not here: faults of the network, which are `chaos`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::error::ErrorCode;

/// What an armed fault does to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultAction {
    /// The request is not processed; the connection is closed.
    CloseBeforeProcessing,
    /// The request is processed, its answer is dropped and the connection closed: the lost acknowledgement.
    LoseAnswer,
    /// The request is not processed; it is answered with this code.
    AnswerError(ErrorCode),
    /// The request is processed and then answered with this code: an answer that says less than the log.
    AnswerErrorAfterProcessing(ErrorCode),
    /// The request is processed; the answer, and everything behind it on the connection, waits this long.
    DelayAnswer(Duration),
}

impl FaultAction {
    /// What it does, in words.
    #[must_use]
    pub fn describe(&self) -> Arc<str> {
        match self {
            Self::CloseBeforeProcessing => {
                "the connection was closed before the request was processed".into()
            }
            Self::LoseAnswer => {
                "the request was processed, its answer was lost and the connection closed".into()
            }
            Self::AnswerError(code) => format!("answered {code} instead of processing").into(),
            Self::AnswerErrorAfterProcessing(code) => format!("processed, but answered {code}").into(),
            Self::DelayAnswer(delay) => format!("the answer is delayed by {} ms", delay.as_millis()).into(),
        }
    }
}

/// A fault to arm: which requests it hits, how often, and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The API key it hits: 0 is Produce, 3 Metadata, 22 InitProducerId.
    pub api_key: i16,
    /// Only requests that name this topic; `None` hits all.
    pub topic: Option<String>,
    /// Only requests of this client id; `None` hits all.
    pub client_id: Option<String>,
    /// How many matching requests pass before it begins.
    pub after: u32,
    /// How many requests it hits.
    pub count: u32,
    /// What it does.
    pub action: FaultAction,
}

impl Fault {
    /// A fault that hits the next request of this API.
    #[must_use]
    pub const fn new(api_key: i16, action: FaultAction) -> Self {
        Self { api_key, topic: None, client_id: None, after: 0, count: 1, action }
    }

    /// The next `count` Produce requests are processed and their answers lost.
    #[must_use]
    pub fn lose_produce_answers(count: u32) -> Self {
        Self { count, ..Self::new(0, FaultAction::LoseAnswer) }
    }

    /// Limits the fault to one topic.
    #[must_use]
    pub fn topic(mut self, topic: &str) -> Self {
        self.topic = Some(topic.to_owned());
        self
    }

    /// Limits the fault to one client.
    #[must_use]
    pub fn client_id(mut self, client_id: &str) -> Self {
        self.client_id = Some(client_id.to_owned());
        self
    }

    /// Lets this many matching requests pass first.
    #[must_use]
    pub const fn after(mut self, after: u32) -> Self {
        self.after = after;
        self
    }

    /// Hits this many requests.
    #[must_use]
    pub const fn count(mut self, count: u32) -> Self {
        self.count = count;
        self
    }
}

/// The name of an armed fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId(pub u64);

/// An armed fault and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmedFault {
    /// What was armed.
    pub fault: Fault,
    /// How many matching requests were let pass so far.
    pub passed: u32,
    /// How often it fired so far.
    pub fired: u32,
}

/// The faults of one broker, its write switch and its caps.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    armed: BTreeMap<FaultId, ArmedFault>,
    last_id: u64,
    refuse_writes: Option<ErrorCode>,
}

/// At most this many faults are kept; the oldest go first, spent or not.
pub const MAX_ARMED_FAULTS: usize = 1024;

impl Faults {
    /// Arms a fault. Those armed earlier come first.
    pub fn arm(&mut self, fault: Fault) -> FaultId {
        if self.armed.len() >= MAX_ARMED_FAULTS {
            self.armed.pop_first();
        }
        self.last_id = self.last_id.wrapping_add(1);
        let id = FaultId(self.last_id);
        self.armed.insert(id, ArmedFault { fault, passed: 0, fired: 0 });
        id
    }

    /// Takes a fault away; answers what became of it.
    pub fn clear(&mut self, id: FaultId) -> Option<ArmedFault> {
        self.armed.remove(&id)
    }

    /// Takes every fault away and accepts writes again.
    pub fn clear_all(&mut self) {
        self.armed.clear();
        self.refuse_writes = None;
    }

    /// How often a fault has fired; 0 if there is none of that name.
    #[must_use]
    pub fn fired(&self, id: FaultId) -> u32 {
        self.armed.get(&id).map_or(0, |armed| armed.fired)
    }

    /// Every fault that was armed and not cleared, spent ones included.
    pub fn list(&self) -> impl Iterator<Item = (FaultId, &ArmedFault)> {
        self.armed.iter().map(|(id, armed)| (*id, armed))
    }

    /// Refuses every write with this code (19 `NOT_ENOUGH_REPLICAS` is what Kafka would say), or accepts them again.
    pub const fn refuse_writes(&mut self, code: Option<ErrorCode>) {
        self.refuse_writes = code;
    }

    /// The code that every write is refused with, if the switch is on.
    #[must_use]
    pub const fn writes_refused_with(&self) -> Option<ErrorCode> {
        self.refuse_writes
    }

    /// What happens to this request. Counts it.
    pub fn next(&mut self, api_key: i16, topics: &[&str], client_id: &str) -> Option<FaultAction> {
        for armed in self.armed.values_mut() {
            let fault = &armed.fault;
            let hits = fault.api_key == api_key
                && armed.fired < fault.count
                && fault.topic.as_deref().is_none_or(|topic| topics.contains(&topic))
                && fault.client_id.as_deref().is_none_or(|wanted| wanted == client_id);
            if !hits {
                continue;
            }
            if armed.passed < fault.after {
                armed.passed = armed.passed.saturating_add(1);
                continue;
            }
            armed.fired = armed.fired.saturating_add(1);
            return Some(fault.action);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A script says "let one pass, then lose two". Fails if the counts are per fault list instead of per fault.
    #[test]
    fn a_fault_skips_then_fires_as_often_as_it_was_told() {
        let mut faults = Faults::default();
        let id = faults.arm(Fault::lose_produce_answers(2).after(1).topic("orders"));

        let hits: Vec<bool> = (0..5).map(|_| faults.next(0, &["orders"], "c").is_some()).collect();

        assert_eq!(hits, [false, true, true, false, false]);
        assert_eq!(faults.fired(id), 2);
    }

    // D-61: another client must not eat the fault.
    #[test]
    fn a_fault_for_one_client_and_topic_leaves_the_others_alone() {
        let mut faults = Faults::default();
        let id = faults.arm(Fault::new(0, FaultAction::LoseAnswer).client_id("mine").topic("orders"));

        assert_eq!(faults.next(0, &["orders"], "other"), None);
        assert_eq!(faults.next(0, &["payments"], "mine"), None);
        assert_eq!(faults.next(3, &["orders"], "mine"), None);
        assert_eq!(faults.next(0, &["orders"], "mine"), Some(FaultAction::LoseAnswer));
        assert_eq!(faults.fired(id), 1);
    }

    // A test that arms faults in a loop must not grow the broker for ever.
    #[test]
    fn the_oldest_fault_goes_when_there_are_too_many() {
        let mut faults = Faults::default();
        let first = faults.arm(Fault::lose_produce_answers(1));
        for _ in 0..MAX_ARMED_FAULTS {
            faults.arm(Fault::lose_produce_answers(1));
        }
        assert_eq!(faults.list().count(), MAX_ARMED_FAULTS);
        assert!(faults.clear(first).is_none());
    }
}
