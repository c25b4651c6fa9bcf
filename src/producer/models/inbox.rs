//! The inbox: what handles tell the I/O thread, and the one wake-up that they owe it.

use std::sync::Arc;

use loom::future::block_on;
use loom::thread;

use super::explore;
use crate::identifiers::LaneId;
use crate::producer::testing::{config, producer};
use crate::runtime::lanes::Signal;
use crate::runtime::shared::Inbox;

// A handle puts a word into the inbox and wakes the I/O thread unless that has been done since it last looked; the thread
// takes the words and sleeps. A word that came while it looked must not sleep with it. Seen to fail with: `drain_inbox`
// that clears the flag after it has taken the words (the model then never ends: a deadlock).
#[test]
fn loom_no_word_to_the_io_thread_is_slept_over() {
    let config = config("65536");
    explore(4, move || {
        let (producer, shared, _lane) = producer(&config);
        let tellers: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.signal(LaneId(0), Signal::Sealed))
            })
            .collect();

        let mut inbox = Inbox::default();
        let mut heard = 0;
        while heard < 2 {
            shared.drain_inbox(&mut inbox);
            heard += inbox.signals.drain(..).count();
            if heard < 2 {
                block_on(shared.woken());
            }
        }

        tellers.into_iter().for_each(|teller| teller.join().expect("no panic"));
        drop(producer);
    });
}
