//! What may be a topic's name.
//!
//! **Why it exists.** A name that no broker would take must be refused before any network, or the caller waits
//! `max.block.ms` for a topic that can never be. The rules are those of Kafka's `Topic.validate`.
//!
//! Neighbours: the producer asks before it looks a topic up, the façade and the broker before they make one. Not here:
//! who may write to a topic.

use std::sync::Arc;

use crate::error::Error;

/// The longest name Kafka takes; the log's directory name, with the partition, must fit into 255 bytes.
pub const MAX_LEN: usize = 249;

/// Topics in which Kafka keeps its own state. A client can write to them only with rights it should not have.
pub const INTERNAL: [&str; 4] =
    ["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"];

/// Whether this can be a topic's name: 1 to 249 of `a-z A-Z 0-9 . _ -`, and neither `.` nor `..`.
///
/// # Errors
///
/// [`Error::InvalidTopic`] with the reason.
pub fn validate(name: &str) -> Result<(), Error> {
    let reason = match name {
        "" => "it is empty",
        "." | ".." => "it would be a directory of its own",
        _ if !name.bytes().all(is_allowed) => "it has a character that is not allowed",
        _ if name.len() > MAX_LEN => "it is longer than 249 characters",
        _ => return Ok(()),
    };
    // The name goes into an error that may be shown: cut what is absurdly long.
    let topic: String = name.chars().take(MAX_LEN + 1).collect();
    Err(Error::InvalidTopic { topic: Arc::from(topic), reason })
}

/// Whether Kafka keeps its own state in the topic of this name.
#[must_use]
pub fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}

const fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_within_kafkas_rules_are_taken() {
        // A rule that is stricter than Kafka's would lock users out of topics that exist.
        for name in ["a", "orders", "A-1_b.c", "...", "__consumer_offsets", &"x".repeat(249)] {
            assert_eq!(validate(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_outside_kafkas_rules_are_refused_with_the_reason() {
        // Each reason must be the one that is true; the length is checked at its edge.
        for (name, expected) in [
            ("", "it is empty"),
            (".", "it would be a directory of its own"),
            ("..", "it would be a directory of its own"),
            ("a b", "it has a character that is not allowed"),
            ("commandé", "it has a character that is not allowed"),
            ("a/b", "it has a character that is not allowed"),
            (&"x".repeat(250), "it is longer than 249 characters"),
        ] {
            let Err(Error::InvalidTopic { topic, reason }) = validate(name) else {
                panic!("{name} was taken")
            };
            assert_eq!((&*topic, reason), (name, expected));
        }
    }

    #[test]
    fn internal_topics_are_known_by_their_whole_name() {
        // A prefix test would refuse users' own topics that begin alike.
        assert!(is_internal("__consumer_offsets"));
        assert!(!is_internal("__consumer_offsets_copy"));
    }
}
