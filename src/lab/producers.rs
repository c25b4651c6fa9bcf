//! The producers behind a port: two that are always there, and variants that a call may ask for.
//!
//! **Why variants.** `acks` and the partitioner are settings of a whole producer, so a call that asks for other ones gets
//! a producer of its own, made on first use. There are at most sixteen per profile, so no call can make the process grow
//! without bound. Each has a `client.id` of its own (D-61). Neighbours: [`crate::lab::environment`] has the values,
//! `routes/send` asks for a topic, [`crate::lab::running`] warms the two up. Not here: what is sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cli::client::Client;
use crate::config::{Acks, ProducerConfig};
use crate::error::{Error, ErrorCode};
use crate::lab::clock;
use crate::lab::effective_settings::{EffectiveSetting, effective_settings};
use crate::lab::environment::{ProducerEnvironment, acks_name};
use crate::lab::profile::{Mode, Profile};
use crate::lab::send_parameters::PartitionerName;
use crate::producer::{CloseReport, Producer, Statistics, TopicHandle};
use crate::runtime::observations::Observations;

/// Which producer a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// Idempotence off or on.
    pub mode: Mode,
    /// Always all with [`Mode::Idempotent`].
    pub acks: Acks,
    /// How a record without a partition gets one.
    pub partitioner: PartitionerName,
}

/// All producers of one profile.
#[derive(Debug)]
pub struct Producers {
    profile: Profile,
    bootstrap: String,
    environment: ProducerEnvironment,
    observers: Vec<Observations>,
    made: Mutex<Vec<(Variant, Arc<VariantProducer>)>>,
    /// What producers had done when they were replaced, so that counters never go back.
    replaced: Mutex<BTreeMap<Mode, Statistics>>,
}

/// A producer and the topics that it has resolved.
#[derive(Debug)]
pub struct VariantProducer {
    producer: Producer,
    bootstrap: String,
    topics: Mutex<BTreeMap<String, TopicHandle>>,
}

impl Producers {
    /// No producer yet; [`Self::get`] makes them.
    pub const fn new(profile: Profile, bootstrap: String, environment: ProducerEnvironment) -> Self {
        Self {
            profile,
            bootstrap,
            environment,
            observers: Vec::new(),
            made: Mutex::new(Vec::new()),
            replaced: Mutex::new(BTreeMap::new()),
        }
    }

    /// Every producer that is made from now on tells this sink what becomes of its batches.
    #[must_use]
    pub fn observed_by(mut self, sink: Observations) -> Self {
        self.observers.push(sink);
        self
    }

    /// The variant of a mode when the call says nothing else.
    pub const fn standard(&self, mode: Mode) -> Variant {
        let acks = match mode {
            Mode::Plain => self.environment.acks_plain,
            Mode::Idempotent => Acks::All,
        };
        let partitioner = match self.profile {
            Profile::Java => PartitionerName::Murmur2,
            Profile::Librdkafka => PartitionerName::Crc32,
        };
        Variant { mode, acks, partitioner }
    }

    /// The producer of a variant, made if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the settings contradict each other.
    pub fn get(&self, variant: Variant) -> Result<Arc<VariantProducer>, Error> {
        let mut made = lock(&self.made);
        if let Some((_, producer)) = made.iter().find(|(candidate, _)| *candidate == variant) {
            return Ok(Arc::clone(producer));
        }
        let config = ProducerConfig::from_properties(self.properties(variant))?;
        let builder = self
            .observers
            .iter()
            .fold(Producer::builder(config), |builder, sink| builder.observer(sink.clone()));
        let producer = builder.build()?;
        let producer = Arc::new(VariantProducer {
            producer,
            bootstrap: self.bootstrap.clone(),
            topics: Mutex::default(),
        });
        made.push((variant, Arc::clone(&producer)));
        Ok(producer)
    }

