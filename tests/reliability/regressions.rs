//! `docs/regressions.md`: other clients' bugs, G01 to G83.

use super::page::{Sources, rows, tests_in};

const PAGE: &str = "docs/regressions.md";

/// The scenarios of the specification: numbers between these are not used.
fn ids() -> Vec<String> {
    [1..=37, 40..=51, 60..=83].into_iter().flatten().map(|number: u32| format!("G{number:02}")).collect()
}

// A bug that is left out is one that we may have. Fails on a row that is missing, doubled or out of order.
#[test]
fn every_regression_is_there_once_and_in_order() {
    let ids = ids();
    assert_eq!(ids.len(), 73);
    let listed: Vec<String> = rows(PAGE).into_iter().map(|cells| cells[0].clone()).collect();
    assert_eq!(listed, ids);
}

// A row without a test that exists tells of nothing. Fails when a test is renamed and its row is not, and on a row that has
// neither a test nor the reason why there is none.
#[test]
fn every_regression_has_a_test_that_exists_or_is_about_what_is_not_built() {
    let mut sources = Sources::default();
    let mut not_built = Vec::new();
    for cells in rows(PAGE) {
        let [id, source, what, rule, test] = &cells[..] else { panic!("{cells:?}") };
        assert!(![source, what, rule].iter().any(|cell| cell.is_empty()), "{id} has an empty cell");
        let tests = tests_in(test);
        if tests.is_empty() {
            assert_eq!(test, "not built", "{id}");
            assert!(rule.starts_with("Not built: "), "{id} says what is not built");
            not_built.push(id.clone());
        }
        tests.iter().for_each(|test| sources.must_have(id, test));
    }
    assert_eq!(not_built, ["G43", "G48"], "nothing else may be left out");
}
