//! Labs in this process, on a lab of their own.

use facteur::broker::CompactionTiming;
use facteur::lab::embedded::BrokerBehaviour;
use facteur::lab::environment::ProducerEnvironment;
use facteur::lab::language::Language;
use facteur::lab::runner::checkpoint::Checkpoint;
use facteur::lab::runner::lab_id::LabId;
use facteur::lab::runner::own_lab::{OwnLab, settings};
use facteur::lab::runner::run::Runner;
use facteur::lab::running::LabSettings;

async fn own_lab() -> OwnLab {
    OwnLab::start(None, ProducerEnvironment::default()).await.unwrap()
}

/// Runs labs one after the other and ends the lab.
async fn run(labs: &[LabId], language: Language) -> Vec<Checkpoint> {
    let own = own_lab().await;
    let runner = Runner::new(own.target(), language);
    let mut reached = Vec::new();
    for lab in labs {
        reached.push(runner.run(*lab).await);
    }
    own.stop().await;
    reached
}

// What a student sees without any fault: sends, statuses, partitions. Fails if an answer and the log disagree.
#[tokio::test(flavor = "multi_thread")]
async fn the_labs_without_faults_are_reached() {
    let reached = run(&[LabId::Sync, LabId::Async, LabId::Partitions, LabId::Keys], Language::French).await;

    for checkpoint in &reached {
        assert!(checkpoint.ok, "{checkpoint:#?}");
        assert!(checkpoint.steps.len() >= 4, "{checkpoint:#?}");
        assert!(!checkpoint.conclusion.is_empty(), "{checkpoint:#?}");
    }
}

// A topic with one partition is what automatic creation leaves behind: lab 02.5 cannot be reached there, and must say
// what to do instead of failing at partition=1.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_with_one_partition_fails_lab_02_5_with_advice() {
    let broker = facteur::lab::embedded::EmbeddedBroker::start(facteur::lab::embedded::EmbeddedSettings {
        listeners: vec![("HOST", "127.0.0.1:0".parse().unwrap())],
        advertised_host: None,
        topics: vec![("bhf-transactions".to_owned(), 1)],
    });
    let broker = broker.await.unwrap();
    let own = OwnLab::start(Some(broker.bootstrap()), ProducerEnvironment::default()).await.unwrap();

    let checkpoint = Runner::new(own.target(), Language::English).run(LabId::Partitions).await;

    own.stop().await;
    broker.stop().await;
    assert!(!checkpoint.ok);
    let last = checkpoint.steps.last().unwrap();
    assert!(last.saw.contains("--partitions 3"), "{checkpoint:#?}");
}

// A lab whose Kafka is gone must end with a step that says so, not with a panic or for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_lab_without_kafka_ends_with_a_step_that_says_so() {
    let own = own_lab().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut target = own.target();
    target.kafka = free.to_string();

    let checkpoint = Runner::new(target, Language::English).run(LabId::Sync).await;

    own.stop().await;
    assert!(!checkpoint.ok);
    assert!(checkpoint.steps.last().unwrap().saw.contains("refused"), "{checkpoint:#?}");
}

// Exercises 1 and 2: the same fault with two timeouts, and silence until the delivery timeout. Fails if a patient client
// repeats, an impatient one does not, or an unknown outcome is called a failure.
#[tokio::test(flavor = "multi_thread")]
async fn the_exercises_on_timeouts_are_reached() {
    for checkpoint in run(&[LabId::Timeouts, LabId::TimeoutToxic], Language::English).await {
        assert!(checkpoint.ok, "{checkpoint:#?}");
    }
}

// The second layer of idempotence, and the breaker that protects callers while Kafka is away; the injector's proxy is the
// switch. Fails if a repeated key writes again, a circuit stays closed after five failures, or open after Kafka is back.
#[tokio::test(flavor = "multi_thread")]
async fn the_labs_on_callers_are_reached() {
    for checkpoint in run(&[LabId::IdempotencyKey, LabId::Breaker], Language::French).await {
        assert!(checkpoint.ok, "{checkpoint:#?}");
        assert!(checkpoint.steps.len() >= 4, "{checkpoint:#?}");
    }
}

// With Kafka's own timing nothing goes before its segment is closed by a later record: the lab must still be reached, and
// must have written such records.
#[tokio::test(flavor = "multi_thread")]
async fn compaction_is_reached_with_kafkas_own_timing() {
    let behaviour = BrokerBehaviour { compaction: CompactionTiming::Kafka, ..BrokerBehaviour::default() };
    let own = OwnLab::start_with(LabSettings { behaviour, ..settings() }).await.unwrap();

    let checkpoint = Runner::new(own.target(), Language::English).run(LabId::Compaction).await;

    own.stop().await;
    assert!(checkpoint.ok, "{checkpoint:#?}");
    assert!(checkpoint.conclusion.contains("the log had V1, V2, V3"), "{checkpoint:#?}");
}
