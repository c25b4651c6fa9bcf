//! `Idempotency-Key`: a caller who repeats a call gets the first one's answer (draft-ietf-httpapi-idempotency-key-header-07).
//!
//! **Why, when the producer is idempotent already.** The producer's sequence numbers cover *its own* repetitions. A caller
//! whose connection broke repeats the whole call, and nothing in Kafka knows that the two are one (D-57). This header is
//! the second layer:
//!
//! | the key was seen | answer |
//! |---|---|
//! | never, or longer ago than [`TTL`] | the call is made |
//! | with the same parameters, and that call is over | its answer, with `Idempotent-Replayed: true` |
//! | with the same parameters, and that call is still running | 409 |
//! | with other parameters | 422 |
//!
//! **What is kept.** An answer is kept exactly when a copy of the record is, *or may be*, in the log: 200, 202, and every
//! problem that says `possiblyWritten`. To repeat any of these would be the duplicate that the key is there to prevent. An
//! answer that says "certainly not written" frees the key, so that the caller may try again with it. A 202 whose record
//! turned out to be certainly lost frees it too.
//!
//! **Bounds.** [`CAPACITY`] keys, [`LARGEST_BYTES`] in all; the oldest finished ones go first, running ones never. It is in
//! memory and does not outlive the process. Of keys that went, a fingerprint stays for a while, so that an answer can say
//! that the key was known once (F10). Neighbours: `routes/send` uses it. Not here: other routes, which ignore the header.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use bytes::Bytes;
use uuid::Uuid;

use crate::lab::error::Problem;
use crate::time::Instant;

/// The request's header.
pub const HEADER: &str = "idempotency-key";
/// Says that an answer is a repetition.
pub const REPLAYED: &str = "idempotent-replayed";
/// Says that the key was known once, and that nobody remembers what became of it.
pub const EXPIRED: &str = "idempotent-expired";
/// Longest key.
pub const LONGEST_KEY: usize = 128;
/// How long an answer is kept.
pub const TTL: Duration = Duration::from_secs(3600);
/// Most keys.
pub const CAPACITY: usize = 100_000;
/// Most bytes of keys, parameters and answers.
pub const LARGEST_BYTES: usize = 64 * 1024 * 1024;
const MOST_GONE: usize = 100_000;

/// A key as it may be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdempotencyKey(String);

/// What is wrong with the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// More than one header.
    Repeated,
    /// Empty, or longer than [`LONGEST_KEY`].
    Length,
    /// A character that is not visible ASCII, or a quote inside.
    Character,
}

impl IdempotencyKey {
    /// The call's key, if it has one. The draft wants it in double quotes; without them it is taken as it is.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, KeyError> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(KeyError::Repeated);
        }
        let text = value.to_str().map_err(|_| KeyError::Character)?.trim();
        let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let key = quoted.unwrap_or(text);
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Err(KeyError::Length);
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') {
            return Err(KeyError::Character);
        }
        Ok(Some(Self(key.to_owned())))
    }

    /// As it was given, without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An answer that can be given again.
#[derive(Debug, Clone)]
pub enum StoredAnswer {
    /// The record is in the log, or on its way there.
    Success {
        /// 200 or 202.
        status: u16,
        /// The body.
        body: Bytes,
        /// The request whose status can be asked for, of a 202.
        request_id: Option<Uuid>,
    },
    /// Nobody knows.
    Unknown(Box<Problem>),
}

impl StoredAnswer {
    const fn size_bytes(&self) -> usize {
        match self {
            Self::Success { body, .. } => body.len(),
            // A few sentences; exactness would not change the bound.
            Self::Unknown(_) => 2048,
        }
    }
}

/// What a key leads to.
#[derive(Debug)]
pub enum Begun {
    /// The call is to be made. `was_known` says that the key was used longer ago than anybody remembers.
    New {
        /// To be settled with the answer.
        claim: Claim,
        /// Whether the key had been used before.
        was_known: bool,
    },
    /// The first call's answer.
    Replay(StoredAnswer),
    /// The first call is still running.
    Running,
    /// The first call had other parameters.
    Different,
    /// Every key is that of a running call.
    Full,
}

/// The store.
#[derive(Debug)]
pub struct IdempotencyStore {
    capacity: usize,
    ttl: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: BTreeMap<IdempotencyKey, Entry>,
    /// Finished calls, oldest first; an entry whose number differs is of an earlier use of the key.
    finished: VecDeque<(IdempotencyKey, u64, Instant)>,
    size_bytes: usize,
    next_number: u64,
    gone: Gone,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    parameters: String,
    answer: Option<StoredAnswer>,
}

/// Fingerprints of keys that went.
#[derive(Debug, Default)]
struct Gone {
    order: VecDeque<u64>,
    known: BTreeSet<u64>,
}

impl IdempotencyStore {
    /// A store for so many keys, each for so long.
    pub fn new(capacity: usize, ttl: Duration) -> Self {
        Self { capacity, ttl, inner: Mutex::default() }
    }

