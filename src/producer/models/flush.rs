//! What `flush` promises about callbacks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loom::future::block_on;
use loom::thread;

use super::explore;
use crate::producer::testing::{acknowledged, config, producer, take};
use crate::record::Record;

// C28, D-21: when `flush` returns, every record accepted before has its outcome and its callback has run: a program may
// end there. The outcome comes at the moment of the flush. Found: the cell had left its lane and its callback was not yet
// handed over; the flush saw neither and returned. Seen to fail with that.
#[test]
fn loom_a_flush_returns_after_the_callbacks_of_what_it_waited_for() {
    let config = config("65536");
    explore(3, move || {
        let (producer, shared, lane) = producer(&config);
        let has_run = Arc::new(AtomicBool::new(false));
        let sending = {
            let has_run = Arc::clone(&has_run);
            producer.send_with_callback(Record::to("t").value(b"v"), move |result| {
                assert!(result.is_ok());
                has_run.store(true, Ordering::SeqCst);
            })
        };
        block_on(sending).expect("accepted");
        let batch = take(&lane).expect("one record");
        let driver = {
            let (shared, lane) = (Arc::clone(&shared), Arc::clone(&lane));
            thread::spawn(move || {
                lane.complete(&shared, batch.number, 0, 1, acknowledged(7));
                // The same thread plays the callback thread: later, as that would be.
                shared.callbacks.run_queued();
            })
        };

        block_on(producer.flush()).expect("not on the callback thread");

        assert!(has_run.load(Ordering::SeqCst), "the flush returned before the callback ran");
        driver.join().expect("no panic");
    });
}
