//! The model under random faults, with a client that is too simple to be wrong: one batch in flight, the same bytes
//! until they are acknowledged.
//!
//! **Why.** Every check of the simulation trusts the model. With such a client nothing can be lost, repeated or
//! reordered unless the model is wrong; so this shows the model alone. Fails with the seed.

use std::time::Duration;

use super::support::{Batch, P, Stage};
use crate::simulation::cluster::{ClusterFault, ClusterPlan};
use crate::simulation::tape::{Draw as _, Tape};

const BATCHES: i32 = 40;

/// A fault that no acknowledged record may suffer from.
fn fault(tape: &mut Tape) -> ClusterFault {
    let node = tape.between(1, 3) as i32;
    let ms = tape.between(1, 8000);
    match tape.below(16) {
        0 => ClusterFault::Kill { node },
        1 => ClusterFault::Restart { node },
        2 => ClusterFault::Shutdown { node },
        3 => ClusterFault::Pause { node },
        4 => ClusterFault::Resume { node },
        5 => ClusterFault::Isolate { node, ms },
        6 => ClusterFault::AllDown { ms },
        7 | 8 => ClusterFault::MoveLeader { at: P },
        9 => ClusterFault::LeaderUnknown { at: P, ms },
        10 => ClusterFault::ShrinkIsr { at: P, ms },
        11 => ClusterFault::StaleMetadata { node, ms },
        12 => ClusterFault::DiskFull { node, ms },
        13 => ClusterFault::Lie { code: tape.one_of(&[7, 6, 20, 56, -1, 3]), times: 2 },
        14 => ClusterFault::Refuse { node: 0, topic: None, code: 19, times: 2 },
        _ => ClusterFault::Swallow { times: 1 },
    }
}

/// Sends until the batch is acknowledged, to whoever leads, on a new connection each time.
fn deliver(stage: &mut Stage, faults: &mut Tape, batch: Batch, connection: &mut u64) {
    for attempt in 0.. {
        assert!(attempt < 3000, "sequence {} is never acknowledged", batch.first);
        // Nobody can tell who leads: ask anybody who is up.
        let node = stage.cluster.leader(P).unwrap_or(1);
        if !stage.cluster.accepts_connections(node) || stage.cluster.is_paused(node) {
            stage.pass(100);
            if attempt % 50 == 49 {
                stage.cluster.heal(stage.now, &mut stage.effects);
            }
            continue;
        }
        *connection += 1;
        let id = stage.send(node, *connection, batch);
        if faults.chance(300) {
            let fault = fault(faults);
            stage.fault(&fault);
        }
        for _ in 0..40 {
            stage.pass(25);
            if stage.answer(id).is_some() {
                break;
            }
        }
        stage.cluster.connection_ended(node, *connection);
        if stage.answer(id).is_some_and(|answer| answer.error.0 == 0) {
            stage.effects.clear();
            return;
        }
        stage.effects.clear();
    }
}

// Every batch of the simple client is in the log once and in order, on every copy, under every seed.
#[test]
fn nothing_goes_wrong_with_a_client_that_cannot_be_wrong() {
    let mut appends = 0;
    for seed in 0..100 {
        let mut faults = Tape::of_seed(seed, false);
        let plan = ClusterPlan {
            high_watermark_needs_min_isr: seed % 2 == 0,
            processes_after_close: seed % 3 != 0,
            slow_follower_per_mille: 100,
            session_ms: (100, 3000),
            ..ClusterPlan::default()
        };
        let mut stage = Stage::of(&plan.topic("t", 1));
        stage.tape = Tape::of_seed(1_000_000 + seed, false);
        let mut connection = 0;
        for number in 0..BATCHES {
            let batch = Batch::of(number * 3, 3);
            deliver(&mut stage, &mut faults, batch, &mut connection);
            stage.now = stage.now + Duration::from_millis(1);
        }

        let expected: Vec<usize> = (0..BATCHES as usize * 3).collect();
        assert_eq!(stage.ids_in_the_end(), expected, "seed {seed}");
        let found = stage.cluster.findings();
        assert!(found.is_empty(), "seed {seed}: {found:?}");
        assert!(stage.cluster.losses().is_empty(), "seed {seed}");
        let stats = stage.cluster.stats();
        assert!(stats.appends >= BATCHES as u64);
        appends += stats.appends - BATCHES as u64 + stats.duplicates;
    }
    assert!(
        appends > 100,
        "the faults made the client repeat itself {appends} times: too tame to show anything"
    );
}
