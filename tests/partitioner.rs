//! Which partition a record goes to: Kafka's own vectors, keys hashed by other clients, and KIP-794 (scenarios P1-P7).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::time::Duration;

use facteur::accumulator::partitioner::{
    Choices, KeyHash, LoadTable, NodeAvailability, RoundRobin, SharedSticky, StickyState, SwitchPoint,
    checked_choice, crc32, murmur2, partition_for_key, positive,
};
use facteur::error::Error;
use facteur::time::Instant;

const MURMUR2: &str = include_str!("golden/murmur2.csv");
const CRC32: &str = include_str!("golden/crc32.csv");

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Rows of a golden file: key, hash, partition of 3, 6 and 100.
fn rows(file: &'static str) -> impl Iterator<Item = (Vec<u8>, i64, [i32; 3])> {
    file.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        let partitions = [2, 3, 4].map(|at| fields[at].parse().unwrap());
        (unhex(fields[0]), fields[1].parse().unwrap(), partitions)
    })
}

#[test]
fn p1_murmur2_agrees_with_javas_vectors() {
    // A wrong seed, a signed tail or a swapped byte order would move keys away from where Java puts them.
    for (key, hash) in [
        (&b"21"[..], -973_932_308),
        (b"foobar", -790_332_482),
        (b"a-little-bit-long-string", -985_981_536),
        (b"a-little-bit-longer-string", -1_486_304_829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        (b"abc", 479_470_107),
        (b"", 275_646_681),
        (b"a", -1_563_381_124),
        (b"ab", 316_155_434),
        (b"kafka", -798_503_068),
        (b"key", -1_079_937_367),
        (b"hello", 2_132_663_229),
        (&[0xff, 0xfe, 0xfd], 998_637_092),
    ] {
        assert_eq!(murmur2(key), hash, "{key:?}");
    }
    // Masked, not made absolute: abs would give 798503068.
    assert_eq!(positive(murmur2(b"kafka")), 1_348_980_580);
    assert_eq!(
        [3, 10, 12].map(|count| partition_for_key(murmur2(b"kafka"), count)),
        [Some(1), Some(0), Some(4)]
    );
}

#[test]
fn p1_java_and_we_place_five_hundred_keys_alike() {
    // The file was written by Java's own BuiltInPartitioner.partitionForKey.
    let mut count = 0;
    for (key, hash, partitions) in rows(MURMUR2) {
        assert_eq!(i64::from(murmur2(&key)), hash, "{key:?}");
        let ours = [3, 6, 100].map(|count| KeyHash::Murmur2.partition(Some(&key), count));
        assert_eq!(ours, partitions.map(Some), "{key:?}");
        count += 1;
    }
    assert_eq!(count, 500);
}

#[test]
fn p1_an_empty_key_is_hashed_and_a_null_key_is_sticky() {
    // Taking an empty key for none would lose the order of records that have one.
    assert_eq!(KeyHash::Murmur2.partition(Some(b""), 6), Some(275_646_681 % 6));
    assert_eq!(KeyHash::Murmur2.partition(None, 6), None);
    assert_eq!(KeyHash::Murmur2.partition(Some(b"a"), 0), None);
}

#[test]
fn librdkafka_and_we_place_keys_alike() {
    // The file was written from deliveries of librdkafka's default partitioner; it places an empty key at random.
    let mut count = 0;
    for (key, hash, partitions) in rows(CRC32) {
        assert_eq!(i64::from(crc32(&key)), hash, "{key:?}");
        let ours = [3, 6, 100].map(|count| KeyHash::Crc32.partition(Some(&key), count));
        assert_eq!(ours, partitions.map(Some), "{key:?}");
        count += 1;
    }
    assert!(count > 490, "{count}");
    assert_eq!(KeyHash::Crc32.partition(Some(b""), 6), None);
}

#[test]
fn the_courses_keys_go_where_each_client_puts_them() {
    // The course says that both of its clients place keys alike: they agree on 317 of 1000 keys, by chance.
    let both = |key: &str| {
        [KeyHash::Murmur2, KeyHash::Crc32].map(|hash| hash.partition(Some(key.as_bytes()), 3).unwrap())
    };
    assert_eq!(["A", "B", "customer-42", "customer-99"].map(both), [[1, 2], [1, 1], [0, 2], [1, 0]]);

    let agreeing =
        (0..1000).map(|n| both(&format!("customer-{n}"))).filter(|[java, other]| java == other).count();
    assert_eq!(agreeing, 317);
}

/// What a lane tells the partitioner, for one record after the other: a batch of 1024 bytes, 61 of them its header.
struct Lanes {
    batch: [Option<usize>; 4],
    sticky: StickyState,
    random: Cell<u32>,
}

const BATCH_SIZE: usize = 1024;
const HEADER: usize = 61;
/// Bytes around a value in its record, and how many more the estimate allows for.
const RECORD: usize = 8;
const SLACK: usize = 16;

impl Lanes {
    /// Appends as spec 2.3 says and returns the partition.
    fn append(&mut self, value: usize) -> i32 {
        let available = [1, 2, 3];
        let choices = Choices { load: None, available: &available, partition_count: 3 };
        let draw = || self.random.replace(self.random.get() + 1);
        loop {
            let partition = self.sticky.choose(choices, draw);
            let batch = &mut self.batch[usize::try_from(partition).unwrap()];
            let limit = BATCH_SIZE.max(HEADER + value + RECORD + SLACK);
            let added = match *batch {
                Some(size) if size + value + RECORD <= BATCH_SIZE => value + RECORD,
                Some(_) => {
                    // The batch is closed for appends: it is full, so a switch that was held back is settled now.
                    *batch = None;
                    let next = || choices.pick(draw());
                    if self
                        .sticky
                        .record_appended(partition, 0, SwitchPoint::Clean, BATCH_SIZE, next)
                        .is_some()
                    {
                        continue;
                    }
                    HEADER + value + RECORD
                }
                None => HEADER + value + RECORD,
            };
            let size = batch.unwrap_or(0) + added;
            *batch = Some(size);
            let point = if size >= limit { SwitchPoint::Clean } else { SwitchPoint::HalfFilled };
            self.sticky.record_appended(partition, added, point, BATCH_SIZE, || choices.pick(draw()));
            return partition;
        }
    }
}

#[test]
fn p2_a_switch_is_held_back_until_the_batch_is_full() {
    // Kafka's testUniformBuiltInPartitioner: random 0, 1, 2 … over partitions 1, 2, 3. Switching right after the second
    // record would leave a half-filled batch behind.
    let mut lanes = Lanes { batch: [None; 4], sticky: StickyState::new(), random: Cell::new(0) };

    assert_eq!(lanes.append(16), 1);
    assert_eq!(lanes.append(1024), 1);
    assert_eq!(lanes.append(1024), 2);
    assert_eq!(lanes.append(1024), 3);
    assert_eq!(lanes.append(1024), 1);
    assert_eq!(lanes.random.get(), 4);
}

#[test]
fn p3_batches_that_linger_cut_short_do_not_leave_fractions() {
    // Two thirds of a batch in three records, then its linger expires, again and again. A machine that moved on as soon
    // as batch.size bytes were produced would do so in the middle of the second round, after less than half a batch.
    let choices = Choices { load: None, available: &[0, 1, 2], partition_count: 3 };
    let mut sticky = StickyState::new();
    let mut homes = Vec::new();
    for round in 0..60_u32 {
        let home = sticky.choose(choices, || round);
        homes.push(home);
        for _ in 0..3 {
            assert_eq!(sticky.current(), Some(home), "round {round} was torn apart");
            sticky.record_appended(home, BATCH_SIZE * 2 / 9, SwitchPoint::HalfFilled, BATCH_SIZE, || {
                choices.pick(round)
            });
        }
        // Linger expires, the batch is drained; the next append finds the queue empty and settles what is owed.
        sticky.record_appended(home, 0, SwitchPoint::Clean, BATCH_SIZE, || (home + 1) % 3);
    }
    // Two rounds make more than batch.size: then it moves on, and only then.
    assert!(homes.chunks(2).all(|pair| pair[0] == pair[1]), "{homes:?}");
    assert!(homes.windows(3).all(|three| three[0] != three[2]), "{homes:?}");
}

#[test]
fn twice_the_batch_size_ends_any_stay() {
    // With compression or linger 0 a batch may never look full at the moment of an append: without this bound one
    // partition would hold on for ever.
    let mut sticky = StickyState::new();
    let choices = Choices { load: None, available: &[0, 1], partition_count: 2 };
    sticky.choose(choices, || 0);

    assert_eq!(
        sticky.record_appended(0, 2 * BATCH_SIZE - 1, SwitchPoint::HalfFilled, BATCH_SIZE, || 1),
        None
    );
    assert_eq!(sticky.record_appended(0, 1, SwitchPoint::HalfFilled, BATCH_SIZE, || 1), Some(1));
    // The count starts anew, and a late word about the old partition changes nothing.
    assert_eq!(sticky.record_appended(0, 10 * BATCH_SIZE, SwitchPoint::Clean, BATCH_SIZE, || 0), None);
    assert_eq!(sticky.record_appended(1, BATCH_SIZE - 1, SwitchPoint::Clean, BATCH_SIZE, || 0), None);
    assert_eq!(sticky.record_appended(1, 1, SwitchPoint::Clean, BATCH_SIZE, || 0), Some(0));
}

#[test]
fn p4_short_queues_are_chosen_more_often() {
    // Queues of 0, 3 and 1 batches weigh 4, 1 and 3. A comparison that is not strict gives the first one too much.
    let table = LoadTable::build(&[0, 3, 1], &[0, 1, 2]).unwrap();

    assert_eq!(table.sums().collect::<Vec<_>>(), [(0, 4), (1, 5), (2, 8)]);
    assert_eq!((0..8).map(|random| table.pick(random)).collect::<Vec<_>>(), [0, 0, 0, 0, 1, 2, 2, 2]);
    let weights = |sizes: &[usize]| {
        let all: Vec<i32> = (0..i32::try_from(sizes.len()).unwrap()).collect();
        let mut before = 0;
        let sums = LoadTable::build(sizes, &all).unwrap();
        sums.sums().map(|(_, sum)| sum - std::mem::replace(&mut before, sum)).collect::<Vec<_>>()
    };
    assert_eq!(weights(&[5, 0, 3, 0, 1]), [1, 6, 3, 6, 5]);
    assert_eq!(weights(&[1, 7, 2]), [7, 1, 6]);
}

#[test]
fn p4_equal_queues_are_chosen_uniformly() {
    // A table of equal weights would cost a search for nothing; leaving a partition out makes one necessary again.
    assert_eq!(LoadTable::build(&[2, 2, 2], &[0, 1, 2]), None);
    assert_eq!(LoadTable::build(&[2], &[0]), None);
    assert_eq!(LoadTable::build(&[2, 2, 2], &[]), None);
    let table = LoadTable::build(&[2, 2, 2], &[0, 2]).unwrap();
    assert_eq!((0..4).map(|random| table.pick(random)).collect::<Vec<_>>(), [0, 2, 0, 2]);
    // A partition number that the sizes do not cover is left out rather than believed.
    assert_eq!(LoadTable::build(&[1, 2], &[7]), None);
}

#[test]
fn p5_a_stuck_broker_gets_no_keyless_records_until_it_drains() {
    // Its data became ready again and again while its connection took nothing for longer than the timeout.
    let timeout = Duration::from_millis(100);
    let mut node = NodeAvailability::new(Instant::ZERO);

    node.could_not_drain(Instant::from_millis(100));
    assert!(!node.is_stuck(timeout));
    node.could_not_drain(Instant::from_millis(101));
    assert!(node.is_stuck(timeout));

    let included: Vec<i32> =
        [0, 1].into_iter().filter(|partition| *partition != 1 || !node.is_stuck(timeout)).collect();
    let table = LoadTable::build(&[3, 3], &included).unwrap();
    assert!((0..10).all(|random| table.pick(random) == 0));
    // Keyed records still go there: the hash knows nothing of brokers.
    assert!((0..20_u8).any(|key| KeyHash::Murmur2.partition(Some(&[key]), 2) == Some(1)));

    node.could_drain(Instant::from_millis(200));
    assert!(!node.is_stuck(timeout));
}

#[test]
fn p6_a_partition_without_a_leader_is_never_chosen_while_another_has_one() {
    // Choosing it would make records wait for an election that others need not wait for.
    let some = Choices { load: None, available: &[0, 2], partition_count: 3 };
    assert!((0..100).all(|random| some.pick(random) != 1));

    // All leaderless: any.
    let none = Choices { load: None, available: &[], partition_count: 3 };
    assert_eq!((0..3).map(|random| none.pick(random)).collect::<Vec<_>>(), [0, 1, 2]);
    // The sign bit of a random number is not a sign here.
    assert_eq!(none.pick(u32::MAX), 0x7fff_ffff % 3);
}

#[test]
fn p7_a_negative_choice_is_an_invalid_record() {
    // Believing it would index a table with a negative number.
    let Err(Error::InvalidRecord(message)) = checked_choice(-1, "orders") else { panic!("-1 was taken") };
    assert!(message.contains("-1") && message.contains("orders"), "{message}");
    assert_eq!(checked_choice(0, "orders"), Ok(0));
}

#[test]
fn round_robin_takes_one_partition_after_the_other() {
    // Only those with a leader, in order, and all of them if none has one.
    let round_robin = RoundRobin::default();
    let choices = Choices { load: None, available: &[0, 2], partition_count: 3 };
    assert_eq!([(); 4].map(|()| round_robin.next(choices)), [0, 2, 0, 2]);

    let leaderless = Choices { load: None, available: &[], partition_count: 3 };
    assert_eq!([(); 3].map(|()| round_robin.next(leaderless)), [1, 2, 0]);
}

#[test]
fn the_shared_choice_obeys_the_same_rules() {
    // The same tape on both machines: any difference is a bug in the packing.
    let mut state = StickyState::new();
    let shared = SharedSticky::new();
    let choices = Choices { load: None, available: &[0, 1, 2], partition_count: 3 };
    assert_eq!(shared.current(), None);
    let mut random = 7_u32;
    for step in 0..10_000_usize {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let first = state.choose(choices, || random);
        assert_eq!(shared.choose(|| choices.pick(random)), first);
        let bytes = usize::try_from(random % 900).unwrap();
        let point = if step % 3 == 0 { SwitchPoint::Clean } else { SwitchPoint::HalfFilled };
        let next = || choices.pick(random >> 8);
        assert_eq!(
            state.record_appended(first, bytes, point, BATCH_SIZE, next),
            shared.record_appended(first, bytes, point, BATCH_SIZE, next)
        );
        assert_eq!(state.current(), shared.current());
    }
}

#[test]
fn a_shared_switch_has_one_winner() {
    // Four threads add up to exactly forty switches' worth of bytes; a lost update or a double switch changes the count.
    let shared = SharedSticky::new();
    shared.choose(|| 0);
    let switches: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    // The next partition is the same one, so that no bytes are reported late and dropped.
                    (0..10_240)
                        .filter(|_| {
                            shared.record_appended(0, 1, SwitchPoint::Clean, BATCH_SIZE, || 0).is_some()
                        })
                        .count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(switches, 40);
}
