//! `docs/fault-matrix.md`: what can go wrong, N01 to E07.

use super::page::{Sources, rows, tests_in};

const PAGE: &str = "docs/fault-matrix.md";

/// Where a row can be shown.
const VENUES: [&str; 10] = ["SIM", "MEM", "EMB", "TOX", "KAF", "UNI", "PROP", "FUZ", "LOOM", "HTTP"];

/// The rows of the specification: id, priority, first venue, and whether a real Kafka is named for a row about the network or
/// brokers.
#[rustfmt::skip]
const ROWS: [(&str, u8, &str, bool); 161] = [
    ("N01", 0, "TOX", false), ("N02", 1, "TOX", false), ("N03", 0, "SIM", true), ("N04", 0, "SIM", false),
    ("N05", 0, "TOX", true), ("N06", 0, "SIM", false), ("N07", 1, "SIM", false), ("N08", 1, "TOX", false),
    ("N09", 2, "TOX", false), ("N10", 0, "SIM", true), ("N11", 0, "SIM", true), ("N12", 1, "TOX", false),
    ("N13", 0, "SIM", true), ("N14", 0, "SIM", false), ("N15", 0, "SIM", false), ("N16", 0, "SIM", false),
    ("N17", 0, "MEM", false), ("N18", 1, "MEM", false), ("N19", 0, "SIM", false), ("N20", 0, "SIM", false),
    ("N21", 0, "SIM", true), ("N22", 1, "SIM", false), ("N23", 1, "MEM", false), ("N24", 0, "SIM", false),
    ("N25", 0, "SIM", false), ("N26", 0, "SIM", false), ("N27", 0, "SIM", false), ("N28", 0, "UNI", false),
    ("N29", 0, "SIM", false), ("N30", 1, "SIM", true), ("N31", 2, "KAF", true), ("N32", 0, "SIM", true),
    ("N33", 0, "SIM", false), ("N34", 1, "SIM", false), ("N35", 0, "MEM", true), ("N36", 1, "EMB", true),
    ("N37", 0, "SIM", false), ("N38", 0, "SIM", false), ("N39", 1, "SIM", false), ("N40", 1, "SIM", false),
    ("B01", 0, "SIM", true), ("B02", 0, "SIM", true), ("B03", 0, "SIM", false), ("B04", 1, "SIM", false),
    ("B05", 0, "SIM", true), ("B06", 0, "SIM", true), ("B07", 0, "SIM", true), ("B08", 0, "SIM", false),
    ("B09", 0, "SIM", true), ("B10", 1, "SIM", true), ("B11", 0, "SIM", true), ("B12", 0, "SIM", true),
    ("B13", 0, "SIM", false), ("B14", 0, "SIM", true), ("B15", 0, "SIM", true), ("B16", 0, "SIM", false),
    ("B17", 0, "SIM", true), ("B18", 0, "SIM", false), ("B19", 0, "SIM", false), ("B20", 1, "SIM", true),
    ("B21", 1, "SIM", true), ("B22", 1, "SIM", false), ("B23", 0, "SIM", false), ("B24", 1, "SIM", false),
    ("B25", 1, "SIM", true), ("B26", 0, "SIM", true), ("B27", 1, "SIM", false), ("B28", 2, "SIM", false),
    ("B29", 1, "SIM", true), ("B30", 1, "SIM", true), ("B31", 1, "SIM", false), ("B32", 1, "SIM", true),
    ("B33", 1, "SIM", true), ("B34", 0, "SIM", true), ("B35", 1, "SIM", true), ("B36", 0, "SIM", true),
    ("B37", 0, "SIM", false), ("B38", 0, "SIM", false), ("B39", 1, "SIM", false), ("B40", 0, "SIM", false),
    ("B41", 1, "SIM", false), ("B42", 1, "SIM", false), ("B43", 1, "SIM", true), ("B44", 1, "SIM", true),
    ("B45", 0, "KAF", true), ("B46", 0, "SIM", true), ("B47", 1, "SIM", true), ("B48", 2, "EMB", false),
    ("B49", 1, "SIM", false), ("B50", 2, "KAF", true), ("B51", 0, "SIM", false), ("B52", 2, "KAF", true),
    ("B53", 0, "SIM", false), ("C01", 0, "SIM", false), ("C02", 0, "UNI", false), ("C03", 0, "LOOM", false),
    ("C04", 0, "SIM", false), ("C05", 0, "MEM", false), ("C06", 0, "MEM", false), ("C07", 0, "LOOM", false),
    ("C08", 0, "MEM", false), ("C09", 0, "MEM", false), ("C10", 0, "MEM", false), ("C11", 0, "SIM", false),
    ("C12", 0, "SIM", false), ("C13", 0, "SIM", false), ("C14", 0, "SIM", false), ("C15", 0, "SIM", false),
    ("C16", 0, "SIM", false), ("C17", 0, "SIM", false), ("C18", 0, "SIM", false), ("C19", 0, "SIM", false),
    ("C20", 0, "SIM", false), ("C21", 1, "SIM", false), ("C22", 1, "MEM", false), ("C23", 1, "SIM", false),
    ("C24", 0, "PROP", false), ("C25", 1, "SIM", false), ("C26", 1, "SIM", false), ("C27", 0, "SIM", false),
    ("C28", 0, "LOOM", false), ("C29", 0, "SIM", false), ("C30", 0, "UNI", false), ("C31", 2, "SIM", false),
    ("C32", 1, "EMB", false), ("C33", 1, "SIM", false), ("C34", 1, "SIM", false), ("C35", 2, "PROP", false),
    ("C36", 1, "MEM", false), ("F01", 0, "HTTP", false), ("F02", 1, "HTTP", false), ("F03", 0, "HTTP", false),
    ("F04", 0, "HTTP", false), ("F05", 0, "HTTP", false), ("F06", 0, "HTTP", false), ("F07", 0, "HTTP", false),
    ("F08", 0, "HTTP", false), ("F09", 0, "HTTP", false), ("F10", 1, "HTTP", false), ("F11", 0, "HTTP", false),
    ("F12", 0, "HTTP", false), ("F13", 0, "HTTP", false), ("F14", 0, "HTTP", false), ("F15", 1, "HTTP", false),
    ("F16", 1, "HTTP", false), ("F17", 0, "HTTP", false), ("F18", 0, "HTTP", false), ("F19", 0, "HTTP", false),
    ("F20", 1, "HTTP", false), ("F21", 0, "HTTP", false), ("F22", 1, "HTTP", false), ("F23", 2, "HTTP", false),
    ("F24", 1, "HTTP", false), ("F25", 0, "HTTP", false), ("E01", 0, "FUZ", false), ("E02", 0, "FUZ", false),
    ("E03", 0, "FUZ", false), ("E04", 0, "SIM", false), ("E05", 1, "EMB", false), ("E06", 1, "EMB", false),
    ("E07", 0, "SIM", false),
];

