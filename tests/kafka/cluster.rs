//! A real Kafka cluster on loopback, each node a process that can be stopped, killed, frozen and started again.
//!
//! **Why by process id.** A fault must hit one node and nothing else on the machine. `scripts/kafka-node.sh` replaces
//! itself by the JVM, so the child's id is the broker's. Dropping a [`Cluster`], also by a panic, kills every node,
//! waits for it and removes its data. Neighbours: [`crate::admin`] carries the requests. Not here: what is sent meanwhile.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{CreateTopicsRequest, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::admin::Connection;

/// How long a node may take to listen, a cluster to agree, a replica to catch up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Versions that every broker from 2.8 to 4.4 speaks.
const METADATA_VERSION: i16 = 9;
const CREATE_TOPICS_VERSION: i16 = 5;

/// Which Kafka, and how many of it.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub version: &'static str,
    pub nodes: u16,
}

struct Node {
    port: u16,
    arguments: Vec<String>,
    log: PathBuf,
    process: Option<Child>,
    is_frozen: bool,
}

/// A running cluster. Nodes are numbered from 1.
pub struct Cluster {
    pub setup: Setup,
    dir: PathBuf,
    nodes: BTreeMap<i32, Node>,
    zookeeper: Option<Node>,
}

impl Cluster {
    /// Starts all nodes and waits until each knows all the others.
    pub fn start(setup: Setup) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("facteur-kafka-{}-{unique}", std::process::id()));
        fs::create_dir_all(&dir).expect("a temporary directory");
        let mut cluster = Self { setup, dir, nodes: BTreeMap::new(), zookeeper: None };
        let membership = cluster.membership();
        for (id, (port, own)) in membership {
            let node_dir = cluster.dir.join(format!("node-{id}"));
            let mut arguments = node_arguments(setup, &node_dir, port);
            arguments.extend(["--id".to_owned(), id.to_string()]);
            arguments.extend(own);
            let mut node = Node::new(port, arguments, cluster.dir.join(format!("node-{id}.log")));
            node.spawn();
            cluster.nodes.insert(id, node);
        }
        for node in cluster.nodes.values_mut() {
            node.await_listening();
        }
        wait_until("every node to know the others", || {
            cluster.nodes.values().all(|node| {
                metadata_from(node.port, None).is_ok_and(|answer| answer.brokers.len() == cluster.nodes.len())
            })
        });
        cluster
    }

    /// What each node needs to find the others: its port and its own arguments, by id. Starts the ZooKeeper of a 2.x.
    fn membership(&mut self) -> BTreeMap<i32, (u16, Vec<String>)> {
        let ids = 1..=i32::from(self.setup.nodes);
        if self.setup.version.starts_with("2.") {
            let port = free_port();
            let zookeeper_dir = self.dir.join("zookeeper");
            let mut arguments = node_arguments(self.setup, &zookeeper_dir, port);
            arguments.extend(["--role".to_owned(), "zookeeper".to_owned()]);
            let zookeeper = self.zookeeper.insert(Node::new(port, arguments, self.dir.join("zookeeper.log")));
            zookeeper.spawn();
            zookeeper.await_listening();
            let own = vec!["--zookeeper".to_owned(), format!("127.0.0.1:{port}")];
            return ids.map(|id| (id, (free_port(), own.clone()))).collect();
        }
        let controllers: Vec<(i32, u16)> = ids.map(|id| (id, free_port())).collect();
        let voters: Vec<String> =
            controllers.iter().map(|(id, port)| format!("{id}@127.0.0.1:{port}")).collect();
        controllers
            .iter()
            .map(|(id, controller)| {
                let own = ["--voters", &voters.join(","), "--controller-port", &controller.to_string()];
                (*id, (free_port(), own.map(str::to_owned).to_vec()))
            })
            .collect()
    }

    /// The addresses of all nodes, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<String> =
            self.nodes.values().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        addresses.join(",")
    }

    /// Each node's port, by id.
    pub fn ports(&self) -> BTreeMap<i32, u16> {
        self.nodes.iter().map(|(id, node)| (*id, node.port)).collect()
    }

    /// The log segments of a partition on a node, in order.
    pub fn segments(&self, id: i32, topic: &str, partition: i32) -> Vec<PathBuf> {
        let dir = self.dir.join(format!("node-{id}/data/{topic}-{partition}"));
        let mut segments: Vec<PathBuf> = fs::read_dir(dir)
            .map(|entries| entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect())
            .unwrap_or_default();
        segments.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        segments.sort();
        segments
    }

    /// SIGTERM: an orderly shutdown, waited for.
    pub fn stop(&mut self, id: i32) {
        self.node(id).end("TERM");
    }

    /// SIGKILL: gone in the middle of whatever it did.
    pub fn kill(&mut self, id: i32) {
        self.node(id).end("KILL");
    }

    /// SIGSTOP: its sockets stay open and nobody answers.
    pub fn freeze(&mut self, id: i32) {
        let node = self.node(id);
        node.signal("STOP");
        node.is_frozen = true;
    }

    /// SIGCONT: goes on where it was frozen.
    pub fn thaw(&mut self, id: i32) {
        let node = self.node(id);
        node.signal("CONT");
        node.is_frozen = false;
    }

    /// Starts a node that was stopped or killed, with its data, and waits until it listens.
    pub fn restart(&mut self, id: i32) {
        let node = self.node(id);
        node.spawn();
        node.await_listening();
    }

    fn node(&mut self, id: i32) -> &mut Node {
        self.nodes.get_mut(&id).unwrap_or_else(|| panic!("no node {id}"))
    }

    /// Creates a topic with as many replicas as there are nodes (at most three) and waits until it is led everywhere.
    pub fn create_topic(&self, topic: &str, partitions: i32, configs: &[(&'static str, &str)]) {
        let replicas = i16::try_from(self.setup.nodes.min(3)).expect("at most three");
        let configs = configs
            .iter()
            .map(|(name, value)| {
                CreatableTopicConfig::default()
                    .with_name(StrBytes::from_static_str(name))
                    .with_value(Some(StrBytes::from_string((*value).to_owned())))
            })
            .collect();
        let request = CreateTopicsRequest::default().with_timeout_ms(10_000).with_topics(vec![
            CreatableTopic::default()
                .with_name(topic_name(topic))
                .with_num_partitions(partitions)
                .with_replication_factor(replicas)
                .with_configs(configs),
        ]);
        wait_until(&format!("topic {topic} to be created"), || {
            let controller = self.metadata(None).map(|answer| answer.controller_id.0);
            let Some(port) = controller.and_then(|id| self.nodes.get(&id)).map(|node| node.port) else {
                return false;
            };
            let answer =
                Connection::open(port).and_then(|mut link| link.call(&request, CREATE_TOPICS_VERSION));
            // 36 is "exists already": an earlier try whose answer did not come.
            answer.is_ok_and(|answer| answer.topics.iter().all(|topic| matches!(topic.error_code, 0 | 36)))
        });
        self.await_full_isr(topic, partitions);
    }

    /// Waits until every replica of every partition is in sync and every node knows it.
    pub fn await_full_isr(&self, topic: &str, partitions: i32) {
        let expected = usize::from(self.setup.nodes.min(3));
        wait_until(&format!("all replicas of {topic} to be in sync"), || {
            self.running().all(|node| {
                let Ok(answer) = metadata_from(node.port, Some(topic)) else { return false };
                answer.topics.iter().all(|found| {
                    found.error_code == 0
                        && i32::try_from(found.partitions.len()) == Ok(partitions)
                        && found.partitions.iter().all(|partition| {
                            partition.error_code == 0
                                && partition.leader_id.0 > 0
                                && partition.isr_nodes.len() == expected
                        })
                })
            })
        });
    }

    /// The node that leads a partition now, as a node that runs tells it; `None` if nobody does or nobody answers.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        let answer = self.metadata(Some(topic))?;
        let found =
            answer.topics.first()?.partitions.iter().find(|found| found.partition_index == partition)?;
        (found.error_code == 0 && found.leader_id.0 > 0).then_some(found.leader_id.0)
    }

    /// Waits for a leader of the partition other than `previous`.
    pub fn await_other_leader(&self, topic: &str, partition: i32, previous: i32) -> i32 {
        let mut found = 0;
        wait_until(&format!("a leader of {topic}-{partition} other than {previous}"), || {
            self.leader(topic, partition)
                .filter(|leader| *leader != previous)
                .inspect(|leader| found = *leader)
                .is_some()
        });
        found
    }

    /// Waits until the partition has a leader.
    pub fn await_leader(&self, topic: &str, partition: i32) -> i32 {
        self.await_other_leader(topic, partition, 0)
    }

    fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().filter(|node| node.process.is_some() && !node.is_frozen)
    }

    fn metadata(&self, topic: Option<&str>) -> Option<MetadataResponse> {
        self.running().find_map(|node| metadata_from(node.port, topic).ok())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let is_failing = thread::panicking();
        for node in self.nodes.values_mut().chain(self.zookeeper.as_mut()) {
            if is_failing {
                node.print_log_tail();
            }
            node.end("KILL");
        }
        // What cannot be removed is a few files in a temporary directory; the verdict of the test matters more.
        if fs::remove_dir_all(&self.dir).is_err() {
            println!("could not remove {}", self.dir.display());
        }
    }
}

