//! The faults, one by one: how each is made, for how long, and how it is taken back.

use std::time::Duration;

use facteur::ErrorCode;
use facteur::broker::faults::{Fault, FaultAction};
use facteur::chaos::view::{NewToxic, ProxyChange};
use serde_json::{Value, json};

use crate::path::{PROXY, Path};

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Latency,
    Slicer,
    Bandwidth,
    SwallowRequests,
    SwallowAnswers,
    ResetRequests,
    ResetAnswers,
    CutRequests,
    CutAnswers,
    Down,
    DropResponse,
    DelayResponse,
    CloseAfterRequest,
    DuplicateRequest,
    ErrorResponse,
    CloseBeforeProcessing,
    LoseAnswer,
    AnswerError,
    AnswerErrorAfterProcessing,
    DelayAnswer,
    MetadataError,
    RefuseWrites,
}

/// All of them.
pub const FAULTS: &[Kind] = &[
    Kind::Latency,
    Kind::Slicer,
    Kind::Bandwidth,
    Kind::SwallowRequests,
    Kind::SwallowAnswers,
    Kind::ResetRequests,
    Kind::ResetAnswers,
    Kind::CutRequests,
    Kind::CutAnswers,
    Kind::Down,
    Kind::DropResponse,
    Kind::DelayResponse,
    Kind::CloseAfterRequest,
    Kind::DuplicateRequest,
    Kind::ErrorResponse,
    Kind::CloseBeforeProcessing,
    Kind::LoseAnswer,
    Kind::AnswerError,
    Kind::AnswerErrorAfterProcessing,
    Kind::DelayAnswer,
    Kind::MetadataError,
    Kind::RefuseWrites,
];

/// `count` faults of these kinds, all kinds equally often.
pub fn drawn(kinds: &[Kind], count: usize) -> Vec<Kind> {
    kinds.iter().copied().cycle().take(count).collect()
}

/// How a fault gets into the way.
enum Way {
    Toxic { name: &'static str, stream: &'static str, attributes: Value },
    Broker(Fault),
    Proxy,
    Writes,
}

impl Kind {
    fn way(self, draw: u64) -> Way {
        let toxic = |name, stream, attributes| Way::Toxic { name, stream, attributes };
        let produce =
            |action| Way::Broker(Fault::new(PRODUCE, action).count(1 + u32::try_from(draw % 2).unwrap()));
        let indeterminate = ErrorCode([3, 6, 7, 20, 56, -1][usize::try_from(draw % 6).unwrap()]);
        match self {
            Self::Latency => toxic("latency", "downstream", json!({"latency": 80, "jitter": 60})),
            Self::Slicer => {
                toxic("slicer", "upstream", json!({"average_size": 40, "size_variation": 20, "delay": 100}))
            }
            Self::Bandwidth => toxic("bandwidth", "upstream", json!({"rate": 20})),
            Self::SwallowRequests => toxic("timeout", "upstream", json!({"timeout": 0})),
            Self::SwallowAnswers => toxic("timeout", "downstream", json!({"timeout": 0})),
            Self::ResetRequests => toxic("reset_peer", "upstream", json!({"timeout": 0})),
            Self::ResetAnswers => toxic("reset_peer", "downstream", json!({"timeout": 0})),
            Self::CutRequests => toxic("limit_data", "upstream", json!({"bytes": 100 + draw % 900})),
            Self::CutAnswers => toxic("limit_data", "downstream", json!({"bytes": 20 + draw % 400})),
            Self::Down => Way::Proxy,
            Self::DropResponse => toxic("drop_response", "downstream", json!({"api": "Produce", "count": 2})),
            Self::DelayResponse => {
                toxic("delay_response", "downstream", json!({"api": "Produce", "delay": 900, "count": 1}))
            }
            Self::CloseAfterRequest => {
                toxic("close_after_request", "downstream", json!({"api": "Produce", "count": 2}))
            }
            Self::DuplicateRequest => {
                toxic("duplicate_request", "downstream", json!({"api": "Produce", "count": 4}))
            }
            Self::ErrorResponse => toxic(
                "error_response",
                "downstream",
                json!({"api": "Produce", "code": "NOT_LEADER_OR_FOLLOWER", "count": 2}),
            ),
            Self::CloseBeforeProcessing => produce(FaultAction::CloseBeforeProcessing),
            Self::LoseAnswer => produce(FaultAction::LoseAnswer),
            Self::AnswerError => produce(FaultAction::AnswerError(indeterminate)),
            Self::AnswerErrorAfterProcessing => {
                produce(FaultAction::AnswerErrorAfterProcessing(indeterminate))
            }
            Self::DelayAnswer => produce(FaultAction::DelayAnswer(Duration::from_millis(200 + draw % 900))),
            Self::MetadataError => {
                let unavailable = FaultAction::AnswerError(ErrorCode(5));
                Way::Broker(Fault::new(METADATA, unavailable).count(2))
            }
            Self::RefuseWrites => Way::Writes,
        }
    }

    /// Makes the fault, lets it last, and takes it back.
    pub async fn happen(self, path: &Path, draw: u64) {
        let lasts = Duration::from_millis(100 + draw % 350);
        match self.way(draw) {
            Way::Toxic { name, stream, attributes } => {
                let attributes = attributes.as_object().expect("an object").clone();
                let mut toxic = NewToxic::new(name, attributes);
                toxic.stream = Some(stream.to_owned());
                toxic.name = Some("fault".to_owned());
                path.injector.add_toxic(PROXY, &toxic).unwrap();
                tokio::time::sleep(lasts).await;
                path.injector.remove_toxic(PROXY, "fault").unwrap();
            }
            Way::Broker(fault) => {
                let id = path.broker.faults().arm(fault);
                tokio::time::sleep(lasts).await;
                path.broker.faults().clear(id);
            }
            Way::Proxy => {
                let switch = |enabled| ProxyChange { enabled: Some(enabled), ..ProxyChange::default() };
                path.injector.update(PROXY, &switch(false)).await.unwrap();
                tokio::time::sleep(lasts).await;
                path.injector.update(PROXY, &switch(true)).await.unwrap();
            }
            Way::Writes => {
                path.broker.faults().refuse_writes(Some(ErrorCode(19)));
                tokio::time::sleep(lasts).await;
                path.broker.faults().refuse_writes(None);
            }
        }
    }
}
