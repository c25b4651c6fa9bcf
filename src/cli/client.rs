//! A small Kafka client: what the reading and administrating commands ask a cluster.
//!
//! **Why not the producer.** It writes, and only writes. This one asks for metadata, topics, offsets and records, one
//! question at a time, and says in one sentence what is wrong. Neighbours: [`crate::cli::connection`] talks to one
//! broker; `topics`, `consume`, `produce` ask. Not here: what members of a group do, see
//! [`crate::cli::group_membership`].

mod admin;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cli::connection::{CLIENT_ID, Connection, ConnectionError};
use crate::cli::exit::{Exit, Failure};
use crate::config::HostPort;
use crate::error::ErrorCode;
use crate::identifiers::NodeId;
use crate::wire::api::ApiKey;
use crate::wire::api::create_topics::{self, CreatedTopic, NewTopic};
use crate::wire::api::delete_topics::{self, DeletedTopic};
use crate::wire::api::fetch::{self, FetchPartition, FetchRequest, FetchResponse, IsolationLevel};
use crate::wire::api::find_coordinator::{self, FindCoordinatorResponse};
use crate::wire::api::list_offsets::{self, PartitionOffset};
use crate::wire::api::metadata::{self, MetadataResponse, Topic};

/// A cluster that was reached.
#[derive(Debug)]
pub struct Client {
    bootstrap: String,
    first: Connection,
    brokers: BTreeMap<NodeId, HostPort>,
    connections: BTreeMap<NodeId, Connection>,
    timeout: Duration,
}

