//! What the injector did: one value per change and per fault, for timelines and logs.
//!
//! **Why it exists.** A student must see that the answer was lost here, on this connection, and not guess it from a
//! retry. A connection is named by the client's address, which is what the producer's observations call their local
//! address; a Kafka request also by its correlation id. That is how the façade joins the two (D-63).
//!
//! Neighbours: links and the collection make them and hand them to a bounded broadcast, whose slow subscribers lose the
//! oldest. Not here: joining them with what producer and broker saw.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::chaos::definition::Stream;

/// One thing that the injector did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChaosEvent {
    /// What happened.
    pub kind: ChaosEventKind,
    /// Milliseconds since the Unix epoch; 0 until the core publishes it, for those below without a clock.
    pub at_ms: i64,
    /// The proxy, if one is concerned.
    pub proxy: Option<Arc<str>>,
    /// The toxic, if one is concerned.
    pub toxic: Option<Arc<str>>,
    /// Which way, if one is concerned.
    pub stream: Option<Stream>,
    /// The connection, if one is concerned.
    pub connection: Option<Connection>,
    /// The Kafka request, if one is concerned and known.
    pub request: Option<Arc<KafkaRequest>>,
    /// How many bytes were concerned, if that says something.
    pub bytes: Option<u64>,
}

/// A connection through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Counted from 1 per proxy.
    pub number: u64,
    /// The client's address: what the client calls its local address.
    pub client: SocketAddr,
    /// The injector's address that the client dialled.
    pub listener: SocketAddr,
    /// The injector's own address towards the server, once it is connected.
    pub outgoing: Option<SocketAddr>,
    /// The server's address, once it is connected.
    pub server: Option<SocketAddr>,
}

/// A Kafka request, or the answer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaRequest {
    /// The API's number.
    pub api_key: i16,
    /// The version of the request.
    pub api_version: i16,
    /// What pairs request and answer on this connection.
    pub correlation_id: i32,
    /// The client's name, if it has one.
    pub client_id: Option<Arc<str>>,
    /// The topics that it names, where that was looked at.
    pub topics: Vec<Arc<str>>,
}

/// The kinds of event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChaosEventKind {
    /// A proxy was created.
    ProxyCreated {
        /// Where it listens, as text; what was asked for if it does not listen.
        listen: Arc<str>,
        /// Where it leads.
        upstream: Arc<str>,
    },
    /// A proxy was changed: listen address or upstream. Its connections were closed.
    ProxyChanged {
        /// Where it listens now.
        listen: Arc<str>,
        /// Where it leads now.
        upstream: Arc<str>,
    },
    /// A proxy listens again.
    ProxyEnabled,
    /// A proxy is down: it does not listen, and its connections were closed.
    ProxyDisabled,
    /// A proxy was deleted; its connections were closed.
    ProxyDeleted,
    /// A toxic was added.
    ToxicAdded {
        /// Its definition, in words.
        definition: Arc<str>,
    },
    /// A toxic was changed.
    ToxicChanged {
        /// Its definition from now on, in words.
        definition: Arc<str>,
    },
    /// A toxic was removed.
    ToxicRemoved,
    /// Every proxy was enabled and every toxic removed.
    Reset,
    /// A connection was accepted, and the server was dialled.
    ConnectionOpened,
    /// A connection was refused, or the server could not be dialled.
    ConnectionFailed {
        /// Why.
        why: Arc<str>,
    },
    /// A connection ended.
    ConnectionClosed {
        /// Why.
        why: Arc<str>,
    },
    /// A toxic acted.
    FaultFired {
        /// What it did, in words.
        what: Arc<str>,
    },
    /// Something worth knowing about a connection, such as that it is not Kafka.
    Noted {
        /// What, in words.
        what: Arc<str>,
    },
}

