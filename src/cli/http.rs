//! A small HTTP client: what the commands ask a façade, a fault injector or a health check.
//!
//! **Why not a big client.** Everything asked here is plain HTTP/1.1 on a class's own network: no TLS, no redirects, no
//! cookies. Answers are bounded ([`LARGEST_ANSWER_BYTES`]) and every call has a time limit, so that a command cannot
//! hang on a peer that says nothing. Neighbours: `chaos`, `validate`, `lab`, `doctor`, `trace`. Not here: what is asked.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// The most that an answer may hold.
pub const LARGEST_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A client that keeps its connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Client<HttpConnector, Full<Bytes>>,
    timeout: Duration,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpError {
    /// What was asked.
    pub url: String,
    /// What went wrong.
    pub reason: String,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.reason)
    }
}

impl std::error::Error for HttpError {}

impl HttpClient {
    /// A client whose calls take at most this long, each.
    pub fn new(timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(timeout));
        Self { client: Client::builder(TokioExecutor::new()).build(connector), timeout }
    }

    /// Asks and reads the whole answer, whatever its status; a body is sent as JSON.
    ///
    /// # Errors
    ///
    /// [`HttpError`] for an address that cannot be one, no connection, or no whole answer in time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the call; the peer decides whether it acted on it.
    pub async fn call(
        &self,
        method: Method,
        url: &str,
        body: Option<Bytes>,
    ) -> Result<HttpAnswer, HttpError> {
        self.call_with(method, url, &[], body).await
    }

    /// As [`Self::call`], with headers.
    ///
    /// # Errors
    ///
    /// As [`Self::call`], and for a header that cannot be one.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::call`].
    pub async fn call_with(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<HttpAnswer, HttpError> {
        let failed = |reason: String| HttpError { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|error| failed(format!("not a URL: {error}")))?;
        let mut request = Request::builder().method(method).uri(uri);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| failed(error.to_string()))?;
            let value = HeaderValue::from_str(value).map_err(|error| failed(error.to_string()))?;
            request = request.header(name, value);
        }
        let request =
            request.body(Full::new(body.unwrap_or_default())).map_err(|error| failed(error.to_string()))?;
        let whole = async {
            let answer = self.client.request(request).await.map_err(|error| failed(with_sources(&error)))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| failed(format!("the answer broke off: {error}")))?.to_bytes();
            Ok(HttpAnswer { status: head.status, headers: head.headers, body })
        };
        tokio::time::timeout(self.timeout, whole).await.unwrap_or_else(|_elapsed| {
            Err(failed(format!("no answer within {} ms", self.timeout.as_millis())))
        })
    }
}

impl HttpAnswer {
    /// The body as text; bytes that are none are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with its beginning.
    pub fn json(&self) -> Result<serde_json::Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let beginning: String = self.text().chars().take(200).collect();
            format!("the answer is not JSON ({error}): {beginning:?}")
        })
    }
}

/// The client's own words say only "client error"; what matters stands in its sources.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // A command that asks where nobody listens must say where, and must not hang.
    #[tokio::test]
    async fn nobody_listening_is_an_error_that_names_the_address() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

        let url = format!("http://{free}/health");
        let error = HttpClient::new(Duration::from_secs(5)).call(Method::GET, &url, None).await.unwrap_err();

        assert_eq!(error.url, url);
        assert!(error.reason.contains("refused"), "{error}");
    }
}
