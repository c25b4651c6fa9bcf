//! The ways of sending that benches compare: each sends so many records and returns before they are all acknowledged.

use std::collections::VecDeque;
use std::error::Error;

use facteur::{Delivery, Record, TopicHandle, TrySendError};

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// Deliveries that the awaiting producer holds before it awaits the oldest.
const AWAITED_WINDOW: usize = 20_000;

/// Never waits, but for room: then it blocks.
pub fn by_try_send(topic: &TopicHandle, value: &[u8], records: u64) -> Outcome<()> {
    for _ in 0..records {
        match topic.try_send(Record::of(value)) {
            Ok(_told_by_flush) => {}
            Err(TrySendError::Full) => drop(topic.send_blocking(Record::of(value))?),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Blocks while there is no room.
pub fn by_send_blocking(topic: &TopicHandle, value: &[u8], records: u64) -> Outcome<()> {
    for _ in 0..records {
        drop(topic.send_blocking(Record::of(value))?);
    }
    Ok(())
}

/// Awaits acceptance, not the outcome.
pub fn by_async_send(topic: &TopicHandle, value: &[u8], records: u64) -> Outcome<()> {
    tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
        for _ in 0..records {
            drop(topic.send(Record::of(value)).await?);
        }
        Ok(())
    })
}

/// Awaits every outcome, behind a window.
pub fn by_awaiting(topic: &TopicHandle, value: &[u8], records: u64) -> Outcome<()> {
    tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
        let mut pending: VecDeque<Delivery> = VecDeque::with_capacity(AWAITED_WINDOW);
        for _ in 0..records {
            if pending.len() == AWAITED_WINDOW
                && let Some(oldest) = pending.pop_front()
            {
                oldest.await?;
            }
            pending.push_back(topic.send(Record::of(value)).await?);
        }
        for delivery in pending {
            delivery.await?;
        }
        Ok(())
    })
}
