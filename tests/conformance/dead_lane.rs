//! C25, D-35: one dead partition and a shared buffer, against the embedded broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use facteur::broker::{Broker, BrokerConfig, Fault, FaultAction};
use facteur::{ErrorCode, Record};

use super::support::{PATIENCE, producer};

// C25, D-35: a partition refuses everything, its records expire one after the other, and its sender goes on. Fails if an
// expiry counts as progress: the dead lane would hold all of the buffer, and every other lane would wait for its expiries.
#[tokio::test(flavor = "multi_thread")]
async fn c25_a_dead_lane_whose_records_expire_leaves_half_of_the_buffer_to_the_others() {
    let config = BrokerConfig {
        topics: vec![("t".to_owned(), 1), ("dead".to_owned(), 1)],
        auto_create_topics: false,
        ..BrokerConfig::default()
    };
    let broker = Broker::start(config).await.expect("a free port");
    let properties = [
        ("buffer.memory", "262144"),
        ("batch.size", "8192"),
        ("max.request.size", "65536"),
        ("request.timeout.ms", "300"),
        ("delivery.timeout.ms", "1200"),
        ("max.block.ms", "60000"),
    ];
    let producer = producer(&broker, &properties);
    producer.topic("t").await.expect("known");
    producer.topic("dead").await.expect("known");
    let dead = Fault::new(0, FaultAction::AnswerError(ErrorCode(19))).topic("dead").count(u32::MAX);
    broker.faults().arm(dead);
    let first = producer.send(Record::to("dead").value(b"first")).await.expect("accepted");
    let is_over = Arc::new(AtomicBool::new(false));
    let flood = {
        let (producer, is_over) = (producer.clone(), Arc::clone(&is_over));
        std::thread::spawn(move || {
            let value = vec![b'd'; 1_000];
            while !is_over.load(Ordering::Relaxed) {
                drop(producer.send_blocking(Record::to("dead").value(&value)));
            }
        })
    };
    first.await.expect_err("refused until its time is over");
    // What was held before the lane counted as dead goes with the first expiries.
    let watch = async {
        let mut least = u64::MAX;
        let mut expired = 0;
        let begun = producer.statistics().records_rejected;
        while expired < 520 {
            let statistics = producer.statistics();
            expired = statistics.records_rejected + statistics.records_unknown - begun;
            if expired > 300 {
                least = least.min(statistics.buffer_available_bytes);
            }
            producer.send(Record::to("t").value(b"alive")).await.expect("accepted").await.expect("delivered");
        }
        least
    };
    let least =
        tokio::time::timeout(PATIENCE, watch).await.expect("the healthy lane is never held up for long");
    is_over.store(true, Ordering::Relaxed);
    producer.close(Duration::ZERO).await;
    flood.join().expect("no panic");

    assert!(least > 100_000, "only {least} bytes of 262144 were left to the healthy lane");
    broker.stop().await;
}
