//! `DescribeLogDirs` (35): how many bytes each partition has.
//!
//! **Why a broker without disks answers.** UIs and `kafka-log-dirs` show the sizes of topics from it. There is one "directory",
//! `memory`; its size is what the broker may keep in all (D-56).
//!
//! Neighbours: [`crate::broker::cluster`]. Not here: moving replicas between directories.

use super::super::{Answer, RequestHeader, RequestReader, begin};
use crate::broker::cluster::Cluster;
use crate::error::ErrorCode;
use crate::wire::WireError;

/// What stands where a real broker has a path.
const DIRECTORY: &str = "memory";

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct DescribeLogDirsRequest {
    /// `None` asks for all.
    topics: Option<Vec<(String, Vec<i32>)>>,
}

/// Partitions with their sizes, by topic.
type Sizes = Vec<(String, Vec<(i32, u64)>)>;

impl DescribeLogDirsRequest {
    pub(super) fn topic_names(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().flatten().map(|(name, _)| name.as_str())
    }
}

pub(super) fn decode(reader: &mut RequestReader<'_>) -> Result<DescribeLogDirsRequest, WireError> {
    let topics = reader.nullable_array(3, |reader| {
        let topic = (reader.string()?, reader.array(4, |reader| reader.i32())?);
        reader.skip_tags()?;
        Ok(topic)
    })?;
    reader.skip_tags()?;
    Ok(DescribeLogDirsRequest { topics })
}

pub(super) fn handle(cluster: &Cluster, header: &RequestHeader, request: &DescribeLogDirsRequest) -> Answer {
    let size = |topic: &str, partition: i32| {
        cluster.partition(topic, partition).map(|place| (partition, place.log.size_bytes()))
    };
    let sizes: Sizes = match &request.topics {
        None => cluster
            .topics()
            .map(|topic| {
                let partitions = (0_i32..).zip(&topic.partitions);
                let sizes = partitions.map(|(partition, place)| (partition, place.log.size_bytes()));
                (topic.name.to_string(), sizes.collect())
            })
            .collect(),
        // Partitions that are not here are left out, as by Kafka.
        Some(topics) => topics
            .iter()
            .map(|(topic, partitions)| {
                let there = partitions.iter().filter_map(|partition| size(topic, *partition));
                (topic.clone(), there.collect::<Vec<_>>())
            })
            .filter(|(_, partitions)| !partitions.is_empty())
            .collect(),
    };
    encode(header, ErrorCode::NONE, Some((cluster, &sizes)))
}

pub(super) fn refuse(header: &RequestHeader, code: ErrorCode) -> Answer {
    encode(header, code, None)
}

fn encode(header: &RequestHeader, code: ErrorCode, found: Option<(&Cluster, &Sizes)>) -> Answer {
    let mut answer = begin(header);
    answer.i32(0);
    if header.version >= 3 {
        answer.i16(code.0);
    }
    // Before version 3 only a directory can carry a code.
    let directories: Vec<_> = match found {
        Some(found) => vec![Some(found)],
        None if header.version < 3 => vec![None],
        None => Vec::new(),
    };
    answer.array(&directories, |answer, found| {
        answer.i16(code.0);
        answer.string(DIRECTORY);
        answer.array(found.map_or(&[][..], |(_, sizes)| sizes), |answer, (topic, partitions)| {
            answer.string(topic);
            answer.array(partitions, |answer, (partition, size)| {
                answer.i32(*partition);
                answer.i64(signed(*size));
                answer.i64(0);
                answer.bool(false);
                answer.no_tags();
            });
            answer.no_tags();
        });
        if header.version >= 4 {
            let (total, used) = found.map_or((0, 0), |(cluster, _)| {
                (cluster.settings().total_memory_bytes, cluster.memory_bytes())
            });
            answer.i64(signed(total));
            answer.i64(signed(total.saturating_sub(used)));
        }
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
