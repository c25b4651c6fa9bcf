//! The completion cell: an outcome comes while somebody begins to wait, waits, changes his mind, or leaves.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use loom::future::block_on;
use loom::thread;

use super::explore;
use crate::producer::testing::{acknowledged, config, producer, take};
use crate::record::Record;

// [OUT-4] A waiter asks for the outcome at the very moment at which it is told. Whatever the order, he is woken or finds
// it. Seen to fail with: `register` that does not look again under the lock (the model then never ends: a deadlock).
#[test]
fn loom_a_waiter_is_woken_or_finds_the_outcome() {
    let config = config("65536");
    explore(4, move || {
        let (producer, shared, lane) = producer(&config);
        let delivery = producer.try_send(Record::to("t").value(b"v")).expect("there is room");
        let batch = take(&lane).expect("one record");
        let driver = {
            let (shared, lane) = (Arc::clone(&shared), Arc::clone(&lane));
            thread::spawn(move || lane.complete(&shared, batch.number, 0, 1, acknowledged(7)))
        };

        let report = block_on(delivery).expect("acknowledged");

        assert_eq!(report.offset(), Some(7));
        driver.join().expect("no panic");
        assert_eq!(producer.statistics().records_acknowledged, 1, "counted once");
    });
}

// D-20: after a cut (D-15) a batch is told its outcome in parts. One waiter hears of his part only, another leaves while
// it is told: the place that he gives up must not be the other's. Seen to fail with: wakers that are woken without a new
// generation, so that the one who leaves takes the other's place away.
#[test]
fn loom_parts_wake_their_waiters_and_a_leaver_takes_nobodys_place() {
    let config = config("65536");
    explore(3, move || {
        let (producer, shared, lane) = producer(&config);
        let mut first = producer.try_send(Record::to("t").value(b"1")).expect("there is room");
        let second = producer.try_send(Record::to("t").value(b"2")).expect("there is room");
        let batch = take(&lane).expect("two records");
        // The first has waited already, with a waker that nobody looks after any more.
        let poll = Pin::new(&mut first).poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll.is_pending());
        let driver = {
            let (shared, lane) = (Arc::clone(&shared), Arc::clone(&lane));
            thread::spawn(move || {
                lane.complete(&shared, batch.number, 0, 1, acknowledged(7));
                lane.complete(&shared, batch.number, 1, 1, acknowledged(9));
            })
        };
        let leaver = thread::spawn(move || drop(first));

        let report = block_on(second).expect("acknowledged");

        assert_eq!(report.offset(), Some(9));
        driver.join().expect("no panic");
        leaver.join().expect("no panic");
        assert!(lane.pending().is_empty(), "the batch has left its lane");
    });
}
