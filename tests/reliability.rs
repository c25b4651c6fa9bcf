//! The tables of `docs/` that link what can go wrong with the test that shows what we do: complete, in order, and true.
//!
//! A table that nobody checks is out of date the week after. Not here: whether the tests pass, which is their own matter.
#![allow(clippy::panic, reason = "helpers of tests may panic: it fails the test that called them")]

mod reliability {
    pub mod page;

    mod fault_matrix;
    mod java;
    mod regressions;
}
