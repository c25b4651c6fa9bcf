//! `POST /api/v1/send`: one event becomes one record (spec 1.3, 1.5, D-57, D-58).
//!
//! **Why the steps are in this order.** Everything that can be refused is refused before the record is accepted: while
//! draining, when there are too many calls, for a wrong parameter, an unknown topic, a partition that is not there, a
//! status store full of pending requests. After acceptance nothing is taken back: when the caller leaves or `timeoutMs`
//! is over, the record goes on and its status can be asked for (F11, F12). The same `eventId` twice is two records
//! (D-57), unless the caller gives an `Idempotency-Key`. `timeoutMs` bounds the whole call, from its arrival on.
//! Neighbours: [`crate::lab::send_parameters`], [`crate::lab::producers`], [`crate::lab::status_store`]; [`once`] is the
//! call with an `Idempotency-Key`. Not here: what a circuit breaker decides.

mod once;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use crate::error::Error;
use crate::lab::app::Facade;
use crate::lab::breaker::Pass;
use crate::lab::clock;
use crate::lab::dto::{AcceptedAnswer, RecordValue, SendAnswer};
use crate::lab::error::{Problem, is_fatal_error};
use crate::lab::language::Language;
use crate::lab::metrics::operations::OperationTimer;
use crate::lab::openapi::parameters::{SendHeaders, SendQuery};
use crate::lab::openapi::problems::SendProblems;
use crate::lab::problem_kind::ProblemKind;
use crate::lab::producers::{Variant, VariantProducer};
use crate::lab::profile::Mode;
use crate::lab::send_parameters::{SendMode, SendParameters};
use crate::lab::status_store::{Outcome, Progress, Reservation, SharedDelivery};
use crate::lab::tasks;
use crate::lab::timeline::{CallLog, CallStep, Settled};
use crate::lab::trace_context::TraceContext;
use crate::producer::{TopicHandle, TrySendError};
use crate::record::{Header, Record};
use crate::runtime::delivery::{Delivery, DeliveryReport};
use crate::time::Instant;

/// Sends one event.
#[utoipa::path(post, path = "/api/v1/send", tag = "events",
    params(SendQuery, SendHeaders),
    responses(
        (status = 200, description = "The record is in the log.", body = SendAnswer),
        (status = 202, description = "The record is accepted; its outcome can be asked for.", body = AcceptedAnswer,
            headers(
                ("Location" = String, description = "Where the status is."),
                ("Retry-After" = u32, description = "Seconds until it is worth asking."),
            ),
            links(("status" = (operation_id = "by_query", description = "What became of it.",
                parameters(("requestId" = "$response.body#/requestId")))))),
        SendProblems,
    ))]
pub async fn send(
    State(facade): State<Arc<Facade>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let call = Call {
        facade: &facade,
        language: Language::of(&headers),
        trace: TraceContext::of(&headers),
        arrived: clock::now(),
        log: OnceLock::new(),
    };
    let response = match call.answer(query.as_deref().unwrap_or(""), &headers).await {
        Ok(response) => response,
        Err(problem) => problem.trace_id(call.trace.trace_id()).into_response(),
    };
    call.note(CallStep::Answered { status: response.status().as_u16() });
    response
}

/// One call.
struct Call<'a> {
    facade: &'a Facade,
    language: Language,
    trace: TraceContext,
    arrived: Instant,
    /// Where the time line hears of it, once the event has a name.
    log: OnceLock<CallLog>,
}

