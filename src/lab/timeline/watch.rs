//! Brings what the witnesses tell into the time line.
//!
//! **Why tasks of their own.** A producer and a broker must never wait for whoever watches them: they leave their events
//! in bounded places, and these tasks carry them over. What is lost on the way is counted. Neighbours: [`super`] keeps,
//! [`crate::lab::running`] starts and ends the tasks. Not here: what the events mean.

use std::sync::Arc;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::{Timeline, What, Witness};
use crate::broker::BrokerEvent;
use crate::chaos::events::ChaosEvent;
use crate::lab::clock;
use crate::runtime::observations::{Observations, Observed};

/// How many observations may wait to be carried over.
pub const SINK_CAPACITY: usize = 65_536;

/// Carries observations over until it is aborted; `also` sees each of them first.
///
/// # Cancel safety
///
/// Dropping the future loses at most what it had in hand.
pub async fn producers(timeline: Arc<Timeline>, sink: Observations, also: impl Fn(&Observed) + Send) {
    loop {
        sink.changed().await;
        let taken = sink.take();
        taken.iter().for_each(&also);
        timeline.set_lost(Witness::Producer, sink.lost());
        timeline
            .extend(taken.into_iter().map(|observed| (observed.at_us, What::Producer(Arc::new(observed)))));
    }
}

/// Carries the broker's events over until the broker ends.
///
/// # Cancel safety
///
/// Dropping the future loses nothing but what would have come.
pub async fn broker(timeline: Arc<Timeline>, events: Receiver<BrokerEvent>) {
    carry(&timeline, events, Witness::Broker, |event| {
        (event.at_ms.saturating_mul(1000), What::Broker(Arc::new(event)))
    })
    .await;
}

/// Carries the injector's events over until the injector ends.
///
/// # Cancel safety
///
/// Dropping the future loses nothing but what would have come.
pub async fn injector(timeline: Arc<Timeline>, events: Receiver<ChaosEvent>) {
    carry(&timeline, events, Witness::Injector, |event| {
        let at_us = if event.at_ms > 0 { event.at_ms.saturating_mul(1000) } else { clock::unix_time_us() };
        (at_us, What::Injector(Arc::new(event)))
    })
    .await;
}

async fn carry<T: Clone + Send>(
    timeline: &Timeline,
    mut events: Receiver<T>,
    witness: Witness,
    of: impl Fn(T) -> (i64, What) + Send,
) {
    let mut lost: u64 = 0;
    loop {
        match events.recv().await {
            Ok(event) => timeline.extend([of(event)]),
            Err(RecvError::Lagged(missed)) => {
                lost = lost.saturating_add(missed);
                timeline.set_lost(witness, lost);
            }
            Err(RecvError::Closed) => return,
        }
    }
}
