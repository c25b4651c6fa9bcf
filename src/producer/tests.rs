//! What the handle promises where user code meets its locks: wakers and callbacks.
//!
//! Neighbours: [`super::testing`] plays the I/O thread. Not here: sockets.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::testing::{acknowledged, config, producer, producer_of, take};
use crate::accumulator::partition_queue::{TakeMode, Taken};
use crate::error::{Cause, Error};
use crate::producer::Producer;
use crate::record::Record;
use crate::runtime::delivery::Delivery;
use crate::runtime::lanes::Lane;
use crate::runtime::shared::Shared;
use crate::time::Instant;

/// Longer than anything here takes, shorter than anybody's patience.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `body` on a thread of its own and panics if it does not end: a deadlock is a failure, not a hang.
fn must_end(what: &str, body: impl FnOnce() + Send + 'static) {
    let (done, is_done) = channel();
    let thread = std::thread::spawn(move || {
        body();
        let _nobody_waits_any_more = done.send(());
    });
    match is_done.recv_timeout(PATIENCE) {
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("deadlock: {what}"),
        Ok(()) | Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => thread.join().expect(what),
    }
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

fn send(producer: &Producer) -> Delivery {
    producer.try_send(Record::to("t").value(b"v")).expect("there is room")
}

/// A waker that counts, and then does what it was given.
struct Doing<F: Fn() + Send + Sync + 'static>(AtomicUsize, F);

impl<F: Fn() + Send + Sync + 'static> Wake for Doing<F> {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        (self.1)();
    }
}

fn doing<F: Fn() + Send + Sync + 'static>(what: F) -> (Waker, Arc<Doing<F>>) {
    let doing = Arc::new(Doing(AtomicUsize::new(0), what));
    (Waker::from(Arc::clone(&doing)), doing)
}

/// A waker that owns a delivery of the batch, as a task owns what it waits for, and drops it with itself.
struct Owning {
    _delivery: Mutex<Option<Delivery>>,
}

impl Wake for Owning {
    fn wake(self: Arc<Self>) {}
}

// K13: a waker is user code, and dropping the last one may drop a task with whatever it waits for. A second delivery of
// the same batch goes with the first one's waker: fails by a deadlock if wakers are dropped under the cell's lock.
#[test]
fn k13_a_waker_is_dropped_under_no_lock_of_the_cell() {
    must_end("a waker was dropped under the lock of the cell that it drops a delivery of", || {
        let (producer, _shared, _lane) = producer(&config("65536"));
        let (mut first, mut second) = (send(&producer), send(&producer));
        assert!(poll(&mut second, Waker::noop()).is_pending());
        let owning = Waker::from(Arc::new(Owning { _delivery: Mutex::new(Some(second)) }));
        assert!(poll(&mut first, &owning).is_pending());
        drop(owning);

        // The waker that is replaced is the last reference to the second delivery.
        assert!(poll(&mut first, Waker::noop()).is_pending());

        let (mut third, mut fourth) = (send(&producer), send(&producer));
        assert!(poll(&mut fourth, Waker::noop()).is_pending());
        let owning = Waker::from(Arc::new(Owning { _delivery: Mutex::new(Some(fourth)) }));
        assert!(poll(&mut third, &owning).is_pending());
        drop(owning);
        // And here the waker that is taken back.
        drop(third);
    });
}

// K13: memory that comes back wakes whoever waits for it, and an executor may run the task at once. The lane that gave
// the memory back must not be locked then. Fails by a deadlock if expired batches are dropped under the lane's lock.
#[test]
fn k13_nobody_is_woken_under_the_lanes_lock_when_a_batch_expires() {
    must_end("the lane was locked when its memory came back", || {
        let (producer, shared, lane) = producer(&config("4096"));
        let filling = producer.try_send(Record::to("t").value(&[0; 3000])).expect("there is room");
        let mut waiting = shared.memory.room_when_free(4000);
        let sender = producer.clone();
        let (waker, doing) = doing(move || {
            // Accepted or not: it must come back.
            let _accepted = sender.try_send(Record::to("t").value(b"from a waker"));
        });
        assert!(poll(&mut waiting, &waker).is_pending());

        lane.expire(&shared, Instant::NEVER, || Cause::Closed);

        assert_eq!(doing.0.load(Ordering::SeqCst), 1, "the waiter was woken");
        assert!(filling.try_result().expect("told").is_err());
    });
}

