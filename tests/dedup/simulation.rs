//! The part of the simulation that the table needs: the model cluster and its tape.

#[path = "../simulation/cluster/mod.rs"]
pub mod cluster;
#[path = "../simulation/tape.rs"]
pub mod tape;
