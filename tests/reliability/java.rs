//! `docs/java.md`: what a user of Java's producer sees differently.

use super::page::{Sources, rows, tests_in};

const PAGE: &str = "docs/java.md";

/// The decisions that a Java user can see, and those that overrule Java's list of scenarios.
const DECISIONS: [&str; 19] = [
    "D-1", "D-2", "D-5", "D-6", "D-9", "D-12", "D-13", "D-14", "D-15", "D-16", "D-20", "D-22", "D-24",
    "D-26", "D-31", "D-43", "D-45", "D-46", "D-49",
];

// A difference that is not written down is a surprise. Fails if a decision is left out or has no test behind it.
#[test]
fn every_difference_to_java_is_told_with_a_test() {
    let mut sources = Sources::default();
    let rows = rows(PAGE);
    let listed: Vec<&str> = rows.iter().map(|cells| &*cells[0]).collect();
    assert_eq!(listed, DECISIONS);
    for cells in &rows {
        let [decision, java, ours, why, test] = &cells[..] else { panic!("{cells:?}") };
        assert!(![java, ours, why].iter().any(|cell| cell.is_empty()), "{decision} has an empty cell");
        let tests = tests_in(test);
        assert!(!tests.is_empty(), "{decision} names no test");
        tests.iter().for_each(|test| sources.must_have(decision, test));
    }
}
