//! Tests of the engine that need to look inside; all others are in `tests/conformance`.

use super::partition_sequences::{Gate, PartitionSequences};
use crate::identifiers::{ConnectionId, ProducerIdentity};
use crate::sequence::Sequence;
use crate::time::Instant;

const IDENTITY: ProducerIdentity = ProducerIdentity { producer_id: 7, epoch: 0 };

// S30: the last sequence is followed by 0, inside a batch as between batches. Fails if the sum overflows, or if the
// modulus is off by one; nobody sends two thousand million records to find out.
#[test]
fn s30_sequences_wrap_to_zero_after_the_largest() {
    let mut sequences = PartitionSequences::default();
    sequences.prime(Sequence::new(2_147_483_647));
    assert_eq!(sequences.assign(IDENTITY, 1).base.to_wire(), i32::MAX);
    assert_eq!(sequences.assign(IDENTITY, 1).base.to_wire(), 0);

    let mut sequences = PartitionSequences::default();
    sequences.prime(Sequence::new(2_147_483_647));
    let straddling = sequences.assign(IDENTITY, 100);
    let after = sequences.assign(IDENTITY, 1);
    assert_eq!(after.base.to_wire(), 99);
    assert!(straddling.base < after.base, "order is that of the unwrapped count");
}

// IDEM-4: sequence 0 under an identity that the lane has used would be taken for an old batch: silent loss.
#[test]
#[should_panic(expected = "[IDEM-4]")]
fn a_lane_never_starts_again_under_an_identity_it_has_used() {
    let mut sequences = PartitionSequences::default();
    sequences.assign(IDENTITY, 1);
    sequences.restart(IDENTITY);
}

// D-8: the gate's triple. Fails if any third of it is left out.
#[test]
fn the_gate_is_open_for_one_identity_connection_and_leader_epoch_only() {
    let gate = Gate { connection: ConnectionId(1), leader_epoch: 4 };
    let mut sequences = PartitionSequences::default();
    sequences.assign(IDENTITY, 1);
    assert!(!sequences.is_gate_open(gate, Instant::ZERO));
    sequences.acknowledged(IDENTITY, gate, Instant::ZERO);
    assert!(sequences.is_gate_open(gate, Instant::ZERO));
    assert!(!sequences.is_gate_open(Gate { connection: ConnectionId(2), ..gate }, Instant::ZERO));
    assert!(!sequences.is_gate_open(Gate { leader_epoch: 5, ..gate }, Instant::ZERO));
    sequences.restart(ProducerIdentity { epoch: 1, ..IDENTITY });
    assert!(!sequences.is_gate_open(gate, Instant::ZERO));
}
