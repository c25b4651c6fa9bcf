//! From a record to its place in a batch: the fast way, and the waits around it.
//!
//! **Why two ways.** Nearly every record finds its topic known and its batch with room: that way takes one lock and
//! allocates nothing. The others (topic unknown, memory short) wait outside any lock, in order, within one budget of
//! `max.block.ms`.
//!
//! Neighbours: [`super::handle`] offers it in five shapes. Not here: what happens after acceptance.

use std::sync::Arc;
use std::time::Duration;

use crate::accumulator::partition_queue::AppendTime;
use crate::error::{Error, ErrorCode};
use crate::record::Record;
use crate::runtime::blocking::block_on;
use crate::runtime::callbacks::{Callback, is_callback_thread};
use crate::runtime::delivery::Delivery;
use crate::runtime::lanes::{Addition, ChosenBy, Lane, LaneAppend};
use crate::runtime::shared::{Command, Shared};
use crate::runtime::timers::until;
use crate::runtime::topics::{Choice, TopicShared};
use crate::time::Instant;
use crate::wire::record_batch::record_size_upper_bound;

/// Headers in one record: their count is an `i32` on the wire, and nobody means a million.
const MAX_HEADERS: usize = 100_000;

/// The most bytes that a batch of one record without headers has beside key and value.
const MOST_BESIDE_BYTES: usize = 100;

/// Why `try_send` did not take the record. A [`Record`] only borrows, so it is still the caller's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// Metadata of the topic (or of that partition) is not there yet; it has been asked for. Try again shortly.
    #[error("the topic's metadata is not known yet; it has been asked for")]
    NotReady,
    /// There is no room now, or others wait for it. Try again after a delivery.
    #[error("the buffer is full; the record was not accepted")]
    Full,
    /// The record can never fit.
    #[error(transparent)]
    TooLarge(Error),
    /// Anything else: closed, an invalid record or name.
    #[error(transparent)]
    Failed(Error),
}

/// What one attempt to append came to.
pub(super) enum Attempt {
    Accepted(Delivery),
    NeedsMetadata,
    NeedsMemory(Arc<Lane>, Choice, usize),
    /// The lane has made no progress and holds its share (D-35).
    NeedsProgress(Arc<Lane>, Choice, usize),
}

/// A record on its way in: the topic is known by name, the callback not yet handed over.
pub(super) struct Sending<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) topic: &'a Arc<TopicShared>,
    pub(super) record: &'a Record<'a>,
    pub(super) callback: Option<Callback>,
}

/// Why a record did not go the fast way.
enum Detour<'l> {
    /// Something is wrong with the record itself.
    Invalid,
    /// The topic, or this partition of it, is not known.
    NoLane,
    /// The partitioner failed.
    Failed(Error),
    /// Once per batch and not per record: somebody must be told, or the batch needs something.
    Append(&'l Arc<Lane>, Choice, ChosenBy, LaneAppend),
}

impl<'a> Sending<'a> {
    /// Appends, waiting for metadata and memory within `max.block.ms`.
    #[inline]
    pub(super) async fn send(&mut self) -> Result<Delivery, Error> {
        let detour = match self.at_once() {
            Ok(delivery) => return Ok(delivery),
            Err(detour) => self.take(detour)?,
        };
        match detour {
            Attempt::Accepted(delivery) => Ok(delivery),
            blocked @ (Attempt::NeedsMetadata | Attempt::NeedsMemory(..) | Attempt::NeedsProgress(..)) => {
                Box::pin(self.send_slowly(blocked)).await
            }
        }
    }

    /// Appends if that needs no waiting; else how far it came.
    #[inline]
    pub(super) fn begin(&mut self) -> Result<Delivery, Box<Result<Attempt, Error>>> {
        match self.at_once() {
            Ok(delivery) => Ok(delivery),
            Err(detour) => Err(Box::new(self.take(detour))),
        }
    }

    /// As [`Self::send`], on this thread: what need not wait never becomes a future.
    #[inline]
    pub(super) fn send_blocking(&mut self) -> Result<Delivery, Error> {
        match self.at_once() {
            Ok(delivery) => Ok(delivery),
            Err(detour) => *self.wait_here(detour),
        }
    }

