//! Our injector in front of every node of a cluster: what a bad network does inside connections.
//!
//! **Why through the injector that ships.** It rewrites what brokers advertise, so that no client leaves it, and gives each
//! broker a listener of its own (D-60): a fault can hit one node or all. Neighbours: [`crate::nemesis`] and the rows ask
//! for faults, [`crate::net`] has those below TCP. Not here: whether the injector is right; `tests/chaos*` show that.

use std::io;

use facteur::chaos::view::{NewProxy, NewToxic, ProxyChange};
use facteur::chaos::{Injector, InjectorOptions};
use kafka_protocol::messages::MetadataRequest;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::admin::Connection;
use crate::cluster::{Cluster, METADATA_VERSION, wait_until};

/// The proxy whose children are the nodes' listeners.
const PARENT: &str = "kafka";

/// The injector, running.
pub struct Wire {
    injector: Injector,
    runtime: Runtime,
    /// Where a client begins.
    pub bootstrap: String,
}

impl Wire {
    /// One listener in front of the cluster, and one more in front of each of its nodes.
    pub fn start(cluster: &Cluster) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let injector = Injector::new(InjectorOptions::default());
        let wanted = NewProxy::new(PARENT, "127.0.0.1:0", cluster.bootstrap());
        let view = runtime.block_on(injector.create(wanted)).expect("a proxy").value;
        let address = view.listen.parse().expect("a proxy listens at an address");
        // The nodes get theirs as soon as an answer names them.
        let request = MetadataRequest::default().with_topics(Some(Vec::new()));
        wait_until("a listener for each node", || {
            let call = || -> io::Result<_> { Connection::open(address)?.call(&request, METADATA_VERSION) };
            call().is_ok() && injector.proxies().len() == cluster.ids().len() + 1
        });
        Self { injector, runtime, bootstrap: view.listen }
    }

    /// A toxic on one node's listener, or on all of them.
    pub fn add(&self, node: Option<i32>, type_name: &str, stream: &str, attributes: &Value) {
        let attributes = attributes.as_object().expect("attributes are an object").clone();
        let mut toxic = NewToxic::new(type_name, attributes);
        toxic.stream = Some(stream.to_owned());
        let _inside = self.runtime.enter();
        self.injector.add_toxic(&name(node), &toxic).expect("the toxic is taken");
    }

    /// A Kafka toxic on all listeners, under a name of its own.
    pub fn add_named(&self, toxic: &str, type_name: &str, attributes: &Value) {
        let attributes = attributes.as_object().expect("attributes are an object").clone();
        let mut wanted = NewToxic::new(type_name, attributes);
        wanted.name = Some(toxic.to_owned());
        let _inside = self.runtime.enter();
        self.injector.add_toxic(PARENT, &wanted).expect("the toxic is taken");
    }

    /// A Kafka toxic on all listeners that acts on answers to Produce for this topic, or on the requests themselves.
    pub fn add_to_produce(&self, type_name: &str, topic: &str, attributes: &Value) {
        let mut attributes = attributes.clone();
        attributes["api"] = "Produce".into();
        attributes["topic"] = topic.into();
        self.add(None, type_name, "downstream", &attributes);
    }

    /// How often the Kafka toxics of the parent have acted.
    pub fn fired(&self) -> u64 {
        let toxics = self.injector.toxics(PARENT).expect("the proxy is there");
        toxics.iter().filter_map(|toxic| toxic.attributes.get("fired")?.as_u64()).sum()
    }

    /// The listener is closed and its connections are cut, or it is open again.
    pub fn set_up(&self, node: Option<i32>, is_up: bool) {
        let change = ProxyChange { enabled: Some(is_up), ..ProxyChange::default() };
        self.runtime.block_on(self.injector.update(&name(node), &change)).expect("the proxy changes");
    }

    /// No toxic is left, and every listener is open.
    pub fn clear(&self) {
        self.runtime.block_on(self.injector.reset()).expect("the injector resets");
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.runtime.block_on(self.injector.stop());
    }
}

fn name(node: Option<i32>) -> String {
    node.map_or_else(|| PARENT.to_owned(), |id| format!("{PARENT}-{id}"))
}
