//! The lanes that have something to send, in the order in which they came, by their leader.
//!
//! **Why one ordered set.** A producer may have sixty thousand lanes, and each of a node's requests serves as many of them
//! as fit: whoever is served must leave in no time, wherever it stands, and the walk along the line must be able to end
//! early. Neighbours: `sender` walks along it. Not here: what a lane wants.

use std::collections::BTreeSet;

use crate::identifiers::{LaneId, NodeId};

/// A lane's place in its leader's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReadyPlace {
    pub(crate) node: NodeId,
    ticket: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ReadyLanes {
    lanes: BTreeSet<(ReadyPlace, LaneId)>,
    next_ticket: u64,
}

impl ReadyLanes {
    /// A place at the end of the node's line.
    pub(super) fn enter(&mut self, lane: LaneId, node: NodeId) -> ReadyPlace {
        let place = ReadyPlace { node, ticket: self.next_ticket };
        self.next_ticket += 1;
        self.lanes.insert((place, lane));
        place
    }

    /// The lane gives up its place.
    pub(super) fn leave(&mut self, lane: LaneId, place: ReadyPlace) {
        self.lanes.remove(&(place, lane));
    }

    /// The first node behind this one, or of all, for which lanes are ready.
    pub(super) fn node_after(&self, node: Option<NodeId>) -> Option<NodeId> {
        let first = match node {
            None => self.lanes.first(),
            Some(node) => {
                self.lanes.range((ReadyPlace { node, ticket: u64::MAX }, LaneId(u32::MAX))..).next()
            }
        };
        first.map(|(place, _)| place.node)
    }

    /// The node's line.
    pub(super) fn line(&self, node: NodeId) -> impl DoubleEndedIterator<Item = LaneId> + '_ {
        let first = (ReadyPlace { node, ticket: 0 }, LaneId(0));
        let last = (ReadyPlace { node, ticket: u64::MAX }, LaneId(u32::MAX));
        self.lanes.range(first..last).map(|(_, lane)| *lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A line is served from its front, and whoever was served stands at its end again. Fails if a lane's number decides.
    #[test]
    fn lanes_stand_in_the_order_in_which_they_came() {
        let mut ready = ReadyLanes::default();
        let third = ready.enter(LaneId(3), NodeId(1));
        let _other = ready.enter(LaneId(9), NodeId(2));
        ready.enter(LaneId(1), NodeId(1));
        ready.leave(LaneId(3), third);
        ready.enter(LaneId(3), NodeId(1));
        assert_eq!(ready.line(NodeId(1)).collect::<Vec<_>>(), [LaneId(1), LaneId(3)]);
        assert_eq!(ready.line(NodeId(2)).collect::<Vec<_>>(), [LaneId(9)]);
    }

    // Fails if a node without lanes is named, or one is left out.
    #[test]
    fn only_nodes_with_lanes_are_named() {
        let mut ready = ReadyLanes::default();
        let places = [1, 2, 7].map(|node| ready.enter(LaneId(0), NodeId(node)));
        ready.leave(LaneId(0), places[1]);
        assert_eq!(ready.node_after(None), Some(NodeId(1)));
        assert_eq!(ready.node_after(Some(NodeId(1))), Some(NodeId(7)));
        assert_eq!(ready.node_after(Some(NodeId(7))), None);
    }
}
