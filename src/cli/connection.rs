//! One connection of the small Kafka client: a request, its answer, the next.
//!
//! **Why so simple.** The commands ask one thing at a time. Neighbours: [`crate::cli::client`] chooses whom to ask,
//! [`crate::wire`] spells requests and reads answers. Not here: pipelining and retries, which the producer has.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config::HostPort;
use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::ApiKey;
use crate::wire::api::api_versions::{self, ApiVersionsResponse};
use crate::wire::frame::{
    DEFAULT_FRAME_LIMIT_BYTES, FIRST_FRAME_LIMIT_BYTES, decode_response_header, parse_frame_length,
};

/// How these commands name themselves to brokers.
pub const CLIENT_ID: &str = "facteur-cli";

/// Why a conversation with a broker failed.
#[derive(Debug)]
pub enum ConnectionError {
    /// The name has no address.
    Resolve(std::io::Error),
    /// Nobody answers at the address, or the connection broke.
    Io(std::io::Error),
    /// It took longer than it may.
    TimedOut(Duration),
    /// Whoever is there speaks something else.
    Wire(WireError),
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(error) => write!(f, "the name does not resolve ({error})"),
            Self::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                f.write_str("the connection was refused: nothing listens there")
            }
            Self::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => f.write_str(
                "the connection was closed in the middle of an answer; is this a Kafka broker without TLS?",
            ),
            Self::Io(error) => write!(f, "{error}"),
            Self::TimedOut(waited) => write!(f, "no answer within {waited:?}"),
            Self::Wire(error) => write!(f, "{error}"),
        }
    }
}

impl From<WireError> for ConnectionError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl From<std::io::Error> for ConnectionError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// A connection whose broker's versions are known.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    correlation_id: i32,
    versions: ApiVersionsResponse,
    timeout: Duration,
}

impl Connection {
    /// Connects and asks for the broker's versions.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn open(address: &HostPort, timeout: Duration) -> Result<Self, ConnectionError> {
        let stream = within(timeout, dial(address)).await?;
        stream.set_nodelay(true)?;
        let no_versions = ApiVersionsResponse {
            error: ErrorCode::NONE,
            ranges: std::collections::BTreeMap::new(),
            throttle_ms: 0,
        };
        let mut connection = Self { stream, correlation_id: 0, versions: no_versions, timeout };
        connection.versions = connection.ask_versions().await?;
        Ok(connection)
    }

    /// The version to use for an API.
    ///
    /// # Errors
    ///
    /// If there is none that both sides speak.
    pub fn version_for(&self, api: ApiKey) -> Result<i16, ConnectionError> {
        Ok(self.versions.version_for(api)?)
    }

    /// Sends a request that `encode` spells with the correlation id, and returns the body of its answer.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`]; the connection must not be used again then.
    ///
    /// # Cancel safety
    ///
    /// Not safe: the answer of an abandoned request would be taken for the next one's, and is refused as such.
    pub async fn ask(
        &mut self,
        api: ApiKey,
        version: i16,
        patience: Duration,
        encode: impl FnOnce(i32) -> Bytes,
    ) -> Result<Bytes, ConnectionError> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let (correlation_id, limit) = (self.correlation_id, DEFAULT_FRAME_LIMIT_BYTES);
        let frame =
            within(self.timeout + patience, exchange(&mut self.stream, encode(correlation_id), limit))
                .await?;
        Ok(decode_response_header(frame, correlation_id, api.has_flexible_response_header(version))?)
    }

    async fn ask_versions(&mut self) -> Result<ApiVersionsResponse, ConnectionError> {
        let mut version = ApiKey::ApiVersions.supported_range().max;
        for _attempt in 0..2 {
            self.correlation_id = self.correlation_id.wrapping_add(1);
            let correlation_id = self.correlation_id;
            let request = api_versions::encode_request(version, correlation_id, CLIENT_ID);
            let frame =
                within(self.timeout, exchange(&mut self.stream, request, FIRST_FRAME_LIMIT_BYTES)).await?;
            let body = decode_response_header(frame, correlation_id, false)?;
            let answer = api_versions::decode_response(version, body)?;
            if answer.error != ErrorCode::UNSUPPORTED_VERSION {
                return Ok(answer);
            }
            version = answer.version_to_ask_again_with();
        }
        Err(ConnectionError::Wire(WireError::UnsupportedVersion { api: ApiKey::ApiVersions, version }))
    }
}

async fn dial(address: &HostPort) -> Result<TcpStream, ConnectionError> {
    let found = tokio::net::lookup_host((address.host.as_str(), address.port))
        .await
        .map_err(ConnectionError::Resolve)?;
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for candidate in found {
        match TcpStream::connect(candidate).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(ConnectionError::Io(last))
}

async fn exchange(stream: &mut TcpStream, request: Bytes, limit: usize) -> Result<Bytes, ConnectionError> {
    stream.write_all(&request).await?;
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await?;
    let length = parse_frame_length(prefix, limit)?;
    // Grows with what arrives: a peer that only announces much costs nothing.
    let mut frame = Vec::new();
    let mut rest = stream.take(u64::try_from(length).unwrap_or(u64::MAX));
    rest.read_to_end(&mut frame).await?;
    if frame.len() < length {
        return Err(ConnectionError::Io(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(Bytes::from(frame))
}

async fn within<T>(
    timeout: Duration,
    action: impl Future<Output = Result<T, ConnectionError>>,
) -> Result<T, ConnectionError> {
    tokio::time::timeout(timeout, action).await.unwrap_or(Err(ConnectionError::TimedOut(timeout)))
}
