//! The binary: a door to [`facteur::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    facteur::cli::run(std::env::args_os())
}
