//! The guides are true: every command in `docs/en` and `docs/fr` is run, and what the page prints is what came out.
//!
//! **Why.** Expected output that was typed is wrong from the first change on, and a student cannot tell whether the page
//! or the lab is. So it is generated: `UPDATE_GUIDES=1 cargo test --test guides` writes what the commands print into the
//! pages; without it, a difference fails. What differs from run to run (ids, times) is written as `…`, see
//! [`normalise`].
//!
//! Three kinds of fence are run, each page in one shell and with a lab of its own on free ports:
//!
//! | fence | what is done with it |
//! |---|---|
//! | `console` | `$ ` begins a command, `> ` continues it; what follows is the output |
//! | `console serve` | what starts the lab: one of the README's lines; the test starts its own instead |
//! | `sh docker`, `sh k8s` | run with stubs for docker, kubectl and the like, since no engine runs here; must end with 0 |
//!
//! Other `sh` fences are refused, so that no command escapes. Neighbours: `tests/lab.rs` for the contract itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests: a panic is the report"
)]

#[path = "guides/course_ports.rs"]
mod course_ports;
#[path = "guides/normalise.rs"]
mod normalise;
#[path = "guides/page.rs"]
mod page;
#[path = "guides/shell.rs"]
mod shell;

use std::fs;
use std::path::{Path, PathBuf};

use course_ports::Lab;
use page::{Fence, Page};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages(language: &str) -> Vec<PathBuf> {
    let folder = root().join("docs").join(language);
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    found.sort();
    found
}

/// Runs every page of a language, four at a time: most of a page's time is spent waiting for faults to pass.
fn run_pages(language: &str) {
    let pages = pages(language);
    assert!(pages.len() >= 10, "the guides of {language} are missing");
    let mut failures = Vec::new();
    for group in pages.chunks(4) {
        let running: Vec<_> =
            group.iter().cloned().map(|path| std::thread::spawn(move || run_page(&path))).collect();
        for one in running {
            failures.extend(one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Runs one page; the differences, or nothing. With `UPDATE_GUIDES` the page is written instead.
fn run_page(path: &Path) -> Vec<String> {
    let name = path.strip_prefix(root()).unwrap().display().to_string();
    let text = fs::read_to_string(path).unwrap();
    let page = Page::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut failures = Vec::new();
    for fence in page.fences() {
        if let Fence::Stubbed { line, script } = fence
            && let Err(error) = shell::run_with_stubs(root(), script)
        {
            failures.push(format!("{name}:{line}: {error}"));
        }
    }
    if !page.has_commands() {
        return failures;
    }
    let lab = Lab::start();
    let outputs = shell::run_session(&lab, &page.commands());
    let outputs: Vec<String> =
        outputs.iter().map(|output| normalise::normalise(&lab.on_course_ports(output))).collect();
    if std::env::var_os("UPDATE_GUIDES").is_some() {
        fs::write(path, page.with_outputs(&outputs)).unwrap();
        return failures;
    }
    for (command, output) in page.commands().iter().zip(&outputs) {
        if command.expected != *output {
            failures.push(format!(
                "{name}:{}: $ {}\n--- the page says\n{}\n--- it printed\n{output}\n(UPDATE_GUIDES=1 writes it into the page)",
                command.line, command.text, command.expected
            ));
        }
    }
    failures
}

// A page whose output no longer comes out sends a class on a chase; it fails here first.
#[test]
fn every_command_of_the_english_guides_prints_what_the_page_says() {
    run_pages("en");
}

// As above, in French.
#[test]
fn every_command_of_the_french_guides_prints_what_the_page_says() {
    run_pages("fr");
}

// "Same structure": a page, a heading's depth or a command that one language lacks is a page that was forgotten.
#[test]
fn both_languages_have_the_same_pages_headings_and_commands() {
    let names = |language| -> Vec<String> {
        pages(language).iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names("en"), names("fr"));

    for (english, french) in pages("en").iter().zip(pages("fr")) {
        let outline = |path: &Path| {
            let text = fs::read_to_string(path).unwrap();
            let page = Page::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let commands: Vec<String> = page
                .commands()
                .iter()
                .map(|command| command.text.replace("--lang fr", "--lang en"))
                .collect();
            (page.heading_depths().to_vec(), commands)
        };
        assert_eq!(outline(english), outline(&french), "{}", english.display());
    }
}

// Links between pages, and to files of the repository, lead somewhere.
#[test]
fn every_relative_link_of_the_guides_leads_to_a_file() {
    let link = regex::Regex::new(r"\]\(([^)#\s]+)(#[^)]*)?\)").unwrap();
    for path in pages("en").into_iter().chain(pages("fr")) {
        let text = fs::read_to_string(&path).unwrap();
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let file = path.parent().unwrap().join(target);
            assert!(file.exists(), "{}: {target} leads nowhere", path.display());
        }
    }
}

// The table of the course's artefacts names a test for each; a test that was renamed or lost would leave a claim behind.
#[test]
fn every_test_that_the_table_of_the_course_names_exists() {
    let table = fs::read_to_string(root().join("docs/course.md")).unwrap();
    let sources = sources(&root().join("tests")) + &sources(&root().join("src"));
    let name = regex::Regex::new(r"`([a-z_0-9]+)\(\)`").unwrap();
    let file = regex::Regex::new(r"`((tests|scripts)/[a-z0-9_./-]+\.(rs|sh))`").unwrap();

    let names: Vec<&str> = name.captures_iter(&table).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(names.len() >= 60, "the table names {} tests", names.len());
    for name in names {
        assert!(
            sources.contains(&format!("fn {name}(")) || sources.contains(&format!("mod {name} ")),
            "no test is called {name}"
        );
    }
    for found in file.captures_iter(&table) {
        assert!(root().join(&found[1]).exists(), "{} is not there", &found[1]);
    }
}

fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
    text
}
