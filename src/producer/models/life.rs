//! Close and drop: records race the end of their producer.

use std::sync::Arc;

use loom::future::block_on;
use loom::thread;

use super::explore;
use crate::error::{Cause, Error, Outcome};
use crate::producer::TrySendError;
use crate::producer::testing::{config, producer};
use crate::record::Record;
use crate::runtime::shared::{Command, Inbox, Shared};

/// What is left of the I/O thread without an engine: it waits for the word to stop, and resolves what is pending.
fn io_thread(shared: &Arc<Shared>) {
    let mut inbox = Inbox::default();
    loop {
        shared.drain_inbox(&mut inbox);
        inbox.signals.clear();
        if inbox.commands.drain(..).any(|command| matches!(command, Command::Stop(_))) {
            shared.finish(&Cause::Closed);
            return;
        }
        block_on(shared.woken());
    }
}

// C07: a send races the end. Either it is refused, or the record is accepted and has exactly one outcome; nothing in
// between, nobody waits for ever. Seen to fail with: `finish` that resolves before it closes the lanes.
#[test]
fn loom_a_send_that_races_the_end_is_refused_or_gets_its_outcome() {
    let config = config("65536");
    explore(3, move || {
        let (producer, shared, _lane) = producer(&config);
        let io = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.finish(&Cause::Closed))
        };

        let sent = producer.try_send(Record::to("t").value(b"v"));

        let accepted = match sent {
            Ok(delivery) => {
                let error = block_on(delivery).expect_err("nothing was sent");
                assert_eq!(error.outcome(), Outcome::Rejected);
                1
            }
            Err(error) => {
                assert_eq!(error, TrySendError::Failed(Error::Closed));
                0
            }
        };
        io.join().expect("no panic");
        let statistics = producer.statistics();
        assert_eq!((statistics.records_accepted, statistics.records_rejected), (accepted, accepted));
    });
}

// C05: the last handle goes while a record waits for its outcome in another thread: the I/O thread hears of it, ends,
// and the record is told. Seen to fail with: a `Drop` that closes but does not tell the I/O thread to stop.
#[test]
fn loom_dropping_the_last_handle_ends_the_io_thread_and_resolves_everything() {
    let config = config("65536");
    explore(3, move || {
        let (producer, shared, _lane) = producer(&config);
        let delivery = producer.try_send(Record::to("t").value(b"v")).expect("there is room");
        let io = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || io_thread(&shared))
        };
        let other = producer.clone();
        let dropper = thread::spawn(move || drop(other));

        drop(producer);

        let error = block_on(delivery).expect_err("nothing was sent");
        assert_eq!(error.outcome(), Outcome::Rejected);
        dropper.join().expect("no panic");
        io.join().expect("the I/O thread has ended");
        assert_eq!(shared.memory.available_bytes(), shared.memory.total_bytes(), "every permit is back");
    });
}

// D-22: a sender waits for memory while the producer is closed: it is refused, and does not wait for its deadline. Seen
// to fail with: `begin_close` that forgets the memory.
#[test]
fn loom_a_close_wakes_a_sender_that_waits_for_memory() {
    let config = config("4096");
    explore(3, move || {
        let (producer, shared, lane) = producer(&config);
        let room = shared.memory.try_segment(4096, &lane.account, shared.environment.now());
        let closer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.begin_close())
        };

        let refused = block_on(producer.send(Record::to("t").value(b"v"))).expect_err("no room, and closed");

        assert_eq!(refused, Error::Closed);
        closer.join().expect("no panic");
        drop(room);
        assert_eq!(shared.memory.available_bytes(), 4096, "every permit is back");
    });
}