    /// Boxed, as [`Self::try_detour`]'s.
    #[cold]
    fn wait_here(&mut self, detour: Detour<'_>) -> Box<Result<Delivery, Error>> {
        Box::new(match self.take(detour) {
            Ok(Attempt::Accepted(delivery)) => Ok(delivery),
            Ok(
                blocked @ (Attempt::NeedsMetadata | Attempt::NeedsMemory(..) | Attempt::NeedsProgress(..)),
            ) => block_on(self.send_slowly(blocked)),
            Err(error) => Err(error),
        })
    }

    /// Never waits.
    #[inline]
    pub(super) fn try_send(&mut self) -> Result<Delivery, TrySendError> {
        match self.at_once() {
            Ok(delivery) => Ok(delivery),
            Err(detour) => *self.try_detour(detour),
        }
    }

    /// Boxed: an outcome that this wrote where the fast way's is expected would take that out of its registers.
    #[cold]
    fn try_detour(&mut self, detour: Detour<'_>) -> Box<Result<Delivery, TrySendError>> {
        let is_invalid = matches!(detour, Detour::Invalid);
        Box::new(match self.take(detour) {
            Ok(Attempt::Accepted(delivery)) => Ok(delivery),
            Ok(Attempt::NeedsMetadata) => Err(self.not_ready()),
            Ok(Attempt::NeedsMemory(..) | Attempt::NeedsProgress(..)) => Err(TrySendError::Full),
            Err(error) if is_invalid => Err(refused(error)),
            Err(error) => Err(TrySendError::Failed(error)),
        })
    }

