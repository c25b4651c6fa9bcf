//! Whom to ask: the broker for the next Metadata or InitProducerId.
//!
//! **Why not simply the least loaded one, as Java does.** A broker that is cut off from the others does not know it: it
//! goes on naming itself the leader, and a producer whose only connection leads there would hear the same until every
//! record's deadline (B07). So what was told is *doubted* when something fails after it, and then another broker is
//! asked; a connection to one is opened if there is none. Neighbours: `metadata` asks and learns, `producer_id` asks.
//! Not here: how connections are opened; `connections`.

use crate::config::HostPort;
use crate::engine::Engine;
use crate::identifiers::{ConnectionId, NodeId};

/// The broker that was asked last, and whether that has helped. By address: a bootstrap address and a node may be one.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    last: Option<HostPort>,
    is_doubted: bool,
}

impl Asked {
    pub(crate) fn ask(&mut self, address: Option<HostPort>) {
        *self = Self { last: address, is_doubted: false };
    }

    /// Something has failed since: another broker may know better.
    pub(crate) const fn doubt(&mut self) {
        self.is_doubted = true;
    }

    /// Whom to ask only if there is nobody else.
    pub(crate) fn avoided(&self) -> Option<HostPort> {
        self.last.clone().filter(|_| self.is_doubted)
    }
}

impl Engine {
    /// A ready connection, to another broker than `avoided` if there is one; opens one where there is none.
    pub(super) fn connection_to_ask(&mut self, avoided: Option<&HostPort>) -> Option<ConnectionId> {
        let best = self.least_loaded_connection(avoided);
        if best.is_none() {
            self.want_any_connection();
        }
        let best_node = best.and_then(|best| self.connections.get(&best)).map(|best| best.node);
        if let Some(avoided) = avoided
            && best_node.is_none_or(|node| self.is_at(node, Some(avoided)))
        {
            self.want_other_connection(avoided);
        }
        best
    }

    pub(super) fn address_of(&self, node: NodeId) -> Option<&HostPort> {
        self.cluster.node(node).map(|known| &known.address)
    }

    fn is_at(&self, node: NodeId, address: Option<&HostPort>) -> bool {
        address.is_some() && self.address_of(node) == address
    }

    /// The ready connection with the fewest open requests; to the avoided broker only if there is no other.
    fn least_loaded_connection(&self, avoided: Option<&HostPort>) -> Option<ConnectionId> {
        self.connections
            .values()
            .filter(|open| open.is_ready() && open.throttled_until <= self.now)
            .min_by_key(|open| {
                (self.is_at(open.node, avoided), open.in_flight.len(), open.node.0 < 0, open.id)
            })
            .map(|open| open.id)
    }

    /// Opens a connection to anybody: known brokers first, then the bootstrap addresses; the least failed first.
    fn want_any_connection(&mut self) {
        if self.connections.values().any(|open| open.in_flight.is_empty() || !open.is_ready()) {
            return;
        }
        self.cluster.look_beyond_lost_nodes(self.config.metadata_recovery);
        if let Some(node) = self.best_unconnected(None) {
            self.want_connection(node);
        }
    }

    /// Opens a connection to another broker, unless one is on its way.
    fn want_other_connection(&mut self, avoided: &HostPort) {
        let is_other = |node: NodeId| self.address_of(node).is_some_and(|address| address != avoided);
        if self.connections.values().any(|open| !open.is_ready() && is_other(open.node)) {
            return;
        }
        if let Some(node) = self.best_unconnected(Some(avoided)) {
            self.want_connection(node);
        }
    }

    fn best_unconnected(&self, avoided: Option<&HostPort>) -> Option<NodeId> {
        let now = self.now;
        self.cluster
            .nodes()
            .filter(|(_, node)| node.connection.is_none() && Some(&node.address) != avoided)
            .min_by_key(|(id, node)| (node.retry_at.max(now), node.failures, id.0 < 0, **id))
            .map(|(id, _)| *id)
    }

    /// Something says that what the cluster was told to be is wrong: asks again, and somebody else if possible.
    pub(super) fn doubt_metadata(&mut self) {
        self.cluster.asked.doubt();
        self.want_metadata();
    }
}
