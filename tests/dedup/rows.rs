//! The rows that one node can show.
//!
//! Measured with raw bytes (Produce 7, acks=-1, one partition) on Apache Kafka 4.4.0, 3.9.2 and 2.8.2. Neighbours:
//! [`super::replicated`] has those that need followers.

use super::{Answer, Row, Step, Venue};
use crate::batch::{Batch, Lie, wall_ms};

/// A producer id that no broker has given out.
const ID: i64 = 7_000_000_000;
const DAY_MS: i64 = 86_400_000;

fn answered(batch: &Batch, code: i16, base_offset: i64, append_time_ms: i64) -> Step {
    Step::Send {
        batch: Box::new(batch.clone()),
        acks: -1,
        answer: Answer { code, base_offset, append_time_ms },
    }
}

fn appended(batch: &Batch, base_offset: i64) -> Step {
    answered(batch, 0, base_offset, -1)
}

/// A duplicate is answered with the offset of the first copy and, as append time, its largest timestamp.
fn recognised(batch: &Batch, base_offset: i64) -> Step {
    answered(batch, 0, base_offset, batch.timestamp_ms + i64::from(batch.records) - 1)
}

fn refused(batch: &Batch, code: i16) -> Step {
    answered(batch, code, -1, -1)
}

fn with_acks(acks: i16, step: Step) -> Step {
    match step {
        Step::Send { batch, answer, .. } => Step::Send { batch, acks, answer },
        other @ (Step::Empty | Step::Expire) => other,
    }
}

fn row(id: &'static str, story: &'static str, steps: Vec<Step>, end: i64) -> Row {
    Row { id, story, steps, end, since_45: false, except: Vec::new() }
}

fn of(first: i32, records: u32) -> Batch {
    Batch::of(ID, 0, first, records)
}

fn in_epoch(epoch: i16, first: i32, records: u32) -> Batch {
    Batch::of(ID, epoch, first, records)
}

/// All of them, in the order of the table.
pub fn all() -> Vec<Row> {
    let mut rows = beginnings();
    rows.extend(windows());
    rows.extend(wraps());
    rows.extend(epochs());
    rows.extend(expiries());
    rows.extend(malformed());
    rows
}

fn beginnings() -> Vec<Row> {
    let from_45 =
        row("D2", "from 4.5 on: as above, refused", vec![refused(&of(7, 5), 45), appended(&of(0, 5), 0)], 5);
    vec![
        row("D1", "a new producer begins at 0", vec![appended(&of(0, 5), 0)], 5),
        row("D2, K6", "a new producer begins at 7, log never written", vec![appended(&of(7, 5), 0)], 5),
        Row { since_45: true, ..from_45 },
        row(
            "D3",
            "a new producer begins at 7, behind a record without id",
            vec![appended(&Batch::plain(1), 0), appended(&of(7, 5), 1)],
            6,
        ),
        row(
            "D3",
            "a new producer begins at 7, log emptied by DeleteRecords",
            vec![appended(&Batch::plain(1), 0), Step::Empty, appended(&of(7, 5), 1)],
            6,
        ),
        row("D4", "the next sequence", vec![appended(&of(0, 10), 0), appended(&of(10, 5), 10)], 15),
    ]
}

fn windows() -> Vec<Row> {
    let (first, again) = (of(0, 10), of(10, 5));
    let mut pushed_out = vec![appended(&first, 0), appended(&again, 10)];
    pushed_out.extend((0..5).map(|index| appended(&of(15 + index, 1), 15 + i64::from(index))));
    pushed_out.push(refused(&again, 45));
    let oldest = of(2, 1);
    let mut five: Vec<Step> = (0..2).map(|first| appended(&of(first, 1), i64::from(first))).collect();
    five.push(appended(&oldest, 2));
    five.extend((3..7).map(|first| appended(&of(first, 1), i64::from(first))));
    five.push(recognised(&oldest, 2));
    let torn = |batch: Batch| vec![appended(&first, 0), appended(&again, 10), refused(&batch, 45)];
    let three = of(0, 3);
    vec![
        row(
            "D5, K1",
            "a duplicate",
            vec![appended(&first, 0), appended(&again, 10), recognised(&again, 10)],
            15,
        ),
        row("D5", "the fifth-newest is still known", five, 7),
        row("D6, K2", "five newer have pushed it out", pushed_out, 20),
        row("D7, K3", "a shorter copy", torn(of(10, 3)), 15),
        row("D7, K3", "a longer copy", torn(of(10, 7)), 15),
        row("D8, K4", "a gap", torn(of(16, 1)), 15),
        row(
            "K9",
            "one node: acks=1 and its retry with acks=-1 agree",
            vec![with_acks(1, appended(&three, 0)), recognised(&three, 0)],
            3,
        ),
    ]
}

