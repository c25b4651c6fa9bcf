//! What the benchmarks share: a sink broker in a process of its own, and a reading of what the process has cost, and
//! the ways of sending that they compare.

pub mod cost;
pub mod sink;
pub mod sink_process;
pub mod ways;
