//! A relay between the producer and a broker that understands frames and can lose answers.
//!
//! **Why frame-aware.** The fault that idempotence is for is precise: the broker has stored the batch, its answer never
//! arrives, and the connection breaks. A relay of bytes cannot do that on purpose; this one waits for the answer to a
//! Produce, which proves that the broker is done with it, drops it and closes both sides. The producer reaches it by
//! `facteur.address.map`, so that addresses in metadata need no rewriting.
//!
//! One rewriting it does, and only if asked: the highest Produce version in ApiVersions is lowered in place, to exercise
//! older versions on a newer broker. It also counts the Produce versions it sees. Neighbours: [`crate::faults`],
//! [`crate::versions`]. Not here: latency, partial frames, resets in mid-frame; the fault injector has tests for those.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::admin::read_frame;

const PRODUCE: i16 = 0;
const API_VERSIONS: i16 = 18;

/// What all connections of a relay share.
#[derive(Debug, Default)]
struct Shared {
    to_drop: AtomicU32,
    dropped: AtomicU32,
    is_stopping: AtomicBool,
    max_produce_version: Option<i16>,
    produce_versions: Mutex<BTreeMap<i16, u32>>,
    open: Mutex<Vec<TcpStream>>,
}

/// A listening relay in front of one broker. Dropping it closes everything.
#[derive(Debug)]
pub struct Relay {
    pub port: u16,
    shared: Arc<Shared>,
}

impl Relay {
    /// Relays connections to `upstream`; `max_produce_version` caps what ApiVersions offers.
    pub fn start(upstream: SocketAddr, max_produce_version: Option<i16>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let shared = Arc::new(Shared { max_produce_version, ..Shared::default() });
        let for_thread = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, upstream, &for_thread));
        Self { port, shared }
    }

    /// The next `count` answers to Produce are lost, each with its connection.
    pub fn drop_answers(&self, count: u32) {
        self.shared.to_drop.fetch_add(count, Ordering::SeqCst);
    }

    /// How many answers were lost so far.
    pub fn dropped(&self) -> u32 {
        self.shared.dropped.load(Ordering::SeqCst)
    }

    /// How many Produce requests came in each version.
    pub fn produce_versions(&self) -> BTreeMap<i16, u32> {
        self.shared.produce_versions.lock().expect("no thread panics with the lock").clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees the flag.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        for stream in self.shared.open.lock().expect("no thread panics with the lock").drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

fn accept(listener: &TcpListener, upstream: SocketAddr, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.is_stopping.load(Ordering::SeqCst) {
            return;
        }
        // A broker that is down refuses; the client sees its connection closed, as it would without a relay.
        let Ok(client) = client else { continue };
        let Ok(broker) = TcpStream::connect(upstream) else { continue };
        drop((client.set_nodelay(true), broker.set_nodelay(true)));
        if let Err(error) = Link::spawn(client, broker, shared) {
            println!("relay: a connection could not be set up: {error}");
        }
    }
}

/// One connection through the relay: what is on its way and not yet answered, in order, as Kafka answers in order.
struct Link {
    client: TcpStream,
    broker: TcpStream,
    pending: Mutex<VecDeque<(i16, i16)>>,
    shared: Arc<Shared>,
}

impl Link {
    fn spawn(client: TcpStream, broker: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
        shared
            .open
            .lock()
            .expect("no thread panics with the lock")
            .extend([client.try_clone()?, broker.try_clone()?]);
        let link = Arc::new(Self { client, broker, pending: Mutex::default(), shared: Arc::clone(shared) });
        let answers = Arc::clone(&link);
        for run in [link_thread(link, Self::forward_requests), link_thread(answers, Self::forward_answers)] {
            thread::spawn(run);
        }
        Ok(())
    }

    fn forward_requests(&self) -> io::Result<()> {
        let (mut from, mut to) = (&self.client, &self.broker);
        loop {
            let frame = read_frame(&mut from)?;
            if frame.len() < 4 {
                return Err(io::Error::other("a frame too short for a request"));
            }
            let key = i16::from_be_bytes([frame[0], frame[1]]);
            let version = i16::from_be_bytes([frame[2], frame[3]]);
            if key == PRODUCE {
                *self
                    .shared
                    .produce_versions
                    .lock()
                    .expect("no thread panics with the lock")
                    .entry(version)
                    .or_default() += 1;
            }
            // Before the request leaves: its answer may be here at once.
            self.pending.lock().expect("no thread panics with the lock").push_back((key, version));
            write_frame(&mut to, &frame)?;
        }
    }

