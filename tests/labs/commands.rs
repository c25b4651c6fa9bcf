//! The commands themselves: lines, exit codes, bad input.

use std::process::{Command, Output, Stdio};

/// Runs the binary, without the variables of whoever runs the tests.
pub fn facteur(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_facteur"));
    for (name, _) in std::env::vars() {
        if name.starts_with("KAFKA_")
            || name.starts_with("FACTEUR_")
            || name.starts_with("LC_")
            || ["LANG", "TOXIPROXY_URL"].contains(&name.as_str())
        {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

// Row 2 of the inventory: the list shows all six objectives, each with at least one lab.
#[test]
fn the_list_covers_the_six_objectives() {
    for lang in ["en", "fr"] {
        let list = facteur(&["lab", "--list", "--lang", lang]);

        let shown = text(&list.stdout);
        assert!(list.status.success(), "{shown}");
        for objective in 1..=6 {
            let line = shown.lines().find(|line| line.starts_with(&format!("  {objective}. ")));
            let line = line.unwrap_or_else(|| panic!("objective {objective} is missing in {shown}"));
            assert!(line.split_once(": ").is_some_and(|(_, labs)| !labs.is_empty()), "{line}");
        }
        for lab in ["02.0", "02.1", "02.2", "02.3", "02.4", "02.5", "02.6", "breaker"] {
            assert!(shown.contains(lab), "{lab} is missing in {shown}");
        }
    }
}

// A lab that passes is exit code 0, its table's row says so; --json is one object per lab.
#[test]
fn a_reached_checkpoint_is_exit_code_0() {
    let shown = facteur(&["lab", "02.1", "--check", "--own"]);
    let json = facteur(&["lab", "02.1", "--own", "--json", "--lang", "fr"]);

    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stdout));
    assert!(text(&shown.stdout).contains("02.1 A synchronous send answers with partition and offset: pass"));
    let checkpoint: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(checkpoint["ok"], true);
    assert_eq!(checkpoint["lab"], "02.1");
    assert!(checkpoint["steps"].as_array().unwrap().len() >= 4);
}

// Bad input is refused before anything is started, with what would be right.
#[test]
fn wrong_arguments_are_usage_errors_that_say_what_is_right() {
    for (arguments, expected) in [
        (&["lab", "02.7"][..], "02.6"),
        (&["lab", "--lang", "de"], "fr"),
        (&["lab", "-b", "nonsense"], "has no port"),
        (&["validate", "--repeat", "0"], "1..=100000"),
        (&["validate", "--recipe", "luck"], "timeout"),
        (&["validate", "-b", ""], "host:port"),
        (&["validate", "--own", "--k8s"], "cannot be used with"),
    ] {
        let refused = facteur(arguments);

        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains(expected), "{arguments:?}: {}", text(&refused.stderr));
    }
}

// A URL at which nobody listens is a connection problem (3), not a failed experiment (1); it is named.
#[test]
fn a_named_lab_that_is_not_there_is_exit_code_3() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    for command in ["validate", "lab"] {
        let refused = facteur(&[command, "--java-url", &url, "--dotnet-url", &url, "--toxiproxy-url", &url]);

        assert_eq!(refused.status.code(), Some(3), "{}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains(&url), "{}", text(&refused.stderr));
    }
}