// D-49: a waker that panics is an application's bug; it must end neither the I/O thread nor the wait of the others.
#[test]
fn d49_a_waker_that_panics_harms_nobody() {
    let (producer, shared, lane) = producer(&config("65536"));
    let (mut first, mut second) = (send(&producer), send(&producer));
    let (bad, _) = doing(|| panic!("a waker that panics, as this test wants it"));
    let (good, woken) = doing(|| ());
    assert!(poll(&mut first, &bad).is_pending() && poll(&mut second, &good).is_pending());
    let batch = take(&lane).expect("two records");

    // Here is where the I/O thread would end.
    lane.complete(&shared, batch.number, 0, 2, acknowledged(0));

    assert_eq!(woken.0.load(Ordering::SeqCst), 1, "the other waiter was woken");
    assert!(first.try_result().expect("told").is_ok() && second.try_result().expect("told").is_ok());
}

// `{:?}` of a delivery or a report goes into logs. Found: it was the whole shared state of the producer, settings and all
// lanes. Fails if it says anything but what the two tell through their methods.
#[test]
fn deliveries_and_reports_print_themselves_and_not_the_producer() {
    let (producer, shared, lane) = producer(&config("65536"));
    let delivery = send(&producer);
    let pending = format!("{delivery:?}");
    let batch = take(&lane).expect("one record");
    lane.complete(&shared, batch.number, 0, 1, acknowledged(7));

    let report = delivery.wait().expect("acknowledged");

    let timestamp = report.timestamp_ms();
    assert_eq!(
        format!("{report:?}"),
        format!(
            "DeliveryReport {{ topic: \"t\", partition: 0, offset: Some(7), timestamp_ms: {timestamp}, details: {:?} }}",
            report.details()
        )
    );
    assert!(pending.starts_with("Delivery { topic: \"t\", partition: 0, place: RecordPlace {"), "{pending}");
    assert!(!pending.contains("Shared") && pending.len() < 300, "{pending}");
}

// C28: a flush that is dropped leaves nothing behind. A program that gives each flush a second, in a task of its own,
// would otherwise pile up the tasks of an outage. Fails if the cell keeps the waker of a dropped flush.
#[test]
fn c28_a_dropped_flush_leaves_no_waker_behind() {
    let (producer, _shared, _lane) = producer(&config("65536"));
    let _delivery = send(&producer);
    let (waker, doing) = doing(|| ());
    for _ in 0..100 {
        let mut flush = Box::pin(producer.flush());
        assert!(poll(&mut flush, &waker).is_pending());
    }
    drop(waker);

    assert_eq!(Arc::strong_count(&doing), 1, "wakers of dropped flushes are still held");
}

// Close, drop and D-23 while a batch is with the codec: each record is told once and counted once. Found: the open batch
// behind it had no count yet, and four billion records were counted as rejected.
#[test]
fn c05_the_end_counts_a_batch_that_stands_behind_one_with_the_codec() {
    let (producer, shared, lane) = producer(&config("65536"));
    let first = send(&producer);
    let Taken::Seal(with_the_codec) = lane.take(TakeMode::Always, true).0 else {
        panic!("one record is open")
    };
    let second = send(&producer);

    shared.finish(&Cause::Closed);

    assert!(first.try_result().expect("told").is_err() && second.try_result().expect("told").is_err());
    assert_eq!(producer.statistics().records_rejected, 2);
    // The codec comes too late: its batch is nobody's, and its memory goes back.
    let _nobody_takes_it = lane.complete_seal(with_the_codec.run().expect("nothing is compressed"));
    assert_eq!(shared.memory.available_bytes(), 65536, "every permit is back");
}

