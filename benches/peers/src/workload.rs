//! What is sent: the arena's orders to a client, and the sequence of records that is the same in every client.
//!
//! Not here: how it is sent, which is each client's own (`bin/`). `../go` and `../java` have the same in their languages.

use std::sync::Arc;

use crate::Outcome;

/// Between the beginnings of two threads or tasks in the sequence: a prime, so that they do not walk in step.
const APART: usize = 7_919;

/// What a client is told at its start, as `name=value` arguments.
#[derive(Debug, Clone)]
pub struct Options {
    pub bootstrap: String,
    /// Names of all topics that records go to, in turn.
    pub topics: Vec<String>,
    pub partitions: usize,
    pub threads: usize,
    /// So many tasks that send and await one record at a time, instead of threads; 0 for threads.
    pub tasks: usize,
    pub linger_ms: u64,
    pub batch_bytes: usize,
    pub buffer_bytes: usize,
    pub codec: String,
    /// Each client's own best batch size, instead of the same for all.
    pub is_own_best: bool,
    /// The distinct keys; none for records without a key.
    pub keys: Arc<Vec<Vec<u8>>>,
    /// The values, in turn.
    pub values: Arc<Vec<Vec<u8>>>,
}

impl Options {
    /// Reads the process's arguments.
    ///
    /// # Errors
    ///
    /// An argument that is missing or is no number, by its name.
    pub fn from_arguments() -> Outcome<Self> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let text = |name: &str| -> Outcome<String> {
            let found = arguments.iter().find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
            found.map(str::to_owned).ok_or_else(|| format!("the argument {name}= is missing").into())
        };
        let number = |name: &str| -> Outcome<usize> {
            text(name)?.parse().map_err(|error| format!("{name}=: {error}").into())
        };
        let file = std::fs::read(text("values")?)?;
        let keys = (0..number("keys")?).map(|number| format!("customer-{number}").into_bytes());
        Ok(Self {
            bootstrap: text("bootstrap")?,
            topics: topics(text("topic")?, number("topics")?),
            partitions: number("partitions")?,
            threads: number("threads")?,
            tasks: number("tasks")?,
            linger_ms: number("linger_ms")? as u64,
            batch_bytes: number("batch_bytes")?,
            buffer_bytes: number("buffer_bytes")?,
            codec: text("codec")?,
            is_own_best: number("own_best")? == 1,
            keys: Arc::new(keys.collect()),
            values: Arc::new(file.chunks_exact(number("value_bytes")?).map(<[u8]>::to_vec).collect()),
        })
    }
}

/// One topic has the name itself, several have it with a number.
fn topics(name: String, count: usize) -> Vec<String> {
    if count == 1 { vec![name] } else { (0..count).map(|number| format!("{name}-{number}")).collect() }
}

/// The next record.
#[derive(Debug, Clone, Copy)]
pub struct Next<'a> {
    /// Which of [`Options::topics`].
    pub topic: usize,
    pub key: Option<&'a [u8]>,
    pub value: &'a [u8],
}

/// The records of one thread or task: the same sequence in every client.
#[derive(Debug, Clone)]
pub struct Work {
    values: Arc<Vec<Vec<u8>>>,
    keys: Arc<Vec<Vec<u8>>>,
    topics: usize,
    value_at: usize,
    key_at: usize,
    topic_at: usize,
}

impl Work {
    /// The sequence of a thread or task by its number.
    #[must_use]
    pub fn new(options: &Options, sender: usize) -> Self {
        let from = sender * APART;
        Self {
            values: Arc::clone(&options.values),
            keys: Arc::clone(&options.keys),
            topics: options.topics.len(),
            value_at: from % options.values.len(),
            key_at: from % options.keys.len().max(1),
            topic_at: from % options.topics.len(),
        }
    }

    /// The next record.
    #[inline]
    pub fn next(&mut self) -> Next<'_> {
        let key = if self.keys.is_empty() {
            None
        } else {
            Some(&*self.keys[turn(&mut self.key_at, self.keys.len())])
        };
        Next {
            topic: turn(&mut self.topic_at, self.topics),
            key,
            value: &self.values[turn(&mut self.value_at, self.values.len())],
        }
    }
}

/// Counts in a circle. No division: it would cost as much as a tenth of a fast client's record.
#[inline]
fn turn(at: &mut usize, count: usize) -> usize {
    let now = *at;
    *at = if now + 1 == count { 0 } else { now + 1 };
    now
}
