//! Why the injector refuses a change, in Toxiproxy's own words where it has some.
//!
//! **Why the same words.** Clients and scripts compare them. Neighbours: [`super::injector`] makes them, `api/` gives
//! them a status. Not here: HTTP.

use std::fmt;

/// A refusal; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChaosError {
    /// Which class.
    pub kind: ChaosErrorKind,
    /// In words.
    pub message: String,
}

/// The classes of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChaosErrorKind {
    /// What was asked for makes no sense.
    BadRequest,
    /// There is no such proxy or toxic.
    NotFound,
    /// The name is taken.
    Conflict,
    /// The system refused, such as a port that is in use.
    Listen,
}

impl ChaosError {
    /// What was asked for makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self { kind: ChaosErrorKind::BadRequest, message: message.into() }
    }

    /// The body or one of its members is wrong.
    pub fn bad_body(why: impl fmt::Display) -> Self {
        Self::bad_request(format!("bad request body: {why}"))
    }

    /// A member that must be there is not.
    #[must_use]
    pub fn missing(field: &str) -> Self {
        Self::bad_request(format!("missing required field: {field}"))
    }

    /// There is no such proxy.
    #[must_use]
    pub fn no_proxy() -> Self {
        Self { kind: ChaosErrorKind::NotFound, message: "proxy not found".to_owned() }
    }

    /// There is no such toxic.
    #[must_use]
    pub fn no_toxic() -> Self {
        Self { kind: ChaosErrorKind::NotFound, message: "toxic not found".to_owned() }
    }

    /// The proxy's name is taken.
    #[must_use]
    pub fn proxy_exists() -> Self {
        Self { kind: ChaosErrorKind::Conflict, message: "proxy already exists".to_owned() }
    }

    /// The toxic's name is taken, on either stream.
    #[must_use]
    pub fn toxic_exists() -> Self {
        Self { kind: ChaosErrorKind::Conflict, message: "toxic already exists".to_owned() }
    }

    /// An address cannot be listened on.
    pub fn listen(message: impl Into<String>) -> Self {
        Self { kind: ChaosErrorKind::Listen, message: message.into() }
    }
}

impl fmt::Display for ChaosError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ChaosError {}
