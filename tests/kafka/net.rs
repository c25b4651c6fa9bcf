//! Links between nodes, and between a node and the client, that can be cut: one way or both, without a word.
//!
//! **Why by neighbour entries.** `scripts/kafka-net.sh` puts each node into a network namespace of its own. A cut link is
//! a neighbour entry that leads to a hardware address nobody has: packets leave and never arrive, no error comes back,
//! and the other direction still works. It needs no packet filter, which many kernels for containers lack. Neighbours:
//! [`crate::cluster`] places its nodes by [`Net::found`]. Not here: faults inside a connection; the injector has those.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

/// The variable by which the script hands over the prefix of the namespaces' names.
const PREFIX_VARIABLE: &str = "FACTEUR_KAFKA_NET";
/// Locally administered, and nobody's.
const NOBODY: &str = "02:00:00:00:00:01";

/// One end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The namespace of the test itself.
    Client,
    /// A node, by its id.
    Node(i32),
}

/// The namespaces that the script has made.
#[derive(Debug, Clone)]
pub struct Net {
    prefix: String,
}

impl Net {
    /// The namespaces, if this process was started beside some.
    pub fn found() -> Option<Self> {
        std::env::var(PREFIX_VARIABLE).ok().filter(|prefix| !prefix.is_empty()).map(|prefix| Self { prefix })
    }

    /// The namespace in which a node lives.
    pub fn namespace(&self, id: i32) -> String {
        format!("{}-{id}", self.prefix)
    }

    /// A node's address.
    pub fn host(id: i32) -> IpAddr {
        let last = u8::try_from(id).expect("nodes are numbered from 1");
        IpAddr::V4(Ipv4Addr::new(10, 213, 0, last))
    }

    /// From now on nothing that `from` sends arrives at `to`.
    pub fn cut(&self, from: End, to: End) {
        let (namespace, device) = self.place(from);
        let address = address_of(to);
        let entry = ["neigh", "replace", &address, "lladdr", NOBODY, "dev", device, "nud", "permanent"];
        assert!(ip(&namespace, &entry), "the link from {from:?} to {to:?} can be cut");
    }

    /// Both ways.
    pub fn cut_both(&self, one: End, other: End) {
        self.cut(one, other);
        self.cut(other, one);
    }

    /// All links work again.
    pub fn mend_all(&self, nodes: i32) {
        let ends: Vec<End> = std::iter::once(End::Client).chain((1..=nodes).map(End::Node)).collect();
        for from in &ends {
            let (namespace, device) = self.place(*from);
            let _was_cut = ip(&namespace, &["neigh", "flush", "dev", device, "nud", "permanent"]);
        }
    }

    fn place(&self, end: End) -> (String, &'static str) {
        match end {
            End::Client => (format!("{}-hub", self.prefix), "br0"),
            End::Node(id) => (self.namespace(id), "eth0"),
        }
    }
}

fn address_of(end: End) -> String {
    match end {
        End::Client => Net::host(254).to_string(),
        End::Node(id) => Net::host(id).to_string(),
    }
}

fn ip(namespace: &str, arguments: &[&str]) -> bool {
    let output = Command::new("ip").args(["-n", namespace]).args(arguments).output();
    output.expect("ip can be run").status.success()
}
