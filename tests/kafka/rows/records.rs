//! Rows B25, B26, B29, B30 and B52: records that Kafka refuses, and their neighbours that it must not refuse with them.
//!
//! Neighbours: [`super::answers`] for codes made by the injector. Not here: limits that the producer checks by itself.

use facteur::engine::Observation;
use facteur::{Error, ErrorCode, Outcome, Record};

use super::Row;

// B25. The topic takes less in a batch than the producer puts in. Fails if a record that fits is refused, if the parts
// change places, or if a part is stored twice.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b25_a_batch_that_is_too_large_is_cut_until_it_fits_on_4_4_0() {
    let mut row = Row::with("b25", 1, &[("max.message.bytes", "1200")], &[("linger.ms", "50")]);
    row.deliver(0, 100);
    row.deliver(0, 100);

    let ended = row.end_acknowledged();
    assert!(ended.answers(ErrorCode::MESSAGE_TOO_LARGE) > 0, "Kafka found it too large");
    assert!(ended.statistics.batches_split > 0);
}

// B26. One record is too large for its topic, those around it are not. Fails if one of these is refused with it.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b26_a_record_that_is_too_large_is_refused_alone_on_4_4_0() {
    let mut row = Row::with("b26", 1, &[("max.message.bytes", "1200")], &[]);
    row.deliver(0, 5);
    row.send(0, 3);
    let large = row.producer.send_blocking(Record::to("b26").partition(0).value(&[b'x'; 5_000]));
    row.send(0, 5);

    let refused = large.expect("the producer's own limit is larger").wait().expect_err("the topic's is not");
    assert_eq!((refused.outcome(), refused.code()), (Outcome::Rejected, Some(ErrorCode::MESSAGE_TOO_LARGE)));
    let ended = row.end_acknowledged();
    assert_eq!(ended.log.records.len(), 13);
}

// B29, B52. A compacted topic refuses a record without a key, and names it (KIP-467). Fails if its batch-mates are
// refused with it, or if one of them is stored twice when they are sent without it.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b29_b52_a_record_without_key_is_refused_alone_by_a_compacted_topic_on_4_4_0() {
    let mut row = Row::with("b29", 1, &[("cleanup.policy", "compact")], &[("linger.ms", "100")]);
    row.deliver(0, 3);
    row.send(0, 3);
    let without_key = row.producer.send_blocking(Record::to("b29").partition(0).value(b"no key"));
    row.send(0, 3);

    let refused = without_key.expect("it is taken").wait().expect_err("and refused by Kafka");
    assert_eq!((refused.outcome(), refused.code()), (Outcome::Rejected, Some(ErrorCode::INVALID_RECORD)));
    println!("b29: {refused}");
    let ended = row.end_acknowledged();
    assert_eq!(ended.log.records.len(), 9);
}

// B30. A timestamp that the topic does not take, and a topic's name that Kafka does not. Fails if the refusal is no
// certain one, has not Kafka's code, or harms what comes after.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b30_an_impossible_timestamp_is_refused_with_the_brokers_text_on_4_4_0() {
    let mut row = Row::with("b30", 1, &[("message.timestamp.before.max.ms", "3600000")], &[]);
    row.deliver(0, 3);
    let old =
        row.producer.send_and_wait_blocking(Record::to("b30").partition(0).value(b"old").timestamp_ms(1));
    row.deliver(0, 3);
    let bad_name = row.producer.send_and_wait_blocking(Record::to("b30 has a bad name").value(b"no"));

    let refused = old.expect_err("1970 is more than an hour ago");
    assert_eq!((refused.outcome(), refused.code()), (Outcome::Rejected, Some(ErrorCode::INVALID_TIMESTAMP)));
    println!("b30: {refused}");
    assert!(matches!(bad_name, Err(Error::InvalidTopic { .. })), "{bad_name:?}");
    let ended = row.end_acknowledged();
    assert_eq!(ended.log.records.len(), 6);
}

// B44. Everything that the producer ever wrote is deleted, and with it Kafka's reason to remember the producer. Fails if
// the next record is lost, refused or stored under a name that Kafka takes for old.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b44_deleted_records_do_not_disturb_the_next_ones_on_4_4_0() {
    let mut row = Row::begin("b44", &[]);
    let first = row.producer.send_and_wait_blocking(Record::to("b44").partition(0).value(b"gone"));
    let second = row.producer.send_and_wait_blocking(Record::to("b44").partition(0).value(b"gone too"));
    assert_eq!((first.map(|it| it.offset()), second.map(|it| it.offset())), (Ok(Some(0)), Ok(Some(1))));
    row.cluster().delete_records("b44", 0, 2);

    row.deliver(0, 20);

    let offsets: Vec<i64> = row.end_acknowledged().log.records.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, (2..22).collect::<Vec<_>>());
}

// B43. Kafka forgets a producer that was quiet for a second, while its records stay. Fails if the next record is given
// up for an unknown identity, or stored twice.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b43_a_producer_that_was_forgotten_goes_on_on_4_4_0() {
    let mut row = Row::begin("b43", &[("batch.size", "200"), ("facteur.batch.growth.enable", "false")]);
    row.deliver(0, 20);
    row.cluster().configure_brokers("producer.id.expiration.ms", Some("1000"));
    row.cluster().await_forgotten("b43", 0);

    row.deliver(0, 20);
    row.cluster().configure_brokers("producer.id.expiration.ms", None);

    let ended = row.end_acknowledged();
    let refusals = ended.answers(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    println!("b43: refused as out of order {refusals} times, lane resets {}", ended.statistics.lane_resets);
    assert_eq!(ended.count(|it| matches!(it, Observation::BatchUnknown { .. })), 0);
}

// B20. The topic is deleted and made again under its name while answers are lost: what may have been in the old one is
// told as unknown and never stored in the new one, what comes after is stored there once. Fails if a batch of the old
// topic lands in the new one, for nobody could then tell where it came from.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b20_a_topic_made_again_gets_only_what_was_sent_to_it_on_4_4_0() {
    let mut row = Row::begin("b20", &[("metadata.max.age.ms", "1000")]);
    let old = row.producer.send_and_wait_blocking(Record::to("b20").partition(0).value(b"old"));
    old.expect("the old topic takes it");
    row.wire().add_to_produce("drop_response", "b20", &serde_json::json!({"count": -1}));
    let doubtful = row.producer.send_blocking(Record::to("b20").partition(0).value(b"doubtful"));
    let doubtful = doubtful.expect("it is taken");
    crate::cluster::wait_until("its answer to be lost", || row.wire().fired() > 0);
    row.cluster().delete_topic("b20");
    crate::cluster::wait_until("the topic to be gone", || row.cluster().partition("b20", 0).is_none());
    row.cluster().create_topic("b20", 1, &[]);
    row.wire().clear();

    let told = doubtful.wait().expect_err("nobody can know any more");
    assert_eq!(told.outcome(), Outcome::Unknown, "{told}");
    println!("b20: {told}");
    row.deliver(0, 20);

    let ended = row.end_acknowledged();
    assert_eq!(ended.log.records.len(), 20, "nothing of the old topic is in the new one");
}
