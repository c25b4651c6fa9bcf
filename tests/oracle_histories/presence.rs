//! Q1, Q2, Q3, Q5, Q7: a record and its copies.

use crate::oracle::{Check, Found, RecordId, Told, recheck};
use crate::story::{A, B, MS, SECOND, Story};

// Three records, acknowledged where they are, one of doubt that landed and one that did not, one rejected, one refused.
#[test]
fn a_run_in_which_everything_is_as_it_was_told() {
    let mut story = Story::new();
    for offset in 0..3 {
        story.stored(A, offset);
    }
    let (landed, gone) = (story.sent(A), story.sent(A));
    story.unknown(landed);
    story.unknown(gone);
    story.found(A, 3, landed);
    let rejected = story.sent(A);
    story.rejected(rejected);
    story.refused(A);
    story.is_fine();
}

#[test]
fn q1_an_acknowledged_record_that_is_not_in_the_log_is_lost() {
    let mut story = Story::new();
    story.stored(A, 0);
    let lost = story.sent(A);
    story.acked(lost, 1);
    story.breaks(&[Check::Q1]);
}

#[test]
fn q1_an_acknowledgement_without_an_offset_binds_as_well() {
    let mut story = Story::new();
    let lost = story.sent(A);
    story.acked_somewhere(lost);
    story.breaks(&[Check::Q1]);
}

#[test]
fn q1_what_an_unclean_election_cut_off_is_excused() {
    let mut story = Story::new();
    story.stored(A, 0);
    let cut = story.sent(A);
    story.acked(cut, 1);
    story.history.exemptions.cut_off(A, 1, story.now);
    story.is_fine();
}

#[test]
fn q1_what_lay_below_the_cut_is_not_excused() {
    let mut story = Story::new();
    let lost = story.sent(A);
    story.acked(lost, 0);
    story.history.exemptions.cut_off(A, 1, story.now);
    story.breaks(&[Check::Q1]);
}

// D-4's proof rests on the broker's memory of sequences, which an unclean election cuts off with the end of a log. Fails if
// that excuses a record that was told with its place, one on another lane, or one that came when the broker had shown that
// it knows the producer again.
#[test]
fn q1_what_a_forgetful_broker_proved_is_excused() {
    for (offset, lane, knows_again, is_fine) in
        [(None, A, false, true), (Some(1), A, false, false), (None, B, false, false), (None, A, true, false)]
    {
        let mut story = Story::new();
        story.history.exemptions.tail_cut_off(lane, story.now);
        story.passes(MS);
        if knows_again {
            story.stored(A, 0);
            story.passes(MS);
        }
        let id = story.sent(A);
        story.passes(MS);
        match offset {
            Some(offset) => story.acked(id, offset),
            None => story.acked_somewhere(id),
        }
        if is_fine {
            story.is_fine();
        } else {
            story.breaks(&[Check::Q1]);
        }
    }
}

#[test]
fn q1_what_was_accepted_after_the_cut_is_not_excused() {
    let mut story = Story::new();
    story.history.exemptions.cut_off(A, 0, story.now);
    story.passes(MS);
    let lost = story.sent(A);
    story.acked(lost, 3);
    story.breaks(&[Check::Q1]);
}

#[test]
fn q1_a_cut_on_one_lane_excuses_no_other() {
    let mut story = Story::new();
    let lost = story.sent(B);
    story.acked(lost, 5);
    story.history.exemptions.cut_off(A, 0, story.now);
    story.breaks(&[Check::Q1]);
}

#[test]
fn q1_records_below_the_log_start_were_deleted_by_order() {
    let mut story = Story::new();
    let deleted = story.sent(A);
    story.acked(deleted, 0);
    story.stored(A, 1);
    story.log.starts_at(A, 1);
    story.is_fine();
}

#[test]
fn q1_a_late_acknowledgement_binds_as_an_early_one_does() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.unknown(id);
    story.history.resolved_late(id, Told::acknowledged(0));
    story.breaks(&[Check::Q1]);
}

#[test]
fn q2_a_record_at_two_offsets_is_a_duplicate() {
    let mut story = Story::new();
    let id = story.stored(A, 0);
    story.found(A, 1, id);
    story.breaks(&[Check::Q2]);
}

#[test]
fn q2_doubt_is_no_licence_for_two_copies() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.unknown(id);
    story.found(A, 0, id);
    story.found(A, 1, id);
    story.breaks(&[Check::Q2]);
}

