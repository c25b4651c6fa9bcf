//! The house rules that a compiler does not know: layers, sizes, names.
//!
//! The table below is the picture in `docs/architecture.md`. Arrows point down: a file may name what stands in its own
//! row or a lower one, and nothing above.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why")]

use std::fs;
use std::path::{Path, PathBuf};

/// Modules of the crate and their layer. `engine` and `broker` share a layer but never meet.
const LAYERS: &[(&str, u8)] = &[
    ("record", 0),
    ("identifiers", 0),
    ("sequence", 0),
    ("time", 0),
    ("topic_name", 0),
    ("error", 0),
    ("config", 0),
    ("mutants", 0),
    ("wire", 1),
    ("accumulator", 2),
    ("engine", 2),
    ("broker", 2),
    ("runtime", 3),
    ("producer", 4),
    ("chaos", 5),
    ("lab", 5),
    ("cli", 5),
    ("bin", 6),
];

/// Exceptions, each with its reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("src/config/", "crate::accumulator::partitioner", "a user's partitioner is a setting"),
    ("src/config/", "crate::wire", "which codecs and levels there are is asked of the codecs"),
];

/// Words that only some places may say.
const WORDS: &[(&str, &[&str])] = &[
    ("kafka_protocol::", &["src/wire/api/", "src/broker/handlers/"]),
    (
        "tokio::",
        &[
            "src/runtime/",
            "src/producer",
            "src/broker/server",
            "src/lab/",
            "src/chaos/",
            "src/cli/",
            "src/bin/",
        ],
    ),
    (
        "std::sync::Mutex",
        &["src/runtime/", "src/producer", "src/broker/server", "src/lab/", "src/chaos/", "src/cli/"],
    ),
    ("SystemTime::now", &["src/runtime/environment.rs", "src/broker/server", "src/lab/", "src/cli/"]),
    ("Instant::now", &["src/runtime/environment.rs", "src/broker/server", "src/lab/", "src/cli/"]),
];

const MAX_FILE_LINES: usize = 600;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("readable").path();
        // What a package of its own was built into, `benches/peers` for one.
        if path.ends_with("target") {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn files(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in folders {
        sources(&root.join(folder), &mut paths);
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("readable");
            let name = path.strip_prefix(root).expect("inside").to_string_lossy().replace('\\', "/");
            (name, text)
        })
        .collect()
}

fn layer_of_file(name: &str) -> Option<u8> {
    let inside = name.strip_prefix("src/")?;
    let module = inside.split('/').next()?.trim_end_matches(".rs");
    LAYERS.iter().find(|(known, _)| *known == module).map(|(_, layer)| *layer)
}

/// Code without comments and without what follows `#[cfg(test)]`.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .map(|(number, line)| (number + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Every breach of the layers in these files.
fn breaches(files: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in files {
        let Some(own) = layer_of_file(name) else { continue };
        for (line, content) in code(text) {
            for part in content.split("crate::").skip(1) {
                let module: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some((_, layer)) = LAYERS.iter().find(|(known, _)| *known == module) else { continue };
                let path = format!("crate::{part}");
                if EXCEPTIONS.iter().any(|(file, allowed, _)| {
                    name.starts_with(file) && !allowed.is_empty() && path.starts_with(allowed)
                }) {
                    continue;
                }
                let meet = (name.starts_with("src/engine") && module == "broker")
                    || (name.starts_with("src/broker") && module == "engine");
                if *layer > own || meet {
                    found.push(format!(
                        "{name}:{line}: layer {own} must not name crate::{module} (layer {layer})"
                    ));
                }
            }
            for (word, allowed) in WORDS {
                if content.contains(word) && !allowed.iter().any(|place| name.starts_with(place)) {
                    found.push(format!("{name}:{line}: `{word}` may be named only in {allowed:?}"));
                }
            }
        }
    }
    found
}

// The picture is worth what is checked. Fails with file and line when something points up.
#[test]
fn layers_point_down() {
    let found = breaches(&files(&["src"]));
    assert!(found.is_empty(), "layers are breached:\n{}", found.join("\n"));
}

// A check that never fails checks nothing: one breach of each kind must be found.
#[test]
fn a_breach_is_found() {
    for (file, line) in [
        ("src/engine/mod.rs", "use crate::broker::Broker;"),
        ("src/broker/log.rs", "use crate::engine::Engine;"),
        ("src/wire/frame.rs", "use crate::runtime::shared::Shared;"),
        ("src/engine/sender.rs", "use tokio::sync::Notify;"),
        ("src/engine/metadata.rs", "use kafka_protocol::messages::MetadataResponse;"),
        ("src/accumulator/mod.rs", "let now = std::time::Instant::now();"),
    ] {
        let found = breaches(&[(file.to_owned(), line.to_owned())]);
        assert_eq!(found.len(), 1, "{line:?} in {file} should be one breach: {found:?}");
    }
}

// 600 lines are a wall: beyond it a file is split by noun.
#[test]
fn no_file_is_longer_than_the_wall() {
    let long: Vec<String> = files(&["src", "tests", "benches"])
        .into_iter()
        .filter(|(_, text)| text.lines().count() > MAX_FILE_LINES)
        .map(|(name, text)| format!("{name}: {} lines", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "split by noun:\n{}", long.join("\n"));
}

// Each module says what it is before it says anything else.
#[test]
fn every_source_file_begins_with_its_purpose() {
    let silent: Vec<String> = files(&["src"])
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(name, _)| name)
        .collect();
    assert!(silent.is_empty(), "a module doc is missing in:\n{}", silent.join("\n"));
}

// What is not done is an issue or a sentence in the docs, never a note in the code.
#[test]
fn no_notes_to_self_are_left() {
    let marks =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimplemented", "!(")];
    let found: Vec<String> = files(&["src", "tests", "benches", "examples"])
        .iter()
        .flat_map(|(name, text)| {
            text.lines()
                .enumerate()
                .filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)))
                .map(|(line, _)| format!("{name}:{}", line + 1))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "left over:\n{}", found.join("\n"));
}

// [IDEM-3] and its like: each promise of docs/invariants.md is cited at an assertion and in a test.
#[test]
fn every_promise_is_cited_in_code_and_in_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/invariants.md")).expect("docs/invariants.md");
    let promises: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `["))
        .filter_map(|line| line.split_once(']').map(|(name, _)| name))
        .collect();
    assert!(promises.len() >= 10, "the page lists {} promises", promises.len());
    let sources = files(&["src"]);
    let tests = files(&["tests"]);
    let has_tests = |text: &str| text.contains("#[cfg(test)]") || text.contains("#[test]");
    for promise in promises {
        let mark = format!("[{promise}]");
        let escaped = format!("\\[{promise}\\]");
        let cited = |text: &str| text.contains(&mark) || text.contains(&escaped);
        assert!(sources.iter().any(|(_, text)| cited(text)), "{mark} is cited nowhere in src/");
        assert!(
            tests.iter().any(|(name, text)| name != "tests/tidy.rs" && cited(text))
                || sources
                    .iter()
                    .any(|(name, text)| cited(text) && (name.contains("tests") || has_tests(text))),
            "{mark} is cited in no test"
        );
    }
}