    /// A call with this key and these parameters begins.
    pub fn begin(self: &Arc<Self>, key: &IdempotencyKey, parameters: &str, now: Instant) -> Begun {
        let mut inner = self.inner();
        inner.forget_older_than(self.ttl, now);
        if let Some(entry) = inner.entries.get(key) {
            return match &entry.answer {
                _ if entry.parameters != parameters => Begun::Different,
                Some(answer) => Begun::Replay(answer.clone()),
                None => Begun::Running,
            };
        }
        let needed = key.0.len() + parameters.len();
        while inner.entries.len() >= self.capacity || inner.size_bytes + needed > LARGEST_BYTES {
            if !inner.forget_oldest() {
                return Begun::Full;
            }
        }
        inner.next_number += 1;
        let (number, parameters) = (inner.next_number, parameters.to_owned());
        inner.size_bytes += needed;
        inner.entries.insert(key.clone(), Entry { number, parameters, answer: None });
        let was_known = inner.gone.known.contains(&fingerprint(key));
        drop(inner);
        Begun::New { claim: Claim { store: Arc::clone(self), key: key.clone(), unsettled: None }, was_known }
    }

    /// Forgets the answer of a finished call: its record is certainly not in the log.
    pub fn release(&self, key: &IdempotencyKey) {
        let mut inner = self.inner();
        if inner.entries.get(key).is_some_and(|entry| entry.answer.is_some()) {
            inner.remove(key);
        }
    }

    /// How many keys are known.
    pub fn len(&self) -> usize {
        self.inner().entries.len()
    }

    /// Whether no key is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic while it was held leaves whole values behind.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget_older_than(&mut self, ttl: Duration, now: Instant) {
        while let Some((key, number, _)) = self.finished.pop_front_if(|(_, _, since)| now.since(*since) > ttl)
        {
            self.forget(&key, number);
        }
    }

    /// Whether there was one.
    fn forget_oldest(&mut self) -> bool {
        while let Some((key, number, _)) = self.finished.pop_front() {
            if self.forget(&key, number) {
                return true;
            }
        }
        false
    }

    /// Whether it was there, and not in a later use of its key.
    fn forget(&mut self, key: &IdempotencyKey, number: u64) -> bool {
        let is_there = self.entries.get(key).is_some_and(|entry| entry.number == number);
        if is_there {
            self.remove(key);
            self.gone.add(fingerprint(key));
        }
        is_there
    }

    /// The queue's places of keys that were released: without this they would stay for the whole [`TTL`].
    fn forget_released(&mut self) {
        let entries = &self.entries;
        self.finished
            .retain(|(key, number, _)| entries.get(key).is_some_and(|entry| entry.number == *number));
    }

    fn remove(&mut self, key: &IdempotencyKey) {
        if let Some(entry) = self.entries.remove(key) {
            let answer = entry.answer.as_ref().map_or(0, StoredAnswer::size_bytes);
            self.size_bytes = self.size_bytes.saturating_sub(key.0.len() + entry.parameters.len() + answer);
        }
    }
}

impl Gone {
    fn add(&mut self, print: u64) {
        if self.known.insert(print) {
            self.order.push_back(print);
        }
        while self.order.len() > MOST_GONE {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }
}

/// The key of a call that is running. Dropped without a word, by a defect or a time limit, it keeps the answer that was
/// laid down for this case: the call may have written.
#[derive(Debug)]
pub struct Claim {
    store: Arc<IdempotencyStore>,
    key: IdempotencyKey,
    unsettled: Option<LastWord>,
}

/// What a call that vanishes leaves behind, and the clock that tells when.
#[derive(Debug)]
struct LastWord {
    problem: Box<Problem>,
    clock: fn() -> Instant,
}

impl Claim {
    /// Lays down what is answered if the call never ends; without it the key would be free again.
    #[must_use]
    pub fn or_else(mut self, problem: Problem, clock: fn() -> Instant) -> Self {
        self.unsettled = Some(LastWord { problem: Box::new(problem), clock });
        self
    }

    /// The call is over, and a copy is or may be in the log.
    pub fn keep(mut self, answer: StoredAnswer, now: Instant) {
        self.unsettled = None;
        self.settle(answer, now);
    }

    /// The call is over, and certainly nothing was written.
    pub fn release(mut self) {
        self.unsettled = None;
    }