    /// The fast way, and nothing else: all of it is inlined, and what it returns is made of registers. An outcome that
    /// joins it from elsewhere would be written to memory and read back.
    #[inline(always)]
    fn at_once(&mut self) -> Result<Delivery, Detour<'a>> {
        if !is_fine(self.shared, self.record) {
            return Err(Detour::Invalid);
        }
        let topic = self.topic;
        if topic.lanes.is_empty() {
            return Err(Detour::NoLane);
        }
        let time = self.shared.environment.shared();
        let choice = match topic.choose(&self.shared.config, self.record, time.now) {
            Ok(choice) => choice,
            Err(error) => return Err(Detour::Failed(error)),
        };
        match topic.lanes.get(choice.partition) {
            Some(lane) => self.append(lane, choice, time),
            None => Err(Detour::NoLane),
        }
    }

    /// Appends to a lane that was chosen.
    #[inline(always)]
    fn append<'l>(
        &mut self,
        lane: &'l Arc<Lane>,
        choice: Choice,
        time: AppendTime,
    ) -> Result<Delivery, Detour<'l>> {
        let chosen_by = self.chosen_by(choice);
        let addition = Addition { record: self.record, time, chosen_by };
        match lane.append(self.shared, addition, &mut self.callback) {
            LaneAppend::Accepted(delivery, None) => Ok(delivery),
            other @ (LaneAppend::Accepted(..)
            | LaneAppend::Sealed(_)
            | LaneAppend::Taken
            | LaneAppend::NeedsSegment(_)
            | LaneAppend::Closed) => Err(Detour::Append(lane, choice, chosen_by, other)),
        }
    }

    #[inline(always)]
    fn chosen_by(&self, choice: Choice) -> ChosenBy {
        match choice.sticky {
            Some(_) => ChosenBy::Sticky(self.shared.config.batch_size),
            None => ChosenBy::Record,
        }
    }

    /// Takes the detour as far as it goes without waiting.
    #[cold]
    fn take(&mut self, detour: Detour<'_>) -> Result<Attempt, Error> {
        match detour {
            Detour::Invalid => Err(what_is_wrong(self.shared, self.record)),
            Detour::NoLane if self.shared.is_open() => Ok(Attempt::NeedsMetadata),
            Detour::NoLane => Err(self.shared.refusal()),
            Detour::Failed(error) => Err(error),
            Detour::Append(lane, choice, chosen_by, append) => {
                self.append_slowly(lane, choice, chosen_by, append)
            }
        }
    }

    pub(super) async fn send_slowly(&mut self, mut blocked: Attempt) -> Result<Delivery, Error> {
        let begun = self.shared.environment.now();
        let deadline = begun + self.shared.config.max_block;
        loop {
            if is_callback_thread() && !matches!(blocked, Attempt::Accepted(_)) {
                // A wait on the callback thread would wait for itself (D-49).
                return Err(self.full(0, Duration::ZERO));
            }
            match blocked {
                Attempt::Accepted(delivery) => return Ok(delivery),
                Attempt::NeedsMetadata => {
                    self.wait_for_metadata(begun, deadline).await?;
                    blocked = self.attempt_again()?;
                }
                Attempt::NeedsMemory(lane, choice, bytes) => {
                    self.wait_for_memory(&lane, bytes, begun, deadline).await?;
                    blocked = self.append_after(&lane, choice)?;
                }
                Attempt::NeedsProgress(lane, choice, bytes) => {
                    self.wait_for_progress(&lane, bytes, begun, deadline).await?;
                    blocked = self.append_after(&lane, choice)?;
                }
            }
        }
    }

    /// Waits until the topic's partitions are known.
    pub(super) async fn look_up(&mut self) -> Result<(), Error> {
        if !self.topic.lanes.is_empty() {
            return Ok(());
        }
        let begun = self.shared.environment.now();
        self.wait_for_metadata(begun, begun + self.shared.config.max_block).await
    }

    #[cold]
    fn not_ready(&self) -> TrySendError {
        if let Some(error) = self.final_refusal(self.topic.answer().error) {
            return TrySendError::Failed(error);
        }
        self.shared.command(Command::TopicWanted(Arc::clone(&self.topic.name)));
        TrySendError::NotReady
    }

    /// From the beginning, after a wait.
    fn attempt_again(&mut self) -> Result<Attempt, Error> {
        match self.at_once() {
            Ok(delivery) => Ok(Attempt::Accepted(delivery)),
            Err(detour) => self.take(detour),
        }
    }

    /// To the lane that was chosen, after a wait.
    fn append_after(&mut self, lane: &Arc<Lane>, choice: Choice) -> Result<Attempt, Error> {
        let chosen_by = self.chosen_by(choice);
        let append = self.append_again(lane, chosen_by);
        self.append_slowly(lane, choice, chosen_by, append)
    }

    /// Somebody must be told, or the batch needs something.
    #[cold]
    fn append_slowly(
        &mut self,
        lane: &Arc<Lane>,
        mut choice: Choice,
        chosen_by: ChosenBy,
        mut append: LaneAppend,
    ) -> Result<Attempt, Error> {
        // A shorter borrow: another lane may take its place.
        let mut lane = lane;
        loop {
            match append {
                LaneAppend::Accepted(delivery, news) => {
                    if let Some(sticky) = news.and_then(|news| news.sticky) {
                        let now = self.shared.environment.shared().now;
                        self.topic.keyless_appended(&self.shared.config, choice, sticky, now);
                    }
                    if let Some(signal) = news.and_then(|news| news.signal) {
                        self.shared.signal(lane.id, signal);
                    }
                    return Ok(Attempt::Accepted(delivery));
                }
                LaneAppend::Sealed(job) => self.shared.seal(lane, *job),
                LaneAppend::Taken => (lane, choice) = self.elsewhere(lane, choice),
                LaneAppend::NeedsSegment(bytes) => {
                    // A new segment is the moment to read the clocks for everybody (D-50).
                    let now = self.shared.environment.publish().now;
                    if !lane.account.may_hold(bytes, now, self.shared.config.request_timeout) {
                        return Ok(Attempt::NeedsProgress(Arc::clone(lane), choice, bytes));
                    }
                    match self.shared.memory.try_segment(bytes, &lane.account, now) {
                        Some(segment) => lane.install(segment, bytes, now),
                        None => return Ok(Attempt::NeedsMemory(Arc::clone(lane), choice, bytes)),
                    }
                }
                LaneAppend::Closed => return Err(self.shared.refusal()),
            }
            append = self.append_again(lane, chosen_by);
        }
    }

    /// Waits for the lane's lock if it must.
    fn append_again(&mut self, lane: &Lane, chosen_by: ChosenBy) -> LaneAppend {
        let time = self.shared.environment.shared();
        let addition = Addition { record: self.record, time, chosen_by };
        lane.append_again(self.shared, addition, &mut self.callback)
    }

    /// Where to go instead of a lane that another thread is at; to that lane if there is no other.
    #[cold]
    fn elsewhere<'l>(&self, lane: &'l Arc<Lane>, choice: Choice) -> (&'l Arc<Lane>, Choice)
    where
        'a: 'l,
    {
        let topic = self.topic;
        let now = self.shared.environment.shared().now;
        topic
            .keyless_elsewhere(choice, now)
            .and_then(|other| topic.lanes.get(other.partition).map(|lane| (lane, other)))
            .unwrap_or((lane, choice))
    }

    #[allow(
        clippy::needless_pass_by_ref_mut,
        reason = "a shared reference to the callback would make the future not `Send`"
    )]
    async fn wait_for_memory(
        &mut self,
        lane: &Arc<Lane>,
        bytes: usize,
        begun: Instant,
        deadline: Instant,
    ) -> Result<(), Error> {
        let waiting = self.shared.memory.room_when_free(bytes);
        // The engine sends without lingering while somebody waits.
        self.shared.wake();
        match until(self.shared, deadline, waiting).await {
            Some(Some(room)) => {
                let now = self.shared.environment.publish().now;
                lane.install(room.into_segment(&lane.account, now), bytes, now);
                Ok(())
            }
            None if self.shared.is_open() => {
                Err(self.full(bytes, self.shared.environment.now().since(begun)))
            }
            Some(None) | None => Err(self.shared.refusal()),
        }
    }

    /// Waits until the lane moves or has given something back; nobody else waits behind it.
    #[allow(
        clippy::needless_pass_by_ref_mut,
        reason = "a shared reference to the callback would make the future not `Send`"
    )]
    async fn wait_for_progress(
        &mut self,
        lane: &Arc<Lane>,
        bytes: usize,
        begun: Instant,
        deadline: Instant,
    ) -> Result<(), Error> {
        // A lane that only lingers has made no progress either: that ends now.
        let _waits = self.shared.wait_for_lane();
        loop {
            let changed = lane.account.changed.notified();
            let now = self.shared.environment.now();
            if !self.shared.is_open() {
                return Err(self.shared.refusal());
            }
            if lane.account.may_hold(bytes, now, self.shared.config.request_timeout) {
                return Ok(());
            }
            if until(self.shared, deadline, changed).await.is_none() {
                return Err(self.full(bytes, self.shared.environment.now().since(begun)));
            }
        }
    }

    fn full(&self, needed_bytes: usize, waited: Duration) -> Error {
        Error::BufferFull { needed_bytes, buffer_memory_bytes: self.shared.config.buffer_memory, waited }
    }

    /// Waits for the next answer about the topic.
    #[allow(
        clippy::needless_pass_by_ref_mut,
        reason = "a shared reference to the callback would make the future not `Send`"
    )]
    async fn wait_for_metadata(&mut self, begun: Instant, deadline: Instant) -> Result<(), Error> {
        let before = self.topic.answer();
        self.shared.command(Command::TopicWanted(Arc::clone(&self.topic.name)));
        loop {
            // Before anything is looked at, so that no answer and no close can slip in between.
            let changed = self.topic.changed.notified();
            if !self.shared.is_open() {
                return Err(self.shared.refusal());
            }
            let answer = self.topic.answer();
            if answer.count != before.count {
                if let Some(error) = self.final_refusal(answer.error) {
                    return Err(error);
                }
                if answer.error.is_none() && !self.is_partition_missing() {
                    return Ok(());
                }
            }
            let is_over = until(self.shared, deadline, changed).await.is_none();
            if !self.shared.is_open() {
                return Err(self.shared.refusal());
            }
            let known = self.topic.is_known();
            if known && !self.is_partition_missing() {
                return Ok(());
            }
            if is_over {
                return Err(self.no_metadata(self.shared.environment.now().since(begun)));
            }
            if known {
                // The partition may come with a later answer; a new one is asked for at the pace of the backoff.
                self.shared.command(Command::TopicWanted(Arc::clone(&self.topic.name)));
            }
        }
    }

    fn is_partition_missing(&self) -> bool {
        self.record.partition.unwrap_or(0) >= self.topic.partition_count()
    }

    /// Refusals that no waiting cures.
    fn final_refusal(&self, code: Option<ErrorCode>) -> Option<Error> {
        match code {
            Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED) => {
                Some(Error::TopicAuthorization { topic: Arc::clone(&self.topic.name) })
            }
            Some(ErrorCode::INVALID_TOPIC_EXCEPTION) => Some(Error::InvalidTopic {
                topic: Arc::clone(&self.topic.name),
                reason: "the broker does not accept it",
            }),
            _ => None,
        }
    }

    fn no_metadata(&self, waited: Duration) -> Error {
        let topic = Arc::clone(&self.topic.name);
        if let Some(partition) = self.record.partition
            && !self.topic.lanes.is_empty()
        {
            let partition_count = self.topic.partition_count();
            return Error::UnknownPartition { topic, partition, partition_count, waited };
        }
        let code = self.topic.answer().error;
        let detail = match code {
            Some(code) => Some(format!("the cluster answers {code}").into()),
            None => self.shared.obstacle(),
        };
        Error::TopicNotAvailable { topic, waited, code, detail }
    }
}

