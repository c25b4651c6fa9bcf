//! Accepts the façade's connections and ends them.
//!
//! **Why not `axum::serve`.** It never arms hyper's header timeout, so a client that dribbles its headers holds a
//! connection for ever (F01). Here every limit is set: headers within 5 s, at most 64 of them in 16 KiB, a bounded number
//! of connections, and 30 s for a reader to take something (F02). Each call runs in a task of its own, so that a caller who leaves does not cancel what was accepted
//! (F11) and a panic is answered with 500 (F15). Neighbours: [`crate::lab::app`] makes the router,
//! [`crate::lab::running`] starts and stops this. Not here: limits of single calls, which are [`crate::lab::guard`]'s.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::lab::error::Problem;
use crate::lab::language::Language;
use crate::lab::patient_stream::PatientStream;
use crate::lab::problem_kind::ProblemKind;
use crate::lab::request_id::{REQUEST_ID_HEADER, RequestId};
use crate::lab::tasks;
use crate::lab::trace_context::TraceContext;

/// Time for a request's head to arrive, and for the next one to begin on a connection that is kept.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for a reader to take something of an answer (F02).
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections at once, per port.
pub const MOST_CONNECTIONS: usize = 2048;
const MOST_HEADERS: usize = 64;
const LARGEST_HEAD_BYTES: usize = 16 * 1024;

/// How long a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a request's head.
    pub header: Duration,
    /// For taking anything of an answer.
    pub write: Duration,
}

/// A port that is being served.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<Option<Duration>>,
    accepting: JoinHandle<bool>,
}

impl Server {
    /// Serves a listener; `stop` ends it.
    pub fn start(
        listener: TcpListener,
        address: SocketAddr,
        router: Router,
        header_timeout: Duration,
    ) -> Self {
        let patience = Patience { header: header_timeout, write: WRITE_TIMEOUT };
        Self::start_with(listener, address, router, patience)
    }

    /// As [`Self::start`], with every time limit said.
    pub fn start_with(
        listener: TcpListener,
        address: SocketAddr,
        router: Router,
        patience: Patience,
    ) -> Self {
        let (stop, stopping) = watch::channel(None);
        let accepting = tasks::spawn(accept_until_stopped(listener, router, patience, stopping));
        Self { address, stop, accepting }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the listener at once.
    pub fn stop_accepting(&self, patience: Duration) {
        self.stop.send_replace(Some(patience));
    }

    /// Waits until the calls in flight are answered, for as long as [`Self::stop_accepting`] said; whether they were.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the connections to end on their own.
    pub async fn stopped(self) -> bool {
        self.accepting.await.unwrap_or(false)
    }
}

async fn accept_until_stopped(
    listener: TcpListener,
    router: Router,
    patience: Patience,
    mut stopping: watch::Receiver<Option<Duration>>,
) -> bool {
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let drain = loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return false };
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _peer)) => {
                    let connection = serve_connection(stream, router.clone(), patience, &connections);
                    // Ends with its connection, which the timeouts and the watcher of the drain bound.
                    drop(tasks::spawn(async move {
                        connection.await;
                        drop(place);
                    }));
                }
                // Out of file descriptors, or a peer that is gone already: neither is a reason to stop.
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tasks::sleep(Duration::from_millis(50)).await;
                }
            },
            drain = stopped(&mut stopping) => break drain,
        }
    };
    drop(listener);
    tokio::time::timeout(drain, connections.shutdown()).await.is_ok()
}

async fn stopped(stopping: &mut watch::Receiver<Option<Duration>>) -> Duration {
    let said = stopping.wait_for(Option::is_some).await.map(|said| *said);
    said.ok().flatten().unwrap_or(Duration::ZERO)
}

fn serve_connection(
    stream: TcpStream,
    router: Router,
    patience: Patience,
    connections: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + 'static {
    // Answers are small and written at once: waiting for more would only delay them.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request: Request<Incoming>| answer(router.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.header)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD_BYTES)
        .serve_connection(TokioIo::new(PatientStream::new(stream, patience.write)), service);
    let watched = connections.watch(connection);
    async move {
        if let Err(error) = watched.await {
            tracing::debug!(%error, "connection ended");
        }
    }
}

/// Runs a call in a task of its own, and gives every answer its `X-Request-Id`.
async fn answer(router: Router, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let language = Language::of(request.headers());
    let (request_id, trace) = (RequestId::of(request.headers()), TraceContext::of(request.headers()));
    // A trace that was made here must be the one that the route and the record tell.
    if let Ok(traceparent) = HeaderValue::from_str(&trace.header()) {
        request.headers_mut().insert("traceparent", traceparent);
    }
    // Ends with the call, which its own time limits bound; it outlives a caller who leaves (F11).
    let call = tasks::spawn(async move { router.oneshot(request.map(Body::new)).await });
    let response = match call.await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(error) => {
            tracing::error!(%error, "a call panicked");
            let happened =
                language.pick("The call stopped by a defect.", "L'appel s'est arrêté sur un défaut.");
            Problem::new(ProblemKind::Internal, language, happened).possibly_written().into_response()
        }
    };
    let mut response = Problem::complete(response, request_id.as_str(), trace.trace_id());
    if let Ok(value) = HeaderValue::from_str(request_id.as_str()) {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    Ok(response)
}
