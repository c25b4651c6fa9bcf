//! Q15, Q16, Q18: nothing left over, nothing too often, nothing broken.

use crate::oracle::{Budget, Check, RequestKind, check, judge};
use crate::story::{A, MS, SECOND, Story, TIMEOUTS};

#[test]
fn q15_bytes_that_do_not_come_back_are_a_leak() {
    let mut story = Story::new();
    story.leaks.at_rest("buffer bytes", 1);
    story.breaks(&[Check::Q15]);
}

#[test]
fn q15_what_was_there_before_may_be_there_after() {
    let mut story = Story::new();
    story.leaks.level("open sockets", 3, 3);
    story.leaks.level("tasks", 5, 2);
    story.leaks.at_rest("buffer bytes", 0);
    story.is_fine();
}

fn asked(kind: RequestKind, per_second: u32, seconds: u64) -> Story {
    let mut story = Story::new();
    story.conditions.budget = Some(Budget::of(&TIMEOUTS, 1, 1));
    for second in 0..seconds {
        for request in 0..per_second {
            story.history.request(kind, second * SECOND + u64::from(request) * MS);
        }
    }
    story
}

// reconnect.backoff.ms=50: a wait is at least 40 ms, so 25 begin in a second, and 2 at its edges.
#[test]
fn q16_a_dial_after_each_shortest_backoff_is_patience() {
    asked(RequestKind::Connect, 27, 3).is_fine();
}

#[test]
fn q16_more_dials_than_backoffs_are_a_storm() {
    asked(RequestKind::Connect, 28, 3).breaks(&[Check::Q16]);
}

#[test]
fn q16_each_kind_of_request_has_its_budget() {
    for kind in RequestKind::ALL {
        asked(kind, 10, 3).is_fine();
        asked(kind, 900, 1).breaks(&[Check::Q16]);
    }
}

#[test]
fn q16_one_bad_second_among_many_good_ones_is_seen() {
    let mut story = asked(RequestKind::Metadata, 5, 10);
    for request in 0..100 {
        story.history.request(RequestKind::Metadata, 20 * SECOND + request);
    }
    for second in 21..30 {
        story.history.request(RequestKind::Metadata, second * SECOND);
    }
    story.breaks(&[Check::Q16]);
}

#[test]
fn q18_a_panic_is_a_breach_whatever_else_is_well() {
    let mut story = Story::new();
    story.stored(A, 0);
    story.history.panicked("index out of bounds");
    story.breaks(&[Check::Q18]);
}

// A run that loses everything. Fails if the report grows with it, or if the counts are cut like the sentences.
#[test]
fn a_thousand_losses_are_counted_and_a_few_are_told() {
    let mut story = Story::new();
    for offset in 0..1000 {
        let id = story.sent(A);
        story.acked(id, offset);
    }
    let breaches = check(&story.history, &story.log, &story.conditions, None);
    assert_eq!(breaches.len(), 9);
    assert_eq!(breaches[8].text, "and 992 more");
    assert_eq!(judge(&story.history, &story.log, &story.conditions, None).total.lost(), 1000);
}

// The report by phase: what was accepted during an incident is counted there. Fails if a finding is put elsewhere.
#[test]
fn findings_are_counted_in_the_phase_of_their_record() {
    let mut story = Story::new();
    story.stored(A, 0);
    story.history.phase(1);
    let lost = story.sent(A);
    story.acked(lost, 1);

    let verdict = judge(&story.history, &story.log, &story.conditions, None);

    assert!(verdict.phases[&0].is_clean());
    assert_eq!((verdict.phases[&1].lost(), verdict.phases[&1].sent), (1, 1));
    assert!(verdict.report("run").contains("incident 1: sent 1"), "{}", verdict.report("run"));
}

// The simulation asks the oracle twice per seed, five hundred times a second.
#[test]
#[ignore = "a figure: cargo test --release --test oracle_histories how_long -- --ignored --nocapture"]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures")]
fn how_long_a_run_of_three_hundred_records_is_judged() {
    let mut story = Story::new();
    for lane in 0..8 {
        for offset in 0..38 {
            story.stored(crate::oracle::Lane(lane), offset);
        }
    }
    let begun = std::time::Instant::now();
    for _ in 0..1000 {
        story.is_fine();
    }
    println!("{:?} for a run of 304 records on 8 lanes", begun.elapsed() / 1000);
}
