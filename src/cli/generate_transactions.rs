//! `facteur generate-transactions`: made-up bank transactions, the same ones for the same seed.
//!
//! **Why.** Big test files should not be shipped, and must be the same everywhere. Neighbours: `produce` sends them. Not
//! here: real data; accounts and amounts come out of a generator.

use std::io::Write;

use clap::Args;

use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::lab::clock::iso_8601;

/// Flags of `generate-transactions`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example:\n  facteur generate-transactions --seed 7 --bytes 100M > transactions.jsonl\n  facteur produce -t bhf-transactions transactions.jsonl"
)]
pub struct GenerateArguments {
    /// Another seed makes other transactions.
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub seed: u64,
    /// Stop at the first line end at or after so many bytes; K, M and G mean powers of 1000.
    #[arg(long, default_value = "1M", value_name = "N", value_parser = parse_bytes)]
    pub bytes: u64,
    /// Accepted for uniformity: the output is JSON lines anyway.
    #[arg(long)]
    pub json: bool,
}

/// Writes them to stdout.
///
/// # Errors
///
/// If stdout cannot be written.
pub fn run(arguments: &GenerateArguments) -> Result<Exit, Failure> {
    let mut out = output::stdout();
    let mut transactions = Transactions::new(arguments.seed);
    let mut written_bytes: u64 = 0;
    let mut line = Vec::with_capacity(256);
    while written_bytes < arguments.bytes {
        line.clear();
        transactions.next_line(&mut line)?;
        out.write_all(&line)?;
        written_bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
    }
    out.flush()?;
    Ok(Exit::Ok)
}

/// The endless list of transactions of a seed.
#[derive(Debug, Clone)]
pub struct Transactions {
    state: u64,
    number: u64,
}

impl Transactions {
    /// From its beginning.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed, number: 0 }
    }

    /// Appends the next one, with its line end.
    ///
    /// # Errors
    ///
    /// Never for a vector; the type is the writer's.
    pub fn next_line(&mut self, line: &mut Vec<u8>) -> std::io::Result<()> {
        self.number += 1;
        let customer = self.below(1_000_000);
        let account = self.below(10_u64.pow(10));
        let cents = self.below(500_000) + 1;
        let kind = self.pick(&["PAYMENT", "TRANSFER", "WITHDRAWAL", "DEPOSIT", "REFUND"]);
        let currency = self.pick(&["EUR", "EUR", "EUR", "USD", "CHF", "TND"]);
        let merchant = self.pick(&["boulangerie", "pharmacie", "librairie", "station", "marché", "en ligne"]);
        let gap_ms = self.below(2_000);
        let occurred_ms = i64::try_from(FIRST_MS + self.number * 1000 + gap_ms).unwrap_or(i64::MAX);
        writeln!(
            line,
            "{{\"eventId\":\"TX-{:010}\",\"customerId\":\"C-{customer:06}\",\"account\":\"FR76{account:010}\",\"type\":\"{kind}\",\
             \"amount\":{}.{:02},\"currency\":\"{currency}\",\"merchant\":\"{merchant}\",\"ts\":\"{}\"}}",
            self.number,
            cents / 100,
            cents % 100,
            iso_8601(occurred_ms)
        )
    }

    fn pick(&mut self, words: &[&'static str]) -> &'static str {
        let count = u64::try_from(words.len()).unwrap_or(1);
        let index = usize::try_from(self.below(count)).unwrap_or(0);
        words.get(index).copied().unwrap_or("")
    }

    /// A number below `bound`; the bias of the remainder does not matter for made-up data.
    const fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// `SplitMix64`: the same numbers on every machine, for ever.
    const fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.trim().to_ascii_uppercase().trim_end_matches('B') {
        rest if rest.ends_with('K') => (rest.trim_end_matches('K').to_owned(), 1_000),
        rest if rest.ends_with('M') => (rest.trim_end_matches('M').to_owned(), 1_000_000),
        rest if rest.ends_with('G') => (rest.trim_end_matches('G').to_owned(), 1_000_000_000),
        rest => (rest.to_owned(), 1),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    number
        .ok_or_else(|| format!("{text:?} is not a size; expected a number such as 500000, 500K, 100M or 1G"))
}

/// 2026-01-01T00:00:00Z.
const FIRST_MS: u64 = 1_767_225_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    // A test file must be the same on every machine: this line is the promise.
    #[test]
    fn the_same_seed_makes_the_same_lines() {
        let (mut one, mut other, mut different) = (Vec::new(), Vec::new(), Vec::new());
        for (seed, lines) in [(7, &mut one), (7, &mut other), (8, &mut different)] {
            let mut transactions = Transactions::new(seed);
            for _ in 0..100 {
                transactions.next_line(lines).unwrap();
            }
        }

        assert_eq!(one, other);
        assert_ne!(one, different);
        for line in String::from_utf8(one).unwrap().lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(value["eventId"].as_str().unwrap().starts_with("TX-"));
        }
    }

    // Sizes are typed by people.
    #[test]
    fn sizes_may_have_a_suffix() {
        assert_eq!(parse_bytes("500"), Ok(500));
        assert_eq!(parse_bytes("100M"), Ok(100_000_000));
        assert_eq!(parse_bytes("2kb"), Ok(2_000));
        assert!(parse_bytes("much").is_err());
        assert!(parse_bytes("99999999999G").is_err());
    }
}