impl Call<'_> {
    async fn answer(&self, query: &str, headers: &HeaderMap) -> Result<Response, Box<Problem>> {
        let parameters = SendParameters::parse(query, &self.facade.shared.default_topic, self.language)?;
        self.begin_log(&parameters);
        match self.key(headers)? {
            Some(key) => self.once(&key, &parameters).await,
            None => self.guarded(&parameters).await,
        }
    }

    /// The call behind what refuses calls as such: the drain, the bound of calls, the circuit breaker.
    async fn guarded(&self, parameters: &SendParameters) -> Result<Response, Box<Problem>> {
        let shared = &self.facade.shared;
        if shared.is_draining() {
            let happened = self
                .language
                .pick("No new records are accepted.", "Plus aucun enregistrement n'est accepté.");
            return Err(self.problem(ProblemKind::Draining, happened, parameters));
        }
        let Ok(_permit) = Arc::clone(&shared.calls).try_acquire_owned() else {
            let happened = self
                .language
                .pick("All places for calls are taken.", "Toutes les places d'appel sont prises.");
            return Err(self.problem(ProblemKind::Overloaded, happened, parameters));
        };
        let pass = self.pass(parameters)?;
        let variant = self.variant(parameters);
        let producer = self.facade.producers.get(variant).map_err(|error| self.failed(&error, parameters))?;
        let outcome = self.send(parameters, &producer, pass).await;
        if let Err(Failure::Producer(error)) = &outcome
            && is_fatal_error(error)
            && !shared.is_draining()
        {
            self.facade.producers.replace(variant, &producer);
        }
        if let Err(Failure::Producer(error)) = &outcome
            && let Some(settled) = settled_by(error)
        {
            self.note(CallStep::Settled(settled));
        }
        outcome.map_err(|failure| match failure {
            Failure::Problem(problem) => problem,
            Failure::Producer(error) => self.failed(&error, parameters),
        })
    }

    /// Whether the circuit breaker lets the call pass, where there is one.
    fn pass(&self, parameters: &SendParameters) -> Result<Option<Pass>, Box<Problem>> {
        let Some(breaker) = self.facade.shared.breaker(self.facade.profile) else { return Ok(None) };
        breaker.admit(clock::now()).map(Some).map_err(|wait| {
            let happened = self.language.pick(
                "Calls are refused until one of them has found Kafka well again.",
                "Les appels sont refusés jusqu'à ce que l'un d'eux retrouve Kafka en état.",
            );
            Box::new(self.problem(ProblemKind::CircuitOpen, happened, parameters).retry_after(wait))
        })
    }

    async fn send(
        &self,
        parameters: &SendParameters,
        producer: &VariantProducer,
        pass: Option<Pass>,
    ) -> Result<Response, Failure> {
        let (delivery, reservation) = match self.prepare(parameters, producer).await {
            Ok(prepared) => prepared,
            Err(failure) => {
                if let (Some(pass), Failure::Producer(error)) = (pass, &failure) {
                    pass.tell(Some(error), clock::now());
                }
                return Err(failure);
            }
        };
        let timer = OperationTimer::start(&self.facade.shared, self.facade.profile, parameters.mode);
        let timer = Watch { timer, pass };
        match (parameters.send_mode, reservation) {
            (SendMode::Sync, None) => {
                let outcome = delivery.await;
                timer.finish(&outcome);
                Ok(self.delivered(parameters, &outcome?))
            }
            (SendMode::Sync, Some(reservation)) => {
                let left = parameters.timeout.map_or(Duration::ZERO, |timeout| self.left_of(timeout));
                self.answer_within(left, parameters, (delivery, timer), reservation).await
            }
            (SendMode::Async, Some(reservation)) => {
                Ok(self.accepted(parameters, (SharedDelivery::new(delivery), timer), reservation))
            }
            (SendMode::Async, None) => {
                Err(Failure::Producer(Error::Misuse("an asynchronous call without a status entry")))
            }
        }
    }

    /// Everything up to acceptance.
    async fn prepare(
        &self,
        parameters: &SendParameters,
        producer: &VariantProducer,
    ) -> Result<(Delivery, Option<Reservation>), Failure> {
        let topic = producer.topic(&parameters.topic);
        let topic = self.before_acceptance(ProblemKind::NotReady, parameters, topic).await?;
        let partition = self.partition(parameters, &topic)?;
        // A call that may end with 202 needs its status entry before anything is written.
        let reservation = match (parameters.send_mode, parameters.timeout) {
            (SendMode::Sync, None) => None,
            (SendMode::Async, _) | (SendMode::Sync, Some(_)) => Some(self.reserve(parameters)?),
        };
        let delivery = self.accept(parameters, &topic, partition).await?;
        self.note(CallStep::Accepted {
            topic: delivery.topic().into(),
            partition: delivery.partition(),
            client_id: topic.producer().config().client_id.as_str().into(),
            place: delivery.place(),
        });
        Ok((delivery, reservation))
    }

    /// The outcome if it comes in time, else 202 and a status to ask for (F12, D-58).
    async fn answer_within(
        &self,
        timeout: Duration,
        parameters: &SendParameters,
        (delivery, timer): (Delivery, Watch),
        reservation: Reservation,
    ) -> Result<Response, Failure> {
        let delivery = SharedDelivery::new(delivery);
        match tokio::time::timeout(timeout, delivery.outcome()).await {
            Ok(outcome) => {
                timer.finish(&outcome);
                Ok(self.delivered(parameters, &outcome?))
            }
            Err(_elapsed) => Ok(self.accepted(parameters, (delivery, timer), reservation)),
        }
    }

    async fn accept(
        &self,
        parameters: &SendParameters,
        topic: &TopicHandle,
        partition: Option<i32>,
    ) -> Result<Delivery, Failure> {
        let value = self.value(parameters)?;
        let traceparent = self.trace.header();
        let headers = [
            Header::new("traceparent", traceparent.as_bytes()),
            Header::new("producer-mode", parameters.mode.name().as_bytes()),
            Header::new("send-mode", parameters.send_mode.name().as_bytes()),
        ];
        let record = Record {
            topic: topic.name(),
            partition,
            key: parameters.key.as_deref().map(str::as_bytes),
            value: Some(&value),
            headers: &headers,
            timestamp_ms: None,
        };
        let kind = match (topic.try_send(record), parameters.send_mode) {
            (Ok(delivery), _) => return Ok(delivery),
            (Err(TrySendError::TooLarge(error) | TrySendError::Failed(error)), _) => return Err(error.into()),
            // An asynchronous call does not wait for room: 429 tells the caller to slow down.
            (Err(TrySendError::Full), SendMode::Async) => {
                return Err(Failure::Problem(self.buffer_full(parameters)));
            }
            (Err(TrySendError::Full), SendMode::Sync) => ProblemKind::BufferFull,
            (Err(TrySendError::NotReady), _) => ProblemKind::NotReady,
        };
        self.before_acceptance(kind, parameters, topic.send(record)).await
    }

    /// Waits for what comes before acceptance, at most as long as `timeoutMs` leaves. When that is over nothing was
    /// accepted, and so nothing written: the producer accepts in the step that completes its future.
    async fn before_acceptance<T>(
        &self,
        kind: ProblemKind,
        parameters: &SendParameters,
        waiting: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Failure> {
        let Some(timeout) = parameters.timeout else { return Ok(waiting.await?) };
        if let Ok(outcome) = tokio::time::timeout(self.left_of(timeout), waiting).await {
            return Ok(outcome?);
        }
        let ms = timeout.as_millis();
        let happened = match self.language {
            Language::English => {
                format!("The record could not be accepted within timeoutMs={ms}; it was given up.")
            }
            Language::French => {
                format!("L'enregistrement n'a pas pu être accepté en timeoutMs={ms} ; il est abandonné.")
            }
        };
        Err(Failure::Problem(self.problem(kind, &happened, parameters)))
    }

    /// What the call has used up since it arrived does not come back.
    fn left_of(&self, timeout: Duration) -> Duration {
        timeout.saturating_sub(clock::now().since(self.arrived))
    }

    /// The record's value: one line of JSON with the eventId in it as it is.
    fn value(&self, parameters: &SendParameters) -> Result<Vec<u8>, Failure> {
        let value = RecordValue {
            event_id: &parameters.event_id,
            mode: parameters.mode.name(),
            send_mode: parameters.send_mode.name(),
            api: "rust",
            ts: clock::iso_8601(clock::unix_time_ms()),
            profile: self.facade.profile.name(),
        };
        serde_json::to_vec(&value)
            .map_err(|error| Failure::Producer(Error::InvalidRecord(error.to_string().into())))
    }

    fn variant(&self, parameters: &SendParameters) -> Variant {
        let standard = self.facade.producers.standard(parameters.mode);
        let acks = match parameters.mode {
            Mode::Plain => parameters.acks.unwrap_or(standard.acks),
            Mode::Idempotent => standard.acks,
        };
        Variant { acks, partitioner: parameters.partitioner.unwrap_or(standard.partitioner), ..standard }
    }

    fn partition(&self, parameters: &SendParameters, topic: &TopicHandle) -> Result<Option<i32>, Failure> {
        let count = topic.partition_count();
        let Some(partition) = parameters.partition else { return Ok(None) };
        if partition < count {
            return Ok(Some(partition));
        }
        let name = &parameters.topic;
        let happened = match self.language {
            Language::English => format!(
                "Parameter partition is {partition}; topic {name:?} has {count} partitions, 0 to {}.",
                count - 1
            ),
            Language::French => {
                format!(
                    "Le paramètre partition vaut {partition} ; le topic {name:?} a {count} partitions, de 0 à {}.",
                    count - 1
                )
            }
        };
        let problem =
            Problem::parameter(ProblemKind::InvalidParameter, self.language, "partition", &happened, &[]);
        Err(Failure::Problem(Box::new(problem.event_id(Some(&parameters.event_id)))))
    }

    fn reserve(&self, parameters: &SendParameters) -> Result<Reservation, Failure> {
        self.facade.shared.statuses.reserve(&parameters.event_id, &parameters.topic).map_err(|_full| {
            let happened = self
                .language
                .pick("Every status entry is pending.", "Toutes les entrées de statut sont en attente.");
            Failure::Problem(self.problem(ProblemKind::StatusStoreFull, happened, parameters))
        })
    }

    fn delivered(&self, parameters: &SendParameters, report: &DeliveryReport) -> Response {
        self.note(CallStep::Settled(Settled::Acknowledged { offset: report.offset() }));
        let details = report.details();
        let latency_us = clock::now().since(self.arrived).as_micros();
        Json(SendAnswer {
            status: "OK",
            topic: report.topic().to_owned(),
            partition: report.partition(),
            offset: report.offset().unwrap_or(-1),
            event_id: parameters.event_id.clone(),
            mode: parameters.mode.name(),
            send_mode: parameters.send_mode.name(),
            key: parameters.key.clone(),
            producer_id: details.producer_id,
            producer_epoch: details.producer_epoch,
            base_sequence: details.base_sequence,
            attempts: details.attempts,
            deduplicated: details.deduplicated,
            latency_ms: f64::from(u32::try_from(latency_us).unwrap_or(u32::MAX)) / 1000.0,
            timestamp: clock::iso_8601(report.timestamp_ms()),
            trace_id: self.trace.trace_id().to_owned(),
        })
        .into_response()
    }

    fn accepted(
        &self,
        parameters: &SendParameters,
        (delivery, timer): (SharedDelivery, Watch),
        reservation: Reservation,
    ) -> Response {
        let request_id = reservation.id().to_string();
        let (id, log) = (reservation.id(), self.log.get().cloned());
        let statuses = Arc::clone(&self.facade.shared.statuses);
        let kept = reservation.keep(delivery, |outcome| timer.finish(outcome));
        // The watcher ends with its delivery, which the producer bounds by `delivery.timeout.ms`.
        let _watcher = tasks::spawn(async move {
            kept.await;
            if let (Some(log), Some(status)) = (log, statuses.find(id))
                && let Some(settled) = settled(&status.progress)
            {
                log.note(CallStep::Settled(settled));
            }
        });
        let answer = AcceptedAnswer {
            status: "ACCEPTED",
            request_id,
            event_id: parameters.event_id.clone(),
            state: "PENDING",
            mode: parameters.mode.name(),
            send_mode: parameters.send_mode.name(),
            topic: parameters.topic.clone(),
            key: parameters.key.clone(),
            partition: parameters.partition,
        };
        let mut response = (StatusCode::ACCEPTED, Json(answer)).into_response();
        response.extensions_mut().insert(AcceptedRequest(id));
        retry_soon(&mut response, id);
        response
    }

    fn begin_log(&self, parameters: &SendParameters) {
        let log = self.facade.shared.timeline.call(&parameters.event_id);
        log.note(CallStep::Arrived {
            profile: self.facade.profile,
            mode: parameters.mode,
            send_mode: parameters.send_mode.name(),
            topic: parameters.topic.as_str().into(),
        });
        // A call begins once.
        let _first = self.log.set(log);
    }

    /// Tells the time line.
    fn note(&self, step: CallStep) {
        if let Some(log) = self.log.get() {
            log.note(step);
        }
    }

    fn buffer_full(&self, parameters: &SendParameters) -> Box<Problem> {
        let happened = self
            .language
            .pick("There is no room for the record now.", "Il n'y a pas de place pour l'enregistrement.");
        self.problem(ProblemKind::BufferFull, happened, parameters)
    }

    fn problem(&self, kind: ProblemKind, happened: &str, parameters: &SendParameters) -> Box<Problem> {
        Box::new(Problem::new(kind, self.language, happened).event_id(Some(&parameters.event_id)))
    }

    fn failed(&self, error: &Error, parameters: &SendParameters) -> Box<Problem> {
        Box::new(Problem::of_producer(error, self.language).event_id(Some(&parameters.event_id)))
    }
}

