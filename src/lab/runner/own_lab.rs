//! A lab of the runner's own, on free ports: when none runs, or when one with other timeouts is needed.
//!
//! **Why.** `facteur validate` must work with nothing running; and the course's recipe needs producers that wait 1,000 ms
//! only, which the labs do not ship (D-59). Neighbours: [`crate::lab::running`] is what is started. Not here: the course's
//! ports.

use crate::lab::environment::ProducerEnvironment;
use crate::lab::injector::InjectorSettings;
use crate::lab::profile::Profile;
use crate::lab::runner::checkpoint::Stop;
use crate::lab::runner::target::LabTarget;
use crate::lab::running::{LabSettings, RunningLab};

/// A lab on free ports, for this machine alone.
pub fn settings() -> LabSettings {
    LabSettings {
        java_port: 0,
        librdkafka_port: 0,
        kafka_ports: vec![0],
        injector: Some(InjectorSettings { admin_port: 0, proxy_port: 0, seed: None }),
        ..LabSettings::default()
    }
}

/// A lab that ends with its owner.
#[derive(Debug)]
pub struct OwnLab {
    running: RunningLab,
}

impl OwnLab {
    /// Starts one in front of an outside Kafka, or of a broker of its own, and waits until its producers are ready.
    ///
    /// # Errors
    ///
    /// What stood in the way.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn start(bootstrap: Option<String>, environment: ProducerEnvironment) -> Result<Self, Stop> {
        Self::start_with(LabSettings { bootstrap, environment, ..settings() }).await
    }

    /// As [`Self::start`], with whatever else was changed in [`settings`].
    ///
    /// # Errors
    ///
    /// What stood in the way.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::start`].
    pub async fn start_with(settings: LabSettings) -> Result<Self, Stop> {
        let started = RunningLab::start(settings).await;
        let mut running =
            started.map_err(|error| Stop::new(format!("a lab of its own did not start: {error}")))?;
        running.ready().await;
        Ok(Self { running })
    }

    /// Where it is.
    pub fn target(&self) -> LabTarget {
        LabTarget {
            java: format!("http://{}", self.running.address(Profile::Java)),
            librdkafka: format!("http://{}", self.running.address(Profile::Librdkafka)),
            toxiproxy: self
                .running
                .lab_injector()
                .map_or_else(String::new, |injector| format!("http://{}", injector.admin_address())),
            kafka: self.running.bootstrap().to_owned(),
        }
    }

    /// Ends it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends it without draining.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}
