//! Records on four lanes, and what the producer says of them, as it says it.
//!
//! Two lanes are told by deliveries, two by callbacks, so that both doors are judged. Each value begins with the record's
//! number and its lane; the rest follows from the number, so that the log alone tells what must be there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use facteur::{DeliveryReport, Error, Outcome, Producer, Record};

use crate::oracle::{History, Lane, RecordId, Told};

pub const TOPIC: &str = "t";
pub const LANES: u32 = 4;

/// What was seen, by whom it was seen; put in order afterwards.
enum Note {
    Accepted { id: RecordId, lane: u32, content: u64, at_ns: u64, by_callback: bool, is_canary: bool },
    Refused { id: RecordId, lane: u32, at_ns: u64 },
    Told { id: RecordId, told: Told, at_ns: u64, by_callback: bool },
}

/// The run's clock and note-book.
#[derive(Clone)]
pub struct Desk {
    begun: Instant,
    next: Arc<AtomicU64>,
    notes: Sender<Note>,
}

impl Desk {
    pub fn new() -> (Self, Notes) {
        let (notes, read) = channel();
        (Self { begun: Instant::now(), next: Arc::new(AtomicU64::new(0)), notes }, Notes(read))
    }

    pub fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap()
    }

    fn note(&self, note: Note) {
        self.notes.send(note).expect("the notes are read at the end");
    }

    fn told(&self, id: RecordId, result: &Result<DeliveryReport, Error>, by_callback: bool) {
        let told = match result {
            Ok(report) => Told::Acknowledged { offset: report.offset() },
            Err(error) => match error.outcome() {
                Outcome::Rejected => Told::rejected(),
                Outcome::Unknown => Told::unknown(),
            },
        };
        self.note(Note::Told { id, told, at_ns: self.now(), by_callback });
    }
}

/// What the desk wrote.
pub struct Notes(Receiver<Note>);

impl Notes {
    /// Everything noted so far, as a history.
    pub fn into_history(self) -> History {
        let (mut accepted, mut outcomes) = (Vec::new(), Vec::new());
        for note in self.0.try_iter() {
            if matches!(note, Note::Told { .. }) { outcomes.push(note) } else { accepted.push(note) }
        }
        let mut history = History::new();
        for note in accepted.into_iter().chain(outcomes) {
            match note {
                Note::Accepted { id, lane, content, at_ns, by_callback, is_canary } => {
                    history.accepted(id, Lane(lane), content, at_ns);
                    if by_callback {
                        history.wants_callback(id);
                    }
                    if is_canary {
                        history.canary(id);
                    }
                }
                Note::Refused { id, lane, at_ns } => history.refused(id, Lane(lane), at_ns),
                Note::Told { id, told, at_ns, by_callback } => {
                    history.told(id, told, at_ns);
                    if by_callback {
                        history.called_back(id);
                    }
                }
            }
        }
        history
    }
}

/// Sends to one lane until `is_over`.
pub async fn flow(producer: Producer, desk: Desk, lane: u32, is_over: Arc<AtomicBool>) {
    let mut sent: u32 = 0;
    while !is_over.load(Ordering::SeqCst) {
        send(&producer, &desk, lane, false).await;
        sent += 1;
        if sent.is_multiple_of(4) {
            tokio::time::sleep(Duration::from_millis(1 + u64::from(lane))).await;
        }
    }
}

/// One record. The order of calls is the order of the lane.
pub async fn send(producer: &Producer, desk: &Desk, lane: u32, is_canary: bool) {
    let id = RecordId(desk.next.fetch_add(1, Ordering::SeqCst));
    let value = value_of(id, lane);
    let record = Record::to(TOPIC).partition(i32::try_from(lane).unwrap()).value(&value);
    let at_ns = desk.now();
    let by_callback = lane % 2 == 1;
    let accepted = Note::Accepted { id, lane, content: content(&value), at_ns, by_callback, is_canary };
    let teller = desk.clone();
    let is_accepted = if by_callback {
        let callback = move |result: Result<DeliveryReport, Error>| teller.told(id, &result, true);
        producer.send_with_callback(record, callback).await.is_ok()
    } else {
        match producer.send(record).await {
            Ok(delivery) => {
                drop(tokio::spawn(async move { teller.told(id, &delivery.await, false) }));
                true
            }
            Err(_) => false,
        }
    };
    desk.note(if is_accepted { accepted } else { Note::Refused { id, lane, at_ns } });
}

fn value_of(id: RecordId, lane: u32) -> Vec<u8> {
    let mut value = id.0.to_be_bytes().to_vec();
    value.extend(lane.to_be_bytes());
    value.extend((0..id.0 % 120).map(|place| (id.0.wrapping_mul(31) + place).to_le_bytes()[0]));
    value
}

/// The number that a value begins with; what has none was sent by nobody.
pub fn id_of(value: &[u8]) -> RecordId {
    RecordId(value.first_chunk().map_or(u64::MAX, |bytes| u64::from_be_bytes(*bytes)))
}

pub fn content(value: &[u8]) -> u64 {
    value.iter().fold(14_695_981_039_346_656_037, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(1_099_511_628_211)
    })
}
