//! Takes one lab: steps, checkpoint, and everything healed afterwards.
//!
//! **Why one door.** Whoever starts a lab (a command, the API, a test) gets the same steps, and no lab can leave a toxic
//! behind or end without a checkpoint. Neighbours: `labs/` are called here; [`super::own_lab`] for those that need
//! producers of their own. Not here: printing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::cli::http::HttpClient;
use crate::lab::clock;
use crate::lab::language::Language;
use crate::lab::profile::Profile;
use crate::lab::runner::catalogue;
use crate::lab::runner::checkpoint::{Checkpoint, Steps, Stop};
use crate::lab::runner::experiment::{PARTITIONS, TOPIC, milliseconds};
use crate::lab::runner::facade_client::FacadeClient;
use crate::lab::runner::lab_id::LabId;
use crate::lab::runner::labs;
use crate::lab::runner::log_reader::LogReader;
use crate::lab::runner::say;
use crate::lab::runner::target::LabTarget;
use crate::lab::runner::toxic_client::ToxicClient;

/// Acts at one target.
#[derive(Debug)]
pub struct Runner {
    /// Where.
    pub target: LabTarget,
    /// The language of steps and sentences.
    pub language: Language,
    /// The injector's API.
    pub toxics: ToxicClient,
    java: FacadeClient,
    librdkafka: FacadeClient,
}

impl Runner {
    /// At a target.
    pub fn new(target: LabTarget, language: Language) -> Self {
        let slow = HttpClient::new(LONGEST_CALL);
        let toxics = ToxicClient::new(target.toxiproxy.clone(), HttpClient::new(LONGEST_ADMIN_CALL));
        let java = FacadeClient::new(target.java.clone(), slow.clone());
        let librdkafka = FacadeClient::new(target.librdkafka.clone(), slow);
        Self { target, language, toxics, java, librdkafka }
    }

    /// A profile's façade.
    pub const fn facade(&self, profile: Profile) -> &FacadeClient {
        match profile {
            Profile::Java => &self.java,
            Profile::Librdkafka => &self.librdkafka,
        }
    }

    /// A reader of the log; the course's topic is made if it is not there, as the course's script does.
    ///
    /// # Errors
    ///
    /// If Kafka does not answer or refuses the topic.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn log(&self) -> Result<LogReader, Stop> {
        let mut log = LogReader::connect(&self.target.kafka).await?;
        log.ensure_topic(TOPIC, PARTITIONS, &[]).await?;
        Ok(log)
    }

    /// An event id that no other run has used.
    pub fn event_id(&self, prefix: &str) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let unique = COUNT.fetch_add(1, Ordering::Relaxed);
        format!("{prefix}-{}-{}-{unique}", clock::unix_time_ms(), std::process::id())
    }

    /// Takes a lab's steps. Whatever happens, what it broke is healed.
    ///
    /// # Cancel safety
    ///
    /// A toxic may stand; [`ToxicClient::heal`] removes it.
    pub async fn run(&self, lab: LabId) -> Checkpoint {
        let began = clock::now();
        let mut steps = Steps::default();
        let outcome = labs::run(self, lab, &mut steps).await;
        let healed = self.toxics.heal().await;
        let stopped = outcome.and(healed).err().map(|stop: Stop| (stop, self.could_act()));
        let checkpoint = catalogue::entry(lab).checkpoint.pick(self.language).to_owned();
        steps.finish(lab, checkpoint, stopped, milliseconds(clock::now().since(began)))
    }

    fn could_act(&self) -> String {
        say!(self.language, "that this step can be taken", "que cette étape puisse être faite")
    }
}

/// A send may take the whole delivery timeout of 120 s.
const LONGEST_CALL: Duration = Duration::from_secs(150);
const LONGEST_ADMIN_CALL: Duration = Duration::from_secs(10);
