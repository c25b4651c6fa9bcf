//! Whom the faults of `chaos test-all` are tried on: an echo, and a broker that knows two answers.
//!
//! **Why not the lab's broker.** A fault must be seen by itself: what comes back is known to the byte, and nobody else's
//! connections are hurt. Neighbours: [`super::test_cases`]. Not here: the injector.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::cli::exit::{Exit, Failure};
use crate::lab::tasks;
use crate::wire::api::ApiKey;
use crate::wire::frame::parse_frame_length;
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// A peer that listens until it is dropped.
#[derive(Debug)]
pub(crate) struct TestPeer {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// What a peer speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tongue {
    /// Sends back what it gets.
    Echo,
    /// Answers `ApiVersions` 0 and `Metadata` 1.
    Kafka,
}

impl TestPeer {
    pub(crate) async fn start(tongue: Tongue) -> Result<Self, Failure> {
        let failed =
            |error| Failure::new(Exit::CannotConnect, format!("cannot listen on 127.0.0.1: {error}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        // Ended when the peer is dropped.
        let task = tasks::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let counter = Arc::clone(&counter);
                // Ends with its connection.
                drop(tasks::spawn(async move {
                    drop(stream.set_nodelay(true));
                    drop(match tongue {
                        Tongue::Echo => echo(stream).await,
                        Tongue::Kafka => answer_all(stream, &counter).await,
                    });
                }));
            }
        });
        Ok(Self { address, requests, task })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many Kafka requests have arrived whole.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Acquire)
    }
}

impl Drop for TestPeer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One byte, `E`, makes it close: the end of the stream must come from the server for some faults.
async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let size = stream.read(&mut buffer).await?;
        let bytes = buffer.get(..size).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        stream.write_all(bytes).await?;
        if bytes.ends_with(CLOSE) {
            return Ok(());
        }
    }
}

async fn answer_all(mut stream: TcpStream, counter: &AtomicUsize) -> std::io::Result<()> {
    loop {
        let mut prefix = [0; 4];
        stream.read_exact(&mut prefix).await?;
        let size = parse_frame_length(prefix, LARGEST_REQUEST_BYTES).map_err(std::io::Error::other)?;
        let mut frame = vec![0; size];
        stream.read_exact(&mut frame).await?;
        counter.fetch_add(1, Ordering::AcqRel);
        let answer = answer(Bytes::from(frame)).map_err(std::io::Error::other)?;
        stream.write_all(&answer).await?;
    }
}

fn answer(frame: Bytes) -> Result<Vec<u8>, crate::wire::WireError> {
    let mut reader = Reader::new("request", frame);
    let api = reader.i16()?;
    reader.i16()?;
    let correlation_id = reader.i32()?;
    let mut body = Writer::bare(false);
    body.i32(correlation_id);
    if api == ApiKey::Metadata.code() {
        body.length(Some(1));
        body.i32(1);
        body.string(ADVERTISED_HOST);
        body.i32(i32::from(ADVERTISED_PORT));
        body.nullable_string(None);
        body.i32(1);
        body.length(Some(0));
    } else {
        body.i16(0);
        body.length(Some(0));
    }
    let body = body.into_bytes();
    let mut whole = i32::try_from(body.len()).unwrap_or(i32::MAX).to_be_bytes().to_vec();
    whole.extend_from_slice(&body);
    Ok(whole)
}

/// What makes the echo close.
pub(crate) const CLOSE: &[u8] = b"E";
/// The address that the Kafka peer advertises; nobody is there.
pub(crate) const ADVERTISED_HOST: &str = "broker.invalid";
/// Its port.
pub(crate) const ADVERTISED_PORT: u16 = 9;
const LARGEST_REQUEST_BYTES: usize = 64 * 1024;
