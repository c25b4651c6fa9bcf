//! From a name and a port to an open socket.
//!
//! **Why it rotates.** A name may have several addresses, some of them dead: each attempt starts at the next one
//! (`client.dns.lookup=use_all_dns_ips`), and within an attempt all are tried until the time is over.
//!
//! Neighbours: the engine says where and how long, `broker_connection` goes on. Not here: backoff between attempts.
//! TLS will wrap the socket here.

use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, lookup_host};

use crate::config::{HostPort, ProducerConfig};

/// Where names and connections come from. One type per binary, so it costs nothing; the tests' own is a network in
/// memory, on which time is theirs.
pub(crate) trait Network: Clone + Send + Sync + 'static {
    /// An open connection.
    type Stream: Send;
    /// Its two halves.
    type Reader: AsyncRead + Unpin + Send;
    /// See [`Self::Reader`].
    type Writer: AsyncWrite + Unpin + Send;

    /// The addresses of a name.
    fn resolve(&self, name: &HostPort) -> impl Future<Output = std::io::Result<Vec<SocketAddr>>> + Send;

    /// A connection to one of them.
    fn connect(
        &self,
        address: SocketAddr,
        dial: &Dial,
    ) -> impl Future<Output = std::io::Result<Self::Stream>> + Send;

    /// Our end.
    fn local_address(stream: &Self::Stream) -> Option<SocketAddr>;

    /// Takes it apart.
    fn split(stream: Self::Stream) -> (Self::Reader, Self::Writer);
}

/// The real one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tcp;

impl Network for Tcp {
    type Stream = TcpStream;
    type Reader = OwnedReadHalf;
    type Writer = OwnedWriteHalf;

    async fn resolve(&self, name: &HostPort) -> std::io::Result<Vec<SocketAddr>> {
        Ok(lookup_host((name.host.as_str(), name.port)).await?.collect())
    }

    async fn connect(&self, address: SocketAddr, dial: &Dial) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        dial.tune(&stream);
        Ok(stream)
    }

    fn local_address(stream: &TcpStream) -> Option<SocketAddr> {
        stream.local_addr().ok()
    }

    fn split(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
        stream.into_split()
    }
}

/// Where and how.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    pub(crate) address: HostPort,
    pub(crate) attempt: u32,
    pub(crate) timeout: Duration,
    pub(crate) send_buffer_bytes: Option<usize>,
    pub(crate) receive_buffer_bytes: Option<usize>,
}

impl Dial {
    /// Applies `facteur.address.map` and the socket settings.
    pub(crate) fn new(config: &ProducerConfig, address: HostPort, attempt: u32, timeout: Duration) -> Self {
        let mapped = config.address_map.iter().find(|(from, _)| *from == address).map(|(_, to)| to.clone());
        Self {
            address: mapped.unwrap_or(address),
            attempt,
            timeout,
            send_buffer_bytes: config.send_buffer_bytes,
            receive_buffer_bytes: config.receive_buffer_bytes,
        }
    }

    /// Opens the socket; why not, in words for people, otherwise.
    pub(crate) async fn open<N: Network>(self, network: &N) -> Result<N::Stream, String> {
        match tokio::time::timeout(self.timeout, self.try_all(network)).await {
            Ok(result) => result,
            Err(_elapsed) => Err(format!("no connection to {} within {:?}", self.address, self.timeout)),
        }
    }

    async fn try_all<N: Network>(&self, network: &N) -> Result<N::Stream, String> {
        let addresses = match network.resolve(&self.address).await {
            Ok(found) => found,
            Err(error) => return Err(format!("{:?} does not resolve: {error}", self.address.host)),
        };
        if addresses.is_empty() {
            return Err(format!("{:?} does not resolve to any address", self.address.host));
        }
        self.first_that_answers(network, addresses).await
    }

    /// Begins at another address with every attempt, and takes the first that can be connected to.
    async fn first_that_answers<N: Network>(
        &self,
        network: &N,
        mut addresses: Vec<SocketAddr>,
    ) -> Result<N::Stream, String> {
        let start = usize::try_from(self.attempt).unwrap_or(0) % addresses.len().max(1);
        addresses.rotate_left(start);
        let mut last = String::new();
        for address in addresses {
            match network.connect(address, self).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = format!("{address}: {error}"),
            }
        }
        Err(last)
    }

    /// Settings that the system refuses are not worth a failed connection; they are told.
    fn tune(&self, stream: &TcpStream) {
        let socket = SockRef::from(stream);
        let mut results = vec![stream.set_nodelay(true)];
        results.extend(self.send_buffer_bytes.map(|bytes| socket.set_send_buffer_size(bytes)));
        results.extend(self.receive_buffer_bytes.map(|bytes| socket.set_recv_buffer_size(bytes)));
        for error in results.into_iter().filter_map(Result::err) {
            tracing::debug!(%error, "a socket option was refused");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dial(attempt: u32) -> Dial {
        Dial {
            address: HostPort { host: "two-addresses".to_owned(), port: 9092 },
            attempt,
            timeout: Duration::from_secs(20),
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
        }
    }

    // M10, N23: a name has two addresses and one of them refuses. Fails if the other is not tried within the same attempt, or
    // if every attempt begins at the same one: a dead first address would cost each of them its time.
    #[tokio::test]
    async fn m10_the_next_address_of_a_name_is_tried_when_one_refuses() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let alive = listener.local_addr().unwrap();
        let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for attempt in 0..4 {
            for addresses in [vec![dead, alive], vec![alive, dead]] {
                let stream = dial(attempt).first_that_answers(&Tcp, addresses).await.unwrap();
                assert_eq!(stream.peer_addr().unwrap(), alive);
            }
        }

        let second = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let both = vec![alive, second.local_addr().unwrap()];
        for (attempt, expected) in [(0, both[0]), (1, both[1]), (2, both[0])] {
            let stream = dial(attempt).first_that_answers(&Tcp, both.clone()).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), expected, "attempt {attempt}");
        }

        let refused = dial(0).first_that_answers(&Tcp, vec![dead, dead]).await.unwrap_err();
        assert!(refused.contains(&dead.to_string()), "{refused}");
    }
}
