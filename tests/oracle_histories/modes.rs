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

/// Acknowledged at 0 and copied to 7 by a retry that was on its way; then another record at 1. The log begins at `start`.
fn with_a_late_copy(start: i64) -> Story {
    let mut story = plain(-1, 1);
    let first = story.sent(A);
    story.acked(first, 0);
    story.stored(A, 1);
    story.found(A, 7, first);
    story.log.starts_at(A, start);
    story
}

// Seeds 82102 and 87429 of the simulation: DeleteRecords took the acknowledged copy, and the late one was read as the
// record's place. Fails (the second half) if a plain producer's order is not looked at any more.
#[test]
fn with_one_in_flight_a_late_copy_has_no_place_once_the_acknowledged_one_is_deleted() {
    with_a_late_copy(1).is_fine();
    with_a_late_copy(0).breaks(&[Check::Q4, Check::Q5]);
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