/// A callback that says that it has begun and then waits to be let go.
fn blocking_callback() -> (impl FnOnce() + Send + 'static, Receiver<()>, Sender<()>) {
    let (begun, has_begun) = channel();
    let (go, may_go) = channel::<()>();
    let callback = move || {
        begun.send(()).expect("the test listens");
        let _let_go = may_go.recv_timeout(PATIENCE);
    };
    (callback, has_begun, go)
}

/// Sends a record with a callback that waits, lets `end` end its batch, and asks for the memory during and after.
fn memory_is_kept_for_callbacks(end: impl FnOnce(&Arc<Shared>, &Arc<Lane>)) {
    let (producer, shared, lane) = producer(&config("65536"));
    let (callback, has_begun, go) = blocking_callback();
    let mut sending = Box::pin(producer.send_with_callback(Record::to("t").value(b"v"), move |_| callback()));
    assert!(matches!(poll(&mut sending, Waker::noop()), Poll::Ready(Ok(()))));
    drop(sending);
    end(&shared, &lane);

    has_begun.recv_timeout(PATIENCE).expect("the callback runs");
    assert!(shared.memory.available_bytes() < 65536, "its memory is kept while it runs");

    go.send(()).expect("it waits");
    crate::runtime::blocking::block_on(shared.callbacks.drained());
    assert_eq!(shared.memory.available_bytes(), 65536, "and goes back afterwards");
}

// C36, D-49: a batch with callbacks keeps its memory until they ran, so that slow callbacks become backpressure and not
// a heap of results. Fails if the memory comes back with the outcome.
#[test]
fn c36_a_batch_keeps_its_memory_until_its_callbacks_ran() {
    memory_is_kept_for_callbacks(|shared, lane| {
        let batch = take(lane).expect("one record");
        lane.complete(shared, batch.number, 0, 1, acknowledged(0));
    });
}

// The same for a batch that never left: in an outage nothing else stands between slow callbacks and an endless heap.
#[test]
fn c36_an_expired_batch_keeps_its_memory_until_its_callbacks_ran() {
    memory_is_kept_for_callbacks(|shared, lane| {
        lane.expire(shared, Instant::NEVER, || Cause::Closed);
    });
}

// K13 (the mutant that D-68 leaves to a test): when a callback runs, no lock of ours is held and the I/O step is over: it
// sends to the very partition whose outcome it is told, asks for the lane's pending batches, and runs on no thread but the
// callback thread. Fails by a deadlock, or by the thread's name, if callbacks run where outcomes are told.
#[test]
fn k13_a_callback_runs_under_no_lock_and_on_its_own_thread() {
    must_end("a callback ran under a lock", || {
        let (producer, shared, lane) = producer(&config("65536"));
        let (told, is_told) = channel();
        let (sender, inside_lane) = (producer.clone(), Arc::clone(&lane));
        let callback = move |_| {
            let accepted = sender.try_send(Record::to("t").value(b"from a callback")).is_ok();
            let pending = inside_lane.pending().len();
            let thread = std::thread::current().name().map(ToOwned::to_owned);
            told.send((accepted, pending, thread)).expect("the test listens");
        };
        let mut sending = Box::pin(producer.send_with_callback(Record::to("t").value(b"v"), callback));
        assert!(matches!(poll(&mut sending, Waker::noop()), Poll::Ready(Ok(()))));
        drop(sending);
        let batch = take(&lane).expect("one record");

        lane.complete(&shared, batch.number, 0, 1, acknowledged(0));

        let (accepted, pending, thread) = is_told.recv_timeout(PATIENCE).expect("the callback runs");
        assert!(accepted && pending >= 1, "it could send");
        assert_eq!(thread.as_deref(), Some("facteur-callback"));
    });
}

