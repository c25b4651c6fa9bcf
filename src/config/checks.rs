//! The rules between settings, as Java 4.0 has them.
//!
//! **Why it exists.** Java switches idempotence off without a word the user would see when `acks=1` is given; here the
//! same files load, but nothing is switched off in silence (D-26), and a contradiction that was spelt out is an error.
//!
//! Neighbours: [`super::builder`] calls it with every setting understood, [`super::assemble`] comes after. Not here: the
//! range of a single setting ([`super::setting`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::builder::Given;
use super::catalogue::LATE_RESOLUTION_MAX_MS;
use super::setting::{INT_MAX, Origin, Value, ignores_keys, millis_text};

/// Every setting by its name.
pub(super) type Values = BTreeMap<&'static str, Given>;

/// A broker remembers the last five batches of a producer and partition; more in flight could not be told apart.
const MAX_IN_FLIGHT_IDEMPOTENT: i64 = 5;

/// Applies all rules; what is wrong goes to `problems`, what was changed or looks odd to `warnings`.
pub(super) fn cross_check(values: &mut Values, problems: &mut Vec<String>, warnings: &mut Vec<Arc<str>>) {
    let mut checks = Checks { values, problems, warnings };
    checks.normalise();
    checks.idempotence();
    checks.delivery_timeout();
    checks.backoffs();
    checks.codec();
    checks.partitioner();
    checks.memory();
}

struct Checks<'a> {
    values: &'a mut Values,
    problems: &'a mut Vec<String>,
    warnings: &'a mut Vec<Arc<str>>,
}

