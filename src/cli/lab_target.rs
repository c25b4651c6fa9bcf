//! Finds the lab that a command should act on, or starts one.
//!
//! **Why it looks before it starts one.** A student who has a lab running wants that one checked; a machine with nothing
//! running (a test, a first try) wants a result all the same. Neighbours: `validate`, `lab`; [`crate::lab::runner`] acts.
//! Not here: what is done there.

use std::time::Duration;

use clap::Args;
use hyper::Method;

use crate::cli::client::parse_bootstrap;
use crate::cli::exit::{Exit, Failure};
use crate::cli::http::HttpClient;
use crate::lab::environment::ProducerEnvironment;
use crate::lab::runner::own_lab::OwnLab;
use crate::lab::runner::target::LabTarget;

/// Where to act.
#[derive(Debug, Clone, Args)]
pub struct TargetArguments {
    /// An outside Kafka (HOST:PORT, several with commas). Without URLs a façade and an injector are started in front of
    /// it; with URLs it is where records are counted.
    #[arg(short = 'b', long = "bootstrap-server", value_name = "SERVERS")]
    bootstrap: Option<String>,
    /// The API of profile `java`, such as <http://localhost:18080>.
    #[arg(long, env = "FACTEUR_JAVA_URL", value_name = "URL")]
    java_url: Option<String>,
    /// The API of profile `librdkafka`, such as <http://localhost:18081>.
    #[arg(long, visible_alias = "librdkafka-url", env = "FACTEUR_DOTNET_URL", value_name = "URL")]
    dotnet_url: Option<String>,
    /// The injector's admin API, such as <http://localhost:8474>.
    #[arg(long, env = "TOXIPROXY_URL", value_name = "URL")]
    toxiproxy_url: Option<String>,
    /// The course's node ports of a Kubernetes cluster.
    #[arg(long, visible_aliases = ["kubernetes", "okd"])]
    k8s: bool,
    /// The node, with `--k8s`.
    #[arg(long, default_value = "localhost", value_name = "HOST")]
    node: String,
    /// Start a lab on free ports even if one runs already.
    #[arg(long, conflicts_with_all = ["k8s", "java_url", "dotnet_url", "toxiproxy_url"])]
    own: bool,
}

/// A lab that was found or started.
#[derive(Debug)]
pub struct FoundLab {
    /// Where it is.
    pub target: LabTarget,
    /// How it was found, for people.
    pub how: String,
    own: Option<OwnLab>,
}

impl FoundLab {
    /// Ends it, if it was started here.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends it without draining.
    pub async fn stop(self) {
        if let Some(own) = self.own {
            own.stop().await;
        }
    }
}

impl TargetArguments {
    /// Whether the course's Kubernetes ports are meant.
    pub const fn is_kubernetes(&self) -> bool {
        self.k8s
    }

    /// The lab to act on: the one whose URLs are given, else one in front of the Kafka that is given, else the one that
    /// runs on the course's ports, else one of its own.
    ///
    /// # Errors
    ///
    /// Usage for an address that cannot be one; "cannot connect" if a lab that was named does not answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends what was started.
    pub async fn find(&self) -> Result<FoundLab, Failure> {
        let environment = environment()?;
        if let Some(bootstrap) = &self.bootstrap {
            parse_bootstrap(bootstrap)?;
        }
        if self.names_a_lab() {
            let target = self.named().await;
            // On a cluster the APIs may not be deployed yet, which the course's script reports in its own way.
            if !self.k8s {
                self.must_answer(&target).await?;
            }
            return Ok(FoundLab { target, how: "the lab that was named".to_owned(), own: None });
        }
        if self.bootstrap.is_none() && !self.own {
            let target = LabTarget::course();
            if runs(&target).await {
                let target = with_its_kafka(target).await;
                return Ok(FoundLab {
                    target,
                    how: "the lab that runs on the course's ports".to_owned(),
                    own: None,
                });
            }
        }
        let outside = std::env::var("KAFKA_BOOTSTRAP_SERVERS").ok().filter(|text| !text.trim().is_empty());
        start_own(self.bootstrap.clone().or(outside), environment).await
    }

    /// A lab whose producers have other settings, in front of the same Kafka as the lab that [`Self::find`] would find.
    ///
    /// # Errors
    ///
    /// As [`Self::find`].
    ///
    /// # Cancel safety
    ///
    /// As [`Self::find`].
    pub async fn find_with(&self, environment: ProducerEnvironment) -> Result<FoundLab, Failure> {
        let bootstrap = if self.names_a_lab() {
            Some(self.named().await.kafka)
        } else if self.bootstrap.is_none() && !self.own && runs(&LabTarget::course()).await {
            Some(with_its_kafka(LabTarget::course()).await.kafka)
        } else {
            self.bootstrap.clone()
        };
        start_own(bootstrap, environment).await
    }

