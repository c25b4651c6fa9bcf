//! The topics: above all one with a single partition, the third silent killer of the course.
//!
//! **Why.** Nothing in the course's set-up but its validation script creates `bhf-transactions`; a topic that was created
//! automatically has one partition, and then `partition=1` fails (spec 2.9). Neighbours: `facteur topics`. Not here:
//! leaders and replicas, which `facteur topics describe` shows.

use crate::cli::client::Client;
use crate::cli::doctor::Examination;
use crate::cli::doctor::listeners::CONNECT_PATIENCE;
use crate::cli::doctor::report::Report;
use crate::lab::runner::experiment::{PARTITIONS, TOPIC};
use crate::wire::api::metadata::Topic;

/// Looks at the topics.
pub(super) async fn look(examination: &Examination, report: &mut Report) {
    let kafka = &examination.target.kafka;
    let found = async { Client::connect(kafka, CONNECT_PATIENCE).await?.metadata(None).await };
    match found.await {
        Ok(metadata) => {
            let topics = metadata.topics.iter().filter(|topic| !topic.name.starts_with("__"));
            topics_of(&topics.collect::<Vec<_>>(), report);
        }
        Err(failure) => report.wrong("topics", failure.message, "see the row of Kafka"),
    }
}

fn topics_of(topics: &[&Topic], report: &mut Report) {
    let subject = format!("topic {TOPIC}");
    let wanted = usize::try_from(PARTITIONS).unwrap_or(1);
    match topics.iter().find(|topic| topic.name == TOPIC).map(|topic| topic.partitions.len()) {
        None => report.wrong(
            subject,
            "does not exist: sends are answered 404",
            format!("facteur topics create {TOPIC} --partitions {PARTITIONS}"),
        ),
        Some(count) if count < wanted => report.wrong(
            subject,
            format!("has {count} partition(s): it was created automatically, and partition=1 fails"),
            format!("facteur topics delete {TOPIC}; facteur topics create {TOPIC} --partitions {PARTITIONS}"),
        ),
        Some(count) => report.ok(subject, format!("{count} partitions")),
    }
    let single: Vec<&str> = topics
        .iter()
        .filter(|topic| topic.name != TOPIC && topic.partitions.len() == 1)
        .map(|topic| topic.name.as_str())
        .take(MOST_NAMED)
        .collect();
    if !single.is_empty() {
        report.note(
            "topics",
            format!("with one partition: {}", single.join(", ")),
            "right for a compacted demonstration; elsewhere all keys meet in one partition",
        );
    }
}

/// A cluster may have thousands.
const MOST_NAMED: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::report::State;
    use crate::error::ErrorCode;
    use crate::identifiers::TopicId;
    use crate::wire::api::metadata::Partition;

    fn topic(name: &str, partitions: i32) -> Topic {
        let partition = |partition| Partition {
            partition,
            error: ErrorCode::NONE,
            leader: None,
            leader_epoch: Some(0),
            replicas: Vec::new(),
            isr: Vec::new(),
        };
        Topic {
            name: name.to_owned(),
            id: TopicId([0; 16]),
            error: ErrorCode::NONE,
            is_internal: false,
            partitions: (0..partitions).map(partition).collect(),
        }
    }

    // The course's topic with one partition is wrong; the compacted demonstration with one is as it should be.
    #[test]
    fn the_courses_topic_needs_three_partitions_and_others_may_have_one() {
        let mut report = Report::default();
        topics_of(&[&topic(TOPIC, 1), &topic("bhf-compact-demo", 1)], &mut report);
        assert_eq!(report.rows()[0].state, State::Wrong);
        assert!(report.rows()[0].advice.as_deref().unwrap().contains("--partitions 3"));
        assert_eq!(report.rows()[1].state, State::Note);

        let mut report = Report::default();
        topics_of(&[&topic(TOPIC, 6)], &mut report);
        assert!(report.is_well());

        let mut report = Report::default();
        topics_of(&[], &mut report);
        assert!(report.rows()[0].found.contains("does not exist"));
    }
}
