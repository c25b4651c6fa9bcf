//! D-25: what is promised without idempotence, and with fewer acknowledgements.

use crate::oracle::Check;
use crate::story::{A, Story};

fn plain(acks: i16, max_in_flight: usize) -> Story {
    let mut story = Story::new();
    story.conditions.is_idempotent = false;
    story.conditions.acks = acks;
    story.conditions.max_in_flight = max_in_flight;
    story
}

#[test]
fn without_idempotence_a_retry_may_be_stored_twice() {
    let mut story = plain(-1, 5);
    let id = story.stored(A, 0);
    story.found(A, 1, id);
    story.is_fine();
}

#[test]
fn without_idempotence_an_acknowledged_record_may_still_not_be_lost() {
    let mut story = plain(-1, 5);
    let id = story.sent(A);
    story.acked(id, 0);
    story.breaks(&[Check::Q1]);
}

#[test]
fn without_idempotence_a_rejected_record_may_still_not_be_there() {
    let mut story = plain(1, 5);
    let id = story.sent(A);
    story.rejected(id);
    story.found(A, 0, id);
    story.breaks(&[Check::Q3]);
}

#[test]
fn without_idempotence_retries_overtake_if_several_are_in_flight() {
    let mut story = plain(-1, 5);
    let (first, second) = (story.sent(A), story.sent(A));
    story.acked(first, 1);
    story.acked(second, 0);
    story.found(A, 0, second);
    story.found(A, 1, first);
    story.is_fine();
}

#[test]
fn with_one_in_flight_what_was_acknowledged_keeps_its_order() {
    let mut story = plain(-1, 1);
    let (first, second) = (story.sent(A), story.sent(A));
    story.acked(first, 1);
    story.acked(second, 0);
    story.found(A, 0, second);
    story.found(A, 1, first);
    story.breaks(&[Check::Q4]);
}

// Nothing fences the copy of a record that was given up: it may land behind its successors.
#[test]
fn with_one_in_flight_a_doubt_may_land_behind() {
    let mut story = plain(-1, 1);
    let doubtful = story.sent(A);
    story.unknown(doubtful);
    story.stored(A, 0);
    story.found(A, 1, doubtful);
    story.is_fine();
}

#[test]
fn with_acks_0_what_left_may_be_lost() {
    let mut story = plain(0, 5);
    let id = story.sent(A);
    story.acked_somewhere(id);
    story.is_fine();
}

#[test]
fn with_acks_0_nobody_can_tell_an_offset() {
    let mut story = plain(0, 5);
    let id = story.stored(A, 0);
    assert_eq!(story.history.outcome(id).map(crate::oracle::Told::is_acknowledged), Some(true));
    story.breaks(&[Check::Q5]);
}

#[test]
fn with_acks_0_only_what_never_left_is_sent_again() {
    let mut story = plain(0, 5);
    let id = story.sent(A);
    story.acked_somewhere(id);
    story.found(A, 0, id);
    story.found(A, 1, id);
    story.breaks(&[Check::Q2]);
}

#[test]
fn with_acks_1_what_a_dying_leader_took_along_is_excused() {
    let mut story = plain(1, 5);
    let id = story.sent(A);
    story.acked(id, 0);
    story.history.exemptions.cut_off(A, 0, story.now);
    story.is_fine();
}
