//! What is measured.

use clap::Parser;
use facteur_peers::Outcome;

/// Kafka producers side by side: CPU, throughput, memory and latency in interleaved rounds.
#[derive(Debug, Parser)]
#[command(name = "arena")]
pub struct Arguments {
    /// Only these clients, separated by commas: facteur, rdkafka, confluent, krafka, franz-go, java
    #[arg(long, value_delimiter = ',')]
    pub clients: Vec<String>,
    /// A real Kafka (host:port) instead of the sink
    #[arg(long)]
    pub bootstrap: Option<String>,
    /// The topic on a real Kafka; it must exist
    #[arg(long, default_value = "arena")]
    pub topic: String,
    /// Bytes of a record's value
    #[arg(long, default_value_t = 100)]
    pub value_bytes: usize,
    /// Partitions of the sink's topic
    #[arg(long, default_value_t = 6)]
    pub partitions: i32,
    /// Distinct keys; 0 for records without a key
    #[arg(long, default_value_t = 0)]
    pub keys: usize,
    /// Producing threads
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
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
    /// Rounds of each client that are counted
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// About so long does a round last
    #[arg(long, default_value_t = 3.0)]
    pub round_seconds: f64,
    /// About so long does a client warm up
    #[arg(long, default_value_t = 5.0)]
    pub warm_up_seconds: f64,
    /// Latency at this many records per second, instead of as fast as possible
    #[arg(long)]
    pub rate: Option<u64>,
    /// The sink checks every checksum and sequence
    #[arg(long)]
    pub verify: bool,
    /// Be the sink on this address, and nothing else
    #[arg(long, hide = true)]
    pub sink: Option<String>,
}

impl Arguments {
    /// # Errors
    /// A value that cannot be measured, by its name.
    pub fn check(&self) -> Outcome<()> {
        let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
        let wrong = if self.value_bytes == 0 || self.value_bytes > 900_000 {
            Some(format!("--value-bytes {}: 1 to 900000 are possible", self.value_bytes))
        } else if self.partitions < 1 {
            Some(format!("--partitions {}: at least 1", self.partitions))
        } else if self.threads == 0 || self.threads > 64 {
            Some(format!("--threads {}: 1 to 64 are possible", self.threads))
        } else if !codecs.contains(&&*self.codec) {
            Some(format!("--codec {}: it is none of {}", self.codec, codecs.join(", ")))
        } else if self.batch_bytes > self.buffer_bytes {
            Some(format!(
                "--batch-bytes {} is more than --buffer-bytes {}",
                self.batch_bytes, self.buffer_bytes
            ))
        } else if self.rounds == 0 {
            Some("--rounds 0: at least 1".to_owned())
        } else if !(0.5..=600.0).contains(&self.round_seconds) {
            Some(format!("--round-seconds {}: 0.5 to 600 are possible", self.round_seconds))
        } else if self.rate.is_some_and(|rate| rate == 0 || rate > 1_000_000) {
            Some("--rate: 1 to 1000000 are possible".to_owned())
        } else if self.rate.is_some() && self.threads > 1 {
            Some("--rate is for one thread".to_owned())
        } else {
            None
        };
        wrong.map_or(Ok(()), |wrong| Err(wrong.into()))
    }

    /// What every client is told.
    #[must_use]
    pub fn for_client(&self, bootstrap: &str, values: &str) -> Vec<String> {
        vec![
            format!("bootstrap={bootstrap}"),
            format!("topic={}", self.topic),
            format!("value_bytes={}", self.value_bytes),
            format!("keys={}", self.keys),
            format!("threads={}", self.threads),
            format!("linger_ms={}", self.linger_ms),
            format!("batch_bytes={}", self.batch_bytes),
            format!("buffer_bytes={}", self.buffer_bytes),
            format!("codec={}", self.codec),
            format!("own_best={}", u8::from(self.own_best)),
            format!("values={values}"),
        ]
    }
}