impl Node {
    fn new(port: u16, arguments: Vec<String>, log: PathBuf) -> Self {
        Self { port, arguments, log, process: None, is_frozen: false }
    }

    fn spawn(&mut self) {
        assert!(self.process.is_none(), "the node runs already");
        let log = File::options().create(true).append(true).open(&self.log).expect("a log file");
        let errors = log.try_clone().expect("a second handle of the log file");
        let child = Command::new(script("kafka-node.sh"))
            .args(&self.arguments)
            .env("KAFKA_LOG_LEVEL", std::env::var("KAFKA_LOG_LEVEL").unwrap_or_else(|_| "warn".to_owned()))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .expect("scripts/kafka-node.sh can be run");
        self.process = Some(child);
    }

    fn await_listening(&mut self) {
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let process = self.process.as_mut().expect("the node was spawned");
            let ended = process.try_wait().expect("the child's state");
            if ended.is_some() || begun.elapsed() > PATIENCE {
                panic!(
                    "the node on port {} does not listen: {ended:?} after {:?}",
                    self.port,
                    begun.elapsed()
                );
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("the node runs");
        let status = Command::new("kill").args([&format!("-{name}"), &process.id().to_string()]).status();
        assert!(status.expect("kill can be run").success(), "kill -{name} {} failed", process.id());
    }

    /// Ends the process and waits for it. Whoever ignores SIGTERM for half a minute is killed.
    fn end(&mut self, signal: &str) {
        if self.process.is_none() {
            return;
        }
        if signal != "KILL" {
            self.signal(signal);
        }
        let Some(mut process) = self.process.take() else { return };
        let begun = Instant::now();
        while signal != "KILL" && begun.elapsed() < Duration::from_secs(30) {
            if matches!(process.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        // Both fail only if the process is gone already, which is what is wanted.
        drop(process.kill());
        drop(process.wait());
        self.is_frozen = false;
    }

    fn print_log_tail(&self) {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        println!("--- the end of {}", self.log.display());
        for line in lines.iter().skip(lines.len().saturating_sub(20)) {
            println!("{}", line.chars().take(300).collect::<String>());
        }
    }
}

/// A script of the repository.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name)
}

/// Asks again and again until `condition` holds.
///
/// # Panics
/// After [`PATIENCE`]: then the cluster is broken, and what waits for it would hang.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn node_arguments(setup: Setup, dir: &Path, port: u16) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["--version", setup.version, "--port", &port.to_string()].map(str::to_owned).to_vec();
    arguments.extend([
        "--dir".to_owned(),
        dir.display().to_string(),
        "--nodes".to_owned(),
        setup.nodes.to_string(),
    ]);
    let mut settings = vec!["replica.lag.time.max.ms=5000", "replica.socket.timeout.ms=5000"];
    if !setup.version.starts_with("2.") {
        // A dead or frozen node is noticed in 3 s instead of 9: more faults fit into a minute.
        settings.extend(["broker.session.timeout.ms=3000", "broker.heartbeat.interval.ms=500"]);
    }
    for setting in settings {
        arguments.extend(["--set".to_owned(), setting.to_owned()]);
    }
    arguments
}

/// A port that is free now and stays so: below the range from which the system takes ports for outgoing connections,
/// because a node that was killed must find its own again.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 500).expect("below 500") * 20;
    for _ in 0..10_000 {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between 20000 and 30000");
}

fn topic_name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

fn metadata_from(port: u16, topic: Option<&str>) -> io::Result<MetadataResponse> {
    let topics = topic
        .map(|topic| MetadataRequestTopic::default().with_name(Some(topic_name(topic))))
        .into_iter()
        .collect();
    let request = MetadataRequest::default().with_topics(Some(topics)).with_allow_auto_topic_creation(false);
    Connection::open(port)?.call(&request, METADATA_VERSION)
}
