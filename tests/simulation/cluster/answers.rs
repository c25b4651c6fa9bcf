//! Metadata and Produce answers, byte by byte, as the broker that is asked believes the world to be.
//!
//! Neighbours: [`super::serving`] sends them, [`super::hostile`] says what is wrong with them. Not here: what the codes
//! mean.

use bytes::Bytes;
use facteur::time::Instant;

use super::Cluster;
use super::hostile::{MetadataSpoiler, Spoiler};
use super::produce::PartAnswer;
use super::serving::Pending;
use super::state::{PartState, Topic};
use super::wire::{Answer, Cursor, Header, read_header};

/// A topic in a Metadata request.
struct Asked {
    name: Bytes,
    id: [u8; 16],
}

fn read_metadata(frame: &Bytes) -> Option<(Header, Option<Vec<Asked>>)> {
    let (header, mut cursor) = read_header(frame)?;
    let cursor: &mut Cursor<'_> = &mut cursor;
    let Some(count) = cursor.length()? else { return Some((header, None)) };
    let mut topics = Vec::new();
    for _ in 0..count {
        let id = if header.version >= 10 { cursor.uuid()? } else { [0; 16] };
        let name = cursor.string()?;
        topics.push(Asked { name: frame.slice(cursor.at - name.len()..cursor.at), id });
        cursor.tags()?;
    }
    let asks_all = header.version == 0 && topics.is_empty();
    Some((header, (!asks_all).then_some(topics)))
}

impl Cluster {
    /// `None` if the request makes no sense.
    pub(super) fn metadata(
        &mut self,
        node: usize,
        header: Header,
        frame: &Bytes,
        now: Instant,
    ) -> Option<Bytes> {
        let (_, asked) = read_metadata(frame)?;
        let spoiler = self.armed.take_metadata_spoiler();
        let version = header.version;
        let mut answer = Answer::to(header);
        if version >= 3 {
            answer.i32(0);
        }
        self.write_brokers(&mut answer, version, spoiler == Some(MetadataSpoiler::NoBrokers));
        if version >= 2 {
            answer.string(b"model");
        }
        if version >= 1 {
            answer.i32(1);
        }
        match &asked {
            None => {
                answer.length(self.topics.len());
                for topic in &self.topics {
                    self.write_topic(&mut answer, (node, version), Ok(topic), spoiler, now);
                }
            }
            Some(asked) => {
                answer.length(asked.len());
                for asked in asked {
                    let found = self.topics.iter().find(|topic| {
                        if asked.name.is_empty() {
                            topic.id == asked.id
                        } else {
                            topic.name.as_bytes() == &asked.name[..]
                        }
                    });
                    self.write_topic(&mut answer, (node, version), found.ok_or(asked), spoiler, now);
                }
            }
        }
        if (8..=10).contains(&version) {
            answer.i32(i32::MIN);
        }
        if version >= 13 {
            answer.i16(if spoiler == Some(MetadataSpoiler::Error) { 129 } else { 0 });
        }
        answer.tags();
        Some(answer.finish())
    }

    fn write_brokers(&self, answer: &mut Answer, version: i16, is_empty: bool) {
        let alive = |node: &usize| !self.nodes[*node].is_fenced && !is_empty;
        answer.length((0..self.nodes.len()).filter(alive).count());
        for node in (0..self.nodes.len()).filter(alive) {
            answer.i32(node as i32 + 1);
            answer.string(self.host(node as i32 + 1).as_bytes());
            answer.i32(9092);
            if version >= 1 {
                answer.null_string();
            }
            answer.tags();
        }
    }

    fn write_topic(
        &self,
        answer: &mut Answer,
        (node, version): (usize, i16),
        found: Result<&Topic, &Asked>,
        spoiler: Option<MetadataSpoiler>,
        now: Instant,
    ) {
        let listener = &self.nodes[node];
        let visible = found.ok().filter(|topic| topic.hidden_until <= now);
        let knows = |topic: &Topic| topic.parts.iter().any(|part| listener.views[*part].is_some());
        let topic = visible.filter(|topic| knows(topic));
        answer.i16(if topic.is_some() { 0 } else { 3 });
        match (found, version) {
            (Ok(topic), _) => answer.string(topic.name.as_bytes()),
            (Err(asked), _) => answer.string(&asked.name),
        }
        if version >= 10 {
            answer.raw(&topic.map_or([0; 16], |topic| topic.id));
        }
        if version >= 1 {
            answer.i8(0);
        }
        let views = if listener.regressed_until > now { &listener.older_views } else { &listener.views };
        let no_partitions = spoiler == Some(MetadataSpoiler::NoPartitions);
        let known = topic.filter(|_| !no_partitions).into_iter().flat_map(|topic| &topic.parts);
        let known = known.filter_map(|part| Some((*part, views[*part].or(listener.views[*part])?)));
        answer.length(known.clone().count());
        for (part, view) in known {
            self.write_partition(answer, version, part, view);
        }
        if version >= 8 {
            answer.i32(i32::MIN);
        }
        answer.tags();
    }

