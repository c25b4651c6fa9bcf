//! Scripted brokers that keep a log: what a scenario asks at its end is what is *there*, not only what was told.
//!
//! The rules are those of [`Log`], which compares bytes where Kafka does not: a batch that is taken for another one fails
//! the test at once.

use std::collections::BTreeMap;

use super::peer::{PRODUCE, Reply, Request};
use super::soak::log::Log;
use super::world::World;

/// One log per partition of topic `t`, whoever leads it.
#[derive(Debug, Default)]
pub struct Brokers {
    logs: BTreeMap<i32, Log>,
}

impl Brokers {
    /// A whole request reached its broker: appends, recognises or refuses, and says what the truthful answer is.
    pub fn store(&mut self, request: &Request) -> Vec<Reply> {
        assert_eq!(request.api, PRODUCE, "only Produce stores anything");
        request
            .batches
            .iter()
            .map(|batch| {
                let (code, offset) = self.logs.entry(batch.partition).or_default().append(batch);
                Reply::to(batch, code, offset)
            })
            .collect()
    }

    /// Stores, and answers truthfully.
    pub fn serve(&mut self, world: &mut World, request: &Request) {
        let replies = self.store(request);
        world.answer(request, &replies);
    }

    /// Stores, and answers with `code` all the same: the broker failed after its append.
    pub fn lie(&mut self, world: &mut World, request: &Request, code: i16) {
        let mut replies = self.store(request);
        for reply in &mut replies {
            (reply.code, reply.offset) = (code, -1);
        }
        world.answer(request, &replies);
    }

    /// For so long every request is served at once, by its partition's leader only.
    pub fn settle(&mut self, world: &mut World, millis: u64) {
        for _ in 0..millis.div_ceil(50) {
            while let Some(request) = world.requests.pop_front() {
                let topic = &world.cluster.topics["t"];
                let is_led = |partition: i32| {
                    let place = usize::try_from(partition).expect("a partition");
                    topic.partitions.get(place).is_some_and(|(leader, _)| *leader == request.node)
                };
                if request.batches.iter().all(|batch| is_led(batch.partition)) {
                    self.serve(world, &request);
                } else {
                    world.code(&request, 6);
                }
            }
            world.advance(50);
        }
    }

    /// What a partition holds, in order.
    pub fn values(&self, partition: i32) -> &[String] {
        self.logs.get(&partition).map_or(&[], |log| &log.values)
    }
}

/// A producer behind its gate, with "gate" in the log of each partition.
pub fn warm(properties: &[(&str, &str)], nodes: i32, leaders: &[i32]) -> (World, Brokers) {
    let mut world = World::with(properties, nodes, leaders);
    let mut brokers = Brokers::default();
    for partition in 0..i32::try_from(leaders.len()).expect("few") {
        let record = world.send(partition, "gate");
        let request = world.request();
        brokers.serve(&mut world, &request);
        world.assert_acknowledged(record, Some(0));
    }
    (world, brokers)
}