#[test]
fn q2_one_copy_in_each_life_of_a_topic_is_a_duplicate() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.unknown(id);
    story.found_in_life(A, 0, 4, id);
    story.found_in_life(A, 1, 0, id);
    story.history.exemptions.recreated(A, story.now);
    story.history.exemptions.former_lives_are_kept();
    story.breaks(&[Check::Q2]);
}

#[test]
fn q2_old_timestamps_are_outside_the_promise() {
    let mut story = Story::new();
    let id = story.stored(A, 0);
    story.found(A, 1, id);
    story.history.has_old_timestamp(id);
    story.is_fine();
}

#[test]
fn q2_while_the_broker_has_forgotten_the_producer_a_retry_may_be_stored_again() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.passes(SECOND);
    story.history.exemptions.forgot_producers(A, story.now);
    story.passes(SECOND);
    story.acked(id, 0);
    story.found(A, 0, id);
    story.found(A, 1, id);
    story.is_fine();
}

#[test]
fn q2_once_the_broker_knows_the_producer_again_the_promise_holds_again() {
    let mut story = Story::new();
    story.history.exemptions.forgot_producers(A, story.now);
    story.passes(SECOND);
    story.stored(A, 0);
    story.passes(SECOND);
    let id = story.stored(A, 1);
    story.found(A, 2, id);
    story.breaks(&[Check::Q2]);
}

#[test]
fn q3_a_rejected_record_in_the_log_is_a_phantom() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.rejected(id);
    story.found(A, 0, id);
    story.breaks(&[Check::Q3]);
}

#[test]
fn q3_a_record_that_was_never_accepted_is_a_phantom() {
    let mut story = Story::new();
    let id = story.refused(A);
    story.found(A, 0, id);
    story.breaks(&[Check::Q3]);
}

#[test]
fn q3_a_record_that_nobody_sent_is_a_phantom() {
    let mut story = Story::new();
    story.stored(A, 0);
    story.found(A, 1, RecordId(99));
    story.breaks(&[Check::Q3]);
}

#[test]
fn q3_an_unclean_election_is_no_excuse_for_a_phantom() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.rejected(id);
    story.found(A, 0, id);
    story.history.exemptions.cut_off(A, 0, story.now);
    story.breaks(&[Check::Q3]);
}

#[test]
fn q3_a_late_rejection_binds_as_an_early_one_does() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.unknown(id);
    story.history.resolved_late(id, Told::rejected());
    story.found(A, 0, id);
    story.breaks(&[Check::Q3]);
}

// The log is read twice; between the two readings an old request reached the broker.
#[test]
fn q3_a_rejected_record_that_lands_in_the_quiet_period_is_seen_by_the_second_reading() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.rejected(id);
    story.is_fine();

    story.found(A, 0, id);

    let breaches = recheck(&story.history, &story.log, &story.conditions);
    assert_eq!(breaches.iter().map(|breach| breach.check).collect::<Vec<_>>(), [Check::Q3]);
}

#[test]
fn q3_a_record_of_doubt_may_land_in_the_quiet_period() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.unknown(id);
    story.is_fine();

    story.found(A, 0, id);

    assert_eq!(recheck(&story.history, &story.log, &story.conditions), []);
}

#[test]
fn q5_an_acknowledged_record_at_another_offset_is_misplaced() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.acked(id, 3);
    story.found(A, 4, id);
    story.breaks(&[Check::Q5]);
}

#[test]
fn q5_without_an_offset_any_place_on_the_lane_will_do() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.acked_somewhere(id);
    story.found(A, 4, id);
    story.is_fine();
}

#[test]
fn q5_late_resolution_must_tell_the_true_offset() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.unknown(id);
    story.history.resolved_late(id, Told::acknowledged(7));
    story.found(A, 8, id);
    story.breaks(&[Check::Q5]);
}

#[test]
fn q7_other_bytes_than_were_accepted_are_corruption() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.acked(id, 0);
    story.log.found(A, Found { offset: 0, id, content: Story::content(id) + 1 });
    story.breaks(&[Check::Q7]);
}

#[test]
fn q7_a_record_in_the_log_of_another_lane_is_corruption() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.unknown(id);
    story.found(B, 0, id);
    story.breaks(&[Check::Q7]);
}

#[test]
fn q2_and_q7_a_copy_on_each_of_two_lanes_is_both() {
    let mut story = Story::new();
    let id = story.stored(A, 0);
    story.found(B, 0, id);
    story.breaks(&[Check::Q2, Check::Q7]);
}
