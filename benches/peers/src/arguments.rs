//! What is measured, and what cannot be.

use std::path::PathBuf;

use clap::Parser;
use facteur_peers::Outcome;

/// Kafka producers side by side: CPU, throughput, memory and latency in interleaved rounds.
#[derive(Debug, Clone, Parser)]
#[command(name = "arena", args_override_self = true)]
pub struct Arguments {
    /// Only these, separated by commas: facteur, rdkafka, confluent, krafka, franz-go, java; floor, baseline
    #[arg(long, value_delimiter = ',')]
    pub clients: Vec<String>,
    /// A real Kafka (host:port) instead of the sink
    #[arg(long)]
    pub bootstrap: Option<String>,
    /// The begin of the topics' names; on a real Kafka NAME-CLIENT must exist for each client
    #[arg(long, default_value = "arena")]
    pub topic: String,
    /// Bytes of a record's value
    #[arg(long, default_value_t = 100)]
    pub value_bytes: usize,
    /// Partitions of each of the sink's topics
    #[arg(long, default_value_t = 6)]
    pub partitions: i32,
    /// Topics that records go to in turn
    #[arg(long, default_value_t = 1)]
    pub topics: usize,
    /// Distinct keys; 0 for records without a key
    #[arg(long, default_value_t = 0)]
    pub keys: usize,
    /// Producing threads
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Instead of threads so many long-lived tasks, each sending a record and awaiting its outcome in a loop
    #[arg(long, default_value_t = 0)]
    pub tasks: usize,
    /// linger.ms
    #[arg(long, default_value_t = 5)]
    pub linger_ms: u64,
    /// batch.size
    #[arg(long, default_value_t = 131_072)]
    pub batch_bytes: usize,
    /// buffer.memory
    #[arg(long, default_value_t = 33_554_432)]
    pub buffer_bytes: usize,
    /// none, gzip, snappy, lz4 or zstd
    #[arg(long, default_value = "none")]
    pub codec: String,
    /// Each client with its own best batch size, instead of the same for all
    #[arg(long)]
    pub own_best: bool,
    /// The sink answers so much later
    #[arg(long, default_value_t = 0)]
    pub rtt_us: u64,
    /// Several values of one setting in turn, each a process of its own: NAME=VALUE,VALUE
    #[arg(long)]
    pub vary: Option<String>,
    /// Rounds of each client that are counted
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// About so long does a round last
    #[arg(long, default_value_t = 3.0)]
    pub round_seconds: f64,
    /// Everything is flushed after so many records; a round is as many of these as fit
    #[arg(long)]
    pub records: Option<u64>,
    /// About so long does a client warm up
    #[arg(long, default_value_t = 5.0)]
    pub warm_up_seconds: f64,
    /// Latency at this many records per second, instead of as fast as possible
    #[arg(long)]
    pub rate: Option<u64>,
    /// The sink checks every checksum and sequence
    #[arg(long)]
    pub verify: bool,
    /// Draw it into this SVG file
    #[arg(long)]
    pub plot: Option<PathBuf>,
    /// Write every figure into this file: client, variant, figure, median, least, most, by tabs
    #[arg(long)]
    pub figures: Option<PathBuf>,
    /// Write into this file how many records each client was told to be acknowledged: client, topic, records, by tabs
    #[arg(long)]
    pub acknowledged: Option<PathBuf>,
    /// Be the sink on this address, and nothing else
    #[arg(long, hide = true)]
    pub sink: Option<String>,
}

/// One value of the setting that is varied.
#[derive(Debug, Clone)]
pub struct Variant {
    /// Such as `partitions=6`; empty if nothing is varied.
    pub name: String,
    pub arguments: Arguments,
}

/// What can be varied: whatever a client or the sink is told at its start, or how much it sends.
const VARIED: [&str; 13] = [
    "value-bytes",
    "partitions",
    "topics",
    "keys",
    "threads",
    "tasks",
    "linger-ms",
    "batch-bytes",
    "buffer-bytes",
    "codec",
    "rtt-us",
    "records",
    "rate",
];

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

impl Arguments {
    /// # Errors
    /// A value that cannot be measured, by its name.
    pub fn check(&self) -> Outcome<()> {
        let wrong = self.wrong_load().or_else(|| self.wrong_settings()).or_else(|| self.wrong_rounds());
        wrong.map_or(Ok(()), |wrong| Err(wrong.into()))
    }

    fn wrong_load(&self) -> Option<String> {
        if self.value_bytes == 0 || self.value_bytes > 900_000 {
            Some(format!("--value-bytes {}: 1 to 900000 are possible", self.value_bytes))
        } else if self.partitions < 1 || self.partitions > 100_000 {
            Some(format!("--partitions {}: 1 to 100000 are possible", self.partitions))
        } else if self.topics == 0 || self.topics > 100_000 {
            Some(format!("--topics {}: 1 to 100000 are possible", self.topics))
        } else if self.topics > 1 && self.bootstrap.is_some() {
            Some("--topics is for the sink: nobody has created them on a real Kafka".to_owned())
        } else if self.keys > 10_000_000 {
            Some(format!("--keys {}: 0 to 10000000 are possible", self.keys))
        } else if self.threads == 0 || self.threads > 64 {
            Some(format!("--threads {}: 1 to 64 are possible", self.threads))
        } else if self.tasks > 1_000_000 {
            Some(format!("--tasks {}: 0 to 1000000 are possible", self.tasks))
        } else if self.tasks > 0 && self.threads > 1 {
            Some("--tasks and --threads: only one of them is possible".to_owned())
        } else if self.tasks > 0 && self.rate.is_some() {
            Some("--rate is for one thread, not for --tasks".to_owned())
        } else {
            None
        }
    }

