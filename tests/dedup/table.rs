//! The table as text: what every broker answered, row by row, and the same in `docs/conformance.md`.
//!
//! **Why the document is checked.** It is what a reader believes; a row that is added here and not there, or an answer
//! that differs, fails the test that measured it. Neighbours: [`super::run`] makes the outcomes.

use std::fs;
use std::path::Path;

use super::{Outcome, Venue, replicated, rows};

const DOCUMENT: &str = "docs/conformance.md";

/// The columns that were measured, in the order of the venues.
pub struct Table {
    pub venues: Vec<Venue>,
    /// By row, then by venue.
    cells: Vec<Vec<String>>,
}

impl Table {
    /// `outcomes` by venue: the rows of one node; `replicated` by venue: those with followers.
    pub fn new(columns: &[(Venue, Vec<Outcome>, Vec<Outcome>)]) -> Self {
        let venues = columns.iter().map(|(venue, _, _)| *venue).collect();
        let count = rows::all().len() + replicated::NAMES.len();
        let cell = |row: usize| {
            let of_column = |(_, single, followers): &(Venue, Vec<Outcome>, Vec<Outcome>)| {
                let found = single.iter().chain(followers).nth(row);
                found.map_or_else(|| "–".to_owned(), |outcome| outcome.text.clone())
            };
            columns.iter().map(of_column).collect()
        };
        Self { venues, cells: (0..count).map(cell).collect() }
    }

    /// As markdown, one line per row.
    pub fn lines(&self) -> Vec<String> {
        let heads: Vec<&str> = self.venues.iter().map(|venue| venue.name()).collect();
        let mut lines = vec![
            format!("| row | story | {} |", heads.join(" | ")),
            format!("| --- | --- |{}", " --- |".repeat(heads.len())),
        ];
        for ((id, story), cells) in names().zip(&self.cells) {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "→")).collect();
            lines.push(format!("| {id} | {story} | {} |", cells.join(" | ")));
        }
        lines
    }
}

/// Every row, with and without followers.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let single = rows::all().into_iter().map(|row| (row.id, row.story));
    single.chain(replicated::NAMES.iter().copied())
}

/// The lines of the document's table: its cells by row.
pub fn documented() -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let text = fs::read_to_string(path).expect("docs/conformance.md");
    let lines = text.lines().skip_while(|line| !line.starts_with("| row |"));
    lines
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// Fails if the document says otherwise than this table, for the venues that it has.
pub fn assert_documented(table: &Table) {
    let documented = documented();
    let head = documented.first().expect("the document has the table").clone();
    let measured: Vec<Vec<String>> = table
        .lines()
        .iter()
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert_eq!(
        documented.len(),
        measured.len(),
        "{DOCUMENT} has another number of rows:\n{}",
        table.lines().join("\n")
    );
    for (line, found) in documented.iter().zip(&measured).skip(2) {
        assert_eq!(line[..2], found[..2], "{DOCUMENT} names another row");
        for (place, venue) in table.venues.iter().enumerate() {
            let column = head.iter().position(|name| name == venue.name()).expect("a column for each broker");
            assert_eq!(
                line[column],
                found[place + 2],
                "{DOCUMENT}, {}, {}: {}",
                venue.name(),
                found[0],
                found[1]
            );
        }
    }
}
