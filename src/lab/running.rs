//! Starts the lab and stops it: broker, two ports, four producers.
//!
//! **Why the order.** Ports are taken first, so that a busy one is an error before anything else runs; the producers warm
//! up behind (D-59: connected to the leaders at start), and `/readyz` tells when they are. At the end: not ready, no
//! new connections, calls in flight up to 5 s, producers up to 5 s, what is left is reported (F14). Neighbours:
//! `cli::serve` prints and waits for signals; tests start it in process. Not here: signals.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::chaos::Injector;
use crate::error::Error;
use crate::lab::app::{Facade, Kafka, Shared, router};
use crate::lab::breaker::BreakerSettings;
use crate::lab::busy_port;
use crate::lab::dto::ProbeCheck;
use crate::lab::embedded::{BrokerBehaviour, EmbeddedBroker, EmbeddedSettings};
use crate::lab::environment::ProducerEnvironment;
use crate::lab::idempotency;
use crate::lab::injector::{InjectorSettings, LabInjector};
use crate::lab::metrics;
use crate::lab::producers::Producers;
use crate::lab::profile::{Mode, Profile};
use crate::lab::runner::desk::ProducerFacts;
use crate::lab::runner::target::LabTarget;
use crate::lab::server::{HEADER_TIMEOUT, Patience, Server, WRITE_TIMEOUT};
use crate::lab::status_store::CAPACITY;
use crate::lab::tasks;
use crate::lab::timeline;
use crate::producer::CloseReport;

/// What a lab needs to know.
#[derive(Debug, Clone)]
pub struct LabSettings {
    /// The address of all listeners.
    pub listen: IpAddr,
    /// The port of profile `java`; 0 takes any free one, as everywhere here.
    pub java_port: u16,
    /// The port of profile `librdkafka`.
    pub librdkafka_port: u16,
    /// Serve this profile alone, as one container of the course does; `None` serves both.
    pub only: Option<Profile>,
    /// An outside Kafka; `None` starts the embedded broker.
    pub bootstrap: Option<String>,
    /// The embedded broker's ports; the first one is for clients on this machine.
    pub kafka_ports: Vec<u16>,
    /// The fault injector in front of Kafka; `None` goes without.
    pub injector: Option<InjectorSettings>,
    /// What the embedded broker tells its clients, instead of the bound address.
    pub advertised_host: Option<String>,
    /// When the embedded broker compacts, and what it offers.
    pub behaviour: BrokerBehaviour,
    /// Topics that the embedded broker has from the start.
    pub topics: Vec<(String, i32)>,
    /// The topic of a call that names none.
    pub default_topic: String,
    /// Settings of the producers.
    pub environment: ProducerEnvironment,
    /// Send calls at once, over both ports.
    pub most_calls: usize,
    /// Status entries (D-64).
    pub status_capacity: usize,
    /// Calls with an `Idempotency-Key` that are remembered.
    pub idempotency_capacity: usize,
    /// The circuit breaker, if there is to be one.
    pub breaker: Option<BreakerSettings>,
    /// The longest time that a call may take; `None` is what the producers' time limits add up to.
    pub call_timeout: Option<Duration>,
    /// Time for a request's head to arrive.
    pub header_timeout: Duration,
    /// Time for a reader to take something of an answer.
    pub write_timeout: Duration,
    /// Events of the time line.
    pub timeline_capacity: usize,
}

impl LabSettings {
    /// The longest time that a call may take: what the producers' own time limits add up to, and a little more, so that
    /// their answer is there before.
    pub fn longest_call(&self) -> Duration {
        let environment = &self.environment;
        let waits_ms = environment.delivery_timeout_ms.saturating_add(environment.max_block_ms);
        self.call_timeout.unwrap_or_else(|| Duration::from_millis(waits_ms) + CALL_MARGIN)
    }
}

impl Default for LabSettings {
    fn default() -> Self {
        Self {
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            java_port: 18_080,
            librdkafka_port: 18_081,
            only: None,
            bootstrap: None,
            kafka_ports: vec![9092, 29_092],
            injector: Some(InjectorSettings::default()),
            advertised_host: None,
            behaviour: BrokerBehaviour::default(),
            topics: vec![("bhf-transactions".to_owned(), 3)],
            default_topic: "bhf-transactions".to_owned(),
            environment: ProducerEnvironment::default(),
            most_calls: 1024,
            status_capacity: CAPACITY,
            idempotency_capacity: idempotency::CAPACITY,
            breaker: None,
            call_timeout: None,
            header_timeout: HEADER_TIMEOUT,
            write_timeout: WRITE_TIMEOUT,
            timeline_capacity: timeline::CAPACITY,
        }
    }
}