// D-23: a defect on the I/O thread: everything pending is told, later sends are refused with the cause, a close and a flush
// end. The thread is the real one here, without a cluster to talk to.
#[test]
fn d23_a_defect_of_the_io_thread_resolves_everything_and_is_named() {
    must_end("somebody waits for an I/O thread that is gone", || {
        let config = crate::config::ProducerConfig::builder("127.0.0.1:9").property("max.block.ms", "60000");
        let producer = Producer::new(config.build().expect("valid")).expect("a producer");
        let shared = Arc::clone(&producer.shared);
        let topic = shared.topics.get_or_add("t");
        let lane = shared.lane_or_new(crate::identifiers::LaneId(0), &topic.name, 0);
        topic.described(&[lane], vec![0]);
        let delivery = send(&producer);
        let waiter = {
            let producer = producer.clone();
            std::thread::spawn(move || producer.send_blocking(Record::to("unknown").value(b"v")).map(drop))
        };

        shared.command(crate::runtime::shared::Command::Panic);

        let error = delivery.wait().expect_err("never sent");
        assert!(
            matches!(&error, Error::Rejected { cause: Cause::Defect(text), .. } if text.contains("a defect"))
        );
        let refused = waiter.join().expect("no panic").expect_err("refused");
        assert!(matches!(&refused, Error::Defect(text) if text.contains("a defect")), "{refused}");
        let refused = producer.try_send(Record::to("t")).expect_err("refused");
        assert!(matches!(refused, crate::producer::TrySendError::Failed(Error::Defect(_))), "{refused}");
        producer.flush_blocking().expect("nothing is pending");
        let _report = producer.close_blocking(Duration::from_secs(60));
    });
}

// D-51: a thread that finds the sticky partition taken by another goes elsewhere instead of waiting for its lock, and both come
// to their outcome. Fails (by a deadlock) if it waits, and if the other partition is the same one.
#[test]
fn a_keyless_record_does_not_wait_for_a_taken_partition() {
    must_end("a keyless send waits for the lock of a partition although there are others", || {
        let (producer, shared, lanes) = producer_of(&config("1048576"), 3);
        let first = send(&producer);
        for _ in 0..20 {
            let taken = send(&producer).partition();
            let lane = &lanes[usize::try_from(taken).expect("no partition is negative")];
            let elsewhere = lane.while_taken(|| send(&producer));
            assert_ne!(elsewhere.partition(), taken);
        }
        let accepted: u64 = lanes.iter().map(|lane| lane.accepted()).sum();
        assert_eq!(accepted, 41, "each record is in one partition");
        for lane in &lanes {
            while let Some(batch) = take(lane) {
                lane.complete(&shared, batch.number, 0, batch.record_count(), acknowledged(7));
            }
        }
        assert_eq!(first.wait().expect("acknowledged").offset(), Some(7));
    });
}

// A record that names its partition, or whose key does, has no other. Fails if it goes elsewhere.
#[test]
fn a_record_that_names_its_partition_waits_for_it() {
    let (producer, _shared, lanes) = producer_of(&config("1048576"), 3);
    let lane = Arc::clone(&lanes[1]);
    let (is_taken, taken) = channel();
    let (let_go, goes) = channel::<()>();
    let holder = std::thread::spawn(move || {
        lane.while_taken(|| {
            is_taken.send(()).expect("the test listens");
            let _waited = goes.recv_timeout(Duration::from_millis(50));
        });
    });
    taken.recv_timeout(PATIENCE).expect("it is taken");
    let record = Record::to("t").partition(1).value(b"v");
    assert_eq!(producer.try_send(record).expect("there is room").partition(), 1);
    drop(let_go);
    holder.join().expect("no panic");
}

// What a task carries while it waits is cold memory in every turn. Fails if a field or an `async fn` makes the futures large again.
#[test]
fn futures_of_sending_are_small() {
    fn size_of_sendable<T: Send>(future: &T) -> usize {
        size_of_val(future)
    }
    let (producer, _shared, _lane) = producer(&config("65536"));
    let record = Record::to("t").value(b"v");
    assert!(size_of_sendable(&producer.send(record)) <= size_of::<Record<'_>>() + 16);
    assert!(size_of_sendable(&producer.send_and_wait(record)) <= size_of::<Record<'_>>() + 16);
    assert_eq!((size_of::<Delivery>(), size_of::<crate::DeliveryReport>()), (32, 32));
}
