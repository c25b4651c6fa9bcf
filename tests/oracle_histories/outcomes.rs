//! Q12 and Q13: one outcome each, in order where order is promised, in time.

use crate::oracle::{Check, Told};
use crate::story::{A, B, MS, SECOND, Story};

#[test]
fn q12_two_outcomes_for_one_record_are_one_too_many() {
    let mut story = Story::new();
    let id = story.stored(A, 0);
    story.acked(id, 0);
    story.breaks(&[Check::Q12]);
}

#[test]
fn q12_what_was_told_never_changes_even_if_more_becomes_known() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.unknown(id);
    story.acked(id, 0);
    story.found(A, 0, id);
    story.breaks(&[Check::Q12]);
}

// D-5: the answer came after the outcome, and is told beside it.
#[test]
fn q12_late_resolution_is_not_a_second_outcome() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.unknown(id);
    story.history.resolved_late(id, Told::acknowledged(0));
    story.found(A, 0, id);
    story.is_fine();
}

#[test]
fn q12_only_a_doubt_is_resolved_late() {
    let mut story = Story::new();
    let id = story.stored(A, 0);
    story.history.resolved_late(id, Told::acknowledged(0));
    story.breaks(&[Check::Q12]);
}

#[test]
fn q12_a_doubt_is_resolved_late_once() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.unknown(id);
    story.history.resolved_late(id, Told::acknowledged(0));
    story.history.resolved_late(id, Told::acknowledged(0));
    story.found(A, 0, id);
    story.breaks(&[Check::Q12]);
}

#[test]
fn q12_a_refused_record_has_no_outcome() {
    let mut story = Story::new();
    let id = story.refused(A);
    story.rejected(id);
    story.breaks(&[Check::Q12]);
}

// D-20: a delivery completes when its outcome is known, whatever became of the one before.
#[test]
fn q12_deliveries_may_complete_in_any_order() {
    let mut story = Story::new();
    let (first, second) = (story.sent(A), story.sent(A));
    story.acked(second, 1);
    story.acked(first, 0);
    story.found(A, 0, first);
    story.found(A, 1, second);
    story.is_fine();
}

#[test]
fn q12_callbacks_of_one_lane_run_in_the_order_of_send() {
    let mut story = Story::new();
    let (first, second) = (story.stored(A, 0), story.stored(A, 1));
    for id in [first, second] {
        story.history.wants_callback(id);
    }
    story.history.called_back(second);
    story.history.called_back(first);
    story.breaks(&[Check::Q12]);
}

#[test]
fn q12_callbacks_of_two_lanes_have_no_order_between_them() {
    let mut story = Story::new();
    let (first, second) = (story.stored(A, 0), story.stored(B, 0));
    for id in [first, second] {
        story.history.wants_callback(id);
    }
    story.history.called_back(second);
    story.history.called_back(first);
    story.is_fine();
}

#[test]
fn q12_a_callback_that_never_ran_is_missed() {
    let mut story = Story::new();
    let id = story.stored(A, 0);
    story.history.wants_callback(id);
    story.breaks(&[Check::Q12]);
}

#[test]
fn q12_a_callback_that_ran_twice_ran_once_too_often() {
    let mut story = Story::new();
    let id = story.stored(A, 0);
    story.history.wants_callback(id);
    story.history.called_back(id);
    story.history.called_back(id);
    story.breaks(&[Check::Q12]);
}

#[test]
fn q13_a_record_without_an_outcome_is_stuck() {
    let mut story = Story::new();
    story.sent(A);
    story.breaks(&[Check::Q13]);
}

#[test]
fn q13_a_record_whose_time_is_not_over_when_the_run_ends_is_not_stuck() {
    let mut story = Story::new();
    story.sent(A);
    story.passes(61 * SECOND);
    story.ends();
    story.is_fine();
}

#[test]
fn q13_a_record_without_an_outcome_at_the_bound_is_stuck() {
    let mut story = Story::new();
    story.sent(A);
    story.passes(62 * SECOND);
    story.ends();
    story.breaks(&[Check::Q13]);
}

#[test]
fn q13_delivery_timeout_and_two_request_timeouts_are_just_in_time() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.passes(62 * SECOND);
    story.unknown(id);
    story.is_fine();
}

#[test]
fn q13_an_outcome_later_than_that_is_too_late() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.passes(62 * SECOND + MS);
    story.unknown(id);
    story.breaks(&[Check::Q13]);
}
