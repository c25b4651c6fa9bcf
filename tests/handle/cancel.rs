//! Cancel safety: each async method is dropped at each of its polls (C03, C04, C28).
//!
//! The harness makes a fresh producer, puts it into the state that makes the method wait, drops its future right after the
//! n-th poll, or when it is woken for the next one, and looks whether anything stayed behind; then n + 1, until the method
//! is done by itself.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use facteur::broker::{Broker, Fault, FaultAction};
use facteur::{Producer, Record, TrySendError};

use super::support::{PATIENCE, assert_nothing_leaked, broker, copies, producer};

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;

type Call<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What the method waits for.
#[derive(Clone, Copy)]
enum State {
    /// Nothing is known yet, and metadata takes a moment.
    Fresh,
    /// The buffer is full, and answers take a moment.
    Full,
    /// A record is on its way.
    Sending,
}

async fn put_into(state: State, broker: &Broker, producer: &Producer) {
    match state {
        State::Fresh => {
            broker.faults().arm(Fault::new(METADATA, FaultAction::DelayAnswer(Duration::from_millis(10))));
        }
        State::Full => {
            producer.ready(PATIENCE).await.expect("ready");
            producer.topic("t").await.expect("known");
            broker.faults().arm(Fault::new(PRODUCE, FaultAction::DelayAnswer(Duration::from_millis(15))));
            while producer.try_send(Record::to("t").partition(0).value(&[b'f'; 1000])).is_ok() {}
            let refused = producer.try_send(Record::to("t").partition(0).value(&[b'f'; 1000]));
            assert!(matches!(refused, Err(TrySendError::Full) | Ok(_)), "{refused:?}");
        }
        State::Sending => {
            broker.faults().arm(Fault::new(PRODUCE, FaultAction::DelayAnswer(Duration::from_millis(10))));
            let _delivery = producer.send(Record::to("t").partition(0).value(b"f")).await.expect("accepted");
        }
    }
}

/// When the future is dropped after its last poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drops {
    AtOnce,
    /// What it waited for has come, and it does not look.
    WhenWoken,
}