    fn wrong_settings(&self) -> Option<String> {
        if !CODECS.contains(&&*self.codec) {
            Some(format!("--codec {}: it is none of {}", self.codec, CODECS.join(", ")))
        } else if self.batch_bytes == 0 || self.buffer_bytes == 0 {
            Some("--batch-bytes and --buffer-bytes: at least 1".to_owned())
        } else if self.batch_bytes > self.buffer_bytes {
            Some(format!(
                "--batch-bytes {} is more than --buffer-bytes {}",
                self.batch_bytes, self.buffer_bytes
            ))
        } else if self.value_bytes + 1_024 > self.buffer_bytes {
            Some(format!(
                "--buffer-bytes {} has no room for --value-bytes {}",
                self.buffer_bytes, self.value_bytes
            ))
        } else if self.bootstrap.is_some() && (self.rtt_us > 0 || self.verify) {
            Some("--rtt-us and --verify are for the sink, not for --bootstrap".to_owned())
        } else if self.rtt_us > 10_000_000 {
            Some(format!("--rtt-us {}: 0 to 10000000 are possible", self.rtt_us))
        } else if self.linger_ms > 60_000 {
            Some(format!("--linger-ms {}: 0 to 60000 are possible", self.linger_ms))
        } else {
            None
        }
    }

    fn wrong_rounds(&self) -> Option<String> {
        if self.rounds == 0 {
            Some("--rounds 0: at least 1".to_owned())
        } else if !(0.5..=600.0).contains(&self.round_seconds) {
            Some(format!("--round-seconds {}: 0.5 to 600 are possible", self.round_seconds))
        } else if !(0.5..=600.0).contains(&self.warm_up_seconds) {
            Some(format!("--warm-up-seconds {}: 0.5 to 600 are possible", self.warm_up_seconds))
        } else if self.rate.is_some_and(|rate| rate == 0 || rate > 1_000_000) {
            Some("--rate: 1 to 1000000 are possible".to_owned())
        } else if self.rate.is_some() && self.threads > 1 {
            Some("--rate is for one thread".to_owned())
        } else if self.rate.is_some() && self.records.is_some() {
            Some("--rate and --records: only one of them is possible".to_owned())
        } else if self.records == Some(0) {
            Some("--records 0: at least 1".to_owned())
        } else {
            None
        }
    }

    /// Every value of what is varied, checked.
    ///
    /// # Errors
    /// Something that cannot be varied, or one of its values cannot be measured.
    pub fn variants(&self) -> Outcome<Vec<Variant>> {
        let Some(vary) = &self.vary else {
            self.check()?;
            return Ok(vec![Variant { name: String::new(), arguments: self.clone() }]);
        };
        let (name, values) =
            vary.split_once('=').ok_or_else(|| format!("--vary {vary}: not NAME=VALUE,VALUE"))?;
        if !VARIED.contains(&name) {
            return Err(format!("--vary {name}: it is none of {}", VARIED.join(", ")).into());
        }
        if self.bootstrap.is_some() && name == "partitions" {
            return Err(
                "--vary partitions is for the sink: a topic of a real Kafka has as many as it has".into()
            );
        }
        let mut variants = Vec::new();
        for value in values.split(',') {
            let with = std::env::args().chain([format!("--{name}={value}")]);
            let arguments = Self::try_parse_from(with).map_err(|error| {
                let told = error.to_string();
                format!("--vary {name}={value}: {}", told.lines().next().unwrap_or_default())
            })?;
            arguments.check()?;
            variants.push(Variant { name: format!("{name}={value}"), arguments });
        }
        Ok(variants)
    }

    /// The topic of a client, or the begin of its topics' names: a client of its own on a real Kafka, where records stay.
    #[must_use]
    pub fn topic_of(&self, client: &str) -> String {
        if self.bootstrap.is_some() { format!("{}-{client}", self.topic) } else { self.topic.clone() }
    }

    /// What every client is told.
    #[must_use]
    pub fn for_client(&self, client: &str, bootstrap: &str, values: &str) -> Vec<String> {
        vec![
            format!("bootstrap={bootstrap}"),
            format!("topic={}", self.topic_of(client)),
            format!("topics={}", self.topics),
            format!("partitions={}", self.partitions),
            format!("value_bytes={}", self.value_bytes),
            format!("keys={}", self.keys),
            format!("threads={}", self.threads),
            format!("tasks={}", self.tasks),
            format!("linger_ms={}", self.linger_ms),
            format!("batch_bytes={}", self.batch_bytes),
            format!("buffer_bytes={}", self.buffer_bytes),
            format!("codec={}", self.codec),
            format!("own_best={}", u8::from(self.own_best)),
            format!("values={values}"),
        ]
    }
}
