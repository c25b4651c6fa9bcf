//! The application's half: callers of `send`, `flush` and `close`, and their waits.
//!
//! Each task is a caller that sends one record after the other, as `producer::send` does it: choose a partition, append,
//! seal what is full, reserve memory, and wait for metadata, memory or the lane's progress within `max.block.ms`, in
//! order of asking (D-35, D-36). A task that waits may be cancelled: its future is dropped.
//!
//! Neighbours: `producer` is the driver's half, `workload` says who sends what. Not here: what happens after acceptance.

use std::time::Duration;

use facteur::accumulator::buffer_memory::WaiterId;
use facteur::accumulator::partition_queue::{AppendTime, Appended, TryAppend};
use facteur::accumulator::partitioner::{Choices, KeyHash, LoadTable, SwitchPoint};
use facteur::identifiers::LaneId;
use facteur::time::Instant;
use facteur::{ErrorCode, Record};

use super::context::Context;
use super::payload;
use super::producer::{Command, Life, Producer};
use super::queue::Happening;
use super::tape::Draw;
use crate::oracle::{Lane, RecordId};

/// How a record finds its partition.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    Partition(i32),
    Key(u64),
    Sticky,
}

/// What somebody wants to send.
#[derive(Debug, Clone, Copy)]
pub struct Burst {
    pub topic: usize,
    pub target: Target,
    pub records: u32,
    pub value_bytes: usize,
    pub is_canary: bool,
}

#[derive(Debug, Clone, Copy)]
enum Wait {
    Metadata { answers: u64 },
    Memory { lane: LaneId, waiter: WaiterId, bytes: usize, partition: i32 },
    Progress { lane: LaneId, bytes: usize, partition: i32 },
}

/// A caller in the middle of `send`.
#[derive(Debug)]
struct Task {
    number: u32,
    burst: Burst,
    id: RecordId,
    wait: Wait,
    deadline: Instant,
}

/// A flush that waits for what was accepted before it.
#[derive(Debug)]
struct Flush {
    before: u64,
    remaining: u64,
    deadline: Instant,
}

/// All callers of a producer.
#[derive(Debug, Default)]
pub struct Senders {
    tasks: Vec<Task>,
    next_task: u32,
    flushes: Vec<Flush>,
    ended_flushes: u32,
    /// By record: its place in the order of acceptance, plus one.
    order: Vec<u64>,
    accepted: u64,
    scratch: Vec<u8>,
}

impl Senders {
    pub fn waiting(&self) -> usize {
        self.tasks.len() + self.flushes.len()
    }

    /// A record has its outcome.
    pub fn resolved(&mut self, id: RecordId) {
        if self.flushes.is_empty() {
            return;
        }
        let order = self.order[usize::try_from(id.0).expect("small")];
        for flush in &mut self.flushes {
            flush.remaining -= u64::from(order <= flush.before);
        }
        let before = self.flushes.len();
        self.flushes.retain(|flush| flush.remaining > 0);
        self.ended_flushes += u32::try_from(before - self.flushes.len()).expect("few");
    }

    /// A flush that waits longer than it may (Q13).
    pub fn has_stuck_flush(&self, now: Instant) -> bool {
        self.flushes.iter().any(|flush| flush.deadline < now)
    }
}

/// What one attempt came to.
enum Attempt {
    Accepted,
    Waits(Wait),
    Refused(&'static str),
}

impl Producer {
    /// Somebody sends a burst; the rest of it waits in a task if it must.
    pub fn send(&mut self, cx: &mut Context, burst: Burst) {
        self.send_from(cx, burst, None);
    }

    fn send_from(&mut self, cx: &mut Context, mut burst: Burst, mut id: Option<RecordId>) {
        while burst.records > 0 {
            let record = id.take().unwrap_or_else(|| cx.new_id());
            match self.attempt(cx, &burst, record) {
                Attempt::Accepted => burst.records -= 1,
                Attempt::Refused(why) => {
                    self.refuse(cx, &burst, record, why);
                    return;
                }
                Attempt::Waits(wait) => {
                    self.wait(cx, burst, record, wait);
                    return;
                }
            }
        }
    }

    /// The record is the caller's again, and the caller gives up the rest of its burst.
    fn refuse(&self, cx: &mut Context, burst: &Burst, id: RecordId, why: &'static str) {
        cx.counts.refused += 1;
        cx.trace.note(20, id.0, why.len() as u64);
        let lane = Lane(self.topics[burst.topic].first_lane);
        cx.history.refused(id, lane, cx.now.as_nanos());
        let number = self.number;
        cx.trace.say(cx.now, || format!("p{number} refuses record {}: {why}", id.0));
    }

