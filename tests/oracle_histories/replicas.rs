//! Q6 and Q9: what the replicas have, and when they had it.

use crate::oracle::Check;
use crate::story::{A, Story};

#[test]
fn q6_replicas_that_have_the_same_agree() {
    let mut story = Story::new();
    let (one, two) = (story.stored(A, 0), story.stored(A, 1));
    story.replica(A, true, &[(0, one), (1, two)]);
    story.is_fine();
}

#[test]
fn q6_two_records_at_one_offset_are_a_disagreement() {
    let mut story = Story::new();
    let (one, two) = (story.stored(A, 0), story.stored(A, 1));
    story.replica(A, true, &[(0, one), (1, one)]);
    assert_ne!(one, two);
    story.breaks(&[Check::Q6]);
}

#[test]
fn q6_a_replica_in_sync_that_lacks_a_record_disagrees() {
    let mut story = Story::new();
    let one = story.stored(A, 0);
    story.stored(A, 1);
    story.replica(A, true, &[(0, one)]);
    story.breaks(&[Check::Q6]);
}

#[test]
fn q6_a_replica_that_lags_may_end_early() {
    let mut story = Story::new();
    let one = story.stored(A, 0);
    story.stored(A, 1);
    story.replica(A, false, &[(0, one)]);
    story.is_fine();
}

#[test]
fn q6_a_hole_is_not_a_lag() {
    let mut story = Story::new();
    story.stored(A, 0);
    let two = story.stored(A, 1);
    story.replica(A, false, &[(1, two)]);
    story.breaks(&[Check::Q6]);
}

#[test]
fn q6_a_replica_that_has_more_disagrees() {
    let mut story = Story::new();
    let one = story.stored(A, 0);
    let doubtful = story.sent(A);
    story.unknown(doubtful);
    story.replica(A, false, &[(0, one), (1, doubtful)]);
    story.breaks(&[Check::Q6]);
}

#[test]
fn q9_an_acknowledgement_before_the_replicas_have_the_record_is_premature() {
    let mut story = Story::new();
    let id = story.stored(A, 0);
    story.history.was_durable(id, false);
    story.breaks(&[Check::Q9]);
}

#[test]
fn q9_an_acknowledgement_after_the_replicas_have_the_record_is_fine() {
    let mut story = Story::new();
    let id = story.stored(A, 0);
    story.history.was_durable(id, true);
    story.is_fine();
}
