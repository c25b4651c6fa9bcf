//! The injector's Kafka-aware session between two strangers: what goes out does not depend on how the bytes were cut.
//!
//! Input: a byte that arms toxics, a byte for their toxicity, then pieces: a side, a length in two bytes, the bytes. The
//! same pieces go through a second session cut small; both must say the same.

use std::sync::Arc;

use bytes::Bytes;
use facteur::chaos::kafka::proxy::{AdvertisedBroker, Advertiser, KafkaProxy};
use facteur::chaos::kafka::session::{KafkaSession, KafkaStep};
use facteur::chaos::kafka::toxic::KafkaToxic;
use facteur::config::HostPort;
use serde_json::{Value, json};

use super::tape::Tape;

const MOST_PIECES: usize = 64;

/// Sends every broker to the same place.
#[derive(Debug)]
struct OnePlace;

impl Advertiser for OnePlace {
    fn addresses_for(&self, brokers: &[AdvertisedBroker]) -> Vec<HostPort> {
        // One fewer than asked for now and then: the rest must stay as it is.
        let count = if brokers.len() > 2 { brokers.len() - 1 } else { brokers.len() };
        (0..count).map(|_| HostPort { host: "proxy.of.the.lab.example".to_owned(), port: 29_092 }).collect()
    }
}

/// What came out.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    delays: usize,
    faults: usize,
    is_closed: bool,
}

impl Outcome {
    fn take(&mut self, steps: Vec<KafkaStep>) {
        for step in steps {
            assert!(!self.is_closed || matches!(step, KafkaStep::Event(_)), "{step:?} after the close");
            match step {
                KafkaStep::ToServer(bytes) => self.to_server.extend_from_slice(&bytes),
                KafkaStep::ToClient(bytes) => self.to_client.extend_from_slice(&bytes),
                KafkaStep::DelayToClient(_) => self.delays += 1,
                KafkaStep::Close { reason } => {
                    assert!(!reason.is_empty());
                    self.is_closed = true;
                }
                KafkaStep::Event(_) => self.faults += 1,
            }
        }
    }
}

fn proxy(armed: u8, toxicity: f64) -> Arc<KafkaProxy> {
    let proxy = KafkaProxy::new(Arc::new(OnePlace), 7);
    let toxics: [(&str, Value); 6] = [
        ("drop_response", json!({ "api": "Produce", "count": 2 })),
        ("delay_response", json!({ "delay": 5 })),
        ("close_after_request", json!({ "api": "Produce", "topic": "t", "after": 1 })),
        ("error_response", json!({ "api": "Produce", "code": 7, "count": 2 })),
        ("duplicate_request", json!({ "api": "Produce" })),
        ("error_response", json!({ "api": "Metadata", "code": 3, "clientId": "x" })),
    ];
    for (bit, (type_name, attributes)) in toxics.iter().enumerate() {
        if armed & (1 << bit) != 0 {
            let toxic = KafkaToxic::parse(type_name, attributes.as_object().expect("an object"));
            proxy.arm(
                &Arc::from(format!("toxic-{bit}")),
                toxic.unwrap_or_else(|why| panic!("{why}")),
                toxicity,
            );
        }
    }
    proxy
}

enum Side {
    Client,
    Server,
    ClientEnds,
}

fn play(pieces: &[(Side, &[u8])], most: usize, armed: u8, toxicity: f64) -> Outcome {
    let mut session = KafkaSession::new(proxy(armed, toxicity));
    let mut outcome = Outcome::default();
    for (side, bytes) in pieces {
        if let Side::ClientEnds = side {
            let mut steps = Vec::new();
            session.client_ended(&mut steps);
            outcome.take(steps);
        }
        for part in bytes.chunks(most) {
            let mut steps = Vec::new();
            match side {
                Side::Client => session.from_client(Bytes::copy_from_slice(part), &mut steps),
                Side::Server => session.from_server(Bytes::copy_from_slice(part), &mut steps),
                Side::ClientEnds => {}
            }
            outcome.take(steps);
        }
    }
    outcome
}

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let armed = tape.byte();
    let toxicity = f64::from(tape.byte() % 5) / 4.0;
    let most = 1 + tape.below(7);
    let mut pieces = Vec::new();
    while !tape.is_over() && pieces.len() < MOST_PIECES {
        let side = match tape.byte() % 16 {
            0..=7 => Side::Client,
            8..=14 => Side::Server,
            _ => Side::ClientEnds,
        };
        let length = usize::from(tape.u16());
        pieces.push((side, tape.take(length)));
    }
    let whole = play(&pieces, usize::MAX, armed, toxicity);
    let cut = play(&pieces, most, armed, toxicity);
    assert_eq!(cut, whole, "cut into pieces of {most}");
    let sent: usize = pieces.iter().map(|(_, bytes)| bytes.len()).sum();
    // A request may go twice, an address may become longer, an answer may be invented: no more than that.
    assert!(whole.to_server.len() <= 2 * sent + 64, "{} bytes for the server", whole.to_server.len());
    assert!(whole.to_client.len() <= 64 * sent + 4096, "{} bytes for the client", whole.to_client.len());
}