/// The one P0 row that waits: there is no TLS yet.
const WAITS: &str = "N35";

/// P0 rows whose test is not in their first venue, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("C04", "the engine knows no futures: only a handle can drop one"),
    ("C05", "shown with the embedded broker, and every interleaving of the drop by loom"),
    ("C06", "shown with the embedded broker: the outcome must be the log's"),
    ("C08", "a runtime that is shut down has no paused time to go on in"),
    ("C09", "shown with the embedded broker: what follows the panic must arrive"),
    ("C10", "shown with the embedded broker: callbacks run on a thread of their own"),
];

/// Where a test runs, by its file.
fn venue(path: &str, name: &str) -> &'static str {
    let is_in = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
    if name.starts_with("c02_") {
        // There is no broker in it.
        "UNI"
    } else if is_in(&[
        "tests/conformance/handle",
        "tests/conformance/regressions_handle",
        "tests/handle",
        "tests/integration",
        "tests/broker",
    ]) {
        "EMB"
    } else if is_in(&["tests/conformance", "tests/simulation", "tests/small_worlds", "tests/hostile"]) {
        "SIM"
    } else if is_in(&["tests/chaos"]) {
        "TOX"
    } else if is_in(&["tests/kafka"]) {
        "KAF"
    } else if is_in(&["tests/lab"]) {
        "HTTP"
    } else if is_in(&["src/producer/models"]) {
        "LOOM"
    } else if is_in(&["src/producer/false_network"]) {
        "MEM"
    } else if is_in(&["fuzz"]) {
        "FUZ"
    } else if is_in(&["tests/wire_properties"]) {
        "PROP"
    } else {
        "UNI"
    }
}

