//! A few requests to a real broker, blocking and without retries: what a harness asks before, between and after.
//!
//! **Why not the crate's own client.** The judge must not share the defects of the judged: the schemas here are those of
//! `kafka-protocol`, the socket is the standard library's. Neighbours: [`crate::cluster`] asks for topics and leaders,
//! [`crate::reader`] for records. Not here: Produce; only the producer under test sends that.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// The longest that a healthy broker on this machine may take for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A node behind a cut link does not even refuse.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Larger than any answer that these tests ask for.
const MAX_FRAME_BYTES: usize = 64 << 20;

/// One connection to one broker.
pub struct Connection {
    stream: TcpStream,
    correlation_id: i32,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, correlation_id: 0 })
    }

    /// Sends one request and waits for its answer.
    pub fn call<R: Request>(&mut self, request: &R, version: i16) -> io::Result<R::Response> {
        self.correlation_id += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_static_str("facteur-harness")));
        let mut frame = BytesMut::zeroed(4);
        header.encode(&mut frame, R::header_version(version)).map_err(io::Error::other)?;
        request.encode(&mut frame, version).map_err(io::Error::other)?;
        let length = u32::try_from(frame.len() - 4).map_err(io::Error::other)?;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&frame)?;

        let mut body = read_frame(&mut self.stream)?;
        let answered = ResponseHeader::decode(&mut body, R::Response::header_version(version))
            .map_err(io::Error::other)?;
        if answered.correlation_id != self.correlation_id {
            return Err(io::Error::other("an answer to another request"));
        }
        R::Response::decode(&mut body, version).map_err(io::Error::other)
    }
}

/// One frame without its length.
pub fn read_frame(stream: &mut impl Read) -> io::Result<Bytes> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::other(format!("a frame of {length} bytes")));
    }
    let mut frame = BytesMut::zeroed(length);
    stream.read_exact(&mut frame)?;
    Ok(frame.freeze())
}
