//! One direction of a connection: what arrived, the chain of toxics, what is being written.
//!
//! **Why reads are small and writes whole.** Before a toxic a read takes at most [`CHUNK_BYTES`], as Toxiproxy's, so that a
//! slow line is slow evenly; without one, a busy direction reads [`BULK_BYTES`], which saves system calls. Each item that leaves the chain is a write of its own, so that slices stay slices. Neighbours:
//! [`super::connection`] owns two of them. Not here: which sockets.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::net::TcpStream;

use crate::chaos::definition::Stream;
use crate::chaos::metrics::LinkCounters;
use crate::chaos::toxics::chain::Chain;
use crate::chaos::toxics::head::Head;
use crate::chaos::toxics::stage::{Item, Next, Told};
use crate::time::Instant;

/// The most that one read takes where there is a toxic, or little to read.
pub const CHUNK_BYTES: usize = 32 * 1024;
/// The most that one read takes in bulk.
pub const BULK_BYTES: usize = 256 * 1024;

/// One direction.
#[derive(Debug)]
pub(crate) struct Link {
    stream: Stream,
    head: Head,
    chain: Chain,
    /// What is being written.
    leaving: Bytes,
    buffer: BytesMut,
    /// Whether the last read was a large one.
    is_bulk: bool,
    counters: LinkCounters,
    due: Option<Instant>,
    is_blocked: bool,
    is_source_open: bool,
    is_done: bool,
}

/// What writing came to.
#[derive(Debug)]
pub(crate) enum Written {
    Nothing,
    Some,
    End,
    Reset,
    Failed(io::Error),
}

impl Link {
    pub(crate) fn new(stream: Stream, counters: LinkCounters) -> Self {
        Self {
            stream,
            head: Head::default(),
            chain: Chain::default(),
            leaving: Bytes::new(),
            buffer: BytesMut::new(),
            is_bulk: false,
            counters,
            due: None,
            is_blocked: false,
            is_source_open: true,
            is_done: false,
        }
    }

    pub(crate) const fn stream(&self) -> Stream {
        self.stream
    }

    pub(crate) const fn chain(&mut self) -> &mut Chain {
        &mut self.chain
    }

    /// When a toxic wants to be asked again.
    pub(crate) const fn due(&self) -> Option<Instant> {
        if self.is_done { None } else { self.due }
    }

    pub(crate) const fn is_blocked(&self) -> bool {
        self.is_blocked && !self.is_done
    }

    pub(crate) const fn is_done(&self) -> bool {
        self.is_done
    }

    pub(crate) fn wants_input(&self, now: Instant) -> bool {
        self.is_source_open && !self.is_done && self.head.has_room(now)
    }

    pub(crate) fn push(&mut self, item: Item) {
        if self.is_source_open {
            self.head.push(item);
        }
    }

    /// What is pushed from now on waits this long.
    pub(crate) fn hold(&mut self, now: Instant, delay: Duration) {
        self.head.hold(now, delay);
    }

    /// Nothing more will come.
    pub(crate) fn end(&mut self) {
        if self.is_source_open {
            self.head.push(Item::End);
            self.is_source_open = false;
        }
    }

    /// The destination is closed; what has not left is lost.
    pub(crate) const fn finish(&mut self) {
        self.is_done = true;
        self.is_source_open = false;
    }

    /// Reads once: the bytes, none at the end, `None` if there is nothing yet.
    pub(crate) fn read_from(&mut self, socket: &TcpStream) -> io::Result<Option<Bytes>> {
        let most = if self.is_bulk && self.chain.is_empty() { BULK_BYTES } else { CHUNK_BYTES };
        if self.buffer.capacity() < most / 2 {
            // Takes the same memory again if everything that was read has left.
            self.buffer.reserve(most);
        }
        match socket.try_read_buf(&mut (&mut self.buffer).limit(most)) {
            Ok(length) => {
                self.is_bulk = length >= CHUNK_BYTES / 2;
                self.counters.received.inc_by(u64::try_from(length).unwrap_or(u64::MAX));
                Ok(Some(self.buffer.split().freeze()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes until nothing leaves the chain, the socket is full, or the stream ends.
    pub(crate) fn write_to(&mut self, socket: Option<&TcpStream>, now: Instant) -> Written {
        let mut written = Written::Nothing;
        if self.is_done {
            return written;
        }
        self.is_blocked = false;
        loop {
            if self.leaving.is_empty() {
                self.due = None;
                match self.chain.next(&mut self.head, now) {
                    Next::Item(Item::Chunk(chunk)) => self.leaving = chunk.bytes,
                    Next::Item(Item::End) => return Written::End,
                    Next::Item(Item::Reset) => return Written::Reset,
                    Next::Wait(due) => {
                        self.due = Some(due);
                        return written;
                    }
                    Next::Idle => return written,
                }
                written = Written::Some;
                continue;
            }
            let Some(socket) = socket else { return Written::End };
            match socket.try_write(&self.leaving) {
                Ok(length) => {
                    self.counters.sent.inc_by(u64::try_from(length).unwrap_or(u64::MAX));
                    self.leaving.advance(length);
                    written = Written::Some;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_blocked = true;
                    return written;
                }
                Err(error) => return Written::Failed(error),
            }
        }
    }

    /// What the toxics did since they were last asked.
    pub(crate) fn take_told(&mut self) -> Vec<(std::sync::Arc<str>, Told)> {
        if self.chain.is_empty() { Vec::new() } else { self.chain.take_told() }
    }
}
