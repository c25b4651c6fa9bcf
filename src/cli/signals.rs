//! Ctrl-C and SIGTERM.
//!
//! **Why both mean "drain".** An orchestrator sends SIGTERM, a person Ctrl-C; both want what was accepted to be delivered.
//! A second one means "now". Neighbours: `serve`, `broker`, `produce`, `consume`. Not here: what draining is.

use crate::cli::exit::Failure;

/// The two signals, listened to from now on.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Starts listening; before this a signal simply ends the process.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    #[cfg(unix)]
    pub fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let refused = |error| {
            Failure::new(crate::cli::exit::Exit::CheckFailed, format!("signals cannot be handled: {error}"))
        };
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(refused)?,
            interrupt: signal(SignalKind::interrupt()).map_err(refused)?,
        })
    }

    /// Starts listening; before this a signal simply ends the process.
    ///
    /// # Errors
    ///
    /// Never on this system.
    #[cfg(not(unix))]
    pub fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Waits for the next one.
    ///
    /// # Cancel safety
    ///
    /// Safe: a signal that came meanwhile is seen by the next call.
    #[cfg(unix)]
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for the next one.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    #[cfg(not(unix))]
    pub async fn next(&mut self) {
        drop(tokio::signal::ctrl_c().await);
    }
}
