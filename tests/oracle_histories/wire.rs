//! Q10 and Q11: names and numbers of batches, seen from outside.

use crate::oracle::Check;
use crate::oracle::wire::Answer::{Definite, Indeterminate, Success};
use crate::story::{A, Story, stamp};

/// A lane whose gate is open on connection 1: batch 0 was acknowledged.
fn open_gate() -> Story {
    let mut story = Story::new();
    let id = story.stored(A, 0);
    story.writes(1, id, (0, 0));
    story.answers(1, (0, 0), Success);
    story
}

#[test]
fn q10_the_same_bytes_under_the_same_sequence_are_a_retry() {
    let mut story = open_gate();
    let id = story.stored(A, 1);
    story.writes(1, id, (0, 1));
    story.answers(1, (0, 1), Indeterminate);
    story.writes(1, id, (0, 1));
    story.answers(1, (0, 1), Success);
    story.is_fine();
}

#[test]
fn q10_other_bytes_under_the_same_sequence_are_reuse() {
    let mut story = open_gate();
    let (one, two) = (story.stored(A, 1), story.stored(A, 2));
    story.writes(1, one, (0, 1));
    story.answers(1, (0, 1), Definite);
    story.writes(1, two, (0, 1));
    story.answers(1, (0, 1), Success);
    story.breaks(&[Check::Q10]);
}

#[test]
fn q10_a_retry_with_other_bytes_is_reuse() {
    let mut story = open_gate();
    let id = story.stored(A, 1);
    story.writes(1, id, (0, 1));
    story.answers(1, (0, 1), Indeterminate);
    story.writes_content(1, id, (0, 1), 4711);
    story.answers(1, (0, 1), Success);
    story.breaks(&[Check::Q10]);
}

#[test]
fn q10_the_sequence_of_another_epoch_is_another_name() {
    let mut story = open_gate();
    let (one, two) = (story.sent(A), story.stored(A, 1));
    story.rejected(one);
    story.writes(1, one, (0, 1));
    story.answers(1, (0, 1), Definite);
    story.writes(1, two, (1, 0));
    story.answers(1, (1, 0), Success);
    story.is_fine();
}

#[test]
fn q10_a_batch_in_doubt_is_not_given_a_second_name() {
    let mut story = open_gate();
    let id = story.stored(A, 1);
    story.writes(1, id, (0, 1));
    story.history.wire.ended(1);
    story.writes(2, id, (1, 0));
    story.answers(2, (1, 0), Success);
    story.breaks(&[Check::Q10]);
}

#[test]
fn q10_a_batch_that_was_refused_for_certain_may_have_a_second_name() {
    let mut story = open_gate();
    let id = story.stored(A, 1);
    story.writes(1, id, (0, 1));
    story.answers(1, (0, 1), Definite);
    story.writes(1, id, (1, 0));
    story.answers(1, (1, 0), Success);
    story.is_fine();
}

#[test]
fn q10_a_batch_that_never_left_whole_may_have_a_second_name() {
    let mut story = open_gate();
    let id = story.stored(A, 1);
    story.writes(1, id, (0, 1));
    story.history.wire.not_processed(A, 1, stamp((0, 1)));
    story.history.wire.ended(1);
    story.writes(2, id, (1, 0));
    story.answers(2, (1, 0), Success);
    story.is_fine();
}

// D-4, Absent: its predecessor is certainly not in the log, so the broker cannot have taken the one behind it.
#[test]
fn q10_a_batch_that_is_proved_absent_may_have_a_second_name() {
    let mut story = open_gate();
    let (refused, behind) = (story.sent(A), story.stored(A, 1));
    story.rejected(refused);
    story.writes(1, refused, (0, 1));
    story.writes(1, behind, (0, 2));
    story.answers(1, (0, 1), Definite);
    story.history.wire.ended(1);
    story.writes(2, behind, (1, 0));
    story.answers(2, (1, 0), Success);
    story.is_fine();
}

#[test]
fn q11_two_batches_before_the_first_acknowledgement_break_the_gate() {
    let mut story = Story::new();
    let (one, two) = (story.stored(A, 0), story.stored(A, 1));
    story.writes(1, one, (0, 0));
    story.writes(1, two, (0, 1));
    story.answers(1, (0, 0), Success);
    story.answers(1, (0, 1), Success);
    story.breaks(&[Check::Q11]);
}

#[test]
fn q11_a_new_connection_closes_the_gate_again() {
    let mut story = open_gate();
    let (one, two) = (story.stored(A, 1), story.stored(A, 2));
    story.history.wire.ended(1);
    story.writes(2, one, (0, 1));
    story.writes(2, two, (0, 2));
    story.answers(2, (0, 1), Success);
    story.answers(2, (0, 2), Success);
    story.breaks(&[Check::Q11]);
}

#[test]
fn q11_behind_an_open_gate_five_may_be_on_their_way() {
    let mut story = open_gate();
    for sequence in 1..=5 {
        let id = story.stored(A, i64::from(sequence));
        story.writes(1, id, (0, sequence));
    }
    for sequence in 1..=5 {
        story.answers(1, (0, sequence), Success);
    }
    story.is_fine();
}

#[test]
fn q11_a_sixth_batch_is_more_than_the_broker_remembers() {
    let mut story = open_gate();
    for sequence in 1..=6 {
        let id = story.stored(A, i64::from(sequence));
        story.writes(1, id, (0, sequence));
    }
    for sequence in 1..=6 {
        story.answers(1, (0, sequence), Success);
    }
    story.breaks(&[Check::Q11]);
}

// The head's answer is indeterminate; four behind it are acknowledged; one more would push the head out of memory.
#[test]
fn q11_acknowledged_batches_behind_a_doubtful_head_count_too() {
    let mut story = open_gate();
    for sequence in 1..=5 {
        let id = story.stored(A, i64::from(sequence));
        story.writes(1, id, (0, sequence));
    }
    story.answers(1, (0, 1), Indeterminate);
    for sequence in 2..=5 {
        story.answers(1, (0, sequence), Success);
    }
    story.is_fine();
    let sixth = story.stored(A, 6);
    story.writes(1, sixth, (0, 6));
    story.breaks(&[Check::Q11]);
}

// D-9: what is known not to be in the log takes no room in the broker's memory.
#[test]
fn q11_batches_that_were_refused_for_certain_do_not_count() {
    let mut story = open_gate();
    for sequence in 1..=5 {
        let id = story.stored(A, i64::from(sequence));
        story.writes(1, id, (0, sequence));
    }
    story.answers(1, (0, 1), Success);
    for sequence in 2..=5 {
        story.answers(1, (0, sequence), Definite);
    }
    for sequence in 2..=6_i32 {
        if sequence == 6 {
            story.stored(A, 6);
        }
        story.writes(1, crate::oracle::RecordId(sequence.unsigned_abs().into()), (0, sequence));
    }
    story.is_fine();
}
