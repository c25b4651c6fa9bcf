//! What stands in front of every route: limits of the address and the body, and refusal of foreign web pages.
//!
//! **Why in front.** No route here reads a body, so one place can bound it while it streams (F06), give it 10 seconds
//! (F01), and refuse compressed ones (F22); and no page on another site, nor a name rebound to this machine, may send
//! events (F18). Neighbours: [`crate::lab::server`] bounds headers and connections before this. Not here: the limit of
//! concurrent sends, which the send route takes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::lab::app::Facade;
use crate::lab::error::Problem;
use crate::lab::language::Language;
use crate::lab::problem_kind::ProblemKind;

/// Longest path and query.
pub const LONGEST_URI_BYTES: usize = 4096;
/// Largest body, which is read and thrown away.
pub const LARGEST_BODY_BYTES: u64 = 1024 * 1024;
/// Time for a body to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Checks a call and lets it pass.
pub async fn guard(State(facade): State<Arc<Facade>>, request: Request, next: Next) -> Response {
    let language = Language::of(request.headers());
    let (parts, body) = request.into_parts();
    let length = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    if length > LONGEST_URI_BYTES {
        let happened = language.pick(
            "Path and query may have 4096 bytes together.",
            "Chemin et requête peuvent avoir 4096 octets ensemble.",
        );
        return refuse(ProblemKind::UriTooLong, language, happened);
    }
    if !is_text(parts.uri.path()) {
        // A route that names something would be answered in plain text by its extractor.
        let happened = language.pick("The path is not UTF-8.", "Le chemin n'est pas de l'UTF-8.");
        return refuse(ProblemKind::InvalidPath, language, happened);
    }
    if let Some(happened) = foreign_origin(&parts.headers, facade.shared.is_loopback_only, language) {
        return refuse(ProblemKind::ForeignOrigin, language, &happened);
    }
    let encoding = parts.headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if encoding.is_some_and(|value| !value.eq_ignore_ascii_case(b"identity")) {
        let happened = language.pick("Content-Encoding is set.", "Content-Encoding est présent.");
        return refuse(ProblemKind::UnsupportedEncoding, language, happened);
    }
    if !body.is_end_stream()
        && let Err(kind) = discard(body).await
    {
        let happened = if kind == ProblemKind::InvalidBody {
            language.pick(
                "The body ended before its time, or its chunks are broken.",
                "Le corps a fini avant l'heure, ou ses segments sont faux.",
            )
        } else {
            language.pick("At most 1 MiB in 10 seconds is read.", "Au plus 1 Mio en 10 secondes est lu.")
        };
        return refuse(kind, language, happened);
    }
    // An accepted record goes on: it is the producer's by then, and only the wait for it ends here (F11).
    let limit = facade.shared.call_timeout;
    let call = next.run(Request::from_parts(parts, Body::empty()));
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_elapsed| {
        let seconds = limit.as_secs_f64();
        let happened = match language {
            Language::English => {
                format!("The call did not end within {seconds} s, the longest that any may take.")
            }
            Language::French => format!("L'appel n'a pas fini en {seconds} s, le plus long qui soit admis."),
        };
        Problem::new(ProblemKind::CallTimeout, language, &happened).possibly_written().into_response()
    })
}

fn refuse(kind: ProblemKind, language: Language, happened: &str) -> Response {
    let mut response = Problem::new(kind, language, happened).into_response();
    // The rest of the request may still be on its way: the connection cannot be used again.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Whether a path is UTF-8 once its escapes are undone; a `%` that begins none stands for itself.
fn is_text(path: &str) -> bool {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%');
        let escaped = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    std::str::from_utf8(&bytes).is_ok()
}

/// Reads a body to its end, keeping nothing.
async fn discard(body: Body) -> Result<(), ProblemKind> {
    if body.size_hint().lower() > LARGEST_BODY_BYTES {
        return Err(ProblemKind::BodyTooLarge);
    }
    let mut body = std::pin::pin!(body);
    let reading = async {
        let mut seen_bytes: u64 = 0;
        while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {
            // Broken chunks, or a caller who left in the middle: the request never came whole, so it is none.
            let frame = frame.map_err(|_| ProblemKind::InvalidBody)?;
            let length = frame.data_ref().map_or(0, |data| data.len());
            seen_bytes = seen_bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
            if seen_bytes > LARGEST_BODY_BYTES {
                return Err(ProblemKind::BodyTooLarge);
            }
        }
        Ok(())
    };
    tokio::time::timeout(BODY_TIMEOUT, reading).await.unwrap_or(Err(ProblemKind::BodyTimeout))
}

/// What is foreign about the call, if anything is.
fn foreign_origin(headers: &HeaderMap, is_loopback_only: bool, language: Language) -> Option<String> {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("");
    if is_loopback_only && !host.is_empty() && !is_local_name(host) {
        return Some(match language {
            Language::English => format!("Host is {host:?}, but this port belongs to this machine alone."),
            Language::French => format!("Host vaut {host:?}, or ce port n'appartient qu'à cette machine."),
        });
    }
    let origin = headers.get(header::ORIGIN)?.to_str().unwrap_or("?");
    let origin_host = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    (!origin_host.eq_ignore_ascii_case(host)).then(|| match language {
        Language::English => format!("Origin is {origin:?}, which is another site."),
        Language::French => format!("Origin vaut {origin:?}, qui est un autre site."),
    })
}

/// `localhost`, a name below it, or any IP address: a rebound name is none of these.
pub fn is_local_name(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name).trim_start_matches('[').trim_end_matches(']');
    let lower = name.to_ascii_lowercase();
    lower == "localhost" || lower.ends_with(".localhost") || lower.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // An extractor answers such a path in plain text, which no client of problems understands.
    #[test]
    fn a_path_is_text_if_its_escapes_make_utf8() {
        for path in ["/", "/a%20b", "/%C3%A9", "/é", "/100%", "/%zz", "/%+1"] {
            assert!(is_text(path), "{path}");
        }
        for path in ["/%ff", "/%C3", "/a/%80b"] {
            assert!(!is_text(path), "{path}");
        }
    }

    // DNS rebinding makes a foreign name point at this machine; the Host header still tells it.
    #[test]
    fn only_local_names_and_addresses_are_local() {
        for host in
            ["localhost", "localhost:18080", "127.0.0.1:18080", "[::1]:18080", "LOCALHOST", "lab.localhost:1"]
        {
            assert!(is_local_name(host), "{host}");
        }
        for host in ["evil.example:18080", "localhost.evil.example", "127.0.0.1.evil.example", "kafka"] {
            assert!(!is_local_name(host), "{host}");
        }
    }
}
