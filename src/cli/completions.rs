//! `facteur completions SHELL` and `facteur man [DIR]`: both made from the commands' own definitions.
//!
//! **Why generated.** A completion script or a page written by hand is wrong after the next flag. Neighbours:
//! [`crate::cli::command`] is the definition. Not here: installing them, which is the user's or the package's matter.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use crate::cli;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// Flags of `completions`.
#[derive(Debug, Clone, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub struct CompletionsArguments {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Flags of `man`.
#[derive(Debug, Clone, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub struct ManArguments {
    /// A folder for one page per command; it is made if need be. Without it the page of `facteur` goes to stdout.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Prints a completion script.
///
/// # Errors
///
/// As stdout's.
pub fn run(arguments: &CompletionsArguments) -> Result<Exit, Failure> {
    // clap_complete panics on a writer that fails, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut cli::command(), NAME, &mut script);
    let mut out = output::stdout();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Exit::Ok)
}

/// Prints the manual page, or writes all pages to a folder.
///
/// # Errors
///
/// Which file cannot be written, and why.
pub fn run_man(arguments: &ManArguments) -> Result<Exit, Failure> {
    let Some(folder) = &arguments.folder else {
        let mut out = output::stdout();
        clap_mangen::Man::new(cli::command()).render(&mut out)?;
        out.flush()?;
        return Ok(Exit::Ok);
    };
    let refused = |error: std::io::Error| {
        let shown = folder.display();
        Failure::usage(format!(
            "cannot write manual pages to {shown}: {error}. Choose a folder that can be written"
        ))
    };
    std::fs::create_dir_all(folder).map_err(refused)?;
    clap_mangen::generate_to(cli::command(), folder).map_err(refused)?;
    output::line(&format!("Manual pages are in {0}; read one with: man -l {0}/facteur.1", folder.display()))?;
    Ok(Exit::Ok)
}

const NAME: &str = "facteur";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  facteur completions bash > ~/.local/share/bash-completion/completions/facteur
  facteur completions zsh > ~/.zfunc/_facteur
  facteur completions fish > ~/.config/fish/completions/facteur.fish
  facteur completions powershell >> $PROFILE

Exit codes: 0 printed, 2 no such shell.";

const MAN_EXAMPLES: &str = "\
Examples:
  facteur man | man -l -
  facteur man ~/.local/share/man/man1

Exit codes: 0 written, 2 the folder cannot be written.";
