//! From the plan to the cluster, and from the cluster's logs to the oracle's.
//!
//! Neighbours: `swarm` has the plan, `cluster` and `oracle` know nothing of each other. Not here: judgement.

use facteur::engine::BatchOutcome;
use facteur::{Cause, Compression, ErrorCode, ProducerConfig};

use super::cluster::{Cluster, ClusterPlan, Primed, TopicPlan, Where};
use super::context::Context;
use super::payload;
use super::swarm::{Plan, SPARE_PARTITIONS};
use super::tape::{Draw, Tape};
use super::world::WALL_START_MS;
use crate::oracle::{FinalLog, Found, History, Lane, RecordId, Replica};

pub fn cluster_plan(plan: &Plan, tape: &mut Tape) -> ClusterPlan {
    let topics = plan.topics.iter().map(|topic| TopicPlan {
        name: topic.name.to_owned(),
        partitions: topic.partitions,
        replication: topic.replication,
    });
    ClusterPlan {
        brokers: plan.brokers,
        topics: topics.collect(),
        min_isr: plan.min_isr,
        personality: plan.personality,
        produce_max: plan.produce_max,
        metadata_max: plan.metadata_max,
        primed: Primed { epoch: plan.first_epoch, ..Primed::default() },
        metadata_lag_ms: tape.one_of(&[(1, 200), (1, 20), (100, 1_500)]),
        session_ms: tape.one_of(&[(500, 3_000), (300, 600), (2_000, 9_000)]),
        hints: !tape.chance(300),
        high_watermark_needs_min_isr: tape.chance(300),
        processes_after_close: true,
        wall_start_ms: WALL_START_MS,
        ..ClusterPlan::default()
    }
}

/// The partition of a lane.
pub fn place_of(plan: &Plan, lane: Lane) -> Where {
    let topic = plan.topics.iter().rposition(|topic| topic.first_lane <= lane.0).expect("a topic's lane");
    Where { topic, partition: (lane.0 - plan.topics[topic].first_lane).cast_signed() }
}

/// The lane of a partition; partitions beyond the spare ones are nobody's.
pub fn lane_of(plan: &Plan, name: &str, partition: i32) -> Lane {
    let topic = plan.topics.iter().find(|topic| topic.name == name).expect("a topic of the plan");
    assert!(partition < topic.partitions + SPARE_PARTITIONS.cast_signed(), "a partition of the plan");
    Lane(topic.first_lane + partition.cast_unsigned())
}

/// What is in the logs, as the oracle reads it; and records that are in a partition that is not theirs.
pub fn final_log(plan: &Plan, cluster: &Cluster) -> (FinalLog, Vec<String>) {
    let mut log = FinalLog::new();
    let mut astray = Vec::new();
    let mut lives =
        vec![0; plan.topics.iter().map(|topic| topic.first_lane as usize + 32).max().unwrap_or(0)];
    for contents in cluster.contents() {
        lives[lane_of(plan, &contents.topic, contents.partition).0 as usize] = contents.life;
    }
    for contents in cluster.former_contents().into_iter().chain(cluster.contents()) {
        let lane = lane_of(plan, &contents.topic, contents.partition);
        log.starts_at(lane, contents.log_start);
        let mut contents_of = Vec::with_capacity(contents.found.len());
        for found in &contents.found {
            let Some(id) = found.id else {
                astray.push(format!("offset {} of lane {} is nobody's record", found.offset, lane.0));
                contents_of.push(0);
                continue;
            };
            let (key, value) = payload::key_and_value(&found.record);
            if payload::lane_of(value) != Some(lane) {
                astray.push(format!(
                    "record {id} is in lane {}, sent to {:?}",
                    lane.0,
                    payload::lane_of(value)
                ));
            }
            let content = payload::content(key, value, found.timestamp_ms);
            contents_of.push(content);
            let copy = Found { offset: found.offset, id: RecordId(id as u64), content };
            log.found_in_life(lane, contents.life, copy);
        }
        if contents.life < lives[lane.0 as usize] {
            // Replicas of a deleted log are nobody's any more.
            continue;
        }
        for (place, ids) in (0..).zip(&contents.replicas) {
            // The same number has the same content: each record was hashed once already.
            let content_at = |offset: i64| {
                let place = contents.found.binary_search_by_key(&offset, |found| found.offset).ok()?;
                contents_of.get(place).copied()
            };
            let records = ids.iter().map(|(offset, id)| Found {
                offset: *offset,
                id: RecordId(id.map_or(u64::MAX, |id| id as u64)),
                content: content_at(*offset).unwrap_or(0),
            });
            let records = records.collect();
            log.replica(lane, Replica { node: place, records, is_complete: false });
        }
    }
    (log, astray)
}

/// What the cluster has thrown away by itself is nobody's fault.
pub fn excuse_losses(plan: &Plan, cluster: &Cluster, history: &mut History) {
    history.exemptions.former_lives_are_kept();
    for loss in cluster.losses() {
        let lane = lane_of(plan, &loss.topic, loss.partition);
        if loss.was_acknowledged {
            history.exemptions.cut_off(lane, loss.from, loss.at.as_nanos());
        } else {
            history.exemptions.tail_cut_off(lane, loss.at.as_nanos());
        }
    }
}

/// Outcomes for which nobody is to blame though all works again: what every broker of the run is too old for, what the
/// user's own limits ended, and what a lie made look like another log.
pub fn excuse_outcome(config: &ProducerConfig, record: RecordId, outcome: &BatchOutcome, cx: &mut Context) {
    let exemptions = &mut cx.history.exemptions;
    let (BatchOutcome::Rejected { cause, attempts } | BatchOutcome::Unknown { cause, attempts }) = outcome
    else {
        return;
    };
    // No broker of the model says 76: the engine does, for a broker that knows no zstd (before Produce 7).
    let is_too_new = matches!(config.compression, Compression::Zstd(_))
        && matches!(cause, Cause::Broker { code: ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, .. });
    if is_too_new {
        exemptions.deserves_refusal(record);
    }
    // The world stops a producer that is being closed only at the end of its time.
    if *attempts > config.retries || matches!(cause, Cause::Closed) {
        exemptions.given_up_as_set(record);
    }
    if cx.epochs_were_invented && matches!(cause, Cause::TopicRecreated) {
        exemptions.believed_a_lie(record);
    }
}
