//! The two counters that Toxiproxy has, under its names.
//!
//! **Why.** Whoever scrapes Toxiproxy can scrape us. Neighbours: links count, `api/` prints. Not here: what the façade
//! counts.

use std::sync::Mutex;
use std::sync::PoisonError;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::chaos::definition::Stream;

/// What a counter is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    direction: &'static str,
    proxy: String,
    listener: String,
    upstream: String,
}

/// Both families.
#[derive(Debug, Default)]
pub struct Metrics {
    received: Family<Labels, Counter>,
    sent: Family<Labels, Counter>,
    known: Mutex<Vec<Labels>>,
}

/// The counters of one direction of a proxy.
#[derive(Debug, Clone, Default)]
pub struct LinkCounters {
    /// Bytes read from the source.
    pub received: Counter,
    /// Bytes written to the destination.
    pub sent: Counter,
}

impl Metrics {
    /// The counters of a direction of a proxy.
    pub fn link(&self, stream: Stream, proxy: &str, listener: &str, upstream: &str) -> LinkCounters {
        let labels = Labels {
            direction: stream.name(),
            proxy: proxy.to_owned(),
            listener: listener.to_owned(),
            upstream: upstream.to_owned(),
        };
        let counters = LinkCounters {
            received: self.received.get_or_create_owned(&labels),
            sent: self.sent.get_or_create_owned(&labels),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&labels) {
            known.push(labels);
        }
        counters
    }

    /// Forgets a proxy, so that made-up names cannot fill the memory.
    pub fn forget(&self, proxy: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|labels| {
            let is_other = labels.proxy != proxy;
            if !is_other {
                self.received.remove(labels);
                self.sent.remove(labels);
            }
            is_other
        });
    }

    /// In Prometheus's text format.
    ///
    /// # Errors
    ///
    /// Never in practice: writing to a string.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::default();
        registry.register(
            "toxiproxy_proxy_received_bytes",
            "Bytes that a proxy read from the source of a direction",
            self.received.clone(),
        );
        registry.register(
            "toxiproxy_proxy_sent_bytes",
            "Bytes that a proxy wrote to the destination of a direction",
            self.sent.clone(),
        );
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }
}
