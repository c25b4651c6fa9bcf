//! Brokers die, come back, stand still and change their address.
//!
//! **What a killed broker keeps.** Its log: the page cache outlives the process. Its producer table is read again from
//! snapshot and tail (E04). Neighbours: [`super::controller`] notices, [`super::faults`] asks. Not here: partitions.

use std::time::Duration;

use facteur::broker::producer_state_manager::ProducerStateManager;

use super::faults::ClusterFault;
use super::state::Timer;
use super::{Cluster, PRODUCERS_REMEMBERED, Turn};

impl Cluster {
    pub(super) fn apply_to_node(&mut self, fault: &ClusterFault, turn: &mut Turn<'_>) {
        let until = |ms: u64| turn.now + Duration::from_millis(ms);
        match *fault {
            ClusterFault::AllDown { ms } => {
                let back = until(ms);
                for node in 0..self.nodes.len() {
                    self.kill(node, turn);
                    let life = self.nodes[node].life;
                    self.set_timer(back, Timer::Started { node, life });
                }
            }
            ClusterFault::Kill { node }
            | ClusterFault::Restart { node }
            | ClusterFault::Shutdown { node }
            | ClusterFault::Pause { node }
            | ClusterFault::Resume { node }
            | ClusterFault::Isolate { node, .. }
            | ClusterFault::MoveAddress { node }
            | ClusterFault::Upgrade { node, .. }
            | ClusterFault::StaleMetadata { node, .. }
            | ClusterFault::RegressMetadata { node, .. }
            | ClusterFault::DiskFull { node, .. } => {
                let Some(node) = self.index(node) else { return };
                match *fault {
                    ClusterFault::Kill { .. } => self.kill(node, turn),
                    ClusterFault::Restart { .. } if !self.nodes[node].is_up => self.start(node, turn),
                    ClusterFault::Shutdown { .. } => self.shut_down(node, turn),
                    ClusterFault::Pause { .. } if self.nodes[node].is_up => {
                        self.nodes[node].is_paused = true;
                        self.will_be_missed(node, turn);
                    }
                    ClusterFault::Resume { .. } => self.resume(node, turn),
                    ClusterFault::Isolate { ms, .. } => {
                        self.nodes[node].isolated_until = until(ms);
                        self.set_timer(until(ms), Timer::Heard(node));
                        self.will_be_missed(node, turn);
                    }
                    ClusterFault::MoveAddress { .. } => {
                        let moved = &mut self.nodes[node];
                        moved.address += 1;
                        moved.host = format!("b{}-{}", node + 1, moved.address);
                        self.drop_connections(node, turn);
                    }
                    ClusterFault::Upgrade { produce_max, metadata_max, .. } => {
                        self.shut_down(node, turn);
                        self.nodes[node].produce_max = produce_max;
                        self.nodes[node].metadata_max = metadata_max;
                        self.start(node, turn);
                    }
                    ClusterFault::StaleMetadata { ms, .. } => self.nodes[node].stale_until = until(ms),
                    ClusterFault::RegressMetadata { ms, .. } => self.nodes[node].regressed_until = until(ms),
                    ClusterFault::DiskFull { ms, .. } => {
                        self.nodes[node].disk_full_until = until(ms);
                        self.set_timer(until(ms), Timer::Heard(node));
                        self.will_be_missed(node, turn);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// The controller will notice, unless the broker is back by then.
    fn will_be_missed(&mut self, node: usize, turn: &mut Turn<'_>) {
        let (low, high) = self.plan.session_ms;
        let at = turn.now + Duration::from_millis(turn.tape.between(low, high));
        let life = self.nodes[node].life;
        self.set_timer(at, Timer::SessionEnd { node, life });
    }

    pub(super) fn session_ended(&mut self, node: usize, life: u32, turn: &mut Turn<'_>) {
        let missed = &self.nodes[node];
        if missed.life == life && !missed.is_active(turn.now) {
            self.fence(node, turn);
        }
    }

    fn drop_connections(&mut self, node: usize, turn: &mut Turn<'_>) {
        for conn in 0..self.conns.len() {
            if self.conns[conn].node == node {
                self.close(conn, turn);
            }
        }
    }

    pub(super) fn kill(&mut self, node: usize, turn: &mut Turn<'_>) {
        if !self.nodes[node].is_up {
            return;
        }
        self.drop_connections(node, turn);
        let killed = &mut self.nodes[node];
        killed.is_up = false;
        killed.is_paused = false;
        killed.life += 1;
        killed.views.fill(None);
        killed.older_views.fill(None);
        killed.table = ProducerStateManager::new(self.plan.personality, PRODUCERS_REMEMBERED);
        for (id, epoch) in &self.given {
            killed.table.given(*id, *epoch);
        }
        for part in &mut self.parts {
            let replica = &mut part.replicas[node];
            replica.leads = None;
            replica.table_is_gone();
        }
        self.will_be_missed(node, turn);
    }

    fn shut_down(&mut self, node: usize, turn: &mut Turn<'_>) {
        if self.nodes[node].is_up {
            self.fence(node, turn);
            self.kill(node, turn);
        }
    }

    /// A broker starts: it listens when it has caught up with the controller.
    pub(super) fn start(&mut self, node: usize, turn: &mut Turn<'_>) {
        let life = self.nodes[node].life;
        let at = turn.now + Duration::from_millis(turn.tape.between(50, 2000));
        self.set_timer(at, Timer::Started { node, life });
    }

    pub(super) fn started(&mut self, node: usize, life: u32, turn: &mut Turn<'_>) {
        if self.nodes[node].life != life || self.nodes[node].is_up {
            return;
        }
        // The controller learns now, at the latest, that the last life is over.
        self.fence(node, turn);
        self.nodes[node].is_up = true;
        self.unfence(node, turn);
        for part in 0..self.parts.len() {
            let state = self.parts[part].state;
            self.learn(node, part, state, turn.now);
            self.want_round(part, turn);
        }
    }

    fn resume(&mut self, node: usize, turn: &mut Turn<'_>) {
        if self.nodes[node].is_paused {
            self.nodes[node].is_paused = false;
            let at = turn.now + Duration::from_millis(turn.tape.between(1, 500));
            self.set_timer(at, Timer::Heard(node));
        }
    }

    /// The controller hears a broker again.
    pub(super) fn heard(&mut self, node: usize, turn: &mut Turn<'_>) {
        if !self.nodes[node].is_active(turn.now) {
            return;
        }
        self.unfence(node, turn);
        for part in 0..self.parts.len() {
            self.want_round(part, turn);
        }
    }
}
