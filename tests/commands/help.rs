//! Help, completions and manual pages: made from one definition, so one walk over it checks them all.

use std::path::PathBuf;

use crate::binary::{code, facteur, run, stderr, stdout};

/// Commands that print no data of their own: files for a shell or a reader.
const WITHOUT_JSON: [&str; 3] = ["completions", "man", "help"];

// Whoever is stuck reads the help; a command without an example, or without `--json` for scripts, leaves them there.
// Fails for a new command that has forgotten either.
#[test]
fn every_command_has_examples_and_json() {
    let command = facteur::cli::command();
    assert!(command.get_subcommands().count() >= 8);
    for command in command.get_subcommands() {
        let name = command.get_name();
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(after.contains("Example"), "facteur {name} --help has no examples");
        assert!(after.contains(&format!("facteur {name}")), "the examples of facteur {name} do not show it");
        let has_json = command.get_arguments().any(|argument| argument.get_long() == Some("json"));
        assert!(has_json || WITHOUT_JSON.contains(&name), "facteur {name} has no --json");
    }
}

// The exit codes of the whole program stand in its help: scripts are written from there.
#[test]
fn the_help_documents_the_exit_codes() {
    let help = run(&["--help"]);

    assert_eq!(code(&help), 0);
    assert!(
        stdout(&help).contains("Exit codes: 0 done, 1 a check failed, 2 usage, 3 cannot connect"),
        "{}",
        stdout(&help)
    );
    assert!(stdout(&help).contains("facteur topics describe bhf-transactions"), "{}", stdout(&help));
}

// Each shell gets a script that knows the commands; an unknown shell is refused with the known ones.
#[test]
fn completions_know_every_command() {
    let names: Vec<String> =
        facteur::cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = run(&["completions", shell]);
        assert_eq!(code(&script), 0, "{}", stderr(&script));
        for name in &names {
            assert!(stdout(&script).contains(name), "{shell} does not know {name}");
        }
    }

    let unknown = run(&["completions", "tcsh"]);

    assert_eq!(code(&unknown), 2);
    assert!(
        stderr(&unknown).contains("tcsh") && stderr(&unknown).contains("powershell"),
        "{}",
        stderr(&unknown)
    );
}

// The script is only worth something if bash itself accepts it and completes with it.
#[cfg(unix)]
#[test]
fn bash_completes_with_the_script() {
    let script = r#"
        eval "$("$FACTEUR" completions bash)"
        COMP_WORDS=(facteur comp) COMP_CWORD=1
        _facteur facteur comp facteur
        printf '%s\n' "${COMPREPLY[@]}"
    "#;

    let completed = std::process::Command::new("bash")
        .args(["-c", script])
        .env("FACTEUR", env!("CARGO_BIN_EXE_facteur"))
        .output();

    let completed = completed.expect("bash is there: the project's scripts need it");
    assert_eq!(stdout(&completed).trim(), "completions", "{}", stderr(&completed));
}

// One page per command, in a folder that is made; without a folder the main page goes to a pipe.
#[test]
fn manual_pages_are_written_one_per_command() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-man", std::process::id()));

    let written = run(&["man", folder.to_str().unwrap()]);
    let page = std::fs::read_to_string(folder.join("facteur-produce.1")).unwrap();
    let printed = run(&["man"]);

    drop(std::fs::remove_dir_all(&folder));
    assert_eq!(code(&written), 0, "{}", stderr(&written));
    assert!(page.contains(".TH facteur-produce 1"), "{page}");
    assert!(stdout(&printed).contains(".TH facteur 1"), "{}", stdout(&printed));
}

// A folder that cannot be made is named; nothing is half-written elsewhere.
#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let refused = run(&["man", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml/pages")]);

    assert_eq!(code(&refused), 2);
    assert!(stderr(&refused).contains("Cargo.toml/pages"), "{}", stderr(&refused));
}

// Not a terminal, and NO_COLOR besides: no escape sequence anywhere, in help, errors or logs.
#[test]
fn nothing_is_coloured_when_nobody_looks_at_a_terminal() {
    for arguments in [&["--help"][..], &["teleport"], &["topics", "list", "-b", "127.0.0.1:1"]] {
        for no_color in [None, Some("1")] {
            let mut command = facteur(arguments);
            if let Some(value) = no_color {
                command.env("NO_COLOR", value);
            }
            let output = command.env("RUST_LOG", "debug").output().unwrap();
            let said = stdout(&output) + &stderr(&output);
            assert!(!said.is_empty() && !said.contains('\u{1b}'), "{arguments:?}: {said}");
        }
    }
}
