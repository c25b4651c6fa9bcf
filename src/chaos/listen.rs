//! Taking a port, and saying who has it if it is taken (D-65).
//!
//! **Why synchronous.** Kafka mode opens listeners for brokers while it rewrites an answer; on an address of this machine
//! that takes microseconds. Neighbours: [`super::proxy`]. Not here: names, which [`super::dial`] resolves.

use std::io;
use std::net::{SocketAddr, TcpListener};

use crate::chaos::error::ChaosError;
use crate::lab::busy_port;

/// Takes a port for a purpose.
///
/// # Errors
///
/// [`ChaosError::listen`]: which address, what for, who has it, what to do.
pub fn bind(address: SocketAddr, purpose: &str) -> Result<TcpListener, ChaosError> {
    TcpListener::bind(address).map_err(|error| {
        if error.kind() == io::ErrorKind::AddrInUse {
            let owner = busy_port::owner(address.port());
            ChaosError::listen(format!(
                "listen tcp {address}: address already in use: {purpose} cannot listen, {owner}. Stop that program or \
                 choose another port (0 takes any free one)"
            ))
        } else {
            ChaosError::listen(format!("listen tcp {address}: {error} ({purpose}); check the address"))
        }
    })
}
