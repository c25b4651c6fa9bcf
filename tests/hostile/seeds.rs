//! Where the fuzzers begin: traffic of our own clients and of others, golden batches, and a few texts.
//!
//! A relay stands between the clients and the embedded broker and keeps every frame. Plain `cargo test` makes the seeds
//! anew in memory and runs them through their targets; to store them:
//!
//! ```text
//! FACTEUR_WRITE_SEEDS=1 cargo test --test hostile the_targets_accept_traffic_of_today
//! ```
//!
//! then kcat and, with `FACTEUR_KAFKA_HOME`, the Java client take part, if they are there. A target's name instead of 1
//! stores that one's only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use facteur::Compression;
use facteur::wire::api::ApiKey;
use facteur::wire::compression::compress;
use facteur::wire::record_batch_reader::split_batches;

use crate::relay::{Exchange, our_traffic, traffic_of_others};
use crate::simulation::runner;
use crate::simulation::tape::Tape;
use crate::targets::response::DECODERS;
use crate::targets::{self, engine_tape};

/// Longer ones teach a fuzzer nothing that a short one does not.
const LONGEST_SEED_BYTES: usize = 4096;

type Seeds = BTreeMap<&'static str, Vec<Vec<u8>>>;

fn add(seeds: &mut Seeds, target: &'static str, data: Vec<u8>) {
    if data.len() <= LONGEST_SEED_BYTES {
        seeds.entry(target).or_default().push(data);
    }
}

/// One of each API and version is enough.
fn distinct(exchanges: &[Exchange]) -> Vec<&Exchange> {
    let mut seen = BTreeSet::new();
    exchanges
        .iter()
        .filter(|exchange| seen.insert((exchange.api(), exchange.version(), exchange.request.len() / 64)))
        .collect()
}

fn with_length(frame: &[u8]) -> Vec<u8> {
    let length = u16::try_from(frame.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], frame].concat()
}

fn prefixed(frame: &[u8]) -> Vec<u8> {
    [&u32::try_from(frame.len()).unwrap().to_be_bytes()[..], frame].concat()
}

fn of_traffic(seeds: &mut Seeds, exchanges: &[Exchange]) {
    let mut requests = vec![1, 7];
    let (mut stream, mut session) = (vec![3, 2, 0, 9, 40], vec![0, 4, 3]);
    for exchange in distinct(exchanges) {
        let answer = exchange.answer.as_deref().unwrap_or_default();
        if let Some(body) = exchange.body_of_answer()
            && let Some(place) = DECODERS.iter().position(|(api, _)| api.code() == exchange.api())
        {
            // Others speak versions that we do not; the target refuses those by a number that fits.
            let version = exchange.version() - DECODERS[place].0.supported_range().min + 1;
            let choice = [u8::try_from(place).unwrap(), u8::try_from(version).unwrap_or(0)];
            add(seeds, "response", [&choice[..], &body].concat());
        }
        let request = [&[0][..], &with_length(&exchange.request)].concat();
        add(seeds, "broker_request", [&[1, 7][..], &request].concat());
        if requests.len() + request.len() <= LONGEST_SEED_BYTES {
            requests.extend_from_slice(&request);
        }
        if stream.len() + answer.len() + 4 <= LONGEST_SEED_BYTES {
            stream.extend_from_slice(&prefixed(answer));
        }
        let ask = [&[0][..], &with_length(&prefixed(&exchange.request))].concat();
        let answer = [&[8][..], &with_length(&prefixed(answer))].concat();
        for armed in [0, 0x3f] {
            add(seeds, "chaos_session", [&[armed, 4, 3][..], &ask, &answer].concat());
        }
        if session.len() + ask.len() + answer.len() <= LONGEST_SEED_BYTES {
            session.extend_from_slice(&[ask, answer].concat());
        }
    }
    add(seeds, "broker_request", requests);
    add(seeds, "frame", stream);
    add(seeds, "chaos_session", session);
}

fn of_golden_batches(seeds: &mut Seeds) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "batches")) {
        let bytes = Bytes::from(std::fs::read(path).unwrap());
        add(seeds, "record_batch", [&[1], &bytes[..]].concat());
        for batch in split_batches(bytes).flatten() {
            let codec = batch.codec().unwrap();
            add(seeds, "decompress", [&[codec as u8][..], &batch.body].concat());
        }
    }
}