/// Polls `call` at most `polls` times; whether it was done by then.
async fn poll_times(mut call: Call<'_>, polls: usize, drops: Drops) -> bool {
    let mut polled = 0;
    poll_fn(move |cx| {
        if polled == polls {
            return Poll::Ready(false);
        }
        polled += 1;
        match call.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending if polled == polls && drops == Drops::AtOnce => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// The harness; see the module. `call` gets the value that its record, if it sends one, must carry.
async fn drop_at_every_poll(
    name: &str,
    state: State,
    is_close: bool,
    call: impl for<'a> Fn(&'a Producer, &'a str) -> Call<'a> + Sync + Send,
) {
    for drops in [Drops::AtOnce, Drops::WhenWoken] {
        drop_at_every_poll_so(name, state, is_close, drops, &call).await;
    }
}

async fn drop_at_every_poll_so(
    name: &str,
    state: State,
    is_close: bool,
    drops: Drops,
    call: &(impl for<'a> Fn(&'a Producer, &'a str) -> Call<'a> + Sync + Send),
) {
    let broker = broker().await;
    let mut total = 0;
    for polls in 0.. {
        assert!(polls < 50, "{name} is never done");
        let producer = producer(&broker, &[("buffer.memory", "16384"), ("batch.size", "2048")]);
        put_into(state, &broker, &producer).await;
        let value = format!("{name} {polls}");

        let is_done = poll_times(call(&producer, &value), polls, drops).await;

        // Nobody else is held up by what was dropped, …
        if !is_close || polls == 0 {
            let after = producer.send_and_wait(Record::to("t").value(b"after"));
            tokio::time::timeout(PATIENCE, after).await.expect("no hang").expect("delivered");
        }
        tokio::time::timeout(PATIENCE, producer.flush()).await.expect("no hang").expect("flushed");
        // … nothing is left of it, …
        assert_nothing_leaked(&producer, &value);
        // … and its record is there once, or not at all if it was not accepted.
        let found = copies(&broker).get(&value).copied().unwrap_or(0);
        assert!(found <= 1, "{value}: {found} copies");
        total += found;
        tokio::time::timeout(PATIENCE, producer.close(PATIENCE)).await.expect("no hang");
        assert_nothing_leaked(&producer, &value);
        if is_done {
            assert!(polls >= 1 && (found == 1 || !name.contains("send")), "{value}: {found} of {total}");
            break;
        }
    }
    broker.stop().await;
}

// C03: `send` waits for metadata, then for memory; dropped at each poll.
#[tokio::test]
async fn c03_send_can_be_dropped_at_every_poll() {
    for state in [State::Fresh, State::Full] {
        drop_at_every_poll("send", state, false, |producer, value| {
            Box::pin(async move {
                let _delivery = producer
                    .send(Record::to("t").partition(1).value(value.as_bytes()))
                    .await
                    .expect("accepted");
            })
        })
        .await;
    }
}

// C03: a sender that is dropped while it waits for memory lets the one behind it through.
#[tokio::test]
async fn c03_a_dropped_waiter_for_memory_lets_the_next_one_through() {
    let broker = broker().await;
    let producer = producer(&broker, &[("buffer.memory", "16384"), ("batch.size", "2048")]);
    put_into(State::Full, &broker, &producer).await;

    let big = [b'b'; 8000];
    let mut first = Box::pin(producer.send(Record::to("t").partition(1).value(&big)));
    let is_waiting = poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await;
    let second = producer.send(Record::to("t").partition(1).value(b"second"));
    let dropping = async {
        tokio::task::yield_now().await;
        drop(first);
    };
    let (second, ()) =
        tokio::time::timeout(PATIENCE, async { tokio::join!(second, dropping) }).await.expect("no hang");

    assert!(is_waiting, "the buffer was not full: the test shows nothing");
    second.expect("accepted").await.expect("delivered");
    producer.flush().await.expect("flushed");
    assert_nothing_leaked(&producer, "after the dropped waiter");
    assert!(
        !copies(&broker).keys().any(|value| value.starts_with("bbb")),
        "what was dropped was not accepted"
    );
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// C04: a delivery that is dropped, polled or not, changes nothing: the record arrives, once.
#[tokio::test]
async fn c04_a_delivery_can_be_dropped_at_every_poll() {
    for state in [State::Fresh, State::Sending] {
        drop_at_every_poll("send and delivery", state, false, |producer, value| {
            Box::pin(async move {
                let record = Record::to("t").partition(1).value(value.as_bytes());
                producer.send(record).await.expect("accepted").await.expect("delivered");
            })
        })
        .await;
        drop_at_every_poll("send_and_wait", state, false, |producer, value| {
            Box::pin(async move {
                let record = Record::to("t").partition(1).value(value.as_bytes());
                producer.send_and_wait(record).await.expect("delivered");
            })
        })
        .await;
    }
    let broker = broker().await;
    let producer = producer(&broker, &[]);
    for index in 0..100 {
        let value = format!("dropped {index}");
        drop(producer.send(Record::to("t").value(value.as_bytes())).await.expect("accepted"));
    }
    producer.flush().await.expect("flushed");
    assert_eq!(copies(&broker).len(), 100, "every one of them arrived");
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// C28: a flush that is dropped undoes nothing, and leaves no "do not linger" behind; `ready`, `topic` and the callback form
// change nothing either.
#[tokio::test]
async fn c28_flush_ready_topic_and_callbacks_can_be_dropped_at_every_poll() {
    drop_at_every_poll("flush", State::Sending, false, |producer, _| {
        Box::pin(async move { producer.flush().await.expect("flushed") })
    })
    .await;
    drop_at_every_poll("ready", State::Fresh, false, |producer, _| {
        Box::pin(async move { producer.ready(PATIENCE).await.expect("ready") })
    })
    .await;
    drop_at_every_poll("topic", State::Fresh, false, |producer, _| {
        Box::pin(async move { drop(producer.topic("t").await.expect("known")) })
    })
    .await;
    for state in [State::Fresh, State::Full] {
        drop_at_every_poll("send_with_callback", state, false, |producer, value| {
            Box::pin(async move {
                let record = Record::to("t").partition(1).value(value.as_bytes());
                producer.send_with_callback(record, |_| ()).await.expect("accepted");
            })
        })
        .await;
    }
    drop_at_every_poll("send by handle", State::Fresh, false, |producer, value| {
        Box::pin(async move {
            let topic = producer.topic("t").await.expect("known");
            let record = Record::of(value.as_bytes()).partition(1);
            topic.send_and_wait(record).await.expect("delivered");
        })
    })
    .await;
}

// C06, D-22: a close that is dropped leaves the producer closed to new records and delivers what it holds; the next close
// ends it.
#[tokio::test]
async fn c06_close_can_be_dropped_at_every_poll() {
    drop_at_every_poll("close", State::Sending, true, |producer, _| {
        Box::pin(async move {
            let _report = producer.close(PATIENCE).await;
        })
    })
    .await;
}