    fn attempt(&mut self, cx: &mut Context, burst: &Burst, id: RecordId) -> Attempt {
        if self.life != Life::Open {
            return Attempt::Refused("closed");
        }
        let topic = &self.topics[burst.topic];
        if topic.lanes.is_empty() {
            self.command(Command::TopicWanted(std::sync::Arc::clone(&self.topics[burst.topic].name)));
            return self.without_lane(cx, burst);
        }
        let (partition, is_sticky) = self.choose(cx, burst);
        match self.topics[burst.topic].lanes.get(partition as usize) {
            Some(lane) => {
                let lane = *lane;
                self.append(cx, burst, id, (lane, partition, is_sticky))
            }
            None => {
                self.command(Command::TopicWanted(std::sync::Arc::clone(&self.topics[burst.topic].name)));
                self.without_lane(cx, burst)
            }
        }
    }

    fn without_lane(&self, cx: &mut Context, burst: &Burst) -> Attempt {
        cx.counts.waited_for_metadata += 1;
        Attempt::Waits(Wait::Metadata { answers: self.topics[burst.topic].answers })
    }

    fn choose(&self, cx: &mut Context, burst: &Burst) -> (i32, bool) {
        let topic = &self.topics[burst.topic];
        let count = i32::try_from(topic.lanes.len()).expect("few");
        match burst.target {
            Target::Partition(partition) => (partition, false),
            Target::Key(key) => {
                let key = key.to_be_bytes();
                let partition = KeyHash::Murmur2.partition(Some(&key), count).expect("partitions");
                (partition, false)
            }
            Target::Sticky => {
                let choices = Choices { load: None, available: &topic.available, partition_count: count };
                let random = cx.tape.below(1 << 20) as u32;
                let partition = topic.sticky.choose(|| choices.pick(random));
                (if partition < count { partition } else { 0 }, true)
            }
        }
    }

    /// As `producer::send::append_slowly`.
    fn append(
        &mut self,
        cx: &mut Context,
        burst: &Burst,
        id: RecordId,
        (lane, partition, is_sticky): (LaneId, i32, bool),
    ) -> Attempt {
        let oracle_lane = self.lanes[lane.index()].lane;
        let mut value = std::mem::take(&mut self.senders.scratch);
        payload::write(&mut value, id, oracle_lane, burst.value_bytes);
        let key = match burst.target {
            Target::Key(key) => Some(key.to_be_bytes()),
            Target::Partition(_) | Target::Sticky => None,
        };
        let mut record = Record::of(&value);
        if let Some(key) = &key {
            record = record.key(key);
        }
        let attempt = self.append_record(cx, &record, (id, lane, partition));
        let attempt = match attempt {
            Ok(appended) => {
                let content =
                    payload::content(key.as_ref().map(|key| &key[..]), &value, appended.timestamp_ms);
                self.accepted(cx, burst, (id, lane, content), appended, is_sticky);
                Attempt::Accepted
            }
            Err(wait) => Attempt::Waits(wait),
        };
        self.senders.scratch = value;
        attempt
    }

    fn append_record(
        &mut self,
        cx: &mut Context,
        record: &Record<'_>,
        (id, lane, partition): (RecordId, LaneId, i32),
    ) -> Result<Appended, Wait> {
        loop {
            let now = self.shared_now(cx);
            let time = AppendTime { now, wall_ms: cx.wall_ms(now) };
            match self.lanes[lane.index()].queue.try_append(record, time) {
                TryAppend::Appended(appended) => return Ok(appended),
                TryAppend::Sealed(job) => {
                    cx.trace.note(21, id.0, job.number.0);
                    self.seal(cx, lane, job);
                }
                TryAppend::NeedsSegment(bytes) => {
                    let total = self.memory.total_bytes();
                    let state = &self.lanes[lane.index()];
                    if !state.may_hold(bytes, cx.now, self.config.request_timeout, total) {
                        cx.counts.waited_for_progress += 1;
                        return Err(Wait::Progress { lane, bytes, partition });
                    }
                    if !self.memory.try_reserve(bytes) {
                        cx.counts.waited_for_memory += 1;
                        let waiter = self.memory.wait(bytes);
                        return Err(Wait::Memory { lane, waiter, bytes, partition });
                    }
                    self.install(cx, lane, bytes);
                }
            }
        }
    }

