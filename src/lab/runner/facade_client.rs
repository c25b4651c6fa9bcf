//! Calls of a façade, as `curl` makes them.
//!
//! **Why its own shape of answer.** The course's original APIs answer with fewer members than ours; everything that only
//! ours tells is optional here, so that the labs also judge theirs. Neighbours: [`super::run`]. Not here: what an answer
//! should be.

use std::time::Duration;

use hyper::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use crate::cli::http::{HttpClient, HttpError};
use crate::lab::clock;

/// One façade.
#[derive(Debug, Clone)]
pub struct FacadeClient {
    base: String,
    http: HttpClient,
}

/// What a façade answered.
#[derive(Debug, Clone)]
pub struct FacadeAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
    /// The body as JSON; null if it is none.
    pub json: Value,
    /// From the call to the whole answer.
    pub elapsed: Duration,
}

impl FacadeClient {
    /// Of a base URL.
    pub const fn new(base: String, http: HttpClient) -> Self {
        Self { base, http }
    }

    /// Its base URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `GET` of a path.
    ///
    /// # Errors
    ///
    /// If there is no answer; a status of 400 or more is an answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the call to the façade.
    pub async fn get(&self, path: &str) -> Result<FacadeAnswer, HttpError> {
        self.call(Method::GET, path, &[]).await
    }

    /// `POST /api/v1/send` with these parameters.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    ///
    /// # Cancel safety
    ///
    /// As [`Self::get`]: an accepted record is sent anyway.
    pub async fn send(&self, parameters: &[(&str, &str)]) -> Result<FacadeAnswer, HttpError> {
        self.send_with(parameters, &[]).await
    }

    /// [`Self::send`] with more headers.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    ///
    /// # Cancel safety
    ///
    /// As [`Self::send`].
    pub async fn send_with(
        &self,
        parameters: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<FacadeAnswer, HttpError> {
        self.call(Method::POST, &format!("/api/v1/send?{}", query(parameters)), headers).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<FacadeAnswer, HttpError> {
        let began = clock::now();
        let answer = self.http.call_with(method, &format!("{}{path}", self.base), headers, None).await?;
        let text = answer.text();
        Ok(FacadeAnswer {
            status: answer.status,
            headers: answer.headers,
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
            elapsed: clock::now().since(began),
        })
    }
}

impl FacadeAnswer {
    /// A whole number in the body.
    pub fn number(&self, member: &str) -> Option<i64> {
        self.json.get(member).and_then(Value::as_i64)
    }

    /// A string in the body.
    pub fn string(&self, member: &str) -> Option<&str> {
        self.json.get(member).and_then(Value::as_str)
    }

    /// Whether the body has this member and it is `true`.
    pub fn is_true(&self, member: &str) -> bool {
        self.json.get(member).and_then(Value::as_bool) == Some(true)
    }

    /// Status and body in one line, cut where nobody reads on.
    pub fn short(&self) -> String {
        let text: String = self.text.trim().chars().take(LONGEST_SHOWN).collect();
        if text.is_empty() {
            return format!("HTTP {}", self.status.as_u16());
        }
        format!("HTTP {} {text}", self.status.as_u16())
    }
}

/// The parameters as a query string.
pub fn query(parameters: &[(&str, &str)]) -> String {
    let pairs = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Everything but the unreserved characters (RFC 3986) as percent and two digits.
fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

const LONGEST_SHOWN: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    // A key with an ampersand must not become a parameter of its own.
    #[test]
    fn values_are_encoded_and_names_are_not() {
        assert_eq!(query(&[("eventId", "E-1"), ("key", "a&b=é")]), "eventId=E-1&key=a%26b%3D%C3%A9");
    }
}
