//! A producer with something more than settings: who watches it.
//!
//! **Why a builder of its own.** A sink for observations is an object, not a setting with a name and a default, and it
//! must be there before the first connection. Neighbours: [`super::handle`] is what comes out,
//! [`crate::runtime::observations`] what goes in. Not here: settings, which are [`ProducerConfig`]'s.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::handle::Producer;
use crate::config::ProducerConfig;
use crate::error::Error;
use crate::runtime::driver;
use crate::runtime::observations::Observations;
use crate::runtime::shared::Shared;

/// Numbers the producers that have no `client.id`.
static NEXT_CLIENT: AtomicU64 = AtomicU64::new(1);

/// Makes a [`Producer`]: see [`Producer::builder`].
#[derive(Debug)]
#[must_use = "a builder makes no producer until `build` is called"]
pub struct ProducerBuilder {
    config: ProducerConfig,
    observers: Vec<Observations>,
}

impl ProducerBuilder {
    pub(super) const fn new(config: ProducerConfig) -> Self {
        Self { config, observers: Vec::new() }
    }

    /// Tells this sink what becomes of every batch. May be called again: each sink gets every observation. Without a
    /// sink nothing is built and nothing is paid (D-52).
    pub fn observer(mut self, sink: Observations) -> Self {
        self.observers.push(sink);
        self
    }

    /// The producer; its I/O thread starts at once.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the thread cannot be started.
    pub fn build(self) -> Result<Producer, Error> {
        let mut config = self.config;
        if config.client_id.is_empty() {
            // As Java names them: counted through the process.
            config.client_id = format!("producer-{}", NEXT_CLIENT.fetch_add(1, Ordering::Relaxed));
        }
        for warning in &config.warnings {
            tracing::warn!(target: "facteur", "{warning}");
        }
        let shared = Shared::new(Arc::new(config));
        driver::start(Arc::clone(&shared), self.observers)?;
        Ok(Producer::of(shared))
    }
}