    /// A segment whose bytes are reserved goes to the lane, or back if it needs none any more.
    fn install(&mut self, cx: &Context, lane: LaneId, bytes: usize) {
        let state = self.lane_mut(lane);
        if state.share.held_bytes() == 0 {
            state.last_progress = cx.now;
        }
        let segment = state.share.segment(bytes);
        drop(state.queue.install(segment, bytes, cx.now));
    }

    fn accepted(
        &mut self,
        cx: &mut Context,
        burst: &Burst,
        (id, lane, content): (RecordId, LaneId, u64),
        appended: Appended,
        is_sticky: bool,
    ) {
        cx.counts.accepted += 1;
        cx.trace.note(22, id.0, u64::from(lane.0));
        self.unresolved += 1;
        self.senders.accepted += 1;
        let place = usize::try_from(id.0).expect("small");
        if self.senders.order.len() <= place {
            self.senders.order.resize(place + 32, 0);
        }
        self.senders.order[place] = self.senders.accepted;
        let state = &mut self.lanes[lane.index()];
        cx.history.accepted(id, state.lane, content, cx.now.as_nanos());
        if burst.is_canary {
            cx.history.canary(id);
        }
        let signal = state.appended(id, appended);
        if let Some(signal) = signal {
            self.signal(lane, signal);
        }
        if is_sticky {
            self.sticky_appended(cx, lane, appended);
        }
        let number = self.number;
        cx.trace.say(cx.now, || format!("p{number} accepts record {} in {lane} {:?}", id.0, appended.number));
    }

    /// As `LaneState::sticky_after` and `TopicShared::keyless_appended`.
    fn sticky_appended(&mut self, cx: &mut Context, lane: LaneId, appended: Appended) {
        let batch_size = self.config.batch_size;
        let state = &mut self.lanes[lane.index()];
        state.sticky_bytes += appended.grown_bytes;
        if !appended.is_full && state.sticky_bytes < batch_size {
            return;
        }
        let bytes = std::mem::take(&mut state.sticky_bytes);
        let (place, partition) = (state.topic, state.partition);
        let topic = &self.topics[place];
        let table = LoadTable::build(&self.queue_sizes(place), &topic.available);
        let point = if appended.is_full { SwitchPoint::Clean } else { SwitchPoint::HalfFilled };
        let random = cx.tape.below(1 << 20) as u32;
        let partition_count = i32::try_from(topic.lanes.len()).expect("few");
        topic.sticky.record_appended(partition, bytes, point, batch_size, || {
            Choices { load: table.as_ref(), available: &topic.available, partition_count }.pick(random)
        });
    }

    // ── waiting ─────────────────────────────────────────────────────────────────────────────────────────────────

    fn wait(&mut self, cx: &mut Context, burst: Burst, id: RecordId, wait: Wait) {
        let number = self.senders.next_task;
        self.senders.next_task += 1;
        cx.trace.note(23, id.0, u64::from(number));
        let producer_number = self.number;
        cx.trace.say(cx.now, || format!("p{producer_number} record {} waits: {wait:?}", id.0));
        let deadline = cx.now + self.config.max_block;
        let producer = u8::try_from(self.number).expect("few");
        cx.plan(deadline, Happening::TaskDeadline { producer, task: number });
        self.senders.tasks.push(Task { number, burst, id, wait, deadline });
    }

    /// Those whose wait is over go on, in order of asking.
    pub fn wake_senders(&mut self, cx: &mut Context) {
        for _ in 0..std::mem::take(&mut self.senders.ended_flushes) {
            self.command(Command::FlushEnded);
        }
        if self.senders.tasks.is_empty() {
            return;
        }
        let _looked_at = self.memory.take_changed();
        let mut place = 0;
        while place < self.senders.tasks.len() {
            if self.is_over(cx, place) {
                let task = self.senders.tasks.remove(place);
                self.go_on(cx, task);
                // Others may have been served meanwhile; those who joined stand at the end.
            } else {
                place += 1;
            }
        }
    }

    fn is_over(&mut self, cx: &Context, place: usize) -> bool {
        if self.life != Life::Open {
            return true;
        }
        let task = &mut self.senders.tasks[place];
        match &mut task.wait {
            Wait::Metadata { answers } => {
                let topic = &self.topics[task.burst.topic];
                if topic.answers == *answers {
                    return false;
                }
                *answers = topic.answers;
                if is_final(topic.error) {
                    return true;
                }
                let wanted = match task.burst.target {
                    Target::Partition(partition) => partition as usize,
                    Target::Key(_) | Target::Sticky => 0,
                };
                let is_there = wanted < topic.lanes.len();
                if !is_there && topic.is_known {
                    let name = std::sync::Arc::clone(&topic.name);
                    self.command(Command::TopicWanted(name));
                }
                is_there
            }
            Wait::Memory { waiter, .. } => self.memory.is_served(*waiter),
            Wait::Progress { lane, bytes, .. } => {
                let state = &self.lanes[lane.index()];
                state.may_hold(*bytes, cx.now, self.config.request_timeout, self.memory.total_bytes())
            }
        }
    }

