//! Accepts a proxy's connections, dials for each, and joins them at the end.
//!
//! **Why a bound.** A client that opens connections without end must not take the lab's descriptors; what comes above
//! [`MOST_CONNECTIONS`] is closed at once, with an event. Neighbours: [`super::proxy`] owns the task,
//! [`super::connection`] carries the bytes. Not here: what is done to bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::chaos::connection::{Carrier, Parts};
use crate::chaos::definition::{Protocol, Stream};
use crate::chaos::dial::dial;
use crate::chaos::events::{ChaosEvent, ChaosEventKind, Connection};
use crate::chaos::kafka::session::KafkaSession;
use crate::chaos::proxy::Proxy;
use crate::lab::tasks;

/// Connections of a proxy at once.
pub const MOST_CONNECTIONS: usize = 256;

/// Accepts until told to stop, then waits for the connections to end.
pub(crate) async fn accept(
    proxy: Arc<Proxy>,
    listener: TcpListener,
    address: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_ended) = connections.join_next(), if !connections.is_empty() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (client, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly: give others time to close.
                tracing::warn!(target: "facteur::chaos", %error, "accept failed");
                tasks::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        number += 1;
        let connection = Connection {
            number,
            client: peer,
            listener: client.local_addr().unwrap_or(address),
            outgoing: None,
            server: None,
        };
        if connections.len() >= MOST_CONNECTIONS {
            let why = format!("refused: the proxy has {MOST_CONNECTIONS} connections already");
            tell(&proxy, connection, ChaosEventKind::ConnectionFailed { why: why.into() });
            continue;
        }
        connections.spawn(serve(Arc::clone(&proxy), client, connection, address, stop.clone()));
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// One connection, from its dialling to its end.
async fn serve(
    proxy: Arc<Proxy>,
    client: TcpStream,
    mut connection: Connection,
    address: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    let (servers, upstream, has_half_close, protocol) = {
        let state = proxy.state();
        (state.servers.clone(), state.upstream.clone(), state.has_half_close, state.protocol)
    };
    let dialled = tokio::select! {
        dialled = dial(&proxy.core, &servers) => dialled,
        _ = stop.wait_for(|stop| *stop) => Err("the proxy was stopped".to_owned()),
    };
    let server = match dialled {
        Ok(server) => server,
        Err(why) => return tell(&proxy, connection, ChaosEventKind::ConnectionFailed { why: why.into() }),
    };
    for socket in [&client, &server] {
        // Slices are to arrive as slices, and nothing may wait for more.
        drop(socket.set_nodelay(true));
    }
    (connection.outgoing, connection.server) = (server.local_addr().ok(), server.peer_addr().ok());
    tell(&proxy, connection, ChaosEventKind::ConnectionOpened);
    let listener = address.to_string();
    let counters = |stream| proxy.core.metrics.link(stream, &proxy.name, &listener, &upstream);
    let parts = Parts {
        core: Arc::clone(&proxy.core),
        proxy: Arc::clone(&proxy.name),
        connection,
        has_half_close,
        session: (protocol != Protocol::Tcp).then(|| KafkaSession::new(Arc::clone(&proxy.kafka))),
        toxics: proxy.published.subscribe(),
        stop,
        counters: (counters(Stream::Upstream), counters(Stream::Downstream)),
    };
    let why = Carrier::new(parts, client, server).run().await;
    tell(&proxy, connection, ChaosEventKind::ConnectionClosed { why: why.into() });
}

fn tell(proxy: &Proxy, connection: Connection, kind: ChaosEventKind) {
    proxy.core.publish(ChaosEvent::new(kind).on(&proxy.name).through(connection));
}
