//! What the benchmarks share: a sink broker in a process of its own, and a reading of what the process has cost.

pub mod cost;
pub mod sink;
pub mod sink_process;
