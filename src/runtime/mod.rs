//! tokio's side.
pub mod delivery;
