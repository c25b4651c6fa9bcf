//! Java's settings that this producer does not honour: those that mean nothing here, and those that are refused.
//!
//! **Why two lists (D-46).** A Java file should load, so what means nothing is accepted and said once. Whatever would
//! change where records go, who may read them or what is promised is never ignored: it is refused, with the reason.
//!
//! Neighbours: [`super::builder`] asks before it calls a name unknown. Not here: names that only other clients have.

/// A setting that is accepted and has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// The Java name; with a `*` at its end, every name that begins so.
    pub name: &'static str,
    /// Why it has no effect.
    pub reason: &'static str,
}

/// A setting that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The Java name; with a `*` at its end, every name that begins so.
    pub name: &'static str,
    /// Values that mean what is done here anyway, and pass.
    pub passes: &'static [&'static str],
    /// Why, and what to do instead.
    pub reason: &'static str,
}

impl Refused {
    /// Whether this value asks for nothing that is not done anyway.
    #[must_use]
    pub fn lets_pass(&self, value: &str) -> bool {
        self.passes.iter().any(|pass| pass.eq_ignore_ascii_case(value.trim()))
    }

    /// Whether it stands for all names with one beginning, passwords among them.
    #[must_use]
    pub fn is_family(&self) -> bool {
        self.name.ends_with('*')
    }
}

const SERIALIZER: &str = "keys and values are bytes; serialise before send()";
const METRICS: &str = "there is no JMX; read Producer::statistics() or the façade's /metrics";
const SCHEMAS: &str = "it configures a serialiser, and keys and values are bytes here";

/// Accepted without effect.
pub const ACCEPTED: &[Accepted] = &[
    Accepted { name: "key.serializer", reason: SERIALIZER },
    Accepted { name: "value.serializer", reason: SERIALIZER },
    Accepted { name: "key.serializer.*", reason: SERIALIZER },
    Accepted { name: "value.serializer.*", reason: SERIALIZER },
    Accepted { name: "schema.registry.*", reason: SCHEMAS },
    Accepted { name: "auto.register.schemas", reason: SCHEMAS },
    Accepted { name: "use.latest.version", reason: SCHEMAS },
    Accepted { name: "metric.reporters", reason: METRICS },
    Accepted { name: "metrics.*", reason: METRICS },
    Accepted { name: "auto.include.jmx.reporter", reason: METRICS },
    Accepted {
        name: "enable.metrics.push",
        reason: "client telemetry (KIP-714) is not sent, whatever is set",
    },
    Accepted { name: "client.rack", reason: "a producer writes to leaders, wherever they are" },
    Accepted {
        name: "transaction.timeout.ms",
        reason: "it concerns transactions only, and transactional.id is refused",
    },
];

const TLS: &str =
    "TLS is not built into this producer; put a TLS proxy in front, or use a PLAINTEXT listener";
const SASL: &str =
    "SASL is not built into this producer; use a listener without authentication, or a proxy that has it";
const TRANSACTIONS: &str = "transactions are not built into this producer; it is idempotent within one producer's life, see \
                            enable.idempotence";

/// Refused, with the reason.
pub const REFUSED: &[Refused] = &[
    Refused {
        name: "security.protocol",
        passes: &["PLAINTEXT"],
        reason: "only PLAINTEXT is built in; TLS and SASL are not, and falling back in silence would send records in clear",
    },
    Refused { name: "ssl.*", passes: &[], reason: TLS },
    Refused { name: "security.providers", passes: &["", "null"], reason: TLS },
    Refused { name: "sasl.*", passes: &[], reason: SASL },
    Refused { name: "transactional.id", passes: &[], reason: TRANSACTIONS },
    Refused { name: "transaction.two.phase.commit.enable", passes: &["false"], reason: TRANSACTIONS },
    Refused {
        name: "interceptor.classes",
        passes: &["", "null"],
        reason: "a Java class cannot run here; wrap send() in a function of your own",
    },
    Refused {
        name: "client.dns.lookup",
        passes: &["use_all_dns_ips"],
        reason: "all addresses of a name are tried, one after the other; canonical names are only of use to Kerberos, which \
                 is not built in",
    },
    Refused {
        name: "partitioner.rack.aware",
        passes: &["false"],
        reason: "rack-aware partitioning (KIP-1123) is not built in, and ignoring it would send records elsewhere; write a \
                 Partitioner of your own",
    },
    Refused {
        name: "config.providers",
        passes: &["", "null"],
        reason: "a Java class cannot run here; put the values in place before the settings are read",
    },
    Refused {
        name: "config.providers.*",
        passes: &[],
        reason: "a Java class cannot run here; put the values in place before the settings are read",
    },
];

/// The entry of a name that is accepted without effect.
#[must_use]
pub fn accepted(name: &str) -> Option<&'static Accepted> {
    ACCEPTED.iter().find(|entry| matches(entry.name, name))
}

/// The entry of a name that is refused.
#[must_use]
pub fn refused(name: &str) -> Option<&'static Refused> {
    REFUSED.iter().find(|entry| matches(entry.name, name))
}

/// All names of both lists that are whole names.
pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
    let accepted = ACCEPTED.iter().map(|entry| entry.name);
    accepted.chain(REFUSED.iter().map(|entry| entry.name)).filter(|name| !name.ends_with('*'))
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}
