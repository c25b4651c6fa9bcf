//! One socket: frames out, frames in.
//!
//! **Why it reports what the system took.** Whether a request may have reached the broker depends on whether its last
//! byte was taken by the operating system (D-3); so the writer says so for each frame, and nothing less counts.
//!
//! Neighbours: `driver` owns the task; `dialer` opened the socket. Not here: what the frames mean.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::engine::Event;
use crate::identifiers::ConnectionId;
use crate::mutants::{self, Nudge};
use crate::runtime::dialer::Network;
use crate::wire::frame::{FIRST_FRAME_LIMIT_BYTES, cut_frame};

/// Pieces handed to the system in one call; Linux takes at most 1024.
const MAX_SLICES: usize = 64;
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// A frame to write.
#[derive(Debug)]
pub(crate) struct OutFrame {
    pub(crate) correlation_id: i32,
    pub(crate) pieces: Vec<Bytes>,
}

/// Tells the end of a connection that a defect of ours ends: the engine would wait for its time limit otherwise.
struct EndByPanic<'a> {
    connection: ConnectionId,
    events: &'a UnboundedSender<Event>,
}

impl Drop for EndByPanic<'_> {
    fn drop(&mut self) {
        // Whoever is aborted was let go by the driver and has nothing to tell.
        if std::thread::panicking() {
            let reason = Arc::from("a defect in the task of the connection");
            tell(self.events, Event::Disconnected { connection: self.connection, reason });
        }
    }
}

/// The whole life of a connection; the last event is always `Disconnected`, after a panic too.
pub(crate) async fn run<N: Network>(
    connection: ConnectionId,
    opening: impl Future<Output = Result<N::Stream, String>> + Send,
    receive_max_bytes: usize,
    frames: UnboundedReceiver<OutFrame>,
    events: UnboundedSender<Event>,
    local_address: Arc<OnceLock<SocketAddr>>,
) {
    let _told_at_a_panic = EndByPanic { connection, events: &events };
    let reason = match opening.await {
        Err(reason) => reason,
        Ok(stream) => {
            // Before the event, so that whoever handles it finds it.
            if let Some(address) = N::local_address(&stream) {
                let _set_only_here = local_address.set(address);
            }
            tell(&events, Event::Connected { connection });
            let (reader, writer) = N::split(stream);
            tokio::select! {
                biased;
                reason = read(connection, reader, receive_max_bytes, &events) => reason,
                reason = write(connection, writer, frames, &events) => reason,
            }
        }
    };
    tell(&events, Event::Disconnected { connection, reason: Arc::from(reason) });
}

/// The driver may be gone already; then nobody needs to know.
fn tell(events: &UnboundedSender<Event>, event: Event) {
    if events.send(event).is_err() {
        tracing::trace!("an event came after the driver's end");
    }
}

async fn write(
    connection: ConnectionId,
    mut writer: impl AsyncWrite + Unpin,
    mut frames: UnboundedReceiver<OutFrame>,
    events: &UnboundedSender<Event>,
) -> String {
    while let Some(frame) = frames.recv().await {
        let mut pieces = frame.pieces;
        let mut first = 0;
        while first < pieces.len() {
            let end = pieces.len().min(first + MAX_SLICES);
            let mut slices: Vec<IoSlice<'_>> =
                pieces[first..end].iter().map(|piece| IoSlice::new(piece)).collect();
            if mutants::buggify(Nudge::ShortWrite)
                && let Some(byte) = pieces[first].get(..1)
            {
                slices = vec![IoSlice::new(byte)];
            }
            let written = match writer.write_vectored(&slices).await {
                Ok(0) => return "the peer takes no more bytes".to_owned(),
                Ok(written) => written,
                Err(error) => return format!("write: {error}"),
            };
            first = advance(&mut pieces, first, written);
            if first < pieces.len() {
                tell(events, Event::WriteProgress { connection });
            }
        }
        tell(events, Event::Written { connection, correlation_id: frame.correlation_id });
    }
    // The driver has let go of the connection.
    std::future::pending().await
}

/// Skips what was written; the place of the first piece that has bytes left.
fn advance(pieces: &mut [Bytes], mut first: usize, mut written: usize) -> usize {
    while let Some(piece) = pieces.get_mut(first) {
        if written < piece.len() {
            piece.advance(written);
            return first;
        }
        written -= piece.len();
        *piece = Bytes::new();
        first += 1;
    }
    first
}

async fn read(
    connection: ConnectionId,
    mut reader: impl AsyncRead + Unpin,
    receive_max_bytes: usize,
    events: &UnboundedSender<Event>,
) -> String {
    let mut buffer = BytesMut::with_capacity(READ_BUFFER_BYTES);
    let mut limit_bytes = receive_max_bytes.min(FIRST_FRAME_LIMIT_BYTES);
    loop {
        loop {
            match cut_frame(&mut buffer, limit_bytes) {
                Ok(Some(frame)) => tell(events, Event::Received { connection, frame }),
                // It grows as bytes come, never to what a length claims: a lying peer costs what it sends.
                Ok(None) => break,
                Err(error) => return error.to_string(),
            }
            // The first answer is that to ApiVersions: whoever gives it is a Kafka broker.
            limit_bytes = receive_max_bytes;
        }
        buffer.reserve(READ_BUFFER_BYTES);
        match reader.read_buf(&mut buffer).await {
            Ok(0) if buffer.is_empty() => return "the broker closed the connection".to_owned(),
            Ok(0) => {
                return format!(
                    "the broker closed the connection inside a frame, {} bytes of it came",
                    buffer.len()
                );
            }
            Ok(_) => {}
            Err(error) => return format!("read: {error}"),
        }
    }
}
