//! Q14 and Q17: once the faults are over everything is delivered, and doubt needs a reason.

use crate::oracle::exemptions::Exemptions;
use crate::oracle::{Check, Personality, RecordId, Told};
use crate::story::{A, B, MS, SECOND, Story, TIMEOUTS};

const L: u64 = TIMEOUTS.liveness_bound_ns();

// The figure that the other histories here are built on. Fails if the formula changes without them.
#[test]
fn the_bound_is_the_sum_of_what_can_be_in_the_way_once() {
    assert_eq!(L, (4 + 1 + 2 + 2 + 1) * SECOND);
}

#[test]
fn q14_what_is_acknowledged_at_the_bound_is_in_time() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.heals();
    story.passes(L);
    story.acked(id, 0);
    story.found(A, 0, id);
    story.is_fine();
}

#[test]
fn q14_what_is_acknowledged_after_the_bound_is_too_late() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.heals();
    story.passes(L + MS);
    story.acked(id, 0);
    story.found(A, 0, id);
    story.breaks(&[Check::Q14]);
}

#[test]
fn q14_giving_up_after_healing_is_no_progress() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.heals();
    story.passes(L);
    story.rejected(id);
    story.breaks(&[Check::Q14]);
}

#[test]
fn q14_a_record_whose_deadline_is_near_may_be_given_up() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.passes(50 * SECOND);
    story.heals();
    story.passes(5 * SECOND);
    story.rejected(id);
    story.is_fine();
}

// D-18: a record may join a batch that is an eighth of the delivery timeout old, and has that much less.
#[test]
fn q14_seven_eighths_of_the_delivery_timeout_are_sure() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.passes(60 * SECOND / 8 * 7 - L - MS);
    story.heals();
    story.passes(5 * SECOND);
    story.unknown(id);
    story.breaks(&[Check::Q14]);
}

#[test]
fn q14_a_refusal_that_was_on_its_way_when_the_faults_ended_is_of_the_past() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.heals();
    story.passes(SECOND);
    story.rejected(id);
    story.is_fine();
}

#[test]
fn q14_a_record_that_every_broker_refuses_owes_no_progress() {
    let mut story = Story::new();
    let id = story.sent(A);
    story.history.exemptions.deserves_refusal(id);
    story.heals();
    story.passes(5 * SECOND);
    story.rejected(id);
    story.is_fine();
}

/// A record that is excused from progress, and its outcome so long after healing: nothing wrong, or Q14.
fn excused(excuse: impl FnOnce(&mut Exemptions, RecordId), (passes, is_clean): (u64, bool), is_fine: bool) {
    let mut story = Story::new();
    let id = story.sent(A);
    excuse(&mut story.history.exemptions, id);
    story.heals();
    story.passes(passes);
    if is_clean {
        story.rejected(id);
    } else {
        story.unknown(id);
    }
    if is_fine {
        story.is_fine();
    } else {
        story.breaks(&[Check::Q14]);
    }
}

// B22, D-40: a broker invented a leader epoch. Fails if that excuses a rejection, or an outcome that comes too late.
#[test]
fn q14_what_a_lie_made_look_like_another_topic_may_stay_in_doubt() {
    excused(Exemptions::believed_a_lie, (5 * SECOND, false), true);
    excused(Exemptions::believed_a_lie, (5 * SECOND, true), false);
    excused(Exemptions::believed_a_lie, (L + MS, false), false);
}

// D-14, D-22: `retries` and `close(timeout)` are the user's. Fails if that excuses an outcome that comes too late.
#[test]
fn q14_what_the_users_own_limits_ended_owes_no_progress_but_an_outcome_in_time() {
    for is_clean in [true, false] {
        excused(Exemptions::given_up_as_set, (5 * SECOND, is_clean), true);
        excused(Exemptions::given_up_as_set, (L + MS, is_clean), false);
    }
}

// Seeds 2095451 and 3923240, D-13: the gap before it is never filled. Fails if any end excuses a doubt: one in another lane, one
// that was told before the record was sent, or one that no broker has spoken.
#[test]
fn q14_a_doubt_behind_a_batch_that_a_broker_ended_meanwhile_stays_one() {
    let rejected = Told::Rejected { cause: Told::BY_A_BROKER };
    let unknown = Told::Unknown { cause: Told::BY_A_BROKER };
    let overdue = Told::Unknown { cause: "delivery timeout" };
    for (lane, told, is_on_its_way, is_fine) in [
        (A, rejected, true, true),
        (A, unknown, true, true),
        (A, overdue, true, false),
        (B, rejected, true, false),
        (A, rejected, false, false),
    ] {
        let mut story = Story::new();
        let before = story.sent(lane);
        let early = is_on_its_way.then(|| story.sent(A));
        story.passes(MS);
        story.told(before, told);
        story.passes(MS);
        let id = early.unwrap_or_else(|| story.sent(A));
        story.heals();
        story.passes(5 * SECOND);
        story.unknown(id);
        if is_fine {
            story.is_fine();
        } else {
            story.breaks(&[Check::Q14]);
        }
    }
}

