//! Which test covers which scenario of the conformance list, and what is left out and why.
//!
//! The list is that of the specification, sections 11.1 to 11.3, 11.5 and 11.6. Transactions (11.4) are not built. Tests
//! that differ from Java on purpose say so, with the decision, in their first line.

/// A test's file and name.
#[derive(Debug, Clone, Copy)]
enum Covered {
    /// By this test.
    By(&'static str, &'static str),
    /// Not, for this reason.
    LeftOut(&'static str),
}

use Covered::{By, LeftOut};

const TRANSACTIONS: &str = "transactions are not built";

#[rustfmt::skip]
const TABLE: &[(&str, Covered)] = &[
    ("S1", By("conformance/errors.rs", "s1_nothing_is_produced_before_the_producer_id_is_known")),
    ("S2", By("conformance/errors.rs", "s2_an_unanswered_init_producer_id_is_asked_again")),
    ("S3", By("conformance/errors.rs", "s3_a_refused_producer_id_fails_what_is_queued_and_heals")),
    ("S4", By("conformance/errors.rs", "s4_a_refused_produce_fails_what_is_pending_and_the_next_send_starts_again")),
    ("S5", By("conformance/errors.rs", "s5_unsupported_version_has_an_exit_and_unsupported_format_fails_one_batch")),
    ("S6", By("conformance/errors.rs", "s6_a_topic_authorization_failure_is_not_retried")),
    ("S7", By("conformance/errors.rs", "s7_one_retry_survives_one_disconnect_and_two_leave_the_record_unknown")),
    ("S8", By("conformance/errors.rs", "s8_a_retry_keeps_the_old_producer_id_when_another_lane_gets_a_new_one")),
    ("S9", By("conformance/errors.rs", "s9_a_late_answer_after_a_fatal_error_changes_nothing")),
    ("S10", By("conformance/errors.rs", "s10_named_culprits_are_rejected_and_their_batch_mates_delivered")),
    ("S11", By("conformance/errors.rs", "s11_the_brokers_text_is_told_or_the_codes_name")),
    ("S12", By("conformance/errors.rs", "s12_duplicate_sequence_is_a_success_without_offset")),
    ("S20", By("conformance/sequences.rs", "s20_sequences_count_records_not_batches")),
    ("S21", By("conformance/sequences.rs", "s21_two_in_flight_are_acknowledged_in_order")),
    ("S22", By("conformance/sequences.rs", "s22_after_a_failure_nothing_new_is_sent_before_the_head_is_acknowledged")),
    ("S23", By("conformance/sequences.rs", "s23_what_came_back_out_of_order_follows_the_head_unchanged")),
    ("S24", By("conformance/sequences.rs", "s24_after_a_break_the_first_goes_alone_and_the_second_follows")),
    ("S25", By("conformance/sequences.rs", "s25_the_first_is_resent_with_its_sequence_after_the_second_succeeded")),
    ("S26", By("conformance/sequences.rs", "s26_a_rejected_batch_resets_the_lane_after_its_followers_were_answered")),
    ("S27", By("conformance/sequences.rs", "s27_out_of_order_at_a_clean_head_starts_a_new_epoch")),
    ("S28", By("conformance/sequences.rs", "s28_a_healthy_lane_keeps_its_epoch_when_another_bumps")),
    ("S29", By("conformance/sequences.rs", "s29_a_lane_with_a_batch_in_flight_is_not_touched_by_anothers_bump")),
    ("S30", By("../src/engine/tests.rs", "s30_sequences_wrap_to_zero_after_the_largest")),
    ("S31", By("conformance/sequences.rs", "s31_used_up_epochs_lead_to_a_new_producer_id")),
    ("S32", By("conformance/sequences.rs", "s32_a_disconnect_at_the_last_epoch_resets_nothing")),
    ("S33", By("conformance/sequences.rs", "s33_a_forced_close_during_the_change_of_ids_rejects_what_waits")),
    ("S34", By("conformance/sequences.rs", "s34_unknown_producer_id_without_log_start_takes_a_new_id")),
    ("S35", By("conformance/sequences.rs", "s35_unknown_producer_id_after_truncation_takes_a_new_id")),
    ("S36", By("conformance/sequences.rs", "s36_unknown_producer_id_without_truncation_takes_a_new_id")),
    ("S37", By("conformance/sequences.rs", "s37_two_unknown_producer_ids_lead_to_one_new_id")),
    ("S38", By("conformance/sequences.rs", "s38_a_batch_too_large_is_cut_and_each_record_gets_its_own_offset")),
    ("S39", By("conformance/sequences.rs", "s39_after_a_cut_batches_grow_less")),
    ("S40", By("conformance/sequences.rs", "s40_with_one_in_flight_a_moved_lane_waits_for_the_old_answer")),
    ("S41", By("conformance/sequences.rs", "s41_an_expired_batch_in_flight_mutes_its_lane_until_it_is_answered")),
    ("S42", By("conformance/sequences.rs", "s42_lanes_that_are_reset_together_share_one_bump")),
    ("E1", By("conformance/expiry.rs", "e1_a_batch_that_was_never_sent_is_rejected_and_leaves_no_gap")),
    ("E2", By("conformance/expiry.rs", "e2_an_expired_batch_in_doubt_stays_at_the_head_and_new_batches_wait")),
    ("E3", By("conformance/expiry.rs", "e3_a_later_acknowledgement_proves_the_expired_batch_present")),
    ("E4", By("conformance/expiry.rs", "e4_what_waited_behind_an_abandoned_batch_goes_out_under_a_new_epoch")),
    ("E5", By("conformance/expiry.rs", "e5_without_late_resolution_the_lane_is_reset_at_the_deadline")),
    ("E6", LeftOut(TRANSACTIONS)),
    ("E7", By("conformance/expiry.rs", "e7_an_answer_in_the_turn_of_the_deadline_wins")),
    ("E8", By("conformance/expiry.rs", "e8_an_expired_batch_is_not_cut")),
    ("E9", By("conformance/expiry.rs", "e9_an_expired_batch_with_a_retriable_answer_is_resent_until_late_resolution_ends")),
    ("E10", By("conformance/expiry.rs", "e10_batches_of_two_lanes_expire_together")),
    ("E11", By("conformance/expiry.rs", "e11_the_longest_delivery_timeout_does_not_overflow")),
    ("E12", By("conformance/expiry.rs", "e12_only_the_old_batch_of_a_queue_expires")),
    ("E13", By("conformance/handle.rs", "e13_the_callback_of_an_expired_record_may_send")),
    ("E14", By("conformance/expiry.rs", "e14_time_that_goes_backwards_is_refused")),
    ("E15", By("conformance/expiry.rs", "e15_the_bytes_of_an_expired_batch_stay_intact_under_the_socket")),
    ("A1", By("conformance/accumulator.rs", "a1_requests_of_a_node_rotate_over_its_partitions")),
    ("A2", By("conformance/accumulator.rs", "a2_a_full_batch_is_sent_at_once_and_the_next_record_opens_another")),
    ("A3", By("conformance/accumulator.rs", "a3_a_record_larger_than_a_batch_travels_alone_and_at_once")),
    ("A4", By("conformance/accumulator.rs", "a4_a_batch_lingers_for_exactly_its_time")),
    ("A5", By("conformance/accumulator.rs", "a5_a_lane_that_backs_off_does_not_hold_up_its_neighbour")),
    ("A6", By("../src/engine/backoff.rs", "a6_backoff_doubles_from_the_initial_wait_up_to_the_maximum")),
    ("A7", By("conformance/accumulator.rs", "a7_a_newer_leader_ends_the_backoff_once")),
    ("A8", By("conformance/accumulator.rs", "a8_a_flush_sends_what_lingers_and_ends_there")),
    ("A9", By("conformance/accumulator.rs", "a9_shutting_down_resolves_everything")),
    ("A10", By("conformance/accumulator.rs", "a10_a_full_connection_takes_nothing_until_it_is_answered")),
    ("A11", By("conformance/accumulator.rs", "a11_short_memory_ends_lingering")),
    ("A12", By("conformance/handle.rs", "a12_records_of_five_threads_arrive_once_and_in_each_threads_order")),
    ("A13", By("conformance/accumulator.rs", "a13_records_of_a_leaderless_partition_wait_while_metadata_is_asked")),
    ("A14", LeftOut(TRANSACTIONS)),
    ("P1", By("partitioner.rs", "p1_murmur2_agrees_with_javas_vectors")),
    ("P2", By("partitioner.rs", "p2_a_switch_is_held_back_until_the_batch_is_full")),
    ("P3", By("partitioner.rs", "p3_batches_that_linger_cut_short_do_not_leave_fractions")),
    ("P4", By("partitioner.rs", "p4_short_queues_are_chosen_more_often")),
    ("P5", By("partitioner.rs", "p5_a_stuck_broker_gets_no_keyless_records_until_it_drains")),
    ("P6", By("partitioner.rs", "p6_a_partition_without_a_leader_is_never_chosen_while_another_has_one")),
    ("P7", By("partitioner.rs", "p7_a_negative_choice_is_an_invalid_record")),
    ("B1", By("golden.rs", "the_two_sample_batches_are_written_byte_for_byte")),
    ("B2", By("conformance/accumulator.rs", "b2_a_second_answer_to_a_finished_batch_is_a_protocol_error_and_changes_nothing")),
    ("B3", By("conformance/accumulator.rs", "b3_a_cut_keeps_keys_headers_timestamps_and_codec")),
    ("B4", By("conformance/accumulator.rs", "b4_a_taken_batch_takes_no_more_records")),
    ("B5", By("wire_properties.rs", "lz4_frames_and_snappy_streams_begin_as_kafka_expects")),
    ("C1", By("config.rs", "c1_an_explicit_contradiction_with_idempotence_is_an_error")),
    ("C2", By("config.rs", "c2_delivery_timeout_must_hold_linger_and_a_request")),
    ("C3", By("config.rs", "c3_a_transactional_id_is_refused_with_or_without_idempotence")),
    ("C4", By("conformance/handle.rs", "c4_a_missing_topic_is_refused_after_max_block")),
    ("C5", By("conformance/handle.rs", "c5_a_partition_out_of_range_is_refused_with_the_count")),
    ("C6", By("conformance/handle.rs", "c6_an_invalid_topic_name_is_refused_at_once")),
    ("C7", By("conformance/handle.rs", "c7_a_record_that_can_never_fit_is_refused_at_once")),
    ("C8", By("conformance/handle.rs", "c8_close_wakes_a_sender_that_waits_for_metadata")),
    ("C9", By("conformance/handle.rs", "c9_closing_twice_is_fine")),
    ("C10", By("conformance/handle.rs", "c10_a_failed_sends_callback_names_topic_and_partition")),
    ("C11", By("conformance/handle.rs", "c11_a_flush_ends_when_every_earlier_record_has_an_outcome")),
    // There are no interceptors (D-46): the setting is refused with the reason, and never ignored.
    ("C12", By("config.rs", "what_would_matter_is_refused_with_the_reason")),
    ("M1", By("../src/accumulator/buffer_memory.rs", "a_small_newcomer_does_not_overtake_a_large_waiter")),
    ("M2", By("conformance/handle.rs", "c7_a_record_that_can_never_fit_is_refused_at_once")),
    ("M3", By("conformance/network.rs", "m3_an_unknown_topic_is_asked_for_at_once_and_then_with_growing_waits")),
    ("M4", By("conformance/network.rs", "m4_an_idle_topic_is_left_out_and_comes_back_with_its_sequences")),
    ("M5", By("conformance/network.rs", "m5_an_older_leader_epoch_is_ignored")),
    ("M6", By("conformance/network.rs", "m6_not_leader_with_a_hint_goes_to_the_new_leader_at_once")),
    ("M7", By("conformance/network.rs", "m7_a_silent_broker_loses_its_connection_and_all_batches_are_retried")),
    ("M8", By("conformance/network.rs", "m8_a_broker_that_refuses_our_version_is_asked_with_one_it_knows")),
    ("M9", By("conformance/network.rs", "m9_a_throttled_node_gets_no_request_until_its_time_is_over")),
    ("M10", By("../src/runtime/dialer.rs", "m10_the_next_address_of_a_name_is_tried_when_one_refuses")),
    ("M11", By("conformance/network.rs", "m11_when_all_known_brokers_are_gone_the_bootstrap_address_is_asked_again")),
    ("M12", By("conformance/network.rs", "m12_without_acks_a_record_is_done_when_it_is_written")),
];

/// The ids of the specification, by family.
fn ids() -> Vec<String> {
    let families: [(&str, &[std::ops::RangeInclusive<u32>]); 7] = [
        ("S", &[1..=12, 20..=42]),
        ("E", &[1..=15]),
        ("A", &[1..=14]),
        ("P", &[1..=7]),
        ("B", &[1..=5]),
        ("C", &[1..=12]),
        ("M", &[1..=12]),
    ];
    families
        .into_iter()
        .flat_map(|(family, ranges)| {
            ranges.iter().cloned().flatten().map(move |number| format!("{family}{number}"))
        })
        .collect()
}

// A scenario that is in no row is forgotten; one in two rows hides another. Fails on either, in whatever order.
#[test]
fn every_scenario_is_in_the_table_exactly_once() {
    let listed: Vec<String> = TABLE.iter().map(|(id, _)| (*id).to_owned()).collect();
    assert_eq!(listed, ids());
}

// A row that names a test which is not there covers nothing. Fails when a test is renamed and its row is not.
#[test]
fn every_test_that_the_table_names_exists() {
    for (id, covered) in TABLE {
        let (file, test) = match covered {
            By(file, test) => (file, test),
            LeftOut(reason) => {
                assert!(!reason.is_empty(), "{id} is left out without a reason");
                continue;
            }
        };
        let path = format!("{}/tests/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(text.contains(&format!("fn {test}(")), "{id}: no {test} in {file}");
    }
}
