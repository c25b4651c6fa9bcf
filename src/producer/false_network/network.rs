//! A net of names, addresses and streams in memory, with what can go wrong on each.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use super::peer::Peer;
use crate::config::HostPort;
use crate::runtime::dialer::{Dial, Network};
use crate::runtime::environment::Environment;

/// What an address does with who comes.
#[derive(Debug, Clone)]
pub(super) enum Host {
    /// A broker.
    Serves(Peer),
    /// Nobody listens there.
    Refuses,
    /// Packets go in and nothing comes back.
    Swallows,
}

/// What the wire does, for connections that are opened from now on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wire {
    /// Bytes moved by one call, both ways; 0 moves all.
    pub(super) slice: usize,
    /// Time before each slice.
    pub(super) delay: Duration,
    /// The connection is reset when so many more bytes have gone up, counted from its beginning.
    pub(super) cut_up_after: Option<usize>,
    /// The same, for what comes down.
    pub(super) cut_down_after: Option<usize>,
    /// Where it would be reset, the task that carries the connection panics instead: a defect of ours.
    pub(super) is_defect: bool,
    /// Room of the pipe: how much the peer's system takes before the peer reads. 0 is 64 KiB.
    pub(super) window: usize,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct FalseNetwork(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    names: Mutex<BTreeMap<String, Vec<SocketAddr>>>,
    hosts: Mutex<BTreeMap<SocketAddr, Host>>,
    wire: Mutex<Wire>,
    /// When somebody dialled which address.
    dialled: Mutex<Vec<(Instant, SocketAddr)>>,
    resolved: AtomicUsize,
    open: Arc<AtomicUsize>,
    reset: Arc<AtomicUsize>,
    /// Changed to end every connection there is.
    ends: watch::Sender<u64>,
}

impl FalseNetwork {
    /// A net on which `one.invalid` is this broker.
    pub(super) fn of(peer: &Peer) -> Self {
        let network = Self::default();
        network.host(address(1), Host::Serves(peer.clone()));
        network.name("one.invalid", &[address(1)]);
        network
    }

    /// The name has these addresses from now on; none of them means that it does not resolve.
    pub(super) fn name(&self, name: &str, addresses: &[SocketAddr]) {
        self.0.names.lock().expect("no panic").insert(name.to_owned(), addresses.to_vec());
    }

    pub(super) fn host(&self, address: SocketAddr, host: Host) {
        self.0.hosts.lock().expect("no panic").insert(address, host);
    }

    pub(super) fn wire(&self, wire: Wire) {
        *self.0.wire.lock().expect("no panic") = wire;
    }

    /// Resets every connection.
    pub(super) fn reset_all(&self) {
        self.0.ends.send_modify(|count| *count += 1);
    }

    pub(super) fn dialled(&self) -> Vec<(Instant, SocketAddr)> {
        self.0.dialled.lock().expect("no panic").clone()
    }

    /// How often a name was looked up.
    pub(super) fn resolved(&self) -> usize {
        self.0.resolved.load(Ordering::SeqCst)
    }

    /// Connections that are open now.
    pub(super) fn open(&self) -> usize {
        self.0.open.load(Ordering::SeqCst)
    }

    /// Connections that the wire has cut.
    pub(super) fn cut(&self) -> usize {
        self.0.reset.load(Ordering::SeqCst)
    }
}

pub(super) fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, number], 9092))
}

impl Network for FalseNetwork {
    type Stream = FalseStream;
    type Reader = ReadHalf<FalseStream>;
    type Writer = WriteHalf<FalseStream>;

    async fn resolve(&self, name: &HostPort) -> io::Result<Vec<SocketAddr>> {
        self.0.resolved.fetch_add(1, Ordering::SeqCst);
        let names = self.0.names.lock().expect("no panic");
        match names.get(&name.host).filter(|found| !found.is_empty()) {
            Some(found) => Ok(found.clone()),
            None => Err(io::Error::other("no such name")),
        }
    }

    async fn connect(&self, address: SocketAddr, _dial: &Dial) -> io::Result<FalseStream> {
        self.0.dialled.lock().expect("no panic").push((Environment::paused_now(), address));
        let host = self.0.hosts.lock().expect("no panic").get(&address).cloned();
        let peer = match host {
            Some(Host::Serves(peer)) => peer,
            Some(Host::Swallows) => std::future::pending().await,
            Some(Host::Refuses) | None => return Err(io::ErrorKind::ConnectionRefused.into()),
        };
        let wire = *self.0.wire.lock().expect("no panic");
        let window = if wire.window == 0 { 64 * 1024 } else { wire.window };
        let (ours, theirs) = tokio::io::duplex(window);
        peer.accept(theirs, self.0.ends.subscribe());
        self.0.open.fetch_add(1, Ordering::SeqCst);
        Ok(FalseStream {
            inner: ours,
            wire,
            up: 0,
            down: 0,
            pauses: [None, None],
            open: Arc::clone(&self.0.open),
            cut: Arc::clone(&self.0.reset),
        })
    }

    fn local_address(_stream: &FalseStream) -> Option<SocketAddr> {
        None
    }

    fn split(stream: FalseStream) -> (Self::Reader, Self::Writer) {
        tokio::io::split(stream)
    }
}

/// Our end of a connection.
#[derive(Debug)]
pub(super) struct FalseStream {
    inner: DuplexStream,
    wire: Wire,
    up: usize,
    down: usize,
    /// The pause before the next slice: reading, writing.
    pauses: [Option<Pin<Box<Sleep>>>; 2],
    open: Arc<AtomicUsize>,
    cut: Arc<AtomicUsize>,
}

impl Drop for FalseStream {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl FalseStream {
    /// Bytes that may move now, `wanted` at most; an error where the wire is cut.
    fn allowance(&self, moved: usize, cut_after: Option<usize>, wanted: usize) -> io::Result<usize> {
        let slice = if self.wire.slice == 0 { wanted } else { wanted.min(self.wire.slice) };
        match cut_after {
            Some(limit) if moved >= limit => {
                assert!(!self.wire.is_defect, "a defect, as a test wants it");
                self.cut.fetch_add(1, Ordering::SeqCst);
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Some(limit) => Ok(slice.min(limit - moved)),
            None => Ok(slice),
        }
    }

    fn poll_pause(&mut self, which: usize, cx: &mut Context<'_>) -> Poll<()> {
        if self.wire.delay.is_zero() {
            return Poll::Ready(());
        }
        let delay = self.wire.delay;
        let pause = self.pauses[which].get_or_insert_with(|| Box::pin(tokio::time::sleep(delay)));
        ready!(pause.as_mut().poll(cx));
        self.pauses[which] = None;
        Poll::Ready(())
    }
}

impl AsyncRead for FalseStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let allowed = this.allowance(this.down, this.wire.cut_down_after, buffer.remaining())?;
        ready!(this.poll_pause(0, cx));
        let mut part = vec![0; allowed];
        let mut part = ReadBuf::new(&mut part);
        ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
        this.down += part.filled().len();
        buffer.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for FalseStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let allowed = this.allowance(this.up, this.wire.cut_up_after, bytes.len())?;
        ready!(this.poll_pause(1, cx));
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, &bytes[..allowed]))?;
        this.up += written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