    fn write_partition(&self, answer: &mut Answer, version: i16, part: usize, view: PartState) {
        let part = &self.parts[part];
        let leader = view.leader.filter(|leader| !self.nodes[*leader].is_fenced);
        answer.i16(if leader.is_some() { 0 } else { 5 });
        answer.i32(part.index);
        answer.i32(leader.map_or(-1, |leader| leader as i32 + 1));
        if version >= 7 {
            answer.i32(view.epoch);
        }
        answer.length(part.assigned.len());
        for node in &part.assigned {
            answer.i32(*node as i32 + 1);
        }
        let in_sync = part.assigned.iter().filter(|node| view.has_in_sync(**node));
        answer.length(in_sync.clone().count());
        for node in in_sync {
            answer.i32(*node as i32 + 1);
        }
        if version >= 5 {
            answer.length(0);
        }
        answer.tags();
    }

    /// The answer; more or fewer frames than one if it is to be spoiled so.
    pub(super) fn produce_frames(&mut self, pending: &Pending, throttle_ms: i32) -> Vec<Bytes> {
        let spoiler = self.armed.take_spoiler();
        let mut header = pending.header;
        if spoiler == Some(Spoiler::UnknownCorrelation) {
            header.correlation_id = header.correlation_id.wrapping_add(1000);
        }
        let mut answers = pending.answers.clone();
        if let Some(spoiler) = spoiler {
            self.spoil(spoiler, &mut answers);
        }
        let mut frame = self.produce_frame(header, pending, &answers, (spoiler, throttle_ms));
        match spoiler {
            Some(Spoiler::Twice) => vec![frame.clone(), frame],
            Some(Spoiler::CutShort) => {
                frame.truncate(frame.len() / 2);
                vec![frame]
            }
            _ => vec![frame],
        }
    }

    fn produce_frame(
        &self,
        header: Header,
        pending: &Pending,
        answers: &[PartAnswer],
        (spoiler, throttle_ms): (Option<Spoiler>, i32),
    ) -> Bytes {
        let version = header.version;
        let mut answer = Answer::to(header);
        answer.length(pending.request.topics.len());
        let mut from = 0;
        for topic in &pending.request.topics {
            if version >= 13 {
                answer.raw(&topic.id);
            } else {
                answer.string(&topic.name);
            }
            let places = from..from + topic.count;
            from += topic.count;
            let omits = usize::from(spoiler == Some(Spoiler::Omits) && topic.count > 0);
            let repeats = usize::from(spoiler == Some(Spoiler::Repeats) && topic.count > 0);
            let adds = usize::from(spoiler == Some(Spoiler::Adds));
            answer.length(topic.count - omits + repeats + adds);
            if adds == 1 {
                write_answer(
                    &mut answer,
                    version,
                    7777,
                    &PartAnswer { base_offset: 5, ..PartAnswer::error(0) },
                );
            }
            for place in places.clone().skip(omits) {
                write_answer(&mut answer, version, pending.request.items[place].partition, &answers[place]);
            }
            if repeats == 1 {
                let index = pending.request.items[places.start].partition;
                write_answer(&mut answer, version, index, &PartAnswer::error(87));
            }
            answer.tags();
        }
        answer.i32(throttle_ms);
        self.write_endpoints(&mut answer, version, answers);
        answer.finish()
    }

    /// The addresses of the leaders that the hints name (KIP-951).
    fn write_endpoints(&self, answer: &mut Answer, version: i16, answers: &[PartAnswer]) {
        let mut named: Vec<i32> = Vec::new();
        if version >= 10 {
            let leaders = answers.iter().filter_map(|answer| answer.hint).map(|(leader, _)| leader);
            named.extend(leaders.filter(|leader| self.endpoint_host(*leader).is_some()));
        }
        named.sort_unstable();
        named.dedup();
        if named.is_empty() {
            answer.tags();
            return;
        }
        let mut field = Answer::flexible();
        field.length(named.len());
        for node in named {
            field.i32(node);
            field.string(self.endpoint_host(node).unwrap_or_default().as_bytes());
            field.i32(9092);
            field.null_string();
            field.tags();
        }
        answer.unsigned_varint(1);
        answer.unsigned_varint(0);
        answer.unsigned_varint(field.bytes.len());
        answer.raw(&field.bytes);
    }
}

fn write_answer(answer: &mut Answer, version: i16, index: i32, part: &PartAnswer) {
    answer.i32(index);
    answer.i16(part.code);
    answer.i64(part.base_offset);
    answer.i64(part.append_time_ms);
    if version >= 5 {
        answer.i64(part.log_start);
    }
    if version >= 8 {
        answer.length(usize::from(part.culprit.is_some()));
        if let Some(index) = part.culprit {
            answer.i32(index);
            answer.null_string();
            answer.tags();
        }
        answer.null_string();
    }
    match part.hint.filter(|_| version >= 10) {
        Some((leader, epoch)) => {
            answer.unsigned_varint(1);
            answer.unsigned_varint(0);
            answer.unsigned_varint(9);
            answer.i32(leader);
            answer.i32(epoch);
            answer.unsigned_varint(0);
        }
        None => answer.tags(),
    }
}
