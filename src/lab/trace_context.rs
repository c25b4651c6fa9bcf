//! W3C trace context: the `traceparent` of a call, taken over or made.
//!
//! **Why.** One id joins the HTTP call, the record (in a header) and whoever consumes it. A caller's `traceparent` is
//! kept when it is well-formed, and replaced when it is not, as the recommendation says. Neighbours: the send route
//! copies it into the record. Not here: spans and their export.

use axum::http::HeaderMap;
use uuid::Uuid;

/// A `traceparent`, version 00.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: String,
    parent_id: String,
    flags: String,
}

impl TraceContext {
    /// The caller's context, or a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let header = headers.get("traceparent").and_then(|value| value.to_str().ok());
        header.and_then(Self::parse).unwrap_or_else(Self::generate)
    }

    fn generate() -> Self {
        let parent: String = Uuid::new_v4().simple().to_string().chars().take(16).collect();
        Self { trace_id: Uuid::new_v4().simple().to_string(), parent_id: parent, flags: "01".to_owned() }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace_id) = (parts.next()?, parts.next()?);
        let (parent_id, flags) = (parts.next()?, parts.next()?);
        // A later version may carry more parts; version 00 may not, and ff is forbidden.
        let is_version_acceptable =
            is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        let is_well_formed =
            is_version_acceptable && is_hex(trace_id, 32) && is_hex(parent_id, 16) && is_hex(flags, 2);
        if !is_well_formed
            || trace_id.bytes().all(|byte| byte == b'0')
            || parent_id.bytes().all(|byte| byte == b'0')
        {
            return None;
        }
        Some(Self { trace_id: trace_id.to_owned(), parent_id: parent_id.to_owned(), flags: flags.to_owned() })
    }

    /// The trace's id: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// The header's value.
    pub fn header(&self) -> String {
        format!("00-{}-{}-{}", self.trace_id, self.parent_id, self.flags)
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    // A malformed header must not travel on into records; a good one must arrive unchanged.
    #[test]
    fn a_good_header_is_kept_and_a_bad_one_is_refused() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceContext::parse(good).unwrap().header(), good);

        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }

    // A generated context must itself be acceptable to the next one who parses it.
    #[test]
    fn a_generated_context_is_well_formed() {
        let generated = TraceContext::generate();

        assert_eq!(TraceContext::parse(&generated.header()), Some(generated));
    }
}