fn wraps() -> Vec<Row> {
    vec![
        row(
            "D9, K7",
            "2147483647 is followed by 0",
            vec![appended(&of(i32::MAX - 4, 5), 0), appended(&of(0, 5), 5)],
            10,
        ),
        row(
            "D10",
            "the wrap lies inside a batch",
            vec![
                appended(&of(i32::MAX - 16, 10), 0),
                appended(&of(i32::MAX - 6, 10), 10),
                appended(&of(3, 3), 20),
            ],
            23,
        ),
    ]
}

fn epochs() -> Vec<Row> {
    let old = of(0, 5);
    vec![
        row(
            "D11",
            "the next epoch begins at 0",
            vec![appended(&in_epoch(3, 0, 5), 0), appended(&in_epoch(4, 0, 5), 5)],
            10,
        ),
        row(
            "D12",
            "the next epoch begins at 5",
            vec![appended(&in_epoch(3, 0, 5), 0), refused(&in_epoch(4, 5, 5), 45)],
            5,
        ),
        row(
            "D13",
            "an older epoch",
            vec![appended(&in_epoch(4, 0, 5), 0), refused(&in_epoch(3, 0, 5), 47)],
            5,
        ),
        row(
            "K5",
            "a bumped epoch ends deduplication of the old one",
            vec![
                appended(&old, 0),
                appended(&in_epoch(1, 0, 5), 5),
                refused(&old, 47),
                refused(&in_epoch(2, 5, 1), 45),
            ],
            10,
        ),
        row(
            "",
            "a producer id with epoch -1 is appended (never send it)",
            vec![appended(&in_epoch(-1, 0, 1), 0)],
            1,
        ),
    ]
}

fn expiries() -> Vec<Row> {
    let aged = of(0, 5).at(wall_ms() - 8 * DAY_MS);
    vec![row(
        "D17",
        "a producer expired by record time: its retry is appended again",
        vec![appended(&aged, 0), recognised(&aged, 0), Step::Expire, appended(&aged, 5)],
        10,
    )]
}

fn malformed() -> Vec<Row> {
    let wrong = |id, story, lie, code| row(id, story, vec![refused(&of(0, 3).lie(lie), code)], 0);
    let ahead = Batch::plain(1).at(wall_ms() + 10 * DAY_MS);
    let ten_days = row("", "a timestamp ten days ahead", vec![refused(&ahead, 32)], 0);
    let accepted = |venue| (venue, vec![appended(&ahead, 0)], 1);
    vec![
        wrong("D18, K8", "two batches", Lie::Twice, 87),
        wrong("D18, K8", "magic 1", Lie::Header(16, &[1]), 87),
        wrong("D18", "control bit", Lie::Header(21, &[0, 0x20]), 87),
        wrong("D18, K8", "wrong count", Lie::Header(57, &[0, 0, 0, 5]), 87),
        wrong("D18", "wrong last offset delta", Lie::Header(23, &[0, 0, 0, 7]), 87),
        wrong("D18, K8", "base offset not 0", Lie::Header(0, &[0, 0, 0, 0, 0, 0, 0, 9]), 87),
        wrong("D18, K8", "no records", Lie::Empty, 87),
        wrong("D18, K8", "CRC", Lie::Crc, 2),
        wrong("D19", "transactional bit without a transaction", Lie::Header(21, &[0, 0x10]), 53),
        row("", "a producer id with sequence -1", vec![refused(&of(-1, 1), 87)], 0),
        row(
            "",
            "a refused batch leaves no trace",
            vec![appended(&of(0, 5), 0), refused(&of(5, 5).lie(Lie::Crc), 2), appended(&of(5, 5), 5)],
            10,
        ),
        Row { except: vec![accepted(Venue::Kafka392), accepted(Venue::Kafka282)], ..ten_days },
    ]
}