/// Snappy in both of its framings, and input for the way there and back.
fn of_codecs(seeds: &mut Seeds) {
    let text = "nothing lost, nothing twice, nothing out of order; ".repeat(20);
    let kinds = [Compression::Gzip(6), Compression::Snappy, Compression::Lz4, Compression::Zstd(3)];
    for (codec, kind) in (1..).zip(kinds) {
        let mut packed = Vec::new();
        compress(kind, &[text.as_bytes()], &mut packed).unwrap();
        add(seeds, "decompress", [&[codec][..], &packed].concat());
        add(seeds, "decompress", [&[codec | 8][..], text.as_bytes()].concat());
        if kind == Compression::Snappy {
            // Without xerial's header (8 + 8 bytes) and block length: a raw block, as librdkafka may send it.
            add(seeds, "decompress", [&[codec][..], &packed[20..]].concat());
        }
    }
}

/// Tapes of noise, for targets whose input is choices.
fn of_noise(seeds: &mut Seeds) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = |length: usize| -> Vec<u8> {
        (0..length)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect()
    };
    for number in 0..24_u8 {
        add(seeds, "metadata_apply", noise(60 + 40 * usize::from(number)));
        add(seeds, "roundtrip", [&[number % 6][..], &noise(40 + 20 * usize::from(number))].concat());
        if number < 8 {
            add(seeds, "broker_request", noise(200));
            add(seeds, "chaos_session", noise(200));
            add(seeds, "frame", noise(100));
        }
    }
    for long in [0_u64, 1, 127, 128, 16_384, u64::from(u32::MAX), 1 << 32, u64::MAX] {
        let mut bytes = Vec::new();
        facteur::wire::varint::put_unsigned_varlong(&mut bytes, long);
        add(seeds, "varint", bytes);
    }
    add(seeds, "varint", vec![0xff; 11]);
}

/// Recorded runs: two whole ones, and the beginnings of others, which end without faults.
fn of_tapes(seeds: &mut Seeds) {
    for seed in 0..12 {
        let result = runner::run_tape(Tape::of_seed(seed, true).small(), false);
        let most = if seed < 2 { result.tape.len() } else { 40 * (seed as usize) };
        let mut choices = result.tape;
        choices.truncate(most);
        while engine_tape::bytes(&choices).len() > LONGEST_SEED_BYTES {
            choices.pop();
        }
        add(seeds, "engine_tape", engine_tape::bytes(&choices));
    }
}