impl ChaosEventKind {
    /// The kind's name: lower case, words joined by underscores; stable, for timelines and filters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ProxyCreated { .. } => "proxy_created",
            Self::ProxyChanged { .. } => "proxy_changed",
            Self::ProxyEnabled => "proxy_enabled",
            Self::ProxyDisabled => "proxy_disabled",
            Self::ProxyDeleted => "proxy_deleted",
            Self::ToxicAdded { .. } => "toxic_added",
            Self::ToxicChanged { .. } => "toxic_changed",
            Self::ToxicRemoved => "toxic_removed",
            Self::Reset => "reset",
            Self::ConnectionOpened => "connection_opened",
            Self::ConnectionFailed { .. } => "connection_failed",
            Self::ConnectionClosed { .. } => "connection_closed",
            Self::FaultFired { .. } => "fault_fired",
            Self::Noted { .. } => "noted",
        }
    }
}

impl ChaosEvent {
    /// An event that concerns nothing in particular; the fields are set by the methods below.
    #[must_use]
    pub const fn new(kind: ChaosEventKind) -> Self {
        Self {
            kind,
            at_ms: 0,
            proxy: None,
            toxic: None,
            stream: None,
            connection: None,
            request: None,
            bytes: None,
        }
    }

    /// A toxic acted.
    pub fn fault(toxic: &Arc<str>, stream: Stream, what: impl Into<Arc<str>>) -> Self {
        Self::new(ChaosEventKind::FaultFired { what: what.into() }).by(toxic, stream)
    }

    /// Names the proxy.
    #[must_use]
    pub fn on(mut self, proxy: &Arc<str>) -> Self {
        self.proxy = Some(Arc::clone(proxy));
        self
    }

    /// Names the toxic and its direction.
    #[must_use]
    pub fn by(mut self, toxic: &Arc<str>, stream: Stream) -> Self {
        self.toxic = Some(Arc::clone(toxic));
        self.stream = Some(stream);
        self
    }

    /// Names the Kafka request.
    #[must_use]
    pub fn about(mut self, request: &Arc<KafkaRequest>) -> Self {
        self.request = Some(Arc::clone(request));
        self
    }

    /// Names the connection.
    #[must_use]
    pub const fn through(mut self, connection: Connection) -> Self {
        self.connection = Some(connection);
        self
    }

    /// Says how many bytes were concerned.
    #[must_use]
    pub const fn with_bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// The reason in words.
    #[must_use]
    pub fn reason(&self) -> String {
        match &self.kind {
            ChaosEventKind::ProxyCreated { listen, upstream } => {
                format!("listens on {listen} in front of {upstream}")
            }
            ChaosEventKind::ProxyChanged { listen, upstream } => {
                format!("now listens on {listen} in front of {upstream}; its connections were closed")
            }
            ChaosEventKind::ProxyEnabled => "listens again".to_owned(),
            ChaosEventKind::ProxyDisabled => {
                "is down: connections were closed, new ones are refused".to_owned()
            }
            ChaosEventKind::ProxyDeleted => "deleted; its connections were closed".to_owned(),
            ChaosEventKind::ToxicAdded { definition } => format!("added: {definition}"),
            ChaosEventKind::ToxicChanged { definition } => format!("changed: {definition}"),
            ChaosEventKind::ToxicRemoved => "removed".to_owned(),
            ChaosEventKind::Reset => "every proxy was enabled, every toxic removed".to_owned(),
            ChaosEventKind::ConnectionOpened => "connected to the server".to_owned(),
            ChaosEventKind::ConnectionFailed { why } | ChaosEventKind::ConnectionClosed { why } => {
                why.to_string()
            }
            ChaosEventKind::FaultFired { what } | ChaosEventKind::Noted { what } => what.to_string(),
        }
    }
}

impl fmt::Display for ChaosEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if let Some(proxy) = &self.proxy {
            write!(f, " {proxy}")?;
        }
        if let Some(toxic) = &self.toxic {
            write!(f, " {toxic}")?;
        }
        if let Some(connection) = &self.connection {
            write!(f, " connection {} of {}", connection.number, connection.client)?;
        }
        write!(f, ": {}", self.reason())
    }
}