    fn forward_answers(&self) -> io::Result<()> {
        let (mut from, mut to) = (&self.broker, &self.client);
        loop {
            let frame = read_frame(&mut from)?;
            let (key, version) = self
                .pending
                .lock()
                .expect("no thread panics with the lock")
                .pop_front()
                .ok_or_else(|| io::Error::other("an answer that nobody asked for"))?;
            if key == PRODUCE && self.takes_one_to_drop() {
                self.shared.dropped.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
            match self.shared.max_produce_version {
                Some(max) if key == API_VERSIONS => {
                    let mut frame = frame.to_vec();
                    lower_produce_version(&mut frame, version, max);
                    write_frame(&mut to, &frame)?;
                }
                _ => write_frame(&mut to, &frame)?,
            }
        }
    }

    fn takes_one_to_drop(&self) -> bool {
        let to_drop = &self.shared.to_drop;
        to_drop.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

/// One direction of a link; when it ends, for whatever reason, both sides are closed, which ends the other direction.
fn link_thread(link: Arc<Link>, run: fn(&Link) -> io::Result<()>) -> impl FnOnce() + Send + 'static {
    move || {
        // Every end of a connection is an error or end of file here; none of them is news.
        drop(run(&link));
        drop((link.client.shutdown(Shutdown::Both), link.broker.shutdown(Shutdown::Both)));
    }
}

fn write_frame(to: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
    let mut whole = Vec::with_capacity(frame.len() + 4);
    whole.extend_from_slice(&length.to_be_bytes());
    whole.extend_from_slice(frame);
    to.write_all(&whole)
}

/// Lowers the highest version of Produce in an ApiVersions answer, in place; its length does not change.
///
/// ```text
/// versions 0-2: correlation id 4, error 2, count 4,        then per API: key 2, min 2, max 2
/// versions 3+ : correlation id 4, error 2, count+1 varint, then per API: key 2, min 2, max 2, tagged fields 1
/// ```
/// A count above 126 would need a second varint byte; no broker has that many APIs yet, and then the frame stays as it
/// is and the test that wanted an older version fails.
fn lower_produce_version(frame: &mut [u8], version: i16, max: i16) {
    let (first, stride) = if version >= 3 { (7, 7) } else { (10, 6) };
    let mut at = first;
    while let Some(entry) = frame.get_mut(at..at + 6) {
        if i16::from_be_bytes([entry[0], entry[1]]) == PRODUCE {
            let offered = i16::from_be_bytes([entry[4], entry[5]]);
            entry[4..6].copy_from_slice(&offered.min(max).to_be_bytes());
            return;
        }
        at += stride;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// A broker that answers each frame with its correlation id, and tells how many it got.
    fn echo() -> (SocketAddr, Arc<AtomicU32>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                while let Ok(frame) = read_frame(&mut stream) {
                    counter.fetch_add(1, Ordering::SeqCst);
                    write_frame(&mut stream, &frame[4..8]).unwrap();
                }
            }
        });
        (address, seen)
    }

    /// A request without a body: key, version, correlation id.
    fn request(key: i16, correlation_id: i32) -> Vec<u8> {
        [&key.to_be_bytes()[..], &9_i16.to_be_bytes(), &correlation_id.to_be_bytes()].concat()
    }

    // The heart of the harness: the broker has had the Produce, its answer is gone and so is the connection; other APIs
    // and the next connection are served. Fails if the request is what gets lost, or the connection stays.
    #[test]
    fn an_answer_to_produce_is_lost_after_the_broker_had_the_request() {
        let (broker, seen) = echo();
        let relay = Relay::start(broker, None);
        relay.drop_answers(1);

        let mut first = TcpStream::connect(("127.0.0.1", relay.port)).unwrap();
        write_frame(&mut first, &request(3, 1)).unwrap();
        assert_eq!(&read_frame(&mut first).unwrap()[..], &1_i32.to_be_bytes());
        write_frame(&mut first, &request(PRODUCE, 2)).unwrap();
        assert_eq!(first.read(&mut [0; 1]).unwrap_or(0), 0, "nothing comes but the end of the connection");

        assert_eq!((seen.load(Ordering::SeqCst), relay.dropped()), (2, 1));
        let mut second = TcpStream::connect(("127.0.0.1", relay.port)).unwrap();
        write_frame(&mut second, &request(PRODUCE, 3)).unwrap();
        assert_eq!(&read_frame(&mut second).unwrap()[..], &3_i32.to_be_bytes());
        assert_eq!(relay.produce_versions(), BTreeMap::from([(9, 2)]));
    }

    // An old and a new layout, Produce first or second. Fails if a neighbour's versions are touched or the stride is off.
    #[test]
    fn only_the_highest_produce_version_is_lowered() {
        let entry =
            |key: i16, min: i16, max: i16| [key.to_be_bytes(), min.to_be_bytes(), max.to_be_bytes()].concat();
        let old = [&[0; 10][..], &entry(1, 4, 18), &entry(0, 3, 13)].concat();
        let new = [&[0; 7][..], &entry(0, 3, 13), &[0], &entry(1, 4, 18), &[0]].concat();

        let (mut old_lowered, mut new_lowered) = (old.clone(), new.clone());
        lower_produce_version(&mut old_lowered, 2, 9);
        lower_produce_version(&mut new_lowered, 3, 20);

        assert_eq!(old_lowered, [&old[..20], &9_i16.to_be_bytes()].concat());
        assert_eq!(new_lowered, new, "a cap above what the broker offers changes nothing");
    }
}