fn of_texts(seeds: &mut Seeds) {
    let texts: [(&'static str, &[&str]); 3] =
        [("http_event_json", HTTP), ("toxics_api_json", TOXICS), ("properties_file", PROPERTIES)];
    for (target, texts) in texts {
        for text in texts {
            add(seeds, target, text.as_bytes().to_vec());
        }
    }
}

fn all(exchanges: &[Exchange]) -> Seeds {
    let mut seeds = Seeds::new();
    of_traffic(&mut seeds, exchanges);
    of_golden_batches(&mut seeds);
    of_codecs(&mut seeds);
    of_noise(&mut seeds);
    of_tapes(&mut seeds);
    of_texts(&mut seeds);
    seeds
}

// What our clients and broker say to each other today goes through every target. Fails if one of them chokes on it, or
// if the traffic no longer has what the fuzzers live on.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_targets_accept_traffic_of_today() {
    let wanted = std::env::var("FACTEUR_WRITE_SEEDS").ok();
    let is_to_be_stored = wanted.is_some();
    let mut exchanges = our_traffic().await;
    let spoken: BTreeSet<i16> = exchanges.iter().map(Exchange::api).collect();
    for api in [ApiKey::Produce, ApiKey::Metadata, ApiKey::ApiVersions, ApiKey::InitProducerId] {
        assert!(spoken.contains(&api.code()), "no {api:?} among {spoken:?}");
    }
    if is_to_be_stored {
        exchanges.extend(traffic_of_others().await);
    }
    let seeds = all(&exchanges);
    if let Some(wanted) = &wanted {
        store(&seeds, wanted);
    }
    // The façade's target has a runtime of its own, which may not begin inside this one.
    let replayed = std::thread::spawn(move || {
        for (target, run) in targets::ALL {
            seeds[target].iter().for_each(|data| run(data));
        }
        seeds.len()
    });
    assert_eq!(replayed.join().unwrap(), targets::ALL.len());
}

fn store(seeds: &Seeds, wanted: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (target, inputs) in seeds.iter().filter(|(target, _)| wanted == "1" || wanted == **target) {
        let folder = root.join(target);
        std::fs::create_dir_all(&folder).unwrap();
        for data in inputs {
            let name = facteur::wire::record_batch::body_crc(&[Bytes::copy_from_slice(data)]);
            std::fs::write(folder.join(format!("{name:08x}")), data).unwrap();
        }
    }
}

const HTTP: &[&str] = &[
    "POST /api/v1/send?mode=plain&eventId=E-1",
    "POST /api/v1/send?mode=idempotent&eventId=E-2&key=k&partition=1\nIdempotency-Key: key-1",
    "POST /api/v1/send?mode=idempotent&eventId=E-3&sendMode=async&timeoutMs=50\nAccept-Language: fr",
    "POST /api/v1/send?mode=plain&eventId=%C3%A9+%22&acks=0&partitioner=crc32&keyless=true",
    "POST /api/v1/send?mode=plain&eventId=E&topic=bhf-transactions&acks=all\nContent-Type: application/json\n\n{\"a\":[1,2,{\"b\":null}]}",
    "POST /api/v1/send?mode=plain&eventId=E&partition=2147483648",
    "POST /api/v1/send?mode=plain&eventId=E&eventId=F&%",
    "GET /api/v1/status?requestId=1",
    "GET /api/v1/topics/bhf-transactions/records?partition=0&limit=5\nAccept: application/json",
    "GET /api/v1/trace/E-1\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "GET /api/v1/audit?eventId=E-1",
    "GET /api/v1/partition?key=k&topic=bhf-transactions",
    "GET /api/v1/events?after=0&limit=3\nAccept: text/event-stream\nLast-Event-ID: 3",
    "GET /api/v1/config",
    "GET /api/v1/topics",
    "GET /health\nHost: evil.example",
    "GET /docs/..%2f..%2fetc\nOrigin: http://evil.example",
    "PUT /api/v1/send\nContent-Encoding: gzip\n\nxx",
];

const TOXICS: &[&str] = &[
    "GET /proxies\n",
    "POST /proxies\n{\"name\":\"p\",\"listen\":\"127.0.0.1:0\",\"upstream\":\"127.0.0.1:9\",\"enabled\":false,\"protocol\":\"kafka\"}",
    "POST /populate\n[{\"name\":\"kafka\",\"upstream\":\"127.0.0.1:1\"},{\"Name\":\"b\",\"Upstream\":\"127.0.0.1:2\",\"extra\":null}]",
    "POST /proxies/kafka\n{\"upstream\":\"169.254.169.254:80\"}",
    "POST /proxies/kafka/toxics\n{\"type\":\"latency\",\"attributes\":{\"latency\":1000,\"jitter\":5},\"toxicity\":0.5}",
    "POST /proxies/kafka/toxics\n{\"type\":\"drop_response\",\"name\":\"d\",\"stream\":\"downstream\",\"attributes\":{\"api\":\"Produce\",\"count\":1,\"after\":2,\"topic\":\"t\",\"clientId\":\"c\"}}",
    "POST /proxies/kafka/toxics\n{\"type\":\"bandwidth\",\"attributes\":{\"rate\":-1e400}}",
    "POST /proxies/kafka/toxics\n{\"type\":\"slicer\",\"attributes\":{\"average_size\":64,\"size_variation\":32,\"delay\":10}}",
    "POST /proxies/kafka/toxics\n{\"type\":\"limit_data\",\"attributes\":{\"bytes\":9223372036854775808}}",
    "POST /proxies/kafka/toxics/x\n{\"attributes\":[[[[[[]]]]]]}",
    "DELETE /proxies/kafka\n",
    "POST /reset\n",
];

const PROPERTIES: &[&str] = &[
    "0bootstrap.servers=localhost:9092\nacks=all\nlinger.ms = 5\n# comment\n! another\n",
    "0bootstrap.servers: a:1,[::1]:2,\\\n  c:3\ncompression.type gzip\ncompression.gzip.level=9\n",
    "0bootstrap.servers=a:1\nclient.id=\\u00e9\\ud83d\\ude00\\t\nkey.serializer=x\n",
    "1producer:\n  bootstrap.servers: a:1 # here\n  batch.size: 16384\n",
    "0bootstrap.servers=a:1\nenable.idempotence=false\nacks=0\nretries=2147483647\nbuffer.memory=9223372036854775807\n",
    "0\u{feff}bootstrap.servers=a:1\r\nmax.request.size=1048576\r\nsasl.jaas.config=secret\n",
    "2bootstrap.servers=a:1\npartitioner.class=org.apache.kafka.clients.producer.RoundRobinPartitioner\n",
];
