//! The cluster as it is known: nodes, topics, leaders; when to ask anew, and whom.
//!
//! **Why old news is refused.** Brokers learn of a leader change at different times; an answer with a lower leader epoch
//! than the one cached is older and ignored (5.5). And a lane outlives its topic's absence from an answer: forgetting its
//! sequences would make a broker take new records for old ones (K9, librdkafka 1.9.0).
//!
//! Neighbours: `connections` asks and reads, `sender` follows the leaders. Not here: choosing partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{HostPort, MetadataRecovery};
use crate::engine::action::PartitionView;
use crate::engine::asked_brokers::Asked;
use crate::engine::connection_states::Node;
use crate::engine::in_flight_requests::{InFlight, RequestKind};
use crate::engine::lane::{Lane, OlderNews, Reset};
use crate::engine::timers::Timer;
use crate::engine::{Action, Engine, Observation};
use crate::error::ErrorCode;
use crate::identifiers::{ConnectionId, LaneId, NodeId, TopicId};
use crate::mutants::{self, Mark, Mutant, Nudge};
use crate::time::Instant;
use crate::wire::api::ApiKey;
use crate::wire::api::metadata::{Broker, MetadataResponse, Topic, encode_request};
use crate::wire::api::produce::PartitionAnswer;

/// So many requests for new topics may be ahead of the pace of one per backoff: what an application that begins asks for one
/// after the other.
const REQUESTS_AT_ONCE: u32 = 10;

/// What is known of a topic.
#[derive(Debug)]
struct TopicState {
    id: TopicId,
    lanes: Vec<LaneId>,
    last_used: Instant,
    /// Somebody waits for an answer about it.
    is_wanted: bool,
}

/// Nodes and topics.
#[derive(Debug)]
pub(crate) struct Cluster {
    bootstrap: Vec<HostPort>,
    nodes: BTreeMap<NodeId, Node>,
    topics: BTreeMap<Arc<str>, TopicState>,
    is_known: bool,
    refresh: Refresh,
    /// Who answered the last request for metadata.
    pub(super) asked: Asked,
    /// Who answered the last request for a producer id.
    pub(super) asked_for_id: Asked,
}

/// When to ask.
#[derive(Debug, Default)]
struct Refresh {
    is_wanted: bool,
    is_in_flight: bool,
    not_before: Instant,
    failures: u32,
    last_success: Instant,
    first_failure: Option<Instant>,
    wake_at: Option<Instant>,
    /// When all requests so far would have been due, had each left a backoff to the next (C23).
    paced_until: Instant,
}

impl Cluster {
    pub(crate) fn new(bootstrap: &[HostPort]) -> Self {
        let mut cluster = Self {
            bootstrap: bootstrap.to_vec(),
            nodes: BTreeMap::new(),
            topics: BTreeMap::new(),
            is_known: false,
            refresh: Refresh { is_wanted: true, ..Refresh::default() },
            asked: Asked::default(),
            asked_for_id: Asked::default(),
        };
        cluster.add_bootstrap();
        cluster
    }

    /// Bootstrap addresses are nodes with negative ids until the cluster tells its own.
    fn add_bootstrap(&mut self) {
        for (id, address) in (1..).zip(&self.bootstrap) {
            self.nodes.entry(NodeId(-id)).or_insert_with(|| Node::new(address.clone()));
        }
    }

    pub(crate) fn node(&self, node: NodeId) -> Option<&Node> {
        self.nodes.get(&node)
    }

    pub(crate) fn node_mut(&mut self, node: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(&node)
    }

    pub(crate) fn topic_id(&self, topic: &Arc<str>) -> TopicId {
        self.topics.get(topic).map_or(TopicId::ZERO, |state| state.id)
    }

    pub(crate) const fn is_known(&self) -> bool {
        self.is_known
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&NodeId, &Node)> {
        self.nodes.iter()
    }

    /// When nobody can be reached, the bootstrap addresses are tried again (KIP-899).
    pub(crate) fn look_beyond_lost_nodes(&mut self, recovery: MetadataRecovery) {
        let is_lost = self.nodes.values().all(|node| node.failures > 0 && node.connection.is_none());
        if is_lost && (recovery == MetadataRecovery::Rebootstrap || !self.is_known) {
            self.add_bootstrap();
        }
    }
}

