//! A relay between clients and the embedded broker that keeps every request with its answer.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use facteur::broker::{Broker, BrokerConfig, Listener};
use facteur::config::HostPort;
use facteur::wire::api::ApiKey;
use facteur::wire::frame::{cut_frame, decode_response_header};
use facteur::{Header, Producer, Record};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const LARGEST_FRAME_BYTES: usize = 1 << 24;

/// A request and its answer, both without length prefix.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub request: Bytes,
    pub answer: Option<Bytes>,
}

impl Exchange {
    pub fn api(&self) -> i16 {
        i16::from_be_bytes([self.request[0], self.request[1]])
    }

    pub fn version(&self) -> i16 {
        i16::from_be_bytes([self.request[2], self.request[3]])
    }

    /// What follows the answer's header.
    pub fn body_of_answer(&self) -> Option<Bytes> {
        let api = ApiKey::from_code(self.api())?;
        let correlation_id = i32::from_be_bytes(self.request[4..8].try_into().unwrap());
        let is_flexible = api.has_flexible_response_header(self.version());
        decode_response_header(self.answer.clone()?, correlation_id, is_flexible).ok()
    }
}

type Kept = Arc<Mutex<Vec<Exchange>>>;

/// A broker that sends its clients through the relay.
struct Watched {
    broker: Broker,
    address: HostPort,
    kept: Kept,
    accepting: tokio::task::JoinHandle<()>,
}

async fn watched() -> Watched {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = HostPort { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
    let own = Listener { advertised: Some(address.clone()), ..Listener::loopback("PLAINTEXT") };
    let config = BrokerConfig { listeners: vec![own], seed: Some(7), ..BrokerConfig::default() };
    let broker = Broker::start(config).await.unwrap();
    broker.create_topic("t", 2).unwrap();
    let (upstream, kept) = (broker.bootstrap().to_string(), Kept::default());
    let keeper = Arc::clone(&kept);
    let accepting = spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            spawn(relay(client, upstream.clone(), Arc::clone(&keeper)));
        }
    });
    Watched { broker, address, kept, accepting }
}

#[allow(clippy::disallowed_methods, reason = "tasks of a test end with its runtime")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(task)
}

/// The broker answers one request after the other, so one place in the list is enough to know what is answered.
async fn relay(mut client: TcpStream, upstream: String, kept: Kept) {
    let mut server = TcpStream::connect(upstream).await.unwrap();
    let (mut asked, mut answered) = (BytesMut::new(), BytesMut::new());
    let mut open = std::collections::VecDeque::new();
    loop {
        let (mut from_client, mut from_server) = (BytesMut::new(), BytesMut::new());
        tokio::select! {
            read = client.read_buf(&mut from_client) => if read.unwrap_or(0) == 0 { return },
            read = server.read_buf(&mut from_server) => if read.unwrap_or(0) == 0 { return },
        }
        asked.extend_from_slice(&from_client);
        answered.extend_from_slice(&from_server);
        while let Ok(Some(request)) = cut_frame(&mut asked, LARGEST_FRAME_BYTES) {
            let mut kept = kept.lock().unwrap();
            open.push_back(kept.len());
            kept.push(Exchange { request, answer: None });
        }
        while let Ok(Some(answer)) = cut_frame(&mut answered, LARGEST_FRAME_BYTES) {
            let Some(place) = open.pop_front() else { return };
            kept.lock().unwrap()[place].answer = Some(answer);
        }
        // Either side may be gone already; what was said is kept.
        drop(server.write_all(&from_client).await);
        drop(client.write_all(&from_server).await);
    }
}

impl Watched {
    async fn end(self) -> Vec<Exchange> {
        self.accepting.abort();
        self.broker.stop().await;
        std::mem::take(&mut *self.kept.lock().unwrap())
    }
}

/// Our producer with every codec, idempotent and not, through the relay.
pub async fn our_traffic() -> Vec<Exchange> {
    let watched = watched().await;
    for (codec, is_idempotent) in
        [("none", "true"), ("gzip", "true"), ("snappy", "true"), ("lz4", "true"), ("zstd", "false")]
    {
        let bootstrap = watched.address.to_string();
        let settings = [
            ("bootstrap.servers", bootstrap.as_str()),
            ("compression.type", codec),
            ("enable.idempotence", is_idempotent),
            ("client.id", "ours"),
        ];
        let producer = Producer::from_properties(settings).unwrap();
        let headers = [Header { key: "h", value: Some(b"1") }];
        for number in 0..4 {
            let record =
                Record::to("t").key(b"key").value(b"value value value value value").headers(&headers);
            let partition = number % 2;
            producer.send_and_wait(record.partition(partition)).await.unwrap();
        }
        producer.close(Duration::from_secs(5)).await;
    }
    watched.end().await
}

/// kcat and Kafka's own console tools, where they are installed; an absent one is told and left out.
pub async fn traffic_of_others() -> Vec<Exchange> {
    let watched = watched().await;
    let address = watched.address.to_string();
    let mut commands = vec![
        format!("printf 'k:v\\nk2:v2\\n' | kcat -b {address} -P -t t -K: -X enable.idempotence=true"),
        format!("printf 'k:v\\n' | kcat -b {address} -P -t t -K: -z lz4 -H h=1"),
        format!("kcat -b {address} -L"),
        format!("kcat -b {address} -C -t t -o beginning -e"),
        format!("timeout 20 kcat -b {address} -G group t -e -c 2"),
    ];
    if std::env::var_os("FACTEUR_KAFKA_HOME").is_some() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka-tool.sh");
        let tool = |words: &str| format!("timeout 60 {script} 4.4.0 {words} --bootstrap-server {address}");
        commands.push(format!("printf 'a\\nb\\n' | {} --topic t", tool("console-producer")));
        commands.push(format!("{} --topic t --from-beginning --max-messages 3", tool("console-consumer")));
        commands.push(format!("{} --create --topic made --partitions 3", tool("topics")));
        commands.push(format!("{} --describe", tool("topics")));
        commands.push(format!("{} --describe --entity-type topics --entity-name t", tool("configs")));
    }
    for command in commands {
        let told = command.clone();
        let run = tokio::task::spawn_blocking(move || {
            Command::new("sh").args(["-c", &command]).stdin(Stdio::null()).stdout(Stdio::null()).status()
        });
        println!("{told}: {:?}", run.await.unwrap().map(|status| status.code()));
    }
    watched.end().await
}