/// Says where the status of an accepted request is, and when to ask.
fn retry_soon(response: &mut Response, request_id: Uuid) {
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/status?requestId={request_id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
}

/// Travels beside a 202: the request whose status can be asked for.
#[derive(Debug, Clone, Copy)]
struct AcceptedRequest(Uuid);

/// Who wants to know what became of an accepted record: the figures, and the circuit breaker.
struct Watch {
    timer: OperationTimer,
    pass: Option<Pass>,
}

impl Watch {
    fn finish(self, outcome: &Outcome) {
        self.timer.finish(outcome);
        if let Some(pass) = self.pass {
            pass.tell(outcome.as_ref().err(), clock::now());
        }
    }
}

/// The outcome of an accepted record, as the time line notes it.
fn settled(progress: &Progress) -> Option<Settled> {
    match progress {
        Progress::Pending(_) => None,
        Progress::Final(Ok(report)) => Some(Settled::Acknowledged { offset: report.offset() }),
        Progress::Final(Err(error)) => settled_by(error),
    }
}

/// As [`settled`], of an error; none if the record was never accepted.
fn settled_by(error: &Error) -> Option<Settled> {
    if let Error::Rejected { cause, .. } = error {
        Some(Settled::Rejected { cause: cause.to_string().into() })
    } else if let Error::Unknown { cause, .. } = error {
        Some(Settled::Unknown { cause: cause.to_string().into() })
    } else {
        None
    }
}

/// Why a call did not end well.
enum Failure {
    /// The façade's own reason.
    Problem(Box<Problem>),
    /// The producer's.
    Producer(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Producer(error)
    }
}
