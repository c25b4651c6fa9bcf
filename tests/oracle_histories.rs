//! The oracle shown hand-written histories: bad ones, which it must call by their name, and good ones that look like them.
//!
//! **Why.** Every other test of reliability ends in the oracle's verdict; an oracle that sees nothing makes them all
//! pass. Each history is a sentence; it fails if the oracle finds nothing, something else, or something more.
//! Neighbour: `tests/oracle/`, which is judged here; the mutants (`--cfg facteur_mutants`) judge it from the other end.

#[path = "oracle/mod.rs"]
mod oracle;

#[path = "oracle_histories/bounds.rs"]
mod bounds;
#[path = "oracle_histories/modes.rs"]
mod modes;
#[path = "oracle_histories/order.rs"]
mod order;
#[path = "oracle_histories/outcomes.rs"]
mod outcomes;
#[path = "oracle_histories/presence.rs"]
mod presence;
#[path = "oracle_histories/progress.rs"]
mod progress;
#[path = "oracle_histories/replicas.rs"]
mod replicas;
#[path = "oracle_histories/story.rs"]
mod story;
#[path = "oracle_histories/wire.rs"]
mod wire;
