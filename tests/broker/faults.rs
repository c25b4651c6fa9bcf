//! Faults armed from outside: what the client sees, and what is in the log.

use facteur::ErrorCode;
use facteur::broker::{EventKind, Fault, FaultAction};

use crate::batch::Batch;
use crate::client::{Client, broker_with};

// The course's headline: the batch is in the log, the answer is lost, the retry must not append again.
#[tokio::test]
async fn a_lost_answer_leaves_the_batch_in_the_log_and_the_retry_is_recognised() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut events = broker.subscribe();
    let fault = broker.faults().arm(Fault::lose_produce_answers(2));
    let batch = Batch::of(1, 0, 0, 3).bytes();

    for _ in 0..2 {
        let mut client = Client::connect(&broker.bootstrap()).await;
        assert_eq!(
            client.produce("orders", &batch).await,
            None,
            "the connection is closed without an answer"
        );
    }
    let mut client = Client::connect(&broker.bootstrap()).await;
    let answer = client.produce("orders", &batch).await.unwrap();

    assert_eq!((answer.code, answer.base_offset), (0, 0));
    assert_eq!(broker.high_watermark("orders", 0), Some(3));
    assert_eq!(broker.faults().fired(fault), 2);
    let mut kinds = Vec::new();
    while let Ok(event) = events.try_recv() {
        kinds.push(event.kind.name());
    }
    assert_eq!(
        kinds,
        ["fault_fired", "appended", "fault_fired", "duplicate_recognised", "duplicate_recognised"]
    );
}

// Without processing there is nothing in the log; the client cannot tell this from the case above.
#[tokio::test]
async fn a_connection_closed_before_processing_leaves_nothing() {
    let broker = broker_with(&[("orders", 1)]).await;
    broker.faults().arm(Fault::new(0, FaultAction::CloseBeforeProcessing).topic("orders"));
    let mut client = Client::connect(&broker.bootstrap()).await;

    assert_eq!(client.produce("orders", &Batch::plain(1).bytes()).await, None);

    assert_eq!(broker.high_watermark("orders", 0), Some(0));
}

// B-rows need scripted codes, before and after the append.
#[tokio::test]
async fn scripted_codes_are_answered_before_or_after_the_append() {
    let broker = broker_with(&[("orders", 1)]).await;
    broker.faults().arm(Fault::new(0, FaultAction::AnswerError(ErrorCode::NOT_LEADER_OR_FOLLOWER)));
    let after = FaultAction::AnswerErrorAfterProcessing(ErrorCode::REQUEST_TIMED_OUT);
    broker.faults().arm(Fault::new(0, after));
    let mut client = Client::connect(&broker.bootstrap()).await;
    let batch = Batch::of(1, 0, 0, 1).bytes();

    assert_eq!(client.produce("orders", &batch).await.unwrap().code, 6);
    assert_eq!(broker.high_watermark("orders", 0), Some(0));
    assert_eq!(client.produce("orders", &batch).await.unwrap().code, 7);
    assert_eq!(broker.high_watermark("orders", 0), Some(1));
    assert_eq!(client.produce("orders", &batch).await.unwrap().code, 0);
    assert_eq!(broker.high_watermark("orders", 0), Some(1));
}

// A broker short of replicas refuses before it looks at sequences (D15), and takes writes again when told.
#[tokio::test]
async fn the_write_switch_refuses_and_accepts() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut events = broker.subscribe();
    let mut client = Client::connect(&broker.bootstrap()).await;
    broker.faults().refuse_writes(Some(ErrorCode::NOT_ENOUGH_REPLICAS));

    let refused = client.produce("orders", &Batch::plain(1).bytes()).await.unwrap();
    broker.faults().refuse_writes(None);
    let accepted = client.produce("orders", &Batch::plain(1).bytes()).await.unwrap();

    assert_eq!((refused.code, accepted.code), (19, 0));
    let event = events.try_recv().unwrap();
    assert!(matches!(event.kind, EventKind::BatchRefused { .. }), "{event}");
    assert!(event.reason().contains("told to refuse writes"));
}

// The delay must hold back the answer, not the append: that is how "slow, then timed out" looks in the log.
#[tokio::test]
async fn a_delayed_answer_is_in_the_log_before_it_is_sent() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut events = broker.subscribe();
    broker.faults().arm(Fault::new(0, FaultAction::DelayAnswer(std::time::Duration::from_secs(3_600))));
    let mut client = Client::connect(&broker.bootstrap()).await;

    client.send_produce("orders", 0, -1, &Batch::plain(1).bytes()).await;
    while events.recv().await.unwrap().kind != EventKind::Appended {}

    assert_eq!(broker.high_watermark("orders", 0), Some(1));
    broker.stop().await;
    assert_eq!(client.receive().await, None);
}
