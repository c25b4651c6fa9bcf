//! A real Kafka cluster: on loopback, or each node in a network namespace of its own.
//!
//! **Why its own processes.** Containers would hide the faults that are wanted. Dropping a [`Cluster`], also by a panic,
//! kills every node, waits for it and removes its data. Neighbours: [`crate::node`] is one process, [`crate::net`] cuts
//! links, [`crate::admin`] carries the requests, [`crate::requests`] asks for changes. Not here: what is sent meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponsePartition;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::admin::Connection;
use crate::net::Net;
use crate::node::{Node, Reaper};

/// How long a node may take to listen, a cluster to agree, a replica to catch up.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// A version that every broker from 2.8 to 4.4 speaks.
pub const METADATA_VERSION: i16 = 9;

/// Which Kafka, and how many of it.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub version: &'static str,
    pub nodes: u16,
}

/// What few clusters want.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Each node in a namespace of its own, where that is possible.
    pub has_links: bool,
    /// The last node's second log directory is a memory file system of so many MiB, where that is permitted.
    pub small_disk_mib: Option<u32>,
    /// More of `server.properties`.
    pub settings: &'static [&'static str],
}

/// A running cluster. Nodes are numbered from 1.
pub struct Cluster {
    pub setup: Setup,
    /// The namespaces it lives in, if it does.
    pub net: Option<Net>,
    /// The directory that can be filled, and the node that has it.
    pub small_disk: Option<(i32, PathBuf)>,
    options: Options,
    dir: PathBuf,
    nodes: BTreeMap<i32, Node>,
    zookeeper: Option<Node>,
    _reaper: Reaper,
}

impl Cluster {
    /// Starts all nodes on loopback and waits until each knows all the others.
    pub fn start(setup: Setup) -> Self {
        Self::start_with(setup, Options::default())
    }

