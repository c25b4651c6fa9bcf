//! `GET /api/v1/events`: everything that producers, broker, injector and calls do, as it happens (spec 1.7).
//!
//! **Why two shapes.** A page listens (`Accept: text/event-stream`, resumed with `Last-Event-ID`); a script asks for a
//! page of JSON and goes on at `next`. Both read the same bounded ring: who is too slow is told how many events are gone,
//! and nothing waits for anybody. Neighbours: [`crate::lab::timeline`] keeps the events. Not here: the story of one
//! event, which is `routes/trace`'s.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Frame;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::ToSchema;

use crate::lab::app::{Facade, Shared};
use crate::lab::asked::Asked;
use crate::lab::clock;
use crate::lab::error::Problem;
use crate::lab::language::Language;
use crate::lab::openapi::log_parameters::EventsQuery;
use crate::lab::openapi::problems::EventsProblems;
use crate::lab::problem_kind::ProblemKind;
use crate::lab::tasks;
use crate::lab::timeline::{TimelineEvent, What, words};

/// Events of one page, and of one piece of a stream.
pub const MAX_LIMIT: usize = 1000;
/// Events of a page that names no limit.
pub const DEFAULT_LIMIT: usize = 100;
/// Streams at once.
pub const MAX_STREAMS: usize = 64;
/// A quiet stream says that it lives this often, and looks whether the lab is stopping.
const TICK: Duration = Duration::from_millis(500);
const TICKS_TO_KEEP_ALIVE: u32 = 30;

/// A page of events.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EventsPage {
    /// The events, oldest first.
    pub events: Vec<EventLine>,
    /// The `after` of the next page.
    pub next: u64,
    /// Events between `after` and the first of this page that are gone already.
    pub gone: u64,
}

/// One event.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventLine {
    /// Counted from 1, without holes.
    pub id: u64,
    /// When, ISO-8601, UTC; broker and injector tell whole milliseconds.
    pub at: String,
    /// Who tells it: `http`, `producer`, `broker` or `injector`.
    pub witness: &'static str,
    /// Its kind, as the witness names it.
    pub kind: &'static str,
    /// What happened, in words.
    pub text: String,
    /// The event that an HTTP call carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// The client, by its `client.id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// The batch's number in its partition's lane of the producer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<u64>,
    /// The attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The producer id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub producer_id: Option<i64>,
    /// Its epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub producer_epoch: Option<i16>,
    /// The batch's first sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_sequence: Option<i32>,
    /// An offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// The client's end of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_address: Option<String>,
    /// The request's number on the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<i32>,
}

/// Events as they happen: a stream, or a page.
#[utoipa::path(get, path = "/api/v1/events", tag = "labs", params(EventsQuery),
    responses(
        (status = 200, description = "A page; with `Accept: text/event-stream` a stream of the same events.",
            content((EventsPage = "application/json"), (String = "text/event-stream"))),
        EventsProblems,
    ))]
pub async fn events(
    State(facade): State<Arc<Facade>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(&headers);
    let outcome = if wants_stream(&headers) {
        stream(&facade.shared, query.as_deref(), &headers, language)
    } else {
        page(&facade.shared, query.as_deref(), language)
            .map(|page| ([(header::CACHE_CONTROL, "no-store")], Json(page)).into_response())
    };
    outcome.unwrap_or_else(|problem| problem.into_response())
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    accept.to_ascii_lowercase().contains("text/event-stream")
}

