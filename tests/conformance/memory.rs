//! What the engine may hold.

use facteur::Cause;

use super::world::World;

// D-34: late resolution may hold half of the buffer; beyond that the oldest is given up, so that live lanes have room.
// Fails if a dead cluster's leftovers may fill the buffer.
#[test]
fn d34_late_resolution_holds_at_most_half_of_the_buffer() {
    let mut world = World::with(
        &[("buffer.memory", "8192"), ("max.request.size", "8192"), ("facteur.late.resolution.ms", "60000")],
        1,
        &[1, 1],
    );
    let large = "x".repeat(3000);
    let first = world.send(0, &large);
    world.advance(100);
    let second = world.send(1, &large);
    for _ in 0..220 {
        while let Some(request) = world.requests.pop_front() {
            world.code(&request, 7);
        }
        world.advance(50);
    }

    assert!(matches!(world.unknown(first), Cause::DeliveryTimeout { .. }));
    assert!(matches!(world.unknown(second), Cause::DeliveryTimeout { .. }));
    assert_eq!(
        world.engine.stats().batches_abandoned,
        1,
        "6 kB are more than half of 8 KiB: the older one goes"
    );
    assert!(world.engine.has_late_resolution(), "the younger one is still resent");
}
