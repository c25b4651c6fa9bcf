//! The producer's own identity: id and epoch, and when to ask for another.
//!
//! ```text
//!            ask                      given                     fenced, or epochs used up
//!   Needed ───────▶ Requested ─────────────────▶ Known ────────────────────────────────▶ Needed
//!     ▲                 │                           │ bump (KIP-360)
//!     └── error, lost ──┘                           └──▶ Known, epoch + 1
//! ```
//!
//! **Why bumps are local.** A newer epoch with sequence 0 is accepted by any Kafka since 2.5 without asking, and it fences
//! what may still be on its way under the old one (D-7). Neighbours: `resolution` bumps, `sender` stamps with it. Not
//! here: which lane uses which identity.

use crate::identifiers::{ConnectionId, ProducerIdentity};
use crate::time::Instant;

/// From this epoch on a new id is asked for; the rest is kept for lanes with an abandoned batch (D-7).
pub(crate) const LAST_CLEAN_EPOCH: i16 = 32_000;

/// Where the producer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProducerIdState {
    /// Not idempotent: no identity at all.
    Disabled,
    /// None yet, or the last one is of no use any more.
    Needed { retry_at: Instant, failures: u32 },
    /// Asked for.
    Requested { connection: ConnectionId, failures: u32 },
    /// Known.
    Known(ProducerIdentity),
}

impl ProducerIdState {
    pub(crate) const fn current(&self) -> Option<ProducerIdentity> {
        match self {
            Self::Known(identity) => Some(*identity),
            Self::Disabled | Self::Needed { .. } | Self::Requested { .. } => None,
        }
    }

    pub(crate) const fn is_enabled(&self) -> bool {
        !matches!(self, Self::Disabled)
    }

    /// The epoch is raised by one; none if the last epoch is used up.
    pub(crate) const fn bump(&mut self) -> Option<ProducerIdentity> {
        match self {
            Self::Known(identity) => match identity.epoch.checked_add(1) {
                Some(epoch) => {
                    identity.epoch = epoch;
                    Some(*identity)
                }
                None => None,
            },
            Self::Disabled | Self::Needed { .. } | Self::Requested { .. } => None,
        }
    }

    /// The present id is of no use any more.
    pub(crate) fn discard(&mut self, fenced: ProducerIdentity, now: Instant) {
        if self.current().is_some_and(|current| current.producer_id == fenced.producer_id) {
            *self = Self::Needed { retry_at: now, failures: 0 };
        }
    }
}
