//! Models: a few threads over the code that ships, in every interleaving that the memory model allows.
//!
//! **Why models and not more stress.** A lost wake-up or a popped cell that a flush cannot see is one interleaving in a
//! million on a busy machine; loom visits it every time. Each model is small, says what it promises, and was seen to
//! fail with the bug that its comment names. Run with `scripts/loom.sh`.
//!
//! Neighbours: [`crate::runtime`]'s `sync` is the shim that makes it possible; `tests/handle` has the stress of the
//! whole. Not here: the engine, which has one thread and its own simulation.

mod cell;
mod flush;
mod inbox;
mod life;
mod memory;

/// All interleavings with at most `preemptions` places where a thread is stopped that could go on.
fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}