/// The lane's log is cut off; then all works again, and a canary comes out as unknown.
fn doubt_after_a_cut(before: impl FnOnce(&mut Story)) -> Story {
    let mut story = Story::new();
    story.history.exemptions.cut_off(A, 0, story.now);
    story.passes(MS);
    story.heals();
    before(&mut story);
    let canary = story.sent(A);
    story.history.canary(canary);
    story.passes(MS);
    story.unknown(canary);
    story
}

// D-13: an unclean election cut off what the broker knew of the producer, so the first sequence after it does not fit (45);
// in doubt, nothing better than U can be told (seed 173561). Fails if a cut excuses all that comes after.
#[test]
fn q14_the_first_doubt_after_a_cut_is_the_brokers() {
    doubt_after_a_cut(|_| {}).is_fine();
    let late = doubt_after_a_cut(|story| {
        story.stored(A, 0);
        story.passes(MS);
    });
    late.breaks(&[Check::Q14]);
}

#[test]
fn q14_a_canary_that_is_not_acknowledged_shows_a_dead_lane() {
    let mut story = Story::new();
    story.heals();
    let canary = story.sent(A);
    story.history.canary(canary);
    story.passes(MS);
    story.unknown(canary);
    story.breaks(&[Check::Q14]);
}

#[test]
fn q14_a_canary_that_is_refused_shows_a_dead_lane() {
    let mut story = Story::new();
    story.heals();
    let canary = story.refused(A);
    story.history.canary(canary);
    story.breaks(&[Check::Q14]);
}

#[test]
fn q14_a_canary_without_an_outcome_at_the_bound_shows_a_dead_lane() {
    let mut story = Story::new();
    story.heals();
    let canary = story.sent(A);
    story.history.canary(canary);
    story.passes(L);
    story.ends();
    story.breaks(&[Check::Q14]);
}

#[test]
fn q14_other_brokers_may_leave_a_doubt_where_apache_leaves_none() {
    let mut story = Story::new();
    story.conditions.personality = Personality::Other;
    let id = story.sent(A);
    story.heals();
    story.passes(5 * SECOND);
    story.unknown(id);
    story.is_fine();
    story.conditions.personality = Personality::Apache;
    story.breaks(&[Check::Q14]);
}

/// One fault of the network, half a second, then peace; the record comes out as unknown.
fn doubt_after(fault: impl FnOnce(&mut Story)) -> Story {
    let mut story = Story::new();
    story.stored(A, 0);
    let doubtful = story.sent(A);
    fault(&mut story);
    story.passes(L);
    story.unknown(doubtful);
    story
}

#[test]
fn q17_a_short_fault_of_the_network_leaves_no_doubt() {
    doubt_after(|story| story.network_fault(SECOND / 2)).breaks(&[Check::Q17]);
}

#[test]
fn q17_two_short_faults_with_peace_between_them_leave_no_doubt() {
    let story = doubt_after(|story| {
        story.network_fault(SECOND / 2);
        story.passes(L);
        story.network_fault(SECOND / 2);
    });
    story.breaks(&[Check::Q17]);
}

#[test]
fn q17_chained_faults_may_leave_a_doubt() {
    let story = doubt_after(|story| {
        story.network_fault(SECOND / 2);
        story.passes(L - MS);
        story.network_fault(SECOND / 2);
    });
    story.is_fine();
}

#[test]
fn q17_a_fault_as_long_as_the_bound_may_leave_a_doubt() {
    doubt_after(|story| story.network_fault(L)).is_fine();
}

#[test]
fn q17_a_fault_of_a_broker_may_leave_a_doubt() {
    doubt_after(|story| story.fault(SECOND / 2, false)).is_fine();
}

#[test]
fn q17_a_short_delivery_timeout_may_leave_a_doubt() {
    let mut story = doubt_after(|story| story.network_fault(SECOND / 2));
    story.conditions =
        story.conditions.with_timeouts(crate::oracle::Timeouts { delivery_ns: 39 * SECOND, ..TIMEOUTS });
    story.is_fine();
}

#[test]
fn q17_other_brokers_may_leave_a_doubt() {
    let mut story = doubt_after(|story| story.network_fault(SECOND / 2));
    story.conditions.personality = Personality::Other;
    story.is_fine();
}
