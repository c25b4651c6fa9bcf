//! Everything at once, from several threads, with lost answers: send, drop, cancel, flush, close (C07, C28).

use std::future::{Future as _, poll_fn};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use facteur::broker::{Broker, Fault};
use facteur::{Delivery, Outcome, Producer, Record};

use super::support::{PATIENCE, assert_nothing_leaked, broker, copies, producer};

const THREADS: u64 = 4;

/// Two seconds, or `FACTEUR_STRESS_SECONDS`.
fn duration() -> Duration {
    let seconds = std::env::var("FACTEUR_STRESS_SECONDS").map_or(2, |text| text.parse().expect("seconds"));
    Duration::from_secs(seconds)
}

type Kept = Mutex<Vec<(String, Delivery)>>;

/// What one thread does until it is told that the producer is closed.
fn work(producer: &Producer, round: u64, thread: u64, kept: &Kept, called: &Arc<AtomicU64>) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut random = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ thread;
    let mut with_callback = 0;
    for index in 0.. {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let value = format!("{round} {thread} {index}");
        let record = Record::to("t").value(value.as_bytes());
        let is_over = match (random >> 33) % 16 {
            0 => producer.flush_blocking().is_err(),
            1 => {
                // Dropped after one poll: accepted or not.
                runtime.block_on(async {
                    let mut sending = Box::pin(producer.send_and_wait(record));
                    poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx).is_ready())).await;
                });
                false
            }
            2..=4 => {
                let called = Arc::clone(called);
                let counting = move |_| {
                    called.fetch_add(1, Ordering::SeqCst);
                };
                let sent = runtime.block_on(producer.send_with_callback(record, counting));
                with_callback += u64::from(sent.is_ok());
                sent.is_err()
            }
            5..=7 => match producer.try_send(record) {
                Ok(delivery) => {
                    kept.lock().expect("no panic").push((value, delivery));
                    false
                }
                Err(facteur::TrySendError::Failed(_)) => true,
                Err(_not_now) => false,
            },
            8 => producer.send_blocking(record).map(drop).is_err(),
            _ => match producer.send_blocking(record) {
                Ok(delivery) => {
                    kept.lock().expect("no panic").push((value, delivery));
                    false
                }
                Err(_) => true,
            },
        };
        if is_over {
            break;
        }
    }
    with_callback
}

/// One producer's short life.
fn round(broker: &Broker, number: u64) -> u64 {
    let codec = ["none", "lz4", "zstd"][usize::try_from(number % 3).expect("small")];
    let settings = [
        ("buffer.memory", "131072"),
        ("batch.size", "2048"),
        ("linger.ms", "1"),
        ("compression.type", codec),
    ];
    let producer = producer(broker, &settings);
    let (kept, called) = (Kept::default(), Arc::new(AtomicU64::new(0)));
    broker.faults().arm(Fault::lose_produce_answers(1));
    let with_callback: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (producer, kept, called) = (producer.clone(), &kept, &called);
                scope.spawn(move || work(&producer, number, thread, kept, called))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(20 + 13 * (number % 7)));
        // With time, or without any.
        producer.close_blocking(if number.is_multiple_of(2) { PATIENCE } else { Duration::ZERO });
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    producer.flush_blocking().expect("nothing is pending");
    assert_nothing_leaked(&producer, &format!("round {number}"));
    let until = Instant::now() + PATIENCE;
    while called.load(Ordering::SeqCst) < with_callback {
        assert!(Instant::now() < until, "round {number}: {called:?} of {with_callback} callbacks");
        std::thread::yield_now();
    }
    assert_eq!(called.load(Ordering::SeqCst), with_callback, "each callback once");

    let copies = copies(broker);
    for (value, delivery) in kept.into_inner().expect("no panic") {
        let found = copies.get(&value).copied().unwrap_or(0);
        match delivery.try_result().unwrap_or_else(|| panic!("{value} was never told")) {
            Ok(_) => assert_eq!(found, 1, "{value} is acknowledged"),
            Err(error) if error.outcome() == Outcome::Rejected => assert_eq!(found, 0, "{value}: {error}"),
            Err(_) => assert!(found <= 1, "{value}"),
        }
    }
    assert!(copies.values().all(|count| *count == 1), "a record is there twice");
    producer.statistics().records_accepted
}

// C07, C28, [OUT-5]: threads that send in every way, drop deliveries, cancel, flush, and a close in the middle, with answers
// lost: every accepted record has one outcome that the log bears out, every callback runs once, every permit comes back,
// and nobody hangs. Longer with `FACTEUR_STRESS_SECONDS=60`.
#[test]
fn c07_c28_everything_at_once_ends_in_one_outcome_each() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime for the broker");
    let begun = Instant::now();
    let (mut rounds, mut records) = (0, 0);
    while begun.elapsed() < duration() {
        // A log that stays small enough to be read each time.
        let broker = runtime.block_on(broker());
        records += round(&broker, rounds);
        rounds += 1;
        runtime.block_on(broker.stop());
    }
    println!("{rounds} producers, {records} records accepted");
    assert!(rounds >= 3 && records > 300, "{rounds} rounds with {records} records show nothing");
}