    /// Starts all nodes and waits until each knows all the others.
    pub fn start_with(setup: Setup, options: Options) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("facteur-kafka-{}-{unique}", std::process::id()));
        fs::create_dir_all(&dir).expect("a temporary directory");
        let reaper = Reaper::watch(&dir);
        let net = Net::found().filter(|_| options.has_links && setup.nodes <= 3);
        let nodes = BTreeMap::new();
        let mut cluster =
            Self { setup, net, small_disk: None, options, dir, nodes, zookeeper: None, _reaper: reaper };
        cluster.small_disk = options.small_disk_mib.and_then(|size| cluster.mount_small_disk(size));
        let membership = cluster.membership();
        for (id, (address, own)) in membership {
            let mut arguments = cluster.arguments(id, address);
            arguments.extend(own);
            let namespace = cluster.net.as_ref().map(|net| net.namespace(id));
            let log = cluster.dir.join(format!("node-{id}.log"));
            let mut node = Node::new(address, arguments, log, namespace);
            node.spawn();
            cluster.nodes.insert(id, node);
        }
        for node in cluster.nodes.values_mut() {
            node.await_listening();
        }
        cluster.await_acquaintance();
        cluster
    }

    /// Waits until each node that runs knows all that run.
    pub fn await_acquaintance(&self) {
        let expected = self.running().count();
        wait_until("every node to know the others", || {
            self.running().all(|node| {
                metadata_from(node.address, None).is_ok_and(|answer| answer.brokers.len() == expected)
            })
        });
    }

    /// What each node needs to find the others: its address and its own arguments, by id. Starts the ZooKeeper of a 2.x.
    fn membership(&mut self) -> BTreeMap<i32, (SocketAddr, Vec<String>)> {
        let ids = 1..=i32::from(self.setup.nodes);
        if self.setup.version.starts_with("2.") {
            let address = loopback(free_port());
            let mut arguments = node_arguments(self.setup, &self.dir.join("zookeeper"), address);
            arguments.extend(["--role".to_owned(), "zookeeper".to_owned()]);
            let log = self.dir.join("zookeeper.log");
            let zookeeper = self.zookeeper.insert(Node::new(address, arguments, log, None));
            zookeeper.spawn();
            zookeeper.await_listening();
            let own = vec!["--zookeeper".to_owned(), address.to_string()];
            return ids.map(|id| (id, (loopback(free_port()), own.clone()))).collect();
        }
        let is_apart = self.net.is_some();
        // In a namespace of its own every node has all ports.
        let place = |id: i32, port: u16| {
            if is_apart { SocketAddr::new(Net::host(id), port) } else { loopback(free_port()) }
        };
        let controllers: Vec<(i32, SocketAddr)> = ids.map(|id| (id, place(id, 9093))).collect();
        let voters: Vec<String> =
            controllers.iter().map(|(id, controller)| format!("{id}@{controller}")).collect();
        controllers
            .iter()
            .map(|(id, controller)| {
                let port = controller.port().to_string();
                let own = ["--voters", &voters.join(","), "--controller-port", &port];
                (*id, (place(*id, 9092), own.map(str::to_owned).to_vec()))
            })
            .collect()
    }

    fn arguments(&self, id: i32, address: SocketAddr) -> Vec<String> {
        let node_dir = self.node_dir(id);
        let mut arguments = node_arguments(self.setup, &node_dir, address);
        arguments.extend(["--id".to_owned(), id.to_string()]);
        let mut settings: Vec<String> = self.options.settings.iter().map(|&text| text.to_owned()).collect();
        if let Some((_, small)) = self.small_disk.as_ref().filter(|(owner, _)| *owner == id) {
            let data = node_dir.join("data");
            settings.push(format!("log.dirs={},{}", data.display(), small.display()));
            settings.push(format!("metadata.log.dir={}", data.display()));
        }
        for setting in settings {
            arguments.extend(["--set".to_owned(), setting]);
        }
        arguments
    }

    fn node_dir(&self, id: i32) -> PathBuf {
        self.dir.join(format!("node-{id}"))
    }

    /// A log directory that can be full without harm to anybody else.
    fn mount_small_disk(&self, mib: u32) -> Option<(i32, PathBuf)> {
        let id = i32::from(self.setup.nodes);
        let dir = self.node_dir(id).join("small");
        fs::create_dir_all(&dir).expect("a directory to mount on");
        let size = format!("size={mib}m");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&dir).status();
        // Kafka takes the mount point itself for the log directory only if nothing but its own is in there.
        status.is_ok_and(|status| status.success()).then_some((id, dir))
    }

    /// The addresses of all nodes, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<String> = self.nodes.values().map(|node| node.address.to_string()).collect();
        addresses.join(",")
    }

    /// Each node's port, by id.
    pub fn ports(&self) -> BTreeMap<i32, u16> {
        self.nodes.iter().map(|(id, node)| (*id, node.address.port())).collect()
    }

    /// Each node's address, by id.
    pub fn addresses(&self) -> BTreeMap<i32, SocketAddr> {
        self.nodes.iter().map(|(id, node)| (*id, node.address)).collect()
    }

    /// The ids of all nodes.
    pub fn ids(&self) -> Vec<i32> {
        self.nodes.keys().copied().collect()
    }

    /// The log segments of a partition on a node, in order.
    pub fn segments(&self, id: i32, topic: &str, partition: i32) -> Vec<PathBuf> {
        let mut segments: Vec<PathBuf> = ["data", "small"]
            .iter()
            .filter_map(|dir| fs::read_dir(self.node_dir(id).join(format!("{dir}/{topic}-{partition}"))).ok())
            .flatten()
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .collect();
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

    /// Starts several nodes at once: a quorum needs the others to get up.
    pub fn restart_all(&mut self, ids: &[i32]) {
        for id in ids {
            self.node(*id).spawn();
        }
        for id in ids {
            self.node(*id).await_listening();
        }
    }

    /// Everything that a fault can have left behind is undone: frozen and dead nodes, cut links.
    pub fn heal(&mut self) {
        if let Some(net) = &self.net {
            net.mend_all(i32::from(self.setup.nodes));
        }
        let mut dead = Vec::new();
        for (id, node) in &mut self.nodes {
            node.is_apart = false;
            if node.is_frozen {
                node.signal("CONT");
                node.is_frozen = false;
            }
            if !node.is_running() {
                dead.push(*id);
            }
        }
        self.restart_all(&dead);
    }

    pub fn node(&mut self, id: i32) -> &mut Node {
        self.nodes.get_mut(&id).unwrap_or_else(|| panic!("no node {id}"))
    }

    /// Waits until every replica of every partition is in sync and every node knows it.
    pub fn await_full_isr(&self, topic: &str, partitions: i32) {
        wait_until(&format!("all replicas of {topic} to be in sync"), || {
            self.running().all(|node| {
                let Ok(answer) = metadata_from(node.address, Some(topic)) else { return false };
                answer.topics.iter().all(|found| {
                    found.error_code == 0
                        && i32::try_from(found.partitions.len()) == Ok(partitions)
                        && found.partitions.iter().all(|partition| {
                            partition.error_code == 0
                                && partition.leader_id.0 > 0
                                && partition.isr_nodes.len() == partition.replica_nodes.len()
                        })
                })
            })
        });
    }

    /// A partition as a node that runs tells it; `None` if nobody answers.
    pub fn partition(&self, topic: &str, partition: i32) -> Option<MetadataResponsePartition> {
        let answer = self.metadata(Some(topic))?;
        let topic = answer.topics.into_iter().next()?;
        topic.partitions.into_iter().find(|found| found.partition_index == partition)
    }

    /// The node that leads a partition now, as a node that runs tells it; `None` if nobody does or nobody answers.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        let found = self.partition(topic, partition)?;
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

    /// The nodes that can be asked.
    pub fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().filter(|node| node.is_sane())
    }

    fn metadata(&self, topic: Option<&str>) -> Option<MetadataResponse> {
        self.running().find_map(|node| metadata_from(node.address, topic).ok())
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
        if let Some((_, small)) = &self.small_disk {
            drop(Command::new("umount").arg(small).status());
        }
        // What cannot be removed is a few files in a temporary directory; the verdict of the test matters more.
        if fs::remove_dir_all(&self.dir).is_err() {
            println!("could not remove {}", self.dir.display());
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

fn node_arguments(setup: Setup, dir: &Path, address: SocketAddr) -> Vec<String> {
    let (port, host) = (address.port().to_string(), address.ip().to_string());
    let mut arguments: Vec<String> =
        ["--version", setup.version, "--host", &host, "--port", &port].map(str::to_owned).to_vec();
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

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
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

/// A topic's name, as requests want it.
pub fn topic_name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

fn metadata_from(address: SocketAddr, topic: Option<&str>) -> io::Result<MetadataResponse> {
    let topics = topic
        .map(|topic| MetadataRequestTopic::default().with_name(Some(topic_name(topic))))
        .into_iter()
        .collect();
    let request = MetadataRequest::default().with_topics(Some(topics)).with_allow_auto_topic_creation(false);
    Connection::open(address)?.call(&request, METADATA_VERSION)
}

/// How many copies of a partition are in sync, as the node at `address` believes; 0 if it does not answer.
pub fn in_sync(address: SocketAddr, topic: &str, partition: i32) -> usize {
    let Ok(answer) = metadata_from(address, Some(topic)) else { return 0 };
    let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    partitions
        .filter(|found| found.partition_index == partition && found.error_code == 0)
        .map(|found| found.isr_nodes.len())
        .sum()
}
