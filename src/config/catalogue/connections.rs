//! Settings about brokers: where they are, how they are connected to, how the cluster is looked at. Neighbours and
//! purpose: see [`super`].

use super::define_settings;
use crate::config::MetadataRecovery;
use crate::config::setting::{INT_MAX, Kind};
use std::time::Duration;

define_settings! {
    "bootstrap.servers" bootstrap_servers(&str) = "", Kind::Servers;
    "The brokers to ask first, `host:port` separated by commas; `[::1]:9092` for IPv6. Two or three of them are enough for any cluster."
    kip "none"
    raise "nothing."
    lower "one that is down at the start, or at a rebootstrap, keeps the producer away."
    touch "always: it has no default."

    "client.id" client_id(&str) = "", Kind::Text;
    "The name under which brokers log this producer and count its quotas; empty becomes `producer-<n>`."
    kip "none"
    raise "no order in it."
    lower "no order in it."
    touch "always in production: name the application."

    "connections.max.idle.ms" connections_max_idle(Option<Duration>) = "540000", Kind::Millis { min: -1, max: i64::MAX };
    "A connection without traffic for this long is closed; -1 (`None`) never. Brokers close after 10 minutes by themselves."
    kip "none"
    raise "above the broker's limit, the broker closes instead: a request may then meet a dead connection."
    lower "rare sends pay for a new connection."
    touch "a firewall forgets connections sooner."

    "reconnect.backoff.ms" reconnect_backoff(Duration) = "50", Kind::Millis { min: 0, max: i64::MAX };
    "The first pause before a broker is dialled again; it doubles, with 20 % of jitter, up to `reconnect.backoff.max.ms`. Given alone, it is constant."
    kip "KIP-144"
    raise "a broker that restarts is used again later."
    lower "more connection attempts while it is away."
    touch "rarely."

    "reconnect.backoff.max.ms" reconnect_backoff_max(Duration) = "1000", Kind::Millis { min: 0, max: i64::MAX };
    "The longest pause before a broker is dialled again."
    kip "KIP-144"
    raise "a broker that comes back is noticed later."
    lower "more connection attempts while it is away."
    touch "very many clients wait for one broker."

    "socket.connection.setup.timeout.ms" connection_setup_timeout(Duration) = "10000", Kind::Millis { min: 0, max: i64::MAX };
    "How long a connection may take to be made; it doubles per failure, with 20 % of jitter, up to the maximum below."
    kip "KIP-601"
    raise "an address that swallows packets is given up later."
    lower "a slow network never connects."
    touch "broker addresses may be unreachable and others must be tried soon."

    "socket.connection.setup.timeout.max.ms" connection_setup_timeout_max(Duration) = "30000", Kind::Millis { min: 0, max: i64::MAX };
    "The longest time a connection may take to be made, after failures."
    kip "KIP-601"
    raise "as above, after failures."
    lower "as above, after failures."
    touch "rarely."

    "send.buffer.bytes" send_buffer_bytes(Option<usize>) = "131072", Kind::Bytes { min: -1, max: INT_MAX };
    "The socket's send buffer; -1 (`None`) leaves it to the operating system."
    kip "none"
    raise "memory in the kernel; more bytes on their way over long lines."
    lower "throughput over long lines."
    touch "bandwidth times round trip is more than 128 KiB: then -1."

    "receive.buffer.bytes" receive_buffer_bytes(Option<usize>) = "32768", Kind::Bytes { min: -1, max: INT_MAX };
    "The socket's receive buffer; -1 (`None`) leaves it to the operating system."
    kip "none"
    raise "memory in the kernel; a producer receives little."
    lower "nothing but metadata of huge clusters is slower."
    touch "never, as a rule."

    "metadata.max.age.ms" metadata_max_age(Duration) = "300000", Kind::Millis { min: 0, max: i64::MAX };
    "Metadata is asked for anew after this long even if nothing went wrong: that is how new partitions are found."
    kip "none"
    raise "new partitions are found later."
    lower "more metadata requests."
    touch "partitions are added and must be used soon."

    "metadata.max.idle.ms" metadata_max_idle(Duration) = "300000", Kind::Millis { min: 5000, max: i64::MAX };
    "A topic without sends for this long is no longer asked for; its next send waits for metadata again."
    kip "KIP-526"
    raise "metadata of topics that nobody uses."
    lower "rare sends wait for metadata."
    touch "many topics are written to rarely."

    "metadata.recovery.strategy" metadata_recovery(MetadataRecovery) = "rebootstrap", Kind::OneOf(&["none", "rebootstrap"]);
    "What to do when none of the known brokers answers: `rebootstrap` asks the bootstrap servers again, `none` keeps trying the known ones."
    kip "KIP-899, KIP-1102"
    raise "no order in it."
    lower "with `none`, a cluster whose brokers all changed address is lost."
    touch "never, as a rule."

    "metadata.recovery.rebootstrap.trigger.ms" rebootstrap_trigger(Duration) = "300000", Kind::Millis { min: 0, max: INT_MAX };
    "After this long without any metadata answer the bootstrap servers are asked again."
    kip "KIP-1102"
    raise "a cluster that moved is found later."
    lower "a short outage already makes it forget the brokers it knows."
    touch "clusters are moved under the same bootstrap name."
}
