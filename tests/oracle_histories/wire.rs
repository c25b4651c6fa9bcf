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
    story.writes(1, id(2), (0, 2));
    story.answers(1, (0, 2), Success);
    for sequence in 3..=7_i32 {
        if sequence > 5 {
            story.stored(A, sequence.into());
        }
        story.writes(1, id(sequence.unsigned_abs().into()), (0, sequence));
    }
    story.is_fine();
}

/// Batch 1 failed on its way, batch 2 behind it as well; both are in doubt on a connection that is gone.
fn two_in_doubt() -> Story {
    let mut story = open_gate();
    for sequence in 1..=2 {
        let id = story.stored(A, i64::from(sequence));
        story.writes(1, id, (0, sequence));
    }
    story.answers(1, (0, 1), Indeterminate);
    story.answers(1, (0, 2), Indeterminate);
    story
}

fn id(number: u64) -> crate::oracle::RecordId {
    crate::oracle::RecordId(number)
}

// K6 and D-9: the head alone, then the rest, pipelined.
#[test]
fn q11_after_a_failure_the_head_goes_first_and_the_rest_follow() {
    let mut story = two_in_doubt();
    story.writes(1, id(1), (0, 1));
    story.answers(1, (0, 1), Success);
    story.writes(1, id(2), (0, 2));
    let third = story.stored(A, 3);
    story.writes(1, third, (0, 3));
    story.answers(1, (0, 2), Success);
    story.answers(1, (0, 3), Success);
    story.is_fine();
}

#[test]
fn q11_after_a_failure_nothing_goes_beside_the_head() {
    let mut story = two_in_doubt();
    story.writes(1, id(1), (0, 1));
    story.writes(1, id(2), (0, 2));
    story.answers(1, (0, 1), Success);
    story.answers(1, (0, 2), Success);
    story.breaks(&[Check::Q11]);
}

#[test]
fn q11_after_a_failure_nothing_new_goes_before_the_head() {
    let mut story = two_in_doubt();
    let third = story.stored(A, 3);
    story.writes(1, third, (0, 3));
    story.answers(1, (0, 3), Success);
    story.breaks(&[Check::Q11]);
}

// D-6: a reset resolves what is in doubt, although the head, certainly refused, waits for its new name.
#[test]
fn q11_what_is_in_doubt_may_go_before_a_head_that_was_refused() {
    let mut story = open_gate();
    let (refused, doubtful) = (story.stored(A, 2), story.stored(A, 1));
    story.writes(1, refused, (0, 1));
    story.writes(1, doubtful, (0, 2));
    story.answers(1, (0, 1), Definite);
    story.answers(1, (0, 2), Indeterminate);
    story.writes(1, doubtful, (0, 2));
    story.answers(1, (0, 2), Success);
    story.writes(1, refused, (1, 0));
    story.answers(1, (1, 0), Success);
    let found = story.found_by_the_oracle();
    assert!(!found.contains(&Check::Q11), "{found:?}");
}

// D-4, Present: no answer said so, and the lane goes on.
#[test]
fn q11_a_batch_that_was_proved_present_is_nobodys_head_any_more() {
    let mut story = open_gate();
    for sequence in 1..=5 {
        let id = story.stored(A, i64::from(sequence));
        story.writes(1, id, (0, sequence));
    }
    story.answers(1, (0, 1), Indeterminate);
    for sequence in 2..=5 {
        story.answers(1, (0, sequence), Success);
    }
    story.history.wire.known(A, stamp((0, 1)));
    let sixth = story.stored(A, 6);
    story.writes(1, sixth, (0, 6));
    story.answers(1, (0, 6), Success);
    story.is_fine();
}

// K8: as soon as the old connection is gone, or has answered.
#[test]
fn q11_a_lane_moves_once_nothing_is_owed_to_it() {
    let mut story = open_gate();
    let (one, two) = (story.stored(A, 1), story.stored(A, 2));
    story.writes(1, one, (0, 1));
    story.answers(1, (0, 1), Success);
    story.writes(2, two, (0, 2));
    story.answers(2, (0, 2), Success);
    story.is_fine();
}

#[test]
fn q11_a_lane_that_moves_while_an_answer_is_owed_breaks_k8() {
    let mut story = open_gate();
    let (one, two) = (story.stored(A, 1), story.stored(A, 2));
    story.writes(1, one, (0, 1));
    story.writes(2, two, (0, 2));
    story.answers(1, (0, 1), Success);
    story.answers(2, (0, 2), Success);
    story.breaks(&[Check::Q11]);
}

// K15: a name was given to a batch that never left.
#[test]
fn q11_a_name_that_is_left_out_is_found() {
    let mut story = open_gate();
    let two = story.stored(A, 1);
    story.writes(1, two, (0, 2));
    story.answers(1, (0, 2), Success);
    story.breaks(&[Check::Q11]);
}

#[test]
fn q11_a_new_identity_begins_at_0() {
    let mut story = open_gate();
    let two = story.stored(A, 1);
    story.writes(1, two, (1, 1));
    story.answers(1, (1, 1), Success);
    story.breaks(&[Check::Q11]);
}

// The identity was read, then changed, then used.
#[test]
fn q11_a_lane_does_not_go_back_to_an_identity() {
    let mut story = open_gate();
    let (one, two) = (story.stored(A, 1), story.stored(A, 2));
    story.writes(1, one, (1, 0));
    story.answers(1, (1, 0), Success);
    story.writes(1, two, (0, 1));
    story.answers(1, (0, 1), Success);
    story.breaks(&[Check::Q11]);
}

// D-4, Present, at the refusal itself: no resend follows, so nothing has failed, and the lane goes on beside its head.
#[test]
fn q11_a_refusal_that_is_answered_by_a_proof_is_no_failure() {
    let mut story = open_gate();
    for sequence in 1..=3 {
        let id = story.stored(A, i64::from(sequence));
        story.writes(1, id, (0, sequence));
    }
    story.answers(1, (0, 1), Indeterminate);
    story.answers(1, (0, 2), Success);
    story.answers(1, (0, 3), Success);
    story.writes(1, id(1), (0, 1));
    story.answers(1, (0, 1), Definite);
    story.history.wire.known(A, stamp((0, 1)));
    for sequence in 4..=5 {
        let id = story.stored(A, i64::from(sequence));
        story.writes(1, id, (0, sequence));
    }
    story.is_fine();
}