    fn settle(&self, answer: StoredAnswer, now: Instant) {
        let mut inner = self.store.inner();
        let size_bytes = answer.size_bytes();
        let Some(entry) = inner.entries.get_mut(&self.key) else { return };
        entry.answer = Some(answer);
        let number = entry.number;
        inner.size_bytes += size_bytes;
        inner.finished.push_back((self.key.clone(), number, now));
        if inner.finished.len() > 2 * self.store.capacity.max(1) {
            inner.forget_released();
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(LastWord { problem, clock }) = self.unsettled.take() {
            self.settle(StoredAnswer::Unknown(problem), clock());
            return;
        }
        let mut inner = self.store.inner();
        if inner.entries.get(&self.key).is_some_and(|entry| entry.answer.is_none()) {
            inner.remove(&self.key);
        }
    }
}

/// FNV-1a: two keys with one print only make an answer say "may have been known".
fn fingerprint(key: &IdempotencyKey) -> u64 {
    key.0.bytes().fold(0xcbf2_9ce4_8422_2325, |print, byte| {
        (print ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey(text.to_owned())
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn answer() -> StoredAnswer {
        StoredAnswer::Success { status: 200, body: Bytes::from_static(b"{}"), request_id: None }
    }

    fn claim(store: &Arc<IdempotencyStore>, name: &str, now: Instant) -> Claim {
        let Begun::New { claim, .. } = store.begin(&key(name), "p", now) else { panic!("{name} is known") };
        claim
    }

    // The table of the module's doc, line by line.
    #[test]
    fn a_key_leads_to_one_call_and_its_answer() {
        let store = Arc::new(IdempotencyStore::new(10, TTL));
        let first = claim(&store, "k", at(0));
        assert!(matches!(store.begin(&key("k"), "p", at(1)), Begun::Running));
        assert!(matches!(store.begin(&key("k"), "q", at(1)), Begun::Different));
        first.keep(answer(), at(2));

        assert!(matches!(
            store.begin(&key("k"), "p", at(3)),
            Begun::Replay(StoredAnswer::Success { status: 200, .. })
        ));
        assert!(matches!(store.begin(&key("k"), "q", at(3)), Begun::Different));
        assert!(matches!(store.begin(&key("k"), "p", at(2 + 3601)), Begun::New { was_known: true, .. }));
    }

    // "Certainly not written" must not bind the caller; a call that vanished may have written, and must.
    #[test]
    fn a_released_key_is_free_and_one_that_vanished_is_not() {
        let store = Arc::new(IdempotencyStore::new(10, TTL));
        claim(&store, "k", at(0)).release();
        assert!(store.is_empty());

        let problem = Problem::new(
            crate::lab::problem_kind::ProblemKind::Internal,
            crate::lab::language::Language::English,
            "It vanished.",
        );
        drop(claim(&store, "k", at(0)).or_else(problem, || at(0)));

        assert!(matches!(store.begin(&key("k"), "p", at(1)), Begun::Replay(StoredAnswer::Unknown(_))));
    }

    // The bound: finished keys go, oldest first; a running one never does, for its repetition would be a duplicate.
    #[test]
    fn at_the_bound_the_oldest_finished_key_goes_and_no_running_one() {
        let store = Arc::new(IdempotencyStore::new(3, TTL));
        let running = claim(&store, "running", at(0));
        claim(&store, "old", at(1)).keep(answer(), at(1));
        claim(&store, "new", at(2)).keep(answer(), at(2));

        let third = claim(&store, "third", at(3));

        assert!(matches!(store.begin(&key("running"), "p", at(3)), Begun::Running));
        assert!(matches!(store.begin(&key("new"), "p", at(3)), Begun::Replay(_)));
        let fourth = claim(&store, "fourth", at(4));
        assert!(matches!(store.begin(&key("fifth"), "p", at(5)), Begun::Full), "three calls are running");
        drop((running, third, fourth));
        assert!(store.is_empty());
        assert_eq!(store.inner().size_bytes, 0, "bytes are given back");
    }

    // A key that is used again after it went must not be forgotten by the memory of its first use.
    #[test]
    fn an_earlier_use_of_a_key_does_not_end_the_later_one() {
        let store = Arc::new(IdempotencyStore::new(10, TTL));
        claim(&store, "k", at(0)).keep(answer(), at(0));
        store.release(&key("k"));
        claim(&store, "k", at(3000)).keep(answer(), at(3000));

        assert!(matches!(store.begin(&key("k"), "p", at(3700)), Begun::Replay(_)));
    }

    // The header comes from strangers: the draft's quotes are taken off, everything odd is refused.
    #[test]
    fn keys_are_short_and_plain() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HEADER, axum::http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            IdempotencyKey::of(&headers)
        };

        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["\"k-1\""]), Ok(Some(key("k-1"))));
        assert_eq!(of(&["k-1"]), Ok(Some(key("k-1"))));
        assert_eq!(of(&[&"x".repeat(128)]), Ok(Some(key(&"x".repeat(128)))));
        assert_eq!(of(&[&"x".repeat(129)]), Err(KeyError::Length));
        assert_eq!(of(&[""]), Err(KeyError::Length));
        assert_eq!(of(&["a", "b"]), Err(KeyError::Repeated));
        for odd in ["a b", "é", "a\"b", "a\\b"] {
            assert_eq!(of(&[odd]), Err(KeyError::Character), "{odd}");
        }
    }
}