impl Client {
    /// Reaches the first bootstrap server that answers.
    ///
    /// # Errors
    ///
    /// Usage for an address that cannot be one; "cannot connect" with what each server said.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn connect(bootstrap: &str, timeout: Duration) -> Result<Self, Failure> {
        let servers = parse_bootstrap(bootstrap)?;
        let mut said = Vec::new();
        for server in &servers {
            match Connection::open(server, timeout).await {
                Ok(first) => {
                    return Ok(Self {
                        bootstrap: bootstrap.to_owned(),
                        first,
                        brokers: BTreeMap::new(),
                        connections: BTreeMap::new(),
                        timeout,
                    });
                }
                Err(error) => said.push(format!("{server}: {error}")),
            }
        }
        let message = format!(
            "no Kafka broker can be reached. {}. Start one (`facteur` alone does), or name it with -b HOST:PORT or \
             KAFKA_BOOTSTRAP_SERVERS",
            said.join("; ")
        );
        Err(Failure::new(Exit::CannotConnect, message))
    }

    /// Brokers and topics; `None` asks for all topics.
    ///
    /// # Errors
    ///
    /// If the broker does not answer.
    ///
    /// # Cancel safety
    ///
    /// Not safe, as with all questions here: the client must not be used after one was abandoned.
    pub async fn metadata(&mut self, topics: Option<&[&str]>) -> Result<MetadataResponse, Failure> {
        let answer = self.ask_metadata(topics).await.map_err(|error| self.broken(&error))?;
        for broker in &answer.brokers {
            self.brokers.insert(broker.node, HostPort { host: broker.host.clone(), port: broker.port });
        }
        Ok(answer)
    }

    async fn ask_metadata(&mut self, topics: Option<&[&str]>) -> Result<MetadataResponse, ConnectionError> {
        let version = self.first.version_for(ApiKey::Metadata)?;
        let encode = |id| metadata::encode_request(version, id, CLIENT_ID, topics, false);
        let body = self.first.ask(ApiKey::Metadata, version, Duration::ZERO, encode).await?;
        Ok(metadata::decode_response(version, body)?)
    }

    /// One topic's partitions and leaders.
    ///
    /// # Errors
    ///
    /// If the topic does not exist, or the broker does not answer.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::metadata`].
    pub async fn topic(&mut self, name: &str) -> Result<Topic, Failure> {
        let code = match self.find_topic(name).await? {
            Ok(topic) => return Ok(topic),
            Err(code) => code,
        };
        let message = if code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
            format!(
                "topic {name:?} does not exist on {}. `facteur topics list` shows those that do; `facteur topics create \
                 {name}` makes it",
                self.bootstrap
            )
        } else {
            format!(
                "topic {name:?} cannot be used now: {code}. Try again, or look at `facteur topics describe {name}`"
            )
        };
        Err(Failure::new(Exit::CheckFailed, message))
    }

    /// One topic's partitions and leaders, or the code that says why there are none after four refreshes (B17): a topic
    /// that was just created may have no leaders yet.
    ///
    /// # Errors
    ///
    /// If the broker does not answer.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::metadata`].
    pub async fn find_topic(&mut self, name: &str) -> Result<Result<Topic, ErrorCode>, Failure> {
        let mut last = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        for attempt in 0..METADATA_ATTEMPTS {
            if attempt > 0 {
                crate::lab::tasks::sleep(METADATA_BACKOFF).await;
            }
            let answer = self.metadata(Some(&[name])).await?;
            let Some(topic) = answer.topics.into_iter().find(|topic| topic.name == name) else { continue };
            last = topic.error;
            if topic.error.is_none() && topic.partitions.iter().all(|partition| partition.leader.is_some()) {
                return Ok(Ok(topic));
            }
        }
        Ok(Err(if last.is_none() { ErrorCode::LEADER_NOT_AVAILABLE } else { last }))
    }

    /// Creates topics.
    ///
    /// # Errors
    ///
    /// If the controller does not answer; refusals are in the answer.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::metadata`].
    pub async fn create_topics(&mut self, topics: &[NewTopic<'_>]) -> Result<Vec<CreatedTopic>, Failure> {
        let timeout_ms = self.timeout_ms();
        let asked = async {
            let controller = self.controller().await?;
            let version = controller.version_for(ApiKey::CreateTopics)?;
            let encode = |id| create_topics::encode_request(version, id, CLIENT_ID, topics, timeout_ms);
            let body = controller.ask(ApiKey::CreateTopics, version, Duration::ZERO, encode).await?;
            Ok(create_topics::decode_response(version, body)?.topics)
        };
        let answer: Result<_, ConnectionError> = asked.await;
        answer.map_err(|error| self.broken(&error))
    }

    /// Deletes topics.
    ///
    /// # Errors
    ///
    /// If the controller does not answer; refusals are in the answer.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::metadata`].
    pub async fn delete_topics(&mut self, topics: &[&str]) -> Result<Vec<DeletedTopic>, Failure> {
        let timeout_ms = self.timeout_ms();
        let asked = async {
            let controller = self.controller().await?;
            let version = controller.version_for(ApiKey::DeleteTopics)?;
            let encode = |id| delete_topics::encode_request(version, id, CLIENT_ID, topics, timeout_ms);
            let body = controller.ask(ApiKey::DeleteTopics, version, Duration::ZERO, encode).await?;
            Ok(delete_topics::decode_response(version, body)?.topics)
        };
        let answer: Result<_, ConnectionError> = asked.await;
        answer.map_err(|error| self.broken(&error))
    }

    /// Offsets of partitions that one node leads: `which` is [`list_offsets::LATEST`] or [`list_offsets::EARLIEST`].
    ///
    /// # Errors
    ///
    /// If the leader does not answer; refusals are in the answer.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::metadata`].
    pub async fn list_offsets(
        &mut self,
        leader: NodeId,
        topic: &str,
        partitions: &[i32],
        which: i64,
    ) -> Result<Vec<PartitionOffset>, Failure> {
        let wanted: Vec<(i32, i64)> = partitions.iter().map(|partition| (*partition, which)).collect();
        let asked = async {
            let leader = self.leader(leader).await?;
            let version = leader.version_for(ApiKey::ListOffsets)?;
            let encode = |id| list_offsets::encode_request(version, id, CLIENT_ID, &[(topic, &wanted)]);
            let body = leader.ask(ApiKey::ListOffsets, version, Duration::ZERO, encode).await?;
            Ok(list_offsets::decode_response(version, body)?.partitions)
        };
        let answer: Result<_, ConnectionError> = asked.await;
        answer.map_err(|error| self.broken(&error))
    }

    /// Records of partitions that one node leads.
    ///
    /// # Errors
    ///
    /// If the leader does not answer; refusals are in the answer.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::metadata`].
    pub async fn fetch(
        &mut self,
        leader: NodeId,
        topic: &str,
        partitions: Vec<FetchPartition>,
        max_wait: Duration,
    ) -> Result<FetchResponse, Failure> {
        let max_wait_ms = i32::try_from(max_wait.as_millis()).unwrap_or(i32::MAX);
        let asked = async {
            let leader = self.leader(leader).await?;
            let version = leader.version_for(ApiKey::Fetch)?;
            let encode = |correlation_id| {
                fetch::encode_request(&FetchRequest {
                    version,
                    correlation_id,
                    client_id: CLIENT_ID,
                    max_wait_ms,
                    min_bytes: 1,
                    max_bytes: FETCH_MAX_BYTES,
                    isolation_level: IsolationLevel::ReadUncommitted,
                    topics: vec![(topic, partitions)],
                })
            };
            let body = leader.ask(ApiKey::Fetch, version, max_wait, encode).await?;
            Ok(fetch::decode_response(version, body)?)
        };
        let answer: Result<_, ConnectionError> = asked.await;
        answer.map_err(|error| self.broken(&error))
    }

    /// A new connection to the broker that looks after a consumer group; waits for one for as long as a question may take.
    ///
    /// # Errors
    ///
    /// If no broker says that it does, or it does not answer.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::metadata`].
    pub async fn coordinator(&mut self, group: &str) -> Result<Connection, Failure> {
        let mut answer = self.ask_coordinator(group).await.map_err(|error| self.broken(&error))?;
        for _attempt in 0..self.timeout.as_millis() / COORDINATOR_BACKOFF.as_millis() {
            if !matches!(
                answer.error,
                ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            ) {
                break;
            }
            crate::lab::tasks::sleep(COORDINATOR_BACKOFF).await;
            answer = self.ask_coordinator(group).await.map_err(|error| self.broken(&error))?;
        }
        if !answer.error.is_none() {
            let message = format!(
                "no broker of {} looks after group {group:?}: {}{}. Try again, or read without a group",
                self.bootstrap,
                answer.error,
                answer.message.map(|message| format!(" ({message})")).unwrap_or_default()
            );
            return Err(Failure::new(Exit::CannotConnect, message));
        }
        let address = HostPort { host: answer.host, port: answer.port };
        Connection::open(&address, self.timeout).await.map_err(|error| self.broken(&error))
    }

    async fn ask_coordinator(&mut self, group: &str) -> Result<FindCoordinatorResponse, ConnectionError> {
        let version = self.first.version_for(ApiKey::FindCoordinator)?;
        let encode = |id| find_coordinator::encode_request(version, id, CLIENT_ID, group);
        let body = self.first.ask(ApiKey::FindCoordinator, version, Duration::ZERO, encode).await?;
        Ok(find_coordinator::decode_response(version, body)?)
    }

    /// A connection to the controller; the first connection where there is none of its own.
    async fn controller(&mut self) -> Result<&mut Connection, ConnectionError> {
        let answer = self.ask_metadata(Some(&[])).await?;
        for broker in &answer.brokers {
            self.brokers.insert(broker.node, HostPort { host: broker.host.clone(), port: broker.port });
        }
        match answer.controller {
            Some(node) if answer.brokers.len() > 1 => self.leader(node).await,
            Some(_) | None => Ok(&mut self.first),
        }
    }

    async fn leader(&mut self, node: NodeId) -> Result<&mut Connection, ConnectionError> {
        let unknown = || {
            std::io::Error::new(std::io::ErrorKind::NotFound, format!("broker {node} is not in the metadata"))
        };
        if !self.connections.contains_key(&node) {
            let address = self.brokers.get(&node).ok_or_else(unknown)?;
            let connection = Connection::open(address, self.timeout).await?;
            self.connections.insert(node, connection);
        }
        self.connections.get_mut(&node).ok_or_else(|| ConnectionError::Io(unknown()))
    }

    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX)
    }

    pub(super) fn broken(&self, error: &ConnectionError) -> Failure {
        Failure::new(Exit::CannotConnect, format!("the conversation with {} failed: {error}", self.bootstrap))
    }
}

/// The addresses in a list such as `host:9092,other:9092`.
///
/// # Errors
///
/// Usage, naming the part that is wrong.
pub fn parse_bootstrap(text: &str) -> Result<Vec<HostPort>, Failure> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let servers: Result<Vec<HostPort>, String> = parts.map(str::parse).collect();
    match servers {
        Ok(servers) if !servers.is_empty() => Ok(servers),
        Ok(_) => Err(Failure::usage(
            "the list of bootstrap servers is empty; expected host:port, such as localhost:9092",
        )),
        Err(message) => Err(Failure::usage(format!("bootstrap server {message}"))),
    }
}

/// How long to wait between two questions for a coordinator.
const COORDINATOR_BACKOFF: Duration = Duration::from_millis(100);
/// A topic is given this many chances to appear (B17: four refreshes).
const METADATA_ATTEMPTS: u32 = 4;
const METADATA_BACKOFF: Duration = Duration::from_millis(100);
const FETCH_MAX_BYTES: i32 = 16 * 1024 * 1024;