impl Checks<'_> {
    /// Two spellings of one value become one, and values that Java clamps are clamped.
    fn normalise(&mut self) {
        if self.text("acks") == "-1" {
            self.put("acks", Value::Text("all".to_owned()));
        }
        if self.number("batch.size") == 0 {
            self.put("batch.size", Value::Integer(1));
        }
        let linger_max = Duration::from_millis(u64::try_from(INT_MAX).unwrap_or(u64::MAX));
        if self.time("linger.ms") > linger_max {
            self.put("linger.ms", Value::Time(linger_max));
        }
    }

    /// KIP-679 and the rules of 4.0: what idempotence needs, and what happens without a word about it.
    fn idempotence(&mut self) {
        const NAME: &str = "enable.idempotence";
        if !self.flag(NAME) {
            return;
        }
        if self.number("max.in.flight.requests.per.connection") > MAX_IN_FLIGHT_IDEMPOTENT {
            self.problems.push(format!(
                "{} does not go with {}: an idempotent producer may have at most {MAX_IN_FLIGHT_IDEMPOTENT} in flight, since \
                 a broker remembers the last five batches. Lower it to {MAX_IN_FLIGHT_IDEMPOTENT}, or set \
                 {NAME}=false",
                self.said("max.in.flight.requests.per.connection"),
                self.said(NAME)
            ));
        }
        let mut against = Vec::new();
        if self.text("acks") != "all" {
            against.push(("acks", "acks=all"));
        }
        if self.number("retries") == 0 {
            against.push(("retries", "retries above 0"));
        }
        let Some((first, _)) = against.first().copied() else { return };
        let names = against.iter().map(|(name, _)| self.said(name)).collect::<Vec<_>>().join(" and ");
        let needs = against.iter().map(|(_, needs)| *needs).collect::<Vec<_>>().join(" and ");
        if self.is_explicit(NAME) {
            self.problems.push(format!(
                "{names} contradicts {}: idempotence needs {needs}. Set {NAME}=false, or {needs}",
                self.said(NAME)
            ));
            return;
        }
        let why: Arc<str> = Arc::from(format!("switched off by {first}"));
        self.values.insert(NAME, Given { value: Value::Flag(false), origin: Origin::Adjusted(why) });
        self.warn(format!(
            "{names} switches {NAME} off, as in Java: a lost answer may now make a duplicate, and retries may reorder. Set \
             {needs} to keep it, or {NAME}=false to say that it is meant"
        ));
    }

    /// KIP-91: a batch must be able to wait its linger and then see one request time out.
    fn delivery_timeout(&mut self) {
        const NAME: &str = "delivery.timeout.ms";
        let delivery_max = Duration::from_millis(u64::try_from(INT_MAX).unwrap_or(u64::MAX));
        let least =
            (self.time("linger.ms").saturating_add(self.time("request.timeout.ms"))).min(delivery_max);
        if self.time(NAME) < least {
            let sum = format!("{} + {}", self.said("linger.ms"), self.said("request.timeout.ms"));
            let least_ms = millis_text(least);
            if self.is_explicit(NAME) {
                self.problems.push(format!(
                    "{} is less than {sum}: a record must be able to linger and to see one request time out. Raise it to at \
                     least {least_ms}, or lower the other two",
                    self.said(NAME)
                ));
                return;
            }
            self.warn(format!("{NAME} is raised to {least_ms}, the least that goes with {sum}"));
            let why: Arc<str> = Arc::from("raised to linger.ms + request.timeout.ms");
            self.values.insert(NAME, Given { value: Value::Time(least), origin: Origin::Adjusted(why) });
        }
        // D-5: late resolution lasts as long again, but never longer than an hour.
        if !self.is_explicit("facteur.late.resolution.ms") {
            let most = Duration::from_millis(u64::try_from(LATE_RESOLUTION_MAX_MS).unwrap_or(u64::MAX));
            let late = self.time(NAME).min(most);
            self.put("facteur.late.resolution.ms", Value::Time(late));
        }
    }

    fn backoffs(&mut self) {
        // Java: the first pause alone means a constant one.
        if self.is_explicit("reconnect.backoff.ms") && !self.is_explicit("reconnect.backoff.max.ms") {
            let constant = self.time("reconnect.backoff.ms");
            let why: Arc<str> = Arc::from("reconnect.backoff.ms was given alone, so it is constant");
            self.values.insert(
                "reconnect.backoff.max.ms",
                Given { value: Value::Time(constant), origin: Origin::Adjusted(why) },
            );
        }
        for (first, most) in [
            ("retry.backoff.ms", "retry.backoff.max.ms"),
            ("reconnect.backoff.ms", "reconnect.backoff.max.ms"),
            ("socket.connection.setup.timeout.ms", "socket.connection.setup.timeout.max.ms"),
        ] {
            if self.time(first) > self.time(most) {
                self.warn(format!(
                    "{} is more than {}: it will constantly be {}",
                    self.said(first),
                    self.said(most),
                    millis_text(self.time(most))
                ));
            }
        }
    }

    /// A codec that was compiled out is refused at once, not at the first batch; a level of another codec is said to be
    /// without effect.
    fn codec(&mut self) {
        let name = self.text("compression.type").to_owned();
        for level in ["compression.gzip.level", "compression.lz4.level", "compression.zstd.level"] {
            if self.is_explicit(level) && !level.contains(&name) {
                self.warn(format!(
                    "{} has no effect with {}",
                    self.said(level),
                    self.said("compression.type")
                ));
                if let Some(given) = self.values.get_mut(level) {
                    given.origin = Origin::Adjusted(Arc::from(format!("without effect for {name}")));
                }
            }
        }
        let is_there = match name.as_str() {
            "gzip" => cfg!(feature = "gzip"),
            "snappy" => cfg!(feature = "snappy"),
            "lz4" => cfg!(feature = "lz4"),
            "zstd" => cfg!(feature = "zstd"),
            _ => true,
        };
        if !is_there {
            self.problems.push(format!(
                "{} is refused: this build has no {name}; compile with the feature \"{name}\", or choose another codec",
                self.said("compression.type")
            ));
        }
    }

    fn partitioner(&mut self) {
        let is_keyless_class = matches!(
            self.values.get("partitioner.class"),
            Some(Given { value: Value::Text(name), .. }) if ignores_keys(name)
        );
        if !is_keyless_class {
            return;
        }
        if self.is_explicit("partitioner.ignore.keys") && !self.flag("partitioner.ignore.keys") {
            self.problems.push(format!(
                "{} contradicts {}: that class looks at no key",
                self.said("partitioner.ignore.keys"),
                self.said("partitioner.class")
            ));
            return;
        }
        let why: Arc<str> = Arc::from("partitioner.class is UniformStickyPartitioner");
        self.values.insert(
            "partitioner.ignore.keys",
            Given { value: Value::Flag(true), origin: Origin::Adjusted(why) },
        );
        self.warn(
            "partitioner.class=UniformStickyPartitioner is taken as murmur2 with partitioner.ignore.keys=true, which is what \
             it does"
                .to_owned(),
        );
    }

    fn memory(&mut self) {
        if self.number("batch.size") > self.number("buffer.memory") {
            self.warn(format!(
                "{} is more than {}: a batch never gets that large, and one partition can take the whole buffer",
                self.said("batch.size"),
                self.said("buffer.memory")
            ));
        }
    }

    fn warn(&mut self, warning: String) {
        self.warnings.push(Arc::from(warning));
    }

    fn put(&mut self, name: &'static str, value: Value) {
        if let Some(given) = self.values.get_mut(name) {
            given.value = value;
        }
    }

    /// `name=value (origin)`
    fn said(&self, name: &str) -> String {
        self.values
            .get(name)
            .map(|given| format!("{name}={} ({})", given.value, given.origin))
            .unwrap_or_default()
    }

    fn is_explicit(&self, name: &str) -> bool {
        self.values
            .get(name)
            .is_some_and(|given| !matches!(given.origin, Origin::Default | Origin::Adjusted(_)))
    }

    fn text(&self, name: &str) -> &str {
        if let Some(Given { value: Value::Text(text), .. }) = self.values.get(name) { text } else { "" }
    }

    fn number(&self, name: &str) -> i64 {
        if let Some(Given { value: Value::Integer(number), .. }) = self.values.get(name) {
            *number
        } else {
            0
        }
    }

    fn time(&self, name: &str) -> Duration {
        if let Some(Given { value: Value::Time(time), .. }) = self.values.get(name) {
            *time
        } else {
            Duration::ZERO
        }
    }

    fn flag(&self, name: &str) -> bool {
        matches!(self.values.get(name), Some(Given { value: Value::Flag(true), .. }))
    }
}
