//! One file per route, and what answers when no route fits.
//!
//! **Why.** A route is found by its name. Neighbours: [`crate::lab::app`] wires them. Not here: limits, which are in front.

pub mod audit;
pub mod chaos;
pub mod config;
pub mod docs;
pub mod events;
pub mod health;
pub mod lab;
pub mod metrics;
pub mod partition;
pub mod probes;
pub mod problems;
pub mod send;
pub mod status;
pub mod topics;
pub mod trace;

use axum::http::{HeaderMap, Method, Uri};

use crate::lab::error::Problem;
use crate::lab::language::Language;
use crate::lab::problem_kind::ProblemKind;

/// No such address.
pub async fn not_found(uri: Uri, headers: HeaderMap) -> Problem {
    let language = Language::of(&headers);
    let happened = match language {
        Language::English => format!("There is no {:?} here.", uri.path()),
        Language::French => format!("Il n'y a pas de {:?} ici.", uri.path()),
    };
    Problem::new(ProblemKind::NotFound, language, &happened)
}

/// The address is there, the method is not.
pub async fn method_not_allowed(method: Method, uri: Uri, headers: HeaderMap) -> Problem {
    let language = Language::of(&headers);
    let happened = match language {
        Language::English => format!("{:?} does not answer {method}.", uri.path()),
        Language::French => format!("{:?} ne répond pas à {method}.", uri.path()),
    };
    Problem::new(ProblemKind::MethodNotAllowed, language, &happened)
}