    fn go_on(&mut self, cx: &mut Context, task: Task) {
        if self.life != Life::Open {
            self.give_up(cx, &task, "closed");
            return;
        }
        let topic = &self.topics[task.burst.topic];
        let mut burst = task.burst;
        match task.wait {
            Wait::Metadata { .. } => {
                if is_final(topic.error) && topic.lanes.is_empty() {
                    self.refuse(cx, &burst, task.id, "the cluster refuses the topic");
                    return;
                }
                self.send_from(cx, burst, Some(task.id));
            }
            Wait::Memory { lane, bytes, partition, .. } => {
                self.install(cx, lane, bytes);
                self.append_chosen(cx, &mut burst, task.id, (lane, partition));
            }
            Wait::Progress { lane, partition, .. } => {
                self.append_chosen(cx, &mut burst, task.id, (lane, partition));
            }
        }
    }

    /// The partition was chosen before the wait and is not chosen again.
    fn append_chosen(
        &mut self,
        cx: &mut Context,
        burst: &mut Burst,
        id: RecordId,
        (lane, partition): (LaneId, i32),
    ) {
        let is_sticky = matches!(burst.target, Target::Sticky);
        match self.append(cx, burst, id, (lane, partition, is_sticky)) {
            Attempt::Accepted => {
                burst.records -= 1;
                self.send_from(cx, *burst, None);
            }
            Attempt::Waits(wait) => self.wait(cx, *burst, id, wait),
            Attempt::Refused(why) => self.refuse(cx, burst, id, why),
        }
    }

    /// `max.block.ms` is over for this one, if it still waits.
    pub fn task_deadline(&mut self, cx: &mut Context, number: u32) {
        if let Some(place) = self.senders.tasks.iter().position(|task| task.number == number)
            && self.senders.tasks[place].deadline <= cx.now
        {
            let task = self.senders.tasks.remove(place);
            self.give_up(cx, &task, "waited for max.block.ms");
        }
    }

    /// Somebody drops the future of a send that waits.
    pub fn cancel_one(&mut self, cx: &mut Context) {
        let count = self.senders.tasks.len();
        if count > 0 {
            let place = usize::try_from(cx.tape.below(count as u64)).expect("few");
            let task = self.senders.tasks.remove(place);
            cx.counts.cancelled += 1;
            self.give_up(cx, &task, "cancelled");
        }
    }

    fn give_up(&self, cx: &mut Context, task: &Task, why: &'static str) {
        if let Wait::Memory { waiter, bytes, .. } = task.wait {
            self.memory.cancel(waiter, bytes);
        }
        self.refuse(cx, &task.burst, task.id, why);
    }

    // ── flush and close ─────────────────────────────────────────────────────────────────────────────────────────

    pub fn flush(&mut self, cx: &mut Context) {
        if self.life != Life::Open {
            return;
        }
        cx.counts.flushes += 1;
        self.command(Command::FlushBegun);
        if self.unresolved == 0 {
            self.command(Command::FlushEnded);
            return;
        }
        let bound = self.config.delivery_timeout + self.config.request_timeout * 2;
        self.senders.flushes.push(Flush {
            before: self.senders.accepted,
            remaining: self.unresolved,
            deadline: cx.now + bound,
        });
    }

    /// `close(timeout)`: nothing is accepted any more, and at the end of it everything has its outcome.
    pub fn close(&mut self, cx: &mut Context, timeout: Duration) {
        if self.life != Life::Open {
            return;
        }
        cx.counts.closes += 1;
        self.life = Life::Closing;
        self.command(Command::CloseBegun);
        let producer = u8::try_from(self.number).expect("few");
        cx.plan(cx.now + timeout, Happening::CloseDeadline { producer });
    }

    /// Whether a close waits for nothing any more.
    pub fn may_stop(&self) -> bool {
        self.life == Life::Closing && self.unresolved == 0
    }
}

/// Refusals that no waiting cures.
const fn is_final(code: Option<ErrorCode>) -> bool {
    matches!(code, Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED | ErrorCode::INVALID_TOPIC_EXCEPTION))
}