impl Engine {
    pub(super) fn want_topic(&mut self, topic: &Arc<str>) {
        let now = self.now;
        let is_new = !self.cluster.topics.contains_key(topic);
        let state = self.cluster.topics.entry(Arc::clone(topic)).or_insert_with(|| TopicState {
            id: TopicId::ZERO,
            lanes: Vec::new(),
            last_used: now,
            is_wanted: true,
        });
        state.is_wanted = true;
        state.last_used = now;
        self.cluster.refresh.is_wanted = true;
        // Only once per topic, as in Java: a sender that asks again after each answer must not cancel the backoff (Q16).
        if is_new {
            self.bring_refresh_forward();
        }
        self.metadata_timer();
    }

    /// A new topic is asked for at once (M3), and so are some more, each for itself. Beyond that they are asked for together,
    /// one backoff after the other: ten thousand new names must not be ten thousand requests (C23).
    fn bring_refresh_forward(&mut self) {
        let refresh = &mut self.cluster.refresh;
        let at = self.now.max(refresh.paced_until - self.config.retry_backoff * REQUESTS_AT_ONCE);
        if at < refresh.not_before || refresh.not_before <= self.now {
            refresh.not_before = at;
        }
    }

    pub(super) fn want_metadata(&mut self) {
        self.cluster.refresh.is_wanted = true;
        self.metadata_timer();
    }

    /// A lane has data and no leader: asked for, no faster than the backoff allows.
    pub(super) fn want_metadata_for_leader(&mut self) {
        if !self.cluster.refresh.is_wanted {
            self.doubt_metadata();
        }
    }

    /// Something of the cluster is to be tried again at `at`.
    pub(super) fn wake_cluster_at(&mut self, at: Instant) {
        let refresh = &mut self.cluster.refresh;
        refresh.wake_at = Some(refresh.wake_at.map_or(at, |before| before.min(at)));
        self.arm_metadata();
    }

    fn arm_metadata(&mut self) {
        let refresh = &self.cluster.refresh;
        let soon = Instant::from_nanos(self.now.as_nanos().saturating_add(1));
        let mut at = Instant::NEVER;
        if !refresh.is_in_flight && !refresh.is_wanted {
            at = (refresh.last_success + self.config.metadata_max_age).max(soon);
        } else if !refresh.is_in_flight && refresh.not_before > self.now {
            at = refresh.not_before;
        }
        // Otherwise an answer, a connection or the end of a backoff comes first: a timer would only spin.
        if let Some(wake) = refresh.wake_at {
            at = at.min(wake.max(soon));
        }
        self.timers.set(Timer::Metadata, at);
    }

    /// Asks if it is time and somebody can be asked; nodes whose backoff is over are looked at again.
    pub(super) fn metadata_timer(&mut self) {
        let now = self.now;
        if self.cluster.refresh.wake_at.is_some_and(|at| at <= now) {
            self.cluster.refresh.wake_at = None;
            self.touch_all();
            if !self.producer_id.is_enabled() || self.producer_id.current().is_none() {
                self.request_producer_id();
            }
        }
        if self.cluster.refresh.last_success + self.config.metadata_max_age <= now {
            self.cluster.refresh.is_wanted = true;
        }
        let refresh = &self.cluster.refresh;
        if refresh.is_wanted && !refresh.is_in_flight && refresh.not_before <= now {
            let avoided = self.cluster.asked.avoided();
            match self.connection_to_ask(avoided.as_ref()) {
                Some(_) if mutants::buggify(Nudge::DropRefresh) => {
                    self.cluster.refresh.is_wanted = false;
                    self.metadata_failed();
                }
                Some(connection) => self.ask_metadata(connection),
                None => {}
            }
        }
        self.arm_metadata();
    }