    /// The lab to look at, whether it is there or not, and what it says of itself.
    ///
    /// # Errors
    ///
    /// Usage for an address that cannot be one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only stops looking.
    pub async fn look(&self) -> Result<(LabTarget, Option<serde_json::Value>), Failure> {
        if let Some(bootstrap) = &self.bootstrap {
            parse_bootstrap(bootstrap)?;
        }
        let target = self.named().await;
        let overview = overview(&target.java).await;
        Ok((target, overview))
    }

    const fn names_a_lab(&self) -> bool {
        self.k8s || self.java_url.is_some() || self.dotnet_url.is_some() || self.toxiproxy_url.is_some()
    }

    async fn named(&self) -> LabTarget {
        let standard = if self.k8s { LabTarget::kubernetes(&self.node) } else { LabTarget::course() };
        let without_slash = |url: &Option<String>, standard: String| match url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => standard,
        };
        let target = LabTarget {
            java: without_slash(&self.java_url, standard.java),
            librdkafka: without_slash(&self.dotnet_url, standard.librdkafka),
            toxiproxy: without_slash(&self.toxiproxy_url, standard.toxiproxy),
            kafka: standard.kafka,
        };
        match &self.bootstrap {
            Some(bootstrap) => LabTarget { kafka: bootstrap.clone(), ..target },
            None if self.k8s => target,
            None => with_its_kafka(target).await,
        }
    }

    /// A lab that was named must be there: a typing error in a URL is not a failed experiment.
    async fn must_answer(&self, target: &LabTarget) -> Result<(), Failure> {
        let http = HttpClient::new(PROBE_TIMEOUT);
        for url in [&target.java, &target.librdkafka] {
            let answer = http.call(Method::GET, &format!("{url}/health"), None).await;
            let answer = answer.map_err(|error| {
                Failure::new(
                    Exit::CannotConnect,
                    format!("no API answers: {error}. Start it (`facteur` alone does), or correct the URL"),
                )
            })?;
            if !answer.status.is_success() {
                let message = format!(
                    "{url}/health answered {}: is this an API of the course?",
                    answer.status.as_u16()
                );
                return Err(Failure::new(Exit::CannotConnect, message));
            }
        }
        Ok(())
    }
}

/// The producers' settings from the environment, as `serve` reads them.
fn environment() -> Result<ProducerEnvironment, Failure> {
    ProducerEnvironment::read(|name| std::env::var(name).ok())
        .map_err(|error| Failure::usage(error.to_string()))
}

async fn start_own(bootstrap: Option<String>, environment: ProducerEnvironment) -> Result<FoundLab, Failure> {
    let how = match &bootstrap {
        Some(bootstrap) => format!("a façade and an injector of its own, in front of {bootstrap}"),
        None => "a lab of its own, on free ports".to_owned(),
    };
    let started = OwnLab::start(bootstrap, environment).await;
    let own = started.map_err(|stop| Failure::new(Exit::CannotConnect, stop.reason))?;
    Ok(FoundLab { target: own.target(), how, own: Some(own) })
}

/// Whether both façades and an injector answer there.
async fn runs(target: &LabTarget) -> bool {
    let http = HttpClient::new(PROBE_TIMEOUT);
    for url in [
        format!("{}/health", target.java),
        format!("{}/health", target.librdkafka),
        format!("{}/version", target.toxiproxy),
    ] {
        let answer = http.call(Method::GET, &url, None).await;
        if !answer.is_ok_and(|answer| answer.status.is_success()) {
            return false;
        }
    }
    true
}

/// A lab of ours tells which Kafka is behind it, without the injector; for others it is the course's.
async fn with_its_kafka(target: LabTarget) -> LabTarget {
    let told = overview(&target.java).await;
    let part = |json: &serde_json::Value, name: &str| {
        let text = json.get("target").and_then(|target| target.get(name)).and_then(serde_json::Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    // An API in a container of its own knows Kafka only by the injector's address, and by names of its network.
    let kafka = told
        .filter(|json| part(json, "librdkafka").is_some() && part(json, "toxiproxy").is_some())
        .and_then(|json| part(&json, "kafka"));
    match kafka {
        Some(kafka) => LabTarget { kafka, ..target },
        None => target,
    }
}

/// What a lab of ours says of itself.
async fn overview(java: &str) -> Option<serde_json::Value> {
    let http = HttpClient::new(PROBE_TIMEOUT);
    let answer = http.call(Method::GET, &format!("{java}/api/v1/lab"), None).await.ok()?;
    answer.json().ok().filter(|_| answer.status.is_success())
}

/// How long a lab may take to say that it is there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