fn cells() -> Vec<[String; 8]> {
    rows(PAGE).into_iter().map(|cells| cells.try_into().unwrap_or_else(|cells| panic!("{cells:?}"))).collect()
}

// A row that is left out is a fault that nobody looks at. Fails on one that is missing, doubled, out of order, or whose
// priority or venue was changed to suit its test.
#[test]
fn every_row_is_there_once_with_its_priority_and_venue() {
    assert_eq!(ROWS.iter().filter(|(_, priority, ..)| *priority == 0).count(), 101);
    let cells = cells();
    assert_eq!(cells.len(), ROWS.len());
    for ([id, fault, sees, log, priority, venues, ..], (row, expected, first, _)) in cells.iter().zip(ROWS) {
        assert_eq!(id, row);
        assert_eq!(priority.parse::<u8>().ok(), Some(expected), "{id}");
        let venues: Vec<&str> = venues.split_whitespace().collect();
        assert_eq!(venues.first(), Some(&first), "{id}");
        assert!(venues.iter().all(|venue| VENUES.contains(venue)), "{id}: {venues:?}");
        assert!(![fault, sees, log].iter().any(|cell| cell.is_empty()), "{id} has an empty cell");
    }
}

// A test that is not there shows nothing. Fails when a test is renamed and its row is not, and on a cell that is neither a test
// nor a reason.
#[test]
fn every_test_that_the_matrix_names_exists() {
    let mut sources = Sources::default();
    for [id, .., test, kafka] in cells() {
        for (cell, reasons) in
            [(test, ["open: ", "not built: "].as_slice()), (kafka, &["cannot: ", "not built: ", "open: "])]
        {
            let tests = tests_in(&cell);
            let is_told = cell == "-" || reasons.iter().any(|reason| cell.starts_with(reason));
            assert!(is_told == tests.is_empty(), "{id}: {cell:?} is neither a test nor a reason");
            tests.iter().for_each(|test| sources.must_have(&id, test));
        }
    }
}

// The gate of a release (D-70). Fails if a P0 row has no test.
#[test]
fn every_p0_row_but_the_one_that_waits_for_tls_has_a_test() {
    let without: Vec<String> = cells()
        .into_iter()
        .filter(|cells| cells[4] == "0" && tests_in(&cells[6]).is_empty())
        .map(|cells| cells[0].clone())
        .collect();
    assert_eq!(without, [WAITS]);
}

// Rows of the network and of brokers that name a real Kafka have a test there, or say why the fault cannot be made (D-70).
#[test]
fn every_row_that_names_a_real_kafka_has_an_answer_there() {
    for ([id, .., kafka], (_, _, _, is_named)) in cells().iter().zip(ROWS) {
        assert_eq!(kafka != "-", is_named, "{id}");
    }
}

// D-70: a test in the venue that the row names first. Fails if a row is shown only where it is easier, and nobody says why.
#[test]
fn every_p0_row_has_a_test_in_its_first_venue_or_says_why_not() {
    let mut elsewhere = Vec::new();
    for ([id, .., test, _], (_, priority, first, _)) in cells().iter().zip(ROWS) {
        let tests = tests_in(test);
        if priority == 0 && !tests.is_empty() && !tests.iter().any(|(path, name)| venue(path, name) == first)
        {
            elsewhere.push(id.clone());
        }
    }
    let told: Vec<&str> = ELSEWHERE.iter().map(|(id, _)| *id).collect();
    assert_eq!(elsewhere, told);
    assert!(ELSEWHERE.iter().all(|(_, reason)| !reason.is_empty()));
}
