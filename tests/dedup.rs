//! The deduplication table on the two brokers that are ours: the embedded one on a socket, and the model cluster.
//!
//! `scripts/test-kafka.sh five_brokers` asks real brokers the same (`tests/kafka/table.rs`); `FACTEUR_KAFKA_BOOTSTRAP=IP:port`
//! asks any broker of 4.4 here. `docs/conformance.md` has the answers of all five.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    dead_code,
    unnameable_types,
    reason = "all of this is test code, most of it outside of test functions"
)]

#[path = "broker/batch.rs"]
mod batch;
#[path = "dedup/mod.rs"]
mod dedup;
#[path = "dedup/simulation.rs"]
mod simulation;

use std::net::SocketAddr;

use dedup::model::Model;
use dedup::replicated::{self, ModelFollowers};
use dedup::socket::SocketBroker;
use dedup::table::{Table, assert_documented};
use dedup::{Venue, assert_conforms, run_all};
use facteur::broker::{Broker, BrokerConfig, Personality};

fn address(broker: &Broker) -> SocketAddr {
    let bootstrap = broker.bootstrap();
    SocketAddr::new(bootstrap.host.parse().unwrap(), bootstrap.port)
}

// The broker that the labs use must answer as real ones do. Fails by row with what it answered instead. D17 needs its
// clock and stands in tests/broker/retention.rs; the tier with real brokers waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_broker_answers_as_the_table_says() {
    let broker = Broker::start(BrokerConfig::default()).await.unwrap();
    let config = BrokerConfig { personality: Personality::Apache45, ..BrokerConfig::default() };
    let since_45 = Broker::start(config).await.unwrap();
    let (at, at_45) = (address(&broker), address(&since_45));

    let outcomes = tokio::task::spawn_blocking(move || {
        run_all(&mut SocketBroker::new(Venue::Embedded, at, Some(at_45), None::<fn(&str)>))
    });
    assert_conforms(Venue::Embedded, &outcomes.await.unwrap());

    broker.stop().await;
    since_45.stop().await;
}

// The simulation is worth what its broker is. Fails by row, and when the document says otherwise.
#[test]
fn the_model_answers_as_the_table_says() {
    let single = run_all(&mut Model::of_one_node());
    assert_conforms(Venue::Model, &single);
    let followers = replicated::run(&mut ModelFollowers::new());
    for ((id, story), outcome) in replicated::NAMES.iter().zip(&followers) {
        assert_eq!(outcome.wrong, None, "{id} {story}: it did {}", outcome.text);
    }
    let table = Table::new(&[(Venue::Model, single, followers)]);
    println!("{}", table.lines().join("\n"));
    assert_documented(&table);
}

// A table that cannot fail is none: a broker with other manners must be found out. Fails if it passes.
#[test]
fn another_personality_does_not_pass_for_apache() {
    for personality in
        [Personality::DuplicateAnswers46, Personality::NoDedupWindow, Personality::WrapsOneTooEarly]
    {
        let mut model = Model::of_one_node();
        model.plan.personality = personality;
        model.keeps_personality = true;
        let wrong = run_all(&mut model).into_iter().filter(|outcome| outcome.wrong.is_some()).count();
        assert!(wrong > 0, "{} passes", personality.name());
    }
}

// Any broker of 4.4 by hand. Fails by row.
#[test]
fn a_broker_that_the_environment_names_answers_as_the_table_says() {
    let Ok(address) = std::env::var("FACTEUR_KAFKA_BOOTSTRAP") else { return };
    let address = address.parse().expect("FACTEUR_KAFKA_BOOTSTRAP is IP:port");
    let mut broker = SocketBroker::new(Venue::Kafka440, address, None, None::<fn(&str)>);
    assert_conforms(Venue::Kafka440, &run_all(&mut broker));
}