    /// The settings of the producer that a mode has when the call says nothing else.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub fn effective(&self, mode: Mode) -> Result<Vec<EffectiveSetting>, Error> {
        let config = ProducerConfig::from_properties(self.properties(self.standard(mode)))?;
        Ok(effective_settings(&config, &self.environment, self.profile))
    }

    /// Forgets a producer that had to give up, so that the next call makes a new one.
    pub fn replace(&self, variant: Variant, broken: &Arc<VariantProducer>) {
        let mut made = lock(&self.made);
        let before = made.len();
        made.retain(|(candidate, producer)| *candidate != variant || !Arc::ptr_eq(producer, broken));
        if made.len() < before {
            let mut statistics = broken.producer.statistics();
            // Its memory is given back with it.
            (statistics.buffer_available_bytes, statistics.buffer_total_bytes) = (0, 0);
            statistics.requests_in_flight = 0;
            lock(&self.replaced).entry(variant.mode).or_default().add(&statistics);
        }
    }

    /// What all producers of a mode have done, together.
    pub fn statistics(&self, mode: Mode) -> Statistics {
        let made = lock(&self.made);
        let mut total = lock(&self.replaced).get(&mode).copied().unwrap_or_default();
        for (_, producer) in made.iter().filter(|(variant, _)| variant.mode == mode) {
            total.add(&producer.producer.statistics());
        }
        total
    }

    /// Refuses new sends and waits for outcomes, all producers at once.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the producers closing.
    pub async fn close(&self, timeout: Duration) -> CloseReport {
        let made: Vec<_> = lock(&self.made).iter().map(|(_, producer)| Arc::clone(producer)).collect();
        let closing: Vec<_> = made
            .into_iter()
            .map(|variant| crate::lab::tasks::spawn(async move { variant.producer.close(timeout).await }))
            .collect();
        let mut total = CloseReport::default();
        for report in closing {
            let report = report.await.unwrap_or_default();
            total.acknowledged += report.acknowledged;
            total.rejected += report.rejected;
            total.unknown += report.unknown;
        }
        total
    }

    fn properties(&self, variant: Variant) -> Vec<(&'static str, String)> {
        let environment = &self.environment;
        let backoff_max_ms = environment.retry_backoff_ms.max(1000);
        let mut properties = vec![
            ("bootstrap.servers", self.bootstrap.clone()),
            ("client.id", self.client_id(variant)),
            ("enable.idempotence", (variant.mode == Mode::Idempotent).to_string()),
            ("acks", acks_name(variant.acks).to_owned()),
            ("max.in.flight.requests.per.connection", "5".to_owned()),
            ("retries", environment.retries.to_string()),
            ("retry.backoff.ms", environment.retry_backoff_ms.to_string()),
            ("retry.backoff.max.ms", backoff_max_ms.to_string()),
            ("delivery.timeout.ms", environment.delivery_timeout_ms.to_string()),
            ("request.timeout.ms", environment.answer_timeout_ms(self.profile).to_string()),
            ("linger.ms", environment.linger_ms.to_string()),
            ("buffer.memory", environment.buffer_memory_bytes.to_string()),
            ("max.block.ms", environment.max_block_ms.to_string()),
            ("facteur.allow.auto.create.topics", "false".to_owned()),
        ];
        if let Some(map) = &environment.address_map {
            properties.push(("facteur.address.map", map.clone()));
        }
        match variant.partitioner {
            PartitionerName::Murmur2 => properties.push(("partitioner.class", "murmur2".to_owned())),
            PartitionerName::Crc32 => properties.push(("partitioner.class", "crc32".to_owned())),
            PartitionerName::Sticky => properties.push(("partitioner.ignore.keys", "true".to_owned())),
            PartitionerName::RoundRobin => properties.push(("partitioner.class", "round_robin".to_owned())),
        }
        properties
    }

    fn client_id(&self, variant: Variant) -> String {
        let mut id = format!("m02-{}-{}", self.profile.name(), variant.mode.name());
        let standard = self.standard(variant.mode);
        if variant.acks != standard.acks {
            id.push_str("-acks-");
            id.push_str(acks_name(variant.acks));
        }
        if variant.partitioner != standard.partitioner {
            id.push('-');
            id.push_str(variant.partitioner.name());
        }
        id
    }
}

impl VariantProducer {
    /// The producer itself.
    pub const fn producer(&self) -> &Producer {
        &self.producer
    }

    /// A topic that was resolved before.
    pub fn known_topic(&self, name: &str) -> Option<TopicHandle> {
        lock(&self.topics).get(name).cloned()
    }

    /// Resolves a topic and connects to its leaders. A topic that the cluster does not have is said after four
    /// refreshes (B17, D-28); the producer itself would wait for it to appear.
    ///
    /// # Errors
    ///
    /// As [`Producer::topic`], within `max.block.ms`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only stops waiting.
    pub async fn topic(&self, name: &str) -> Result<TopicHandle, Error> {
        if let Some(handle) = self.known_topic(name) {
            return Ok(handle);
        }
        let began = clock::now();
        let handle = tokio::select! {
            resolved = self.producer.topic(name) => resolved?,
            code = is_missing(&self.bootstrap, name) => {
                let waited = clock::now().since(began);
                return Err(Error::TopicNotAvailable { topic: name.into(), waited, code: Some(code), detail: None });
            }
        };
        let mut topics = lock(&self.topics);
        // Existing topics only, so a caller cannot fill this with made-up names; a huge cluster can, hence the bound.
        if topics.len() >= MOST_TOPICS {
            topics.clear();
        }
        topics.insert(name.to_owned(), handle.clone());
        Ok(handle)
    }
}

/// Completes once the cluster has said four times that it does not have the topic, and never otherwise.
async fn is_missing(bootstrap: &str, name: &str) -> ErrorCode {
    if let Ok(mut client) = Client::connect(bootstrap, MAX_BLOCK).await
        && let Ok(Err(code)) = client.find_topic(name).await
        && code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    {
        return code;
    }
    std::future::pending().await
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long the cluster is asked whether it has a topic (D-28).
const MAX_BLOCK: Duration = Duration::from_secs(10);
const MOST_TOPICS: usize = 1000;
