//! Settings about delivery: acknowledgements, idempotence, retries, timeouts. Neighbours and purpose: see
//! [`super`]. Not here: batching and connections.

use super::define_settings;
use crate::config::Acks;
use crate::config::setting::{INT_MAX, Kind};
use std::time::Duration;

define_settings! {
    "acks" acks(Acks) = "all", Kind::OneOf(&["all", "-1", "0", "1"]);
    "How many replicas must have a batch before the broker answers: `all` (or `-1`) the in-sync ones, `1` the leader, `0` no answer at all."
    kip "KIP-679 made `all` the default"
    raise "`all` waits for the followers: latency, not throughput."
    lower "`1` loses acknowledged records when the leader dies; with `0` nobody knows of any loss, and no record is ever called acknowledged."
    touch "records may be lost and latency matters more."

    "enable.idempotence" enable_idempotence(bool) = "true", Kind::Flag;
    "Gives each batch an identity and a sequence, so that the broker stores a resent batch once and keeps the order of a partition."
    kip "KIP-98, KIP-679"
    raise "nothing that can be measured; needs `acks=all`, `retries` above 0 and at most 5 requests in flight."
    lower "a lost answer makes a duplicate, and retries may reorder unless one request is in flight."
    touch "a broker forbids it (before Kafka 2.8 it needed the IdempotentWrite right), or to show what happens without it."

    "max.in.flight.requests.per.connection" max_in_flight(usize) = "5", Kind::Number { min: 1, max: INT_MAX, unit: "requests" };
    "Produce requests that may wait for an answer on one connection; idempotent lanes also keep at most this many batches, never more than 5, unresolved."
    kip "KIP-98"
    raise "above 5 only without idempotence, since a broker remembers five batches; then retries may reorder."
    lower "less pipelining: with 1 every batch of a partition waits for the answer to the one before."
    touch "without idempotence order matters: then 1."

    "retries" retries(u32) = "2147483647", Kind::Number { min: 0, max: INT_MAX, unit: "attempts" };
    "How often a batch is sent again after an attempt that failed for its own reason; `delivery.timeout.ms` bounds it in practice."
    kip "KIP-91"
    raise "nothing; the delivery timeout stays the bound."
    lower "records fail on short faults, and a batch whose fate is unknown is reported as unknown sooner. 0 switches idempotence off unless it is asked for, which is an error."
    touch "almost never: use `delivery.timeout.ms` to say how long to try."

    "retry.backoff.ms" retry_backoff(Duration) = "100", Kind::Millis { min: 0, max: i64::MAX };
    "The first pause before a batch or a metadata request is tried again; it doubles, with 20 % of jitter, up to `retry.backoff.max.ms`."
    kip "KIP-580"
    raise "slower recovery from short faults."
    lower "a struggling broker gets more requests."
    touch "leaders move often and each move costs too long."

    "retry.backoff.max.ms" retry_backoff_max(Duration) = "1000", Kind::Millis { min: 0, max: i64::MAX };
    "The longest pause between two attempts."
    kip "KIP-580"
    raise "a broker that comes back is noticed later."
    lower "more requests to a broker that stays away; at or below `retry.backoff.ms` the pause is constant."
    touch "many producers wait for one broker."

    "delivery.timeout.ms" delivery_timeout(Duration) = "120000", Kind::Millis { min: 0, max: INT_MAX };
    "The time from a batch's first record to its report: acknowledged, rejected or unknown. At least `linger.ms` + `request.timeout.ms`."
    kip "KIP-91"
    raise "longer faults are survived; more memory is needed to sit them out."
    lower "records fail, or end unknown, on faults that would have passed."
    touch "a caller cannot wait two minutes for an answer, or faults last longer."

    "request.timeout.ms" request_timeout(Duration) = "30000", Kind::Millis { min: 0, max: INT_MAX };
    "How long the oldest open request of a connection may go without an answer before the connection is closed and its batches are retried; also the time the broker may wait for its replicas."
    kip "none"
    raise "a dead broker is noticed later."
    lower "a slow broker is taken for dead, and its answers are lost: retries, without idempotence duplicates."
    touch "failover must be faster, and the brokers surely answer within it."

    "max.block.ms" max_block(Duration) = "60000", Kind::Millis { min: 0, max: i64::MAX };
    "How long one send may wait for the topic's metadata and for room in the buffer, together."
    kip "none"
    raise "callers hang longer when the cluster is away."
    lower "short bursts end in errors; 0 never waits."
    touch "the caller has a deadline of its own."
}