    fn ask_metadata(&mut self, connection: ConnectionId) {
        let now = self.now;
        let idle = self.config.metadata_max_idle;
        let lanes = &self.lanes;
        let is_busy = |state: &TopicState| {
            state.lanes.iter().any(|lane| {
                lanes.get(lane.index()).is_some_and(|lane| !lane.is_idle() || lane.last_used + idle > now)
            })
        };
        let topics: Vec<Arc<str>> = self
            .cluster
            .topics
            .iter()
            .filter(|(_, state)| state.is_wanted || state.last_used + idle > now || is_busy(state))
            .map(|(topic, _)| Arc::clone(topic))
            .collect();
        let Some(open) = self.connections.get_mut(&connection) else { return };
        let Some(version) = open.version(ApiKey::Metadata) else {
            self.close_connection(connection, "the broker speaks no version of Metadata that we do");
            return;
        };
        let correlation_id = open.correlation_id();
        let names: Vec<&str> = topics.iter().map(|topic| &**topic).collect();
        let frame = encode_request(
            version,
            correlation_id,
            &self.config.client_id,
            Some(&names),
            self.config.allow_auto_create_topics,
        );
        let node = open.node;
        let address = self.address_of(node).cloned();
        self.cluster.asked.ask(address);
        self.cluster.refresh.is_wanted = false;
        self.cluster.refresh.is_in_flight = true;
        self.cluster.refresh.paced_until =
            self.cluster.refresh.paced_until.max(now) + self.config.retry_backoff;
        self.stats.metadata_requests += 1;
        let request = InFlight {
            correlation_id,
            version,
            kind: RequestKind::Metadata,
            sent_at: now,
            written_at: None,
            expects_answer: true,
        };
        self.hand_over(connection, request, vec![frame]);
    }

    pub(super) fn metadata_failed(&mut self) {
        let now = self.now;
        let wait = self.retry_backoff.after(self.cluster.refresh.failures, &mut self.random);
        self.cluster.asked.doubt();
        let refresh = &mut self.cluster.refresh;
        refresh.is_in_flight = false;
        refresh.is_wanted = true;
        refresh.failures = refresh.failures.saturating_add(1);
        refresh.not_before = now + wait;
        let since = *refresh.first_failure.get_or_insert(now);
        if self.config.metadata_recovery == MetadataRecovery::Rebootstrap
            && now.since(since) >= self.config.rebootstrap_trigger
        {
            self.rebootstrap();
        }
        self.arm_metadata();
    }

    /// KIP-899, KIP-1102: the bootstrap addresses are tried again, beside what is known.
    fn rebootstrap(&mut self) {
        mutants::mark(Mark::Rebootstrap);
        self.cluster.refresh.first_failure = None;
        self.cluster.add_bootstrap();
    }

    pub(super) fn metadata_answered(&mut self, response: &MetadataResponse) {
        if !response.error.is_none() || response.brokers.is_empty() {
            self.obstacle(format!(
                "Metadata was answered {} with {} brokers",
                response.error,
                response.brokers.len()
            ));
            if response.error == ErrorCode::REBOOTSTRAP_REQUIRED {
                self.rebootstrap();
            }
            self.metadata_failed();
            return;
        }
        self.learn_nodes(&response.brokers);
        let mut is_complete = true;
        for topic in &response.topics {
            is_complete &= self.learn_topic(topic);
        }
        is_complete &= !self.lanes.iter().any(|lane| !lane.is_idle() && self.has_no_leader(lane));
        let (brokers, topics) = (response.brokers.len(), response.topics.len());
        self.observe(|| Observation::MetadataUpdated { brokers, topics });
        let now = self.now;
        let failures = self.cluster.refresh.failures;
        let wait = self.retry_backoff.after(failures, &mut self.random);
        let refresh = &mut self.cluster.refresh;
        refresh.is_in_flight = false;
        refresh.last_success = now;
        refresh.first_failure = None;
        // An answer that leaves something open is asked again, slower each time, and of another broker.
        refresh.failures = if is_complete { 0 } else { failures.saturating_add(1) };
        refresh.not_before = now + wait;
        refresh.is_wanted |= !is_complete;
        if !is_complete {
            self.cluster.asked.doubt();
        }
        self.cluster.is_known = true;
        self.check_ready();
        self.request_producer_id();
        self.arm_metadata();
    }

    /// No broker to send to: none was ever told, the last answer told none, or left its node out.
    fn has_no_leader(&self, lane: &Lane) -> bool {
        lane.leader.is_none_or(|leader| !self.cluster.nodes.contains_key(&leader))
    }

