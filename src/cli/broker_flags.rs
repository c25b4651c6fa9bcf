//! How the embedded broker behaves: flags that `serve` and `broker` share.
//!
//! **Why.** A class first sees compaction at once and then, with `--strict-compaction`, as a real Kafka does it; and a
//! protocol analyser reads our traffic only up to the versions that it knows, so `--cap` lowers what is offered.
//! Neighbours: [`crate::cli::serve`], [`crate::cli::broker`]; [`crate::broker`] obeys. Not here: ports and topics.

use std::time::Duration;

use clap::Args;

use crate::broker::CompactionTiming;
use crate::broker::handlers::cap_range;
use crate::lab::embedded::BrokerBehaviour;
use crate::wire::api::ApiKey;

/// The flags.
#[derive(Debug, Clone, Args)]
pub struct BrokerFlags {
    /// Compact as a real Kafka does, closed segments only; without it small compacted topics are compacted half a second
    /// after a write, a teaching shortcut.
    #[arg(long)]
    strict_compaction: bool,
    /// Offer an API only up to this version, by name or number, such as produce=7 for Wireshark; may be repeated.
    #[arg(long = "cap", value_name = "API=VERSION", value_parser = parse_cap)]
    caps: Vec<(ApiKey, i16)>,
    /// Let an empty consumer group wait so many milliseconds for more members after its first one; a real Kafka waits
    /// 3000.
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=60_000))]
    group_initial_rebalance_delay: u64,
}

impl BrokerFlags {
    /// Whether any was given.
    pub const fn are_given(&self) -> bool {
        self.strict_compaction || !self.caps.is_empty() || self.group_initial_rebalance_delay > 0
    }

    /// What they say. Of two caps of one API the lower counts.
    pub fn behaviour(&self) -> BrokerBehaviour {
        let mut behaviour = BrokerBehaviour {
            initial_rebalance_delay: Duration::from_millis(self.group_initial_rebalance_delay),
            ..BrokerBehaviour::default()
        };
        if self.strict_compaction {
            behaviour.compaction = CompactionTiming::Kafka;
        }
        for (api, version) in &self.caps {
            let cap = behaviour.caps.entry(api.code()).or_insert(*version);
            *cap = (*cap).min(*version);
        }
        behaviour
    }
}

fn parse_cap(text: &str) -> Result<(ApiKey, i16), String> {
    let (name, version) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} has no '='; expected API=VERSION, such as produce=7"))?;
    let name = name.trim();
    let by_name = |api: &ApiKey| api.name().eq_ignore_ascii_case(name) || name.parse() == Ok(api.code());
    let served = |api: &ApiKey| !cap_range(*api).is_empty();
    let api = ApiKey::ALL.into_iter().filter(served).find(by_name).ok_or_else(|| {
        let names: Vec<&str> = ApiKey::ALL.into_iter().filter(served).map(ApiKey::name).collect();
        format!("{name:?} is no API of this broker; expected a number or one of {}", names.join(", "))
    })?;
    let range = cap_range(api);
    match version.trim().parse::<i16>() {
        Ok(version) if range.contains(version) => Ok((api, version)),
        Ok(_) | Err(_) => Err(format!(
            "{} can be capped at a version from {range}, not at {:?}",
            api.name(),
            version.trim()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A typo must not leave the broker at versions that the analyser cannot read, without a word.
    #[test]
    fn caps_are_read_by_name_and_number_and_refused_with_the_range() {
        assert_eq!(parse_cap("produce=7"), Ok((ApiKey::Produce, 7)));
        assert_eq!(parse_cap("FETCH = 11"), Ok((ApiKey::Fetch, 11)));
        assert_eq!(parse_cap("22=1"), Ok((ApiKey::InitProducerId, 1)));
        for (text, words) in [
            ("produce", "expected API=VERSION"),
            ("prduce=7", "no API of this broker; expected a number or one of Produce, Fetch"),
            ("produce=2", "from 3 to 11, not at \"2\""),
            ("produce=12", "from 3 to 11"),
            ("produce=x", "from 3 to 11, not at \"x\""),
        ] {
            let error = parse_cap(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    // Whoever repeats a flag in a script wants the stricter of the two.
    #[test]
    fn of_two_caps_the_lower_counts() {
        let flags = BrokerFlags {
            strict_compaction: true,
            caps: vec![(ApiKey::Produce, 7), (ApiKey::Produce, 9)],
            group_initial_rebalance_delay: 3_000,
        };
        let behaviour = flags.behaviour();
        assert_eq!((behaviour.compaction, behaviour.caps.get(&0)), (CompactionTiming::Kafka, Some(&7)));
    }
}