fn page(shared: &Shared, query: Option<&str>, language: Language) -> Result<EventsPage, Box<Problem>> {
    let asked = Asked::parse(query, NAMES, language)?;
    let after = asked.number("after", 0..=LARGEST_ID)?.unwrap_or(0);
    let limit = asked.number("limit", 1..=MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
    let (events, gone) = shared.timeline.since(after, limit);
    let next = events.last().map_or(after, |event| event.id);
    Ok(EventsPage { events: events.iter().map(|event| line_of(event, language)).collect(), next, gone })
}

fn stream(
    shared: &Arc<Shared>,
    query: Option<&str>,
    headers: &HeaderMap,
    language: Language,
) -> Result<Response, Box<Problem>> {
    let asked = Asked::parse(query, NAMES, language)?;
    let resumed = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let resumed = resumed.and_then(|value| value.trim().parse::<u64>().ok());
    let after = resumed.or(asked.number("after", 0..=LARGEST_ID)?);
    let Ok(permit) = Arc::clone(&shared.streams).try_acquire_owned() else {
        let happened = language.pick("All streams are taken.", "Tous les flux sont pris.");
        return Err(Box::new(Problem::new(ProblemKind::Overloaded, language, happened)));
    };
    let reader = Reader {
        newest: shared.timeline.subscribe(),
        // Without a place the stream begins now.
        last: after.unwrap_or_else(|| shared.timeline.newest()),
        shared: Arc::clone(shared),
        language,
        _permit: permit,
    };
    let body = Body::new(UnsyncBoxBody::new(EventBody { next: Some(Box::pin(reader.next())) }));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A stream's place in the ring.
struct Reader {
    shared: Arc<Shared>,
    newest: watch::Receiver<u64>,
    last: u64,
    language: Language,
    _permit: OwnedSemaphorePermit,
}

type Next = Pin<Box<dyn Future<Output = Option<(Reader, Bytes)>> + Send>>;

impl Reader {
    /// The next piece of the stream; none when the lab stops.
    async fn next(mut self) -> Option<(Self, Bytes)> {
        let mut ticks = 0;
        loop {
            if self.shared.is_draining() {
                return None;
            }
            self.newest.borrow_and_update();
            let (events, gone) = self.shared.timeline.since(self.last, MAX_LIMIT);
            if let Some(last) = events.last() {
                self.last = last.id;
                let text = self.text_of(&events, gone);
                return Some((self, text));
            }
            if ticks >= TICKS_TO_KEEP_ALIVE {
                return Some((self, Bytes::from_static(b": quiet\n\n")));
            }
            tokio::select! {
                changed = self.newest.changed() => if changed.is_err() { return None },
                () = tasks::sleep(TICK) => ticks += 1,
            }
        }
    }

    fn text_of(&self, events: &[TimelineEvent], gone: u64) -> Bytes {
        let mut text = String::new();
        if gone > 0 {
            text.push_str(&format!("event: gap\ndata: {{\"gone\":{gone}}}\n\n"));
        }
        for event in events {
            let line = line_of(event, self.language);
            let json = serde_json::to_string(&line).unwrap_or_default();
            text.push_str(&format!("id: {}\nevent: {}\ndata: {json}\n\n", line.id, line.witness));
        }
        text.into()
    }
}

/// The body: one piece after the other, each asked for when the one before has been taken.
struct EventBody {
    next: Option<Next>,
}

impl HttpBody for EventBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(next) = self.next.as_mut() else { return Poll::Ready(None) };
        match next.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                self.next = None;
                Poll::Ready(None)
            }
            Poll::Ready(Some((reader, text))) => {
                self.next = Some(Box::pin(reader.next()));
                Poll::Ready(Some(Ok(Frame::data(text))))
            }
        }
    }
}

fn line_of(event: &TimelineEvent, language: Language) -> EventLine {
    let line = EventLine {
        id: event.id,
        at: clock::iso_8601_us(event.at_us),
        witness: event.what.witness().name(),
        kind: event.what.name(),
        ..EventLine::default()
    };
    match &event.what {
        What::Call(note) => EventLine {
            text: words::of_call(&note.step, language),
            event_id: Some(note.event_id.to_string()),
            ..line
        },
        What::Producer(observed) => {
            let batch = observed.observation.batch();
            let local = observed.local_address.map(|address| address.to_string());
            let stamp = batch.and_then(|batch| batch.stamp);
            EventLine {
                text: words::of_producer(&observed.observation, local.as_deref(), language)
                    .unwrap_or_else(|| format!("{:?}", observed.observation)),
                client_id: Some(observed.client_id.to_string()),
                topic: batch.map(|batch| batch.topic.to_string()),
                partition: batch.map(|batch| batch.partition),
                batch: batch.map(|batch| batch.batch.0),
                attempt: batch.map(|batch| batch.attempt),
                producer_id: stamp.map(|(identity, _)| identity.producer_id),
                producer_epoch: stamp.map(|(identity, _)| identity.epoch),
                base_sequence: stamp.map(|(_, sequence)| sequence),
                correlation_id: observed.observation.correlation_id(),
                local_address: local,
                ..line
            }
        }
        What::Broker(happened) => EventLine {
            text: words::of_broker(happened, language),
            client_id: happened.request.as_ref().map(|request| request.client_id.to_string()),
            topic: happened.topic.as_ref().map(ToString::to_string),
            partition: happened.partition,
            producer_id: happened.producer_id,
            producer_epoch: happened.epoch,
            base_sequence: happened.base_sequence,
            offset: happened.offset,
            correlation_id: happened.request.as_ref().map(|request| request.correlation_id),
            ..line
        },
        What::Injector(happened) => EventLine {
            text: words::of_injector(happened, language),
            client_id: happened
                .request
                .as_ref()
                .and_then(|request| request.client_id.as_ref().map(ToString::to_string)),
            correlation_id: happened.request.as_ref().map(|request| request.correlation_id),
            local_address: happened.connection.map(|connection| connection.client.to_string()),
            ..line
        },
    }
}

/// The largest number that every reader of JSON keeps whole: 2^53 - 1.
pub const LARGEST_ID: u64 = 9_007_199_254_740_991;

/// The parameters.
pub const NAMES: &[&str] = &["after", "limit"];
