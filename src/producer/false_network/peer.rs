//! A broker on the false network: the embedded broker's pure handlers behind a pipe.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::watch;
use tokio::time::Instant as TokioInstant;

use super::pause;
use crate::broker::cluster::{Cluster, Now};
use crate::broker::config::BrokerConfig;
use crate::broker::faults::Fault;
use crate::broker::handlers::{Handled, Reply, RequestContext, decode, handle};
use crate::broker::topic_config::TopicConfig;
use crate::config::HostPort;
use crate::runtime::environment::Environment;
use crate::time::Instant;
use crate::wire::record_batch_reader::BatchView;

/// A broker; clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Peer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Shared by all brokers of a cluster.
    cluster: Arc<Mutex<Cluster>>,
    advertised: HostPort,
    began: TokioInstant,
    /// Whether it takes bytes from its connections.
    reads: watch::Sender<bool>,
    /// Requests whose answer was written whole.
    answered: Mutex<Vec<i16>>,
}

impl Peer {
    /// The one broker of a cluster with topic `t` of one partition, as `one.invalid`.
    pub(super) fn new() -> Self {
        let settings = BrokerConfig { node_id: 1, ..BrokerConfig::default() }.cluster_settings();
        let mut cluster = Cluster::new(settings, Now::default(), 7);
        cluster.create_topic("t", 1, TopicConfig::default(), Now::default()).expect("a fine name");
        Self(Arc::new(Inner {
            cluster: Arc::new(Mutex::new(cluster)),
            advertised: HostPort { host: "one.invalid".to_owned(), port: 9092 },
            began: Environment::paused_now(),
            reads: watch::Sender::new(true),
            answered: Mutex::default(),
        }))
    }

    /// Another machine with the same log, as after a move: it calls itself `name`.
    pub(super) fn moved_to(&self, name: &str) -> Self {
        Self(Arc::new(Inner {
            cluster: Arc::clone(&self.0.cluster),
            advertised: HostPort { host: name.to_owned(), port: 9092 },
            began: self.0.began,
            reads: watch::Sender::new(true),
            answered: Mutex::default(),
        }))
    }

    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.0.cluster.lock().expect("no panic under it")
    }

    pub(super) fn arm(&self, fault: Fault) {
        self.cluster().faults.arm(fault);
    }

    /// From now on it takes no bytes, or does again.
    pub(super) fn reads(&self, reads: bool) {
        self.0.reads.send_replace(reads);
    }

    /// How many requests of this API it has answered.
    pub(super) fn answered(&self, api: i16) -> usize {
        self.0.answered.lock().expect("no panic").iter().filter(|key| **key == api).count()
    }

    /// What is in the log of partition 0, in order.
    pub(super) fn log(&self) -> Vec<String> {
        let mut values = Vec::new();
        for batch in self.cluster().batches("t", 0) {
            let view = BatchView::parse(&batch.bytes).expect("a batch");
            for record in view.records(&Default::default()).expect("readable") {
                let value = record.expect("readable").value.unwrap_or_default();
                values.push(String::from_utf8_lossy(&value).into_owned());
            }
        }
        values
    }

    /// Serves a connection until it ends, or until `ends` changes.
    pub(super) fn accept(&self, stream: DuplexStream, mut ends: watch::Receiver<u64>) {
        let peer = self.clone();
        let _detached = tokio::spawn(async move {
            tokio::select! {
                biased;
                _ = ends.changed() => {}
                _end = peer.serve(stream) => {}
            }
        });
    }

    async fn serve(&self, mut stream: DuplexStream) -> std::io::Result<()> {
        let mut reads = self.0.reads.subscribe();
        loop {
            drop(reads.wait_for(|reads| *reads).await);
            let length = tokio::select! {
                biased;
                _ = reads.wait_for(|reads| !*reads) => continue,
                length = stream.read_i32() => length?,
            };
            let mut frame = vec![0; usize::try_from(length).expect("ours are honest")];
            stream.read_exact(&mut frame).await?;
            let frame = bytes::Bytes::from(frame);
            let Ok(request) = decode(&frame, &BTreeMap::new()) else { return Ok(()) };
            let api = i16::from_be_bytes([frame[0], frame[1]]);
            let Handled { reply, delay, loses_answer, .. } = {
                let instant = Instant::from_nanos(
                    u64::try_from(self.0.began.elapsed().as_nanos()).expect("a short test"),
                );
                let context = RequestContext {
                    advertised: &self.0.advertised,
                    peer: None,
                    now: Now { instant, wall_ms: Environment::new().wall_ms() },
                };
                handle(&mut self.cluster(), &request, &context)
            };
            if let Some(delay) = delay {
                pause(delay).await;
            }
            match reply {
                Reply::Answer(answer) if !loses_answer => {
                    stream.write_all(&answer.to_vec()).await?;
                    self.0.answered.lock().expect("no panic").push(api);
                }
                Reply::Silence => {}
                Reply::Answer(_) | Reply::Wait(_) | Reply::Close(_) => return Ok(()),
            }
        }
    }
}
