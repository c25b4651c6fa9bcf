//! Q4 and Q8: a lane, read in the order of `send`.

use crate::oracle::{Check, Personality};
use crate::story::{A, B, SECOND, Story};

/// What was told unknown is found behind what was sent after it.
fn a_doubt_lands_behind(story: &mut Story) {
    let doubtful = story.sent(A);
    story.stored(A, 0);
    story.unknown(doubtful);
    story.found(A, 1, doubtful);
}

/// Two records, each where the other ought to be.
fn the_acknowledged_change_places(story: &mut Story) {
    let (first, second) = (story.sent(A), story.sent(A));
    story.acked(first, 1);
    story.acked(second, 0);
    story.found(A, 0, second);
    story.found(A, 1, first);
}

#[test]
fn q4_a_record_behind_one_that_was_sent_after_it_is_out_of_order() {
    let mut story = Story::new();
    the_acknowledged_change_places(&mut story);
    story.breaks(&[Check::Q4]);
}

#[test]
fn q4_the_order_in_which_the_reader_met_the_records_does_not_matter() {
    let mut story = Story::new();
    let (first, second) = (story.sent(A), story.sent(A));
    story.acked(first, 0);
    story.acked(second, 1);
    story.found(A, 1, second);
    story.found(A, 0, first);
    story.is_fine();
}

#[test]
fn q4_doubt_is_no_licence_to_overtake() {
    let mut story = Story::new();
    a_doubt_lands_behind(&mut story);
    story.breaks(&[Check::Q4]);
}

#[test]
fn q4_a_broker_that_refuses_local_bumps_may_let_a_late_doubt_land_behind() {
    let mut story = Story::new();
    story.conditions.personality = Personality::RefusesLocalBumps;
    a_doubt_lands_behind(&mut story);
    story.is_fine();
}

#[test]
fn q4_even_there_what_was_acknowledged_keeps_its_order() {
    let mut story = Story::new();
    story.conditions.personality = Personality::RefusesLocalBumps;
    the_acknowledged_change_places(&mut story);
    story.breaks(&[Check::Q4]);
}

#[test]
fn q4_at_an_ids_last_epoch_what_was_given_up_may_land_behind() {
    let mut story = Story::new();
    story.conditions.epochs_run_out = true;
    a_doubt_lands_behind(&mut story);
    story.is_fine();
}

#[test]
fn q4_at_an_ids_last_epoch_what_was_acknowledged_keeps_its_order() {
    let mut story = Story::new();
    story.conditions.epochs_run_out = true;
    the_acknowledged_change_places(&mut story);
    story.breaks(&[Check::Q4]);
}

#[test]
fn q4_other_personalities_owe_the_order_of_doubt() {
    let mut story = Story::new();
    story.conditions.personality = Personality::Other;
    a_doubt_lands_behind(&mut story);
    story.breaks(&[Check::Q4]);
}

#[test]
fn q4_two_lanes_have_no_order_between_them() {
    let mut story = Story::new();
    story.stored(A, 7);
    story.stored(B, 0);
    story.stored(A, 8);
    story.is_fine();
}

#[test]
fn q4_in_the_next_life_of_a_topic_offsets_start_again() {
    let mut story = Story::new();
    let (before, after) = (story.sent(A), story.sent(A));
    story.acked(before, 9);
    story.acked(after, 0);
    story.found_in_life(A, 0, 9, before);
    story.found_in_life(A, 1, 0, after);
    story.history.exemptions.recreated(A, story.now);
    story.history.exemptions.former_lives_are_kept();
    story.is_fine();
}

#[test]
fn q4_a_record_that_stays_in_the_former_life_may_not_have_a_predecessor_in_the_next() {
    let mut story = Story::new();
    let (first, second) = (story.sent(A), story.sent(A));
    story.acked(second, 9);
    story.acked(first, 0);
    story.found_in_life(A, 0, 9, second);
    story.found_in_life(A, 1, 0, first);
    story.history.exemptions.former_lives_are_kept();
    story.breaks(&[Check::Q4]);
}

#[test]
fn q4_is_not_promised_while_the_broker_has_forgotten_the_producer() {
    let mut story = Story::new();
    let first = story.sent(A);
    story.history.exemptions.forgot_producers(A, story.now);
    story.passes(SECOND);
    story.stored(A, 0);
    story.acked(first, 1);
    story.found(A, 1, first);
    story.is_fine();
}

// With the topic gone, and its former log with it, what was acknowledged then cannot be asked for.
#[test]
fn q1_a_recreated_topic_takes_its_records_along() {
    let mut story = Story::new();
    let gone = story.sent(A);
    story.acked(gone, 9);
    story.history.exemptions.recreated(A, story.now);
    story.passes(SECOND);
    story.stored(A, 0);
    story.is_fine();
}

#[test]
fn q1_what_was_accepted_after_the_recreation_must_be_in_the_new_log() {
    let mut story = Story::new();
    story.history.exemptions.recreated(A, story.now);
    story.passes(SECOND);
    let lost = story.sent(A);
    story.acked(lost, 0);
    story.breaks(&[Check::Q1]);
}

#[test]
fn q8_an_acknowledged_hole_before_a_stored_record_is_a_silent_gap() {
    let mut story = Story::new();
    let hole = story.sent(A);
    story.acked(hole, 0);
    story.stored(A, 1);
    story.breaks(&[Check::Q1, Check::Q8]);
}

#[test]
fn q8_a_hole_of_doubt_or_rejection_is_no_gap() {
    let mut story = Story::new();
    let (doubtful, rejected) = (story.sent(A), story.sent(A));
    story.unknown(doubtful);
    story.rejected(rejected);
    story.stored(A, 0);
    story.is_fine();
}
