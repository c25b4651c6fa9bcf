//! Where a lab acts: the two façades, the injector's admin API, and Kafka itself.
//!
//! **Why Kafka directly.** Records are counted by a reader that no fault touches: it does not go through the injector.
//! Neighbours: [`super::run`] acts there; `cli::lab_target` finds one; [`super::own_lab`] starts one. Not here: ports of
//! a lab that runs, which are `lab::running`'s.

use serde::Serialize;

use crate::lab::profile::Profile;

/// The addresses that a lab needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LabTarget {
    /// The façade of profile `java`, such as `http://localhost:18080`.
    pub java: String,
    /// The façade of profile `librdkafka`, such as `http://localhost:18081`.
    pub librdkafka: String,
    /// The injector's admin API, such as `http://localhost:8474`.
    pub toxiproxy: String,
    /// Kafka, not through the injector: `host:port`, several with commas.
    pub kafka: String,
}

impl LabTarget {
    /// The course's ports on this machine.
    pub fn course() -> Self {
        Self {
            java: "http://localhost:18080".to_owned(),
            librdkafka: "http://localhost:18081".to_owned(),
            toxiproxy: "http://localhost:8474".to_owned(),
            kafka: "localhost:9092".to_owned(),
        }
    }

    /// The course's node ports on a cluster's node.
    pub fn kubernetes(node: &str) -> Self {
        Self {
            java: format!("http://{node}:31080"),
            librdkafka: format!("http://{node}:31081"),
            toxiproxy: format!("http://{node}:31474"),
            kafka: format!("{node}:32092"),
        }
    }

    /// A profile's façade.
    pub fn facade(&self, profile: Profile) -> &str {
        match profile {
            Profile::Java => &self.java,
            Profile::Librdkafka => &self.librdkafka,
        }
    }
}

/// How the course names a profile's API.
pub const fn api_name(profile: Profile) -> &'static str {
    match profile {
        Profile::Java => "java",
        Profile::Librdkafka => "dotnet",
    }
}
