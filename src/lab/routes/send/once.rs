//! A send call with an `Idempotency-Key`: made once, answered as often as it is repeated (F07-F10).
//!
//! **Why around the call.** Whether an answer is kept depends on the whole call's end: what may be in the log must not be
//! repeated, what certainly is not may be. Neighbours: [`crate::lab::idempotency`] keeps the answers and says why.
//! Not here: the call itself, which is [`super`]'s.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use uuid::Uuid;

use super::{AcceptedRequest, Call, retry_soon};
use crate::lab::clock;
use crate::lab::error::Problem;
use crate::lab::idempotency::{
    Begun, Claim, EXPIRED, IdempotencyKey, KeyError, LONGEST_KEY, REPLAYED, StoredAnswer,
};
use crate::lab::language::Language;
use crate::lab::problem_kind::ProblemKind;
use crate::lab::send_parameters::SendParameters;
use crate::lab::status_store::Progress;

impl Call<'_> {
    /// The call's key, if it has one.
    pub(super) fn key(&self, headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Box<Problem>> {
        IdempotencyKey::of(headers).map_err(|error| {
            let happened = text_of(error, self.language);
            Box::new(Problem::parameter(
                ProblemKind::InvalidIdempotencyKey,
                self.language,
                "Idempotency-Key",
                &happened,
                &[],
            ))
        })
    }

    /// Makes the call unless its key has seen it.
    pub(super) async fn once(
        &self,
        key: &IdempotencyKey,
        parameters: &SendParameters,
    ) -> Result<Response, Box<Problem>> {
        let store = &self.facade.shared.idempotency;
        let print = fingerprint(self.facade.profile.name(), parameters);
        let mut begun = store.begin(key, &print, clock::now());
        if let Begun::Replay(answer) = &begun
            && self.is_certainly_lost(answer)
        {
            store.release(key);
            begun = store.begin(key, &print, clock::now());
        }
        let (kind, english, french) = match begun {
            Begun::New { claim, was_known } => return self.first(claim, was_known, parameters).await,
            Begun::Replay(answer) => return Ok(replayed(answer)),
            Begun::Running => (
                ProblemKind::IdempotencyKeyInUse,
                "The first call with this Idempotency-Key has not ended yet.",
                "Le premier appel avec cette Idempotency-Key n'est pas terminé.",
            ),
            Begun::Different => (
                ProblemKind::IdempotencyKeyReused,
                "This Idempotency-Key belongs to a call with other parameters.",
                "Cette Idempotency-Key appartient à un appel avec d'autres paramètres.",
            ),
            Begun::Full => (
                ProblemKind::Overloaded,
                "Every place for an Idempotency-Key is taken by a call that runs.",
                "Toutes les places d'Idempotency-Key sont prises par des appels en cours.",
            ),
        };
        Err(self.problem(kind, self.language.pick(english, french), parameters))
    }

    async fn first(
        &self,
        claim: Claim,
        was_known: bool,
        parameters: &SendParameters,
    ) -> Result<Response, Box<Problem>> {
        let happened = self.language.pick(
            "The first call with this Idempotency-Key ended by a defect or a time limit.",
            "Le premier appel avec cette Idempotency-Key s'est arrêté sur un défaut ou une limite de temps.",
        );
        let vanished = *self.problem(ProblemKind::DeliveryUnknown, happened, parameters);
        let claim = claim.or_else(vanished.possibly_written(), clock::now);
        match self.guarded(parameters).await {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                // Our own answer, which is in memory already; it is as long as the parameters that it repeats.
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
                let request_id = parts.extensions.get::<AcceptedRequest>().map(|request| request.0);
                let status = parts.status.as_u16();
                claim.keep(StoredAnswer::Success { status, body: body.clone(), request_id }, clock::now());
                let mut response = Response::from_parts(parts, Body::from(body));
                if was_known {
                    mark(&mut response, EXPIRED);
                }
                Ok(response)
            }
            Err(problem) if problem.is_possibly_written() => {
                claim.keep(StoredAnswer::Unknown(problem.clone()), clock::now());
                Err(problem)
            }
            Err(problem) => {
                claim.release();
                Err(problem)
            }
        }
    }

    /// Whether a 202 was followed by "certainly not in the log".
    fn is_certainly_lost(&self, answer: &StoredAnswer) -> bool {
        let StoredAnswer::Success { request_id: Some(id), .. } = answer else { return false };
        let status = self.facade.shared.statuses.find(*id);
        status.is_some_and(|status| match status.progress {
            Progress::Final(Err(error)) => !error.may_have_been_written(),
            Progress::Final(Ok(_)) | Progress::Pending(_) => false,
        })
    }
}

fn replayed(answer: StoredAnswer) -> Response {
    let mut response = match answer {
        StoredAnswer::Success { status, body, request_id } => success(status, body, request_id),
        StoredAnswer::Unknown(problem) => problem.into_response(),
    };
    mark(&mut response, REPLAYED);
    response
}

fn success(status: u16, body: Bytes, request_id: Option<Uuid>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    if let Some(request_id) = request_id {
        retry_soon(&mut response, request_id);
    }
    response
}

fn mark(response: &mut Response, name: &'static str) {
    response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static("true"));
}

/// What makes two calls the same: everything but `timeoutMs`, which is the caller's patience and not the record's.
fn fingerprint(profile: &str, parameters: &SendParameters) -> String {
    let SendParameters { mode, event_id, send_mode, key, partition, topic, acks, partitioner, timeout: _ } =
        parameters;
    format!(
        "{profile} {mode:?} {send_mode:?} {event_id:?} {key:?} {partition:?} {topic:?} {acks:?} {partitioner:?}"
    )
}

fn text_of(error: KeyError, language: Language) -> String {
    match (error, language) {
        (KeyError::Repeated, Language::English) => "There is more than one Idempotency-Key.".to_owned(),
        (KeyError::Repeated, Language::French) => "Il y a plus d'une Idempotency-Key.".to_owned(),
        (KeyError::Length, Language::English) => {
            format!("An Idempotency-Key has 1 to {LONGEST_KEY} characters.")
        }
        (KeyError::Length, Language::French) => {
            format!("Une Idempotency-Key a de 1 à {LONGEST_KEY} caractères.")
        }
        (KeyError::Character, Language::English) => {
            "An Idempotency-Key is made of visible ASCII without quotes, backslashes and spaces.".to_owned()
        }
        (KeyError::Character, Language::French) => {
            "Une Idempotency-Key est faite d'ASCII visible, sans guillemets, barres inverses ni espaces."
                .to_owned()
        }
    }
}