    fn learn_nodes(&mut self, brokers: &[Broker]) {
        let mut moved = Vec::new();
        for broker in brokers {
            let address = HostPort { host: broker.host.clone(), port: broker.port };
            match self.cluster.nodes.get_mut(&broker.node) {
                Some(known) if known.address == address => {}
                Some(known) => {
                    known.address = address;
                    known.failures = 0;
                    known.retry_at = Instant::ZERO;
                    mutants::mark(Mark::AddressChanged);
                    moved.extend(known.connection);
                }
                None => {
                    self.cluster.nodes.insert(broker.node, Node::new(address));
                }
            }
        }
        for connection in moved {
            self.close_connection(connection, "the broker's address has changed");
        }
        let gone: Vec<NodeId> = self
            .cluster
            .nodes
            .iter()
            .filter(|(id, node)| {
                node.connection.is_none() && (id.0 < 0 || !brokers.iter().any(|broker| broker.node == **id))
            })
            .map(|(id, _)| *id)
            .collect();
        for node in gone {
            self.cluster.nodes.remove(&node);
        }
    }

    /// False if something about the topic is still open.
    fn learn_topic(&mut self, topic: &Topic) -> bool {
        let Some((name, state)) = self.cluster.topics.get_key_value(topic.name.as_str()) else { return true };
        let name = Arc::clone(name);
        let was_wanted = state.is_wanted;
        let is_final = matches!(topic.error.0, 17 | 29);
        if !topic.error.is_none() && topic.partitions.is_empty() {
            let has_lanes = !state.lanes.is_empty();
            if has_lanes {
                mutants::mark(Mark::TopicVanished);
            }
            if was_wanted || is_final {
                self.actions
                    .push_back(Action::TopicUpdated { topic: Arc::clone(&name), result: Err(topic.error) });
            }
            if mutants::is_on(Mutant::K9) && topic.error == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
                self.forget_sequences(&name);
            }
            if is_final && let Some(state) = self.cluster.topics.get_mut(&name) {
                state.is_wanted = false;
            }
            return is_final && !has_lanes;
        }
        if topic.partitions.is_empty() {
            // A topic has at least one partition: this broker knows nothing of it yet (B23).
            return false;
        }
        self.check_recreated(&name, topic.id);
        let is_complete = self.learn_partitions(&name, topic);
        let lanes = self.cluster.topics.get(&name).map(|state| state.lanes.clone()).unwrap_or_default();
        let views = lanes
            .iter()
            .map(|lane| PartitionView { lane: *lane, has_leader: self.lanes[lane.index()].leader.is_some() })
            .collect();
        self.actions.push_back(Action::TopicUpdated { topic: Arc::clone(&name), result: Ok(views) });
        if let Some(state) = self.cluster.topics.get_mut(&name) {
            state.is_wanted = false;
        }
        if was_wanted {
            // Somebody is about to send: the connections to the leaders are opened now.
            let leaders: Vec<NodeId> =
                lanes.iter().filter_map(|lane| self.lanes[lane.index()].leader).collect();
            for leader in leaders {
                self.want_connection(leader);
            }
        }
        is_complete
    }

    fn learn_partitions(&mut self, name: &Arc<str>, topic: &Topic) -> bool {
        let mut partitions: Vec<_> = topic.partitions.iter().filter(|part| part.partition >= 0).collect();
        partitions.sort_unstable_by_key(|part| part.partition);
        let mut is_complete = true;
        for part in partitions {
            let Ok(index) = usize::try_from(part.partition) else { continue };
            let known = self.cluster.topics.get(name).map_or(0, |state| state.lanes.len());
            if index > known {
                // A hole in the list: the answer is from a broker that lags behind.
                is_complete = false;
                continue;
            }
            if index == known {
                let lane = super::lane_id(self.lanes.len());
                let mut new = Lane::new(Arc::clone(name), part.partition, self.now);
                new.sequences.prime(self.first_sequence);
                self.lanes.push(new);
                if let Some(state) = self.cluster.topics.get_mut(name) {
                    state.lanes.push(lane);
                }
            }
            let Some(lane) = self.cluster.topics.get(name).and_then(|state| state.lanes.get(index)).copied()
            else {
                continue;
            };
            let leader = part.leader.filter(|leader| self.cluster.nodes.contains_key(leader));
            let is_settled = self.settle_older_news(lane, leader, part.leader_epoch, topic.id);
            self.learn_leader(lane, leader, part.leader_epoch);
            is_complete &= leader.is_some() && is_settled;
        }
        is_complete
    }

    /// B22: an epoch below the known one is old news, until five refreshes in a row agree on it. Without topic ids it is
    /// then the only sign of a recreation (D-40). False while it is still to be confirmed.
    fn settle_older_news(
        &mut self,
        lane: LaneId,
        leader: Option<NodeId>,
        epoch: Option<i32>,
        id: TopicId,
    ) -> bool {
        let state = &mut self.lanes[lane.index()];
        let Some(epoch) = epoch.filter(|epoch| *epoch < state.leader_epoch) else {
            state.older_news = OlderNews::default();
            return true;
        };
        if !state.older_news.is_confirmed_by(leader, epoch) {
            mutants::mark(Mark::OlderNewsIgnored);
            return false;
        }
        mutants::mark(Mark::OlderNewsBelieved);
        state.older_news = OlderNews::default();
        state.leader_epoch = -1;
        if !id.is_known() {
            self.reset_recreated(lane);
        }
        true
    }

    /// Applies a leader unless the news is older than what is known; absent epochs are taken as they come (M5).
    fn learn_leader(&mut self, lane: LaneId, leader: Option<NodeId>, epoch: Option<i32>) {
        let state = &mut self.lanes[lane.index()];
        if epoch.is_some_and(|epoch| epoch < state.leader_epoch) {
            return;
        }
        let epoch = epoch.unwrap_or(-1);
        if state.leader == leader && state.leader_epoch == epoch {
            return;
        }
        if epoch > state.leader_epoch || state.leader != leader {
            // A new leader has not been failed by yet: no backoff, once (A7).
            state.backoff_until = Instant::ZERO;
            state.travels_alone = false;
        }
        state.leader = leader;
        state.leader_epoch = epoch;
        let (topic, partition) = (Arc::clone(&state.topic), state.partition);
        self.touch(lane);
        self.observe(|| Observation::LeaderChanged { topic, partition, leader, leader_epoch: epoch });
    }

    /// D-40: another topic under the same name. Its log knows nothing of ours.
    fn check_recreated(&mut self, name: &Arc<str>, id: TopicId) {
        let Some(state) = self.cluster.topics.get_mut(name) else { return };
        let is_recreated = state.id.is_known() && id.is_known() && state.id != id;
        if id.is_known() {
            state.id = id;
        }
        if !is_recreated {
            return;
        }
        mutants::mark(Mark::Recreated);
        for lane in state.lanes.clone() {
            self.lanes[lane.index()].leader_epoch = -1;
            self.reset_recreated(lane);
        }
    }

    /// The lane's log is another one. Without idempotence there is no identity to change, but doubt to be settled.
    fn reset_recreated(&mut self, lane: LaneId) {
        let state = &mut self.lanes[lane.index()];
        state.log_end = None;
        if state.sequences.identity().is_some() || !state.window.is_empty() {
            state.ask_reset(Reset::because("the topic was deleted and created again").for_recreated_topic());
        }
        self.touch(lane);
    }

    /// KIP-951: the answer names the new leader. Applied only if it is newer and its node is known or told; true then.
    pub(super) fn apply_leader_hint(
        &mut self,
        lane: LaneId,
        answer: &PartitionAnswer,
        endpoints: &[Broker],
    ) -> bool {
        let is_hint =
            matches!(answer.error, ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::FENCED_LEADER_EPOCH);
        let Some((leader, epoch)) =
            answer.current_leader.filter(|(leader, epoch)| is_hint && leader.0 >= 0 && *epoch >= 0)
        else {
            return false;
        };
        if epoch <= self.lanes[lane.index()].leader_epoch {
            mutants::mark(Mark::HintRefused);
            return false;
        }
        if let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint.node == leader) {
            let address = HostPort { host: endpoint.host.clone(), port: endpoint.port };
            self.cluster.nodes.entry(leader).or_insert_with(|| Node::new(address));
        }
        let is_known = self.cluster.nodes.contains_key(&leader);
        if is_known {
            mutants::mark(Mark::HintFollowed);
            self.learn_leader(lane, Some(leader), Some(epoch));
        }
        is_known
    }
}

/// Below this version brokers tell leader epochs that may be outdated (D-40).
const FIRST_RELIABLE_EPOCHS: i16 = 9;

/// Leader epochs of an answer that cannot be relied on are taken as absent.
pub(super) fn forget_unreliable_epochs(version: i16, response: &mut MetadataResponse) {
    if version >= FIRST_RELIABLE_EPOCHS {
        return;
    }
    for part in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        part.leader_epoch = None;
    }
}