/// Why the lab did not start.
#[derive(Debug)]
pub enum StartError {
    /// A port of the façade cannot be listened on.
    Port {
        /// What the port is for.
        profile: Profile,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The embedded broker did not start; its own words.
    Broker(String),
    /// The fault injector did not start; its own words.
    Injector(String),
    /// The producers' settings are impossible.
    Producer(Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port { profile, address, source } if source.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "port {} (the façade of profile {profile}, on {address}) is taken: {}. Stop that program (another \
                 facteur?), or choose another port with --{profile}-port (0 takes any free one)",
                address.port(),
                busy_port::owner(address.port())
            ),
            Self::Port { profile, address, source } => {
                write!(
                    f,
                    "cannot listen on {address} for the façade of profile {profile}: {source}. Check --listen and --{profile}-port"
                )
            }
            Self::Broker(text) => {
                write!(
                    f,
                    "the embedded broker did not start: {text}. Its ports are --kafka-port and --kafka-internal-port"
                )
            }
            Self::Injector(text) => write!(f, "the fault injector did not start: {text}"),
            Self::Producer(error) => write!(f, "the producers cannot be built: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// What the end of a lab saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopReport {
    /// What the producers saw while closing.
    pub records: CloseReport,
    /// Whether every call in flight was answered.
    pub all_calls_answered: bool,
}

/// A lab that runs.
#[derive(Debug)]
pub struct RunningLab {
    facades: Vec<Arc<Facade>>,
    servers: Vec<Server>,
    shared: Arc<Shared>,
    broker: Option<EmbeddedBroker>,
    injector: Option<LabInjector>,
    bootstrap: String,
    warm_up: JoinHandle<()>,
    /// Ended by `stop`, or with the runtime.
    watchers: Vec<JoinHandle<()>>,
}

impl RunningLab {
    /// Starts everything; returns when all ports are open.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing runs then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn start(settings: LabSettings) -> Result<Self, StartError> {
        let ports = [(Profile::Java, settings.java_port), (Profile::Librdkafka, settings.librdkafka_port)];
        let mut listeners = Vec::new();
        for (profile, port) in ports {
            if settings.only.is_none_or(|only| only == profile) {
                listeners.push((profile, listen(&settings, profile, port).await?));
            }
        }
        let (broker, bootstrap) = match &settings.bootstrap {
            Some(bootstrap) => (None, bootstrap.clone()),
            None => {
                let broker =
                    EmbeddedBroker::start_with(EmbeddedSettings::of(&settings), settings.behaviour.clone())
                        .await
                        .map_err(StartError::Broker)?;
                let bootstrap = broker.bootstrap();
                (Some(broker), bootstrap)
            }
        };
        let handle = broker.as_ref().map(EmbeddedBroker::handle);
        let injector = match settings.injector {
            Some(own) => Some(
                LabInjector::start(&settings, own, broker.as_ref()).await.map_err(StartError::Injector)?,
            ),
            None => None,
        };
        // An address map is the other way onto a faulty path; both at once would be none.
        let through = injector.as_ref().filter(|_| settings.environment.address_map.is_none());
        let producers_bootstrap = through.map_or_else(|| bootstrap.clone(), LabInjector::bootstrap);
        let kafka = Kafka {
            broker: handle,
            injector: injector.as_ref().map(|injector| injector.injector().clone()),
            direct_bootstrap: bootstrap.clone(),
            bootstrap: producers_bootstrap.clone(),
        };
        let shared = Arc::new(Shared::new(&settings, kafka));
        let watchers = watch(&shared);
        let mut facades = Vec::new();
        let mut servers = Vec::new();
        for (profile, (listener, address)) in listeners {
            let producers =
                Producers::new(profile, producers_bootstrap.clone(), settings.environment.clone())
                    .observed_by(shared.observations.clone());
            for mode in [Mode::Plain, Mode::Idempotent] {
                producers.get(producers.standard(mode)).map_err(StartError::Producer)?;
            }
            let facade = Arc::new(Facade { profile, producers, shared: Arc::clone(&shared) });
            shared.metrics.watch(&facade);
            let patience = Patience { header: settings.header_timeout, write: settings.write_timeout };
            let router = router(Arc::clone(&facade));
            servers.push(Server::start_with(listener, address, router, patience));
            facades.push(facade);
        }
        open_desk(&settings, &facades, &servers, injector.as_ref());
        // Ends when every producer is ready, or with the lab: `stop` aborts it.
        let warm_up = tasks::spawn(warm_up(facades.clone()));
        Ok(Self { facades, servers, shared, broker, injector, bootstrap, warm_up, watchers })
    }

    /// Where a profile's façade listens.
    ///
    /// # Panics
    ///
    /// If [`LabSettings::only`] left this profile out; [`Self::served`] asks.
    #[allow(clippy::expect_used, reason = "a caller who left a profile out knows that it did")]
    pub fn address(&self, profile: Profile) -> SocketAddr {
        self.served(profile).expect("this profile was left out by LabSettings::only")
    }

    /// Where a profile's façade listens, if it is served.
    pub fn served(&self, profile: Profile) -> Option<SocketAddr> {
        let at = self.facades.iter().position(|facade| facade.profile == profile)?;
        self.servers.get(at).map(Server::address)
    }

    /// A profile's façade, for callers in this process: [`router`] answers for it without a socket.
    pub fn facade(&self, profile: Profile) -> Option<&Arc<Facade>> {
        self.facades.iter().find(|facade| facade.profile == profile)
    }

    /// Kafka, not through the injector.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The embedded broker, unless an outside Kafka is used.
    pub const fn broker(&self) -> Option<&EmbeddedBroker> {
        self.broker.as_ref()
    }

    /// The fault injector, unless the lab goes without.
    pub fn injector(&self) -> Option<&Injector> {
        self.injector.as_ref().map(LabInjector::injector)
    }

    /// The fault injector with its ports.
    pub const fn lab_injector(&self) -> Option<&LabInjector> {
        self.injector.as_ref()
    }

    /// The state that both ports share.
    pub const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Waits until the producers are ready.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only stops waiting.
    pub async fn ready(&mut self) {
        drop((&mut self.warm_up).await);
    }

    /// Drains and stops (spec 5): calls in flight have 5 s, then the producers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves records undelivered; their outcomes are lost.
    pub async fn stop(self) -> StopReport {
        self.shared.start_draining();
        self.warm_up.abort();
        for server in &self.servers {
            server.stop_accepting(CALLS_PATIENCE + PRODUCERS_PATIENCE + ANSWERS_PATIENCE);
        }
        calls_in_flight_end(&self.shared, CALLS_PATIENCE).await;
        let facades = self.facades.into_iter();
        // Ends within the producers' patience; joined below.
        let closing: Vec<_> = facades
            .map(|facade| tasks::spawn(async move { facade.producers.close(PRODUCERS_PATIENCE).await }))
            .collect();
        let mut records = CloseReport::default();
        for report in closing {
            let report = report.await.unwrap_or_default();
            records.acknowledged += report.acknowledged;
            records.rejected += report.rejected;
            records.unknown += report.unknown;
        }
        let mut all_calls_answered = true;
        for server in self.servers {
            all_calls_answered &= server.stopped().await;
        }
        if let Some(injector) = self.injector {
            injector.stop().await;
        }
        if let Some(broker) = self.broker {
            broker.stop().await;
        }
        self.watchers.iter().for_each(JoinHandle::abort);
        StopReport { records, all_calls_answered }
    }
}

/// Starts what brings events into the time line; `RunningLab::stop` ends it.
fn watch(shared: &Shared) -> Vec<JoinHandle<()>> {
    let timeline = &shared.timeline;
    let producers = timeline::watch::producers(Arc::clone(timeline), shared.observations.clone(), {
        let copies = Arc::clone(&shared.metrics.copies);
        move |observed| copies.observe(observed)
    });
    let mut watchers = vec![tasks::spawn(producers)];
    if let Some(broker) = &shared.broker {
        watchers.push(tasks::spawn(timeline::watch::broker(Arc::clone(timeline), broker.subscribe())));
        let copies = Arc::clone(&shared.metrics.copies);
        watchers.push(tasks::spawn(metrics::copies::hear(copies, broker.subscribe())));
    }
    if let Some(injector) = &shared.injector {
        watchers.push(tasks::spawn(timeline::watch::injector(Arc::clone(timeline), injector.subscribe())));
    }
    watchers
}

/// Waits until no send call holds a permit, or the patience is over: closing the producers would cut them short.
async fn calls_in_flight_end(shared: &Shared, patience: Duration) {
    let all = u32::try_from(shared.most_calls).unwrap_or(u32::MAX);
    drop(tokio::time::timeout(patience, shared.calls.acquire_many(all)).await);
}

async fn listen(
    settings: &LabSettings,
    profile: Profile,
    port: u16,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let address = SocketAddr::new(settings.listen, port);
    let failed = |source| StartError::Port { profile, address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Tells the labs where this lab is.
fn open_desk(
    settings: &LabSettings,
    facades: &[Arc<Facade>],
    servers: &[Server],
    injector: Option<&LabInjector>,
) {
    let Some(shared) = facades.first().map(|facade| &facade.shared) else { return };
    let url = |profile| {
        let at = facades.iter().position(|facade| facade.profile == profile);
        at.and_then(|at| servers.get(at)).map(|server| local_url(server.address())).unwrap_or_default()
    };
    let environment = &settings.environment;
    let target = LabTarget {
        java: url(Profile::Java),
        librdkafka: url(Profile::Librdkafka),
        toxiproxy: injector.map(|injector| local_url(injector.admin_address())).unwrap_or_default(),
        kafka: shared.direct_bootstrap.clone(),
    };
    let producers = ProducerFacts {
        bootstrap: shared.bootstrap.clone(),
        address_map: environment.address_map.clone(),
        request_timeout_ms: environment.answer_timeout_ms(Profile::Java),
        socket_timeout_ms: environment.answer_timeout_ms(Profile::Librdkafka),
        delivery_timeout_ms: environment.delivery_timeout_ms,
    };
    shared.labs.open(target, producers);
}

/// How this machine reaches a listener; one that is bound to all addresses is also bound to the loopback.
fn local_url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// Until every producer knows its cluster and is connected to the default topic's leaders.
async fn warm_up(facades: Vec<Arc<Facade>>) {
    for facade in &facades {
        for mode in [Mode::Plain, Mode::Idempotent] {
            facade.shared.set_check(ProbeCheck {
                name: check_name(facade, mode),
                ok: false,
                detail: "starting".to_owned(),
            });
        }
    }
    let warming: Vec<_> = facades
        .into_iter()
        .flat_map(|facade| [(Arc::clone(&facade), Mode::Plain), (facade, Mode::Idempotent)])
        .map(|(facade, mode)| tasks::spawn(warm_up_one(facade, mode)))
        .collect();
    for one in warming {
        drop(one.await);
    }
}

async fn warm_up_one(facade: Arc<Facade>, mode: Mode) {
    let name = check_name(&facade, mode);
    while !facade.shared.is_draining() {
        let outcome = ready(&facade, mode).await;
        let ok = outcome.is_ok();
        let detail = match outcome {
            Ok(detail) => detail,
            Err(error) => error.to_string(),
        };
        facade.shared.set_check(ProbeCheck { name: name.clone(), ok, detail });
        if ok {
            return;
        }
        tasks::sleep(Duration::from_millis(500)).await;
    }
}

async fn ready(facade: &Facade, mode: Mode) -> Result<String, Error> {
    let producer = facade.producers.get(facade.producers.standard(mode))?;
    producer.producer().ready(WARM_UP_PATIENCE).await?;
    // An outside Kafka may not have the course's topic yet; that is a caller's 404, not a reason to be out of service.
    let topic = &facade.shared.default_topic;
    Ok(match producer.topic(topic).await {
        Ok(_handle) => format!("metadata known; connected to the leaders of {topic}"),
        Err(error) => format!("metadata known; {error}"),
    })
}

fn check_name(facade: &Facade, mode: Mode) -> String {
    format!("producer {} {}", facade.profile, mode.name())
}

const CALL_MARGIN: Duration = Duration::from_secs(30);
const CALLS_PATIENCE: Duration = Duration::from_secs(5);
const PRODUCERS_PATIENCE: Duration = Duration::from_secs(5);
const ANSWERS_PATIENCE: Duration = Duration::from_secs(2);
const WARM_UP_PATIENCE: Duration = Duration::from_secs(5);
