//! A page of `docs/` as its checks need it: the rows of its tables, and the tests that a cell names.

use std::collections::BTreeMap;

/// The text of a file of the repository.
pub fn read(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of all tables of a page whose first cell is an id: one of these letters and a number, or `D-` and a number.
pub fn rows(page: &str) -> Vec<Vec<String>> {
    read(page)
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| {
            line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
        })
        .filter(|cells| is_id(&cells[0]))
        .collect()
}

fn is_id(cell: &str) -> bool {
    let digits = cell.trim_start_matches(|letter: char| letter.is_ascii_uppercase()).trim_start_matches('-');
    digits.len() < cell.len() && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The tests that a cell names: everything in backticks with `::` in it, as path and name.
pub fn tests_in(cell: &str) -> Vec<(String, String)> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| quoted.split_once("::"))
        .map(|(path, name)| (path.to_owned(), name.to_owned()))
        .collect()
}

/// Files that were read already: most tests are in few of them.
#[derive(Debug, Default)]
pub struct Sources(BTreeMap<String, String>);

impl Sources {
    /// Fails unless the file has a test, a loom model or a fuzz target of that name.
    pub fn must_have(&mut self, row: &str, (path, name): &(String, String)) {
        let text = self.0.entry(path.clone()).or_insert_with(|| read(path));
        let is_there = text.contains(&format!("fn {name}("));
        assert!(is_there, "{row}: no {name} in {path}");
    }
}