/// What can be said of a record before anything else is looked at.
#[inline(always)]
fn is_fine(shared: &Shared, record: &Record<'_>) -> bool {
    record.partition.unwrap_or(0) >= 0
        && record.timestamp_ms.unwrap_or(0) >= 0
        && record.headers.len() <= MAX_HEADERS
        && fits(record, shared.config.max_request_size.min(shared.config.buffer_memory))
}

/// Nearly every record is so small that the exact bound need not be known.
#[inline(always)]
fn fits(record: &Record<'_>, limit: usize) -> bool {
    let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let is_small = record.headers.is_empty()
        && len(record.key).saturating_add(len(record.value)).saturating_add(MOST_BESIDE_BYTES) <= limit;
    is_small || size_bytes(record) <= limit
}

#[inline(always)]
fn size_bytes(record: &Record<'_>) -> usize {
    record_size_upper_bound(record.key.map(<[u8]>::len), record.value.map(<[u8]>::len), record.headers)
}

#[cold]
fn refused(error: Error) -> TrySendError {
    if matches!(error, Error::RecordTooLarge { .. }) {
        return TrySendError::TooLarge(error);
    }
    TrySendError::Failed(error)
}

#[cold]
fn what_is_wrong(shared: &Shared, record: &Record<'_>) -> Error {
    if record.partition.is_some_and(|partition| partition < 0) {
        return invalid(format!("partition {:?} is negative; partitions start at 0", record.partition));
    }
    if record.timestamp_ms.is_some_and(|timestamp| timestamp < 0) {
        return invalid(format!(
            "timestamp {:?} is negative; it is milliseconds since 1970",
            record.timestamp_ms
        ));
    }
    if record.headers.len() > MAX_HEADERS {
        return invalid(format!("{} headers; at most {MAX_HEADERS} are sent", record.headers.len()));
    }
    let (limit_bytes, limit_name) = if shared.config.max_request_size <= shared.config.buffer_memory {
        (shared.config.max_request_size, "max.request.size")
    } else {
        (shared.config.buffer_memory, "buffer.memory")
    };
    Error::RecordTooLarge { size_bytes: size_bytes(record), limit_bytes, limit_name }
}

fn invalid(text: String) -> Error {
    Error::InvalidRecord(text.into())
}
