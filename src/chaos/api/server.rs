//! The admin port: an injector that can be reached.
//!
//! **Why over the façade's server.** It has the limits already: time for the head, size, connections, a task per call.
//! Neighbours: [`crate::lab::server`], `lab/running.rs` and `facteur chaos serve` start it. Not here: proxies.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use crate::chaos::api::{Admin, router};
use crate::chaos::error::ChaosError;
use crate::chaos::injector::Injector;
use crate::lab::server::Server;

/// Time for a request's head, as in Toxiproxy.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// A running admin API with its injector.
#[derive(Debug)]
pub struct AdminServer {
    server: Server,
    injector: Injector,
}

impl AdminServer {
    /// Serves the API on a listener.
    ///
    /// # Errors
    ///
    /// If the system does not let it be served.
    pub fn start(listener: TcpListener, injector: Injector) -> Result<Self, ChaosError> {
        let failed = |error: std::io::Error| ChaosError::listen(format!("the admin API: {error}"));
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        let is_loopback_only = address.ip().is_loopback();
        let admin = Arc::new(Admin { injector: injector.clone(), is_loopback_only });
        let server = Server::start(listener, address, router(admin), HEADER_TIMEOUT);
        Ok(Self { server, injector })
    }

    /// Where the API listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Its injector.
    #[must_use]
    pub const fn injector(&self) -> &Injector {
        &self.injector
    }

    /// Closes the port and every proxy.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the rest closing.
    pub async fn stop(self) {
        self.server.stop_accepting(CALLS_PATIENCE);
        self.injector.stop().await;
        let _all_answered = self.server.stopped().await;
    }
}

const CALLS_PATIENCE: Duration = Duration::from_secs(2);
