//! A broker that throws everything away, as cheaply as it can.
//!
//! **Why not the embedded broker.** It keeps what it gets, checks it and runs on tokio: it would take the second core
//! from the client and be measured with it. This one reads big, looks at 61 bytes per batch and answers. It shares no
//! code with the client, so it is a second opinion of the frames too: with `--verify` it checks checksums and sequences.
//!
//! Not here: anything a real broker decides. One topic name is as good as another; every partition is led by node 0.

use std::collections::BTreeMap;
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

const READ_BYTES: usize = 256 * 1024;
const MAX_FRAME_BYTES: usize = 128 * 1024 * 1024;
const HEADER_BYTES: usize = 61;

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;
const INIT_PRODUCER_ID: i16 = 22;

/// What the sink speaks: key, lowest, highest, first flexible version.
const APIS: [(i16, i16, i16, i16); 4] =
    [(PRODUCE, 3, 12, 9), (METADATA, 1, 12, 9), (API_VERSIONS, 0, 4, 3), (INIT_PRODUCER_ID, 0, 4, 2)];

/// What the sink says that it speaks beside that, though no producer asks for it: lowest and highest version of Fetch and
/// `FindCoordinator`. librdkafka tells a broker's age by them: without Fetch v4 it writes the message sets of before batches
/// (and is not idempotent), without v10 no zstd, without `FindCoordinator` no lz4, all in silence.
const CLAIMED_APIS: [(i16, i16, i16); 2] = [(1, 0, 11), (10, 0, 2)];

/// Where a batch has the number of its format, and the only format that is taken.
const MAGIC_AT: usize = 16;
const MAGIC: u8 = 2;

/// How the sink behaves.
#[derive(Debug, Clone, Copy)]
pub struct SinkOptions {
    /// Of every topic.
    pub partitions: i32,
    /// Check each batch's CRC and sequence.
    pub verify: bool,
    /// Each answer is held for so long, as if the broker were further away.
    pub rtt: Duration,
}

/// Where the next batch of a producer belongs, by producer id, topic and partition.
type NextSequences = BTreeMap<(i64, Vec<u8>, i32), i32>;

#[derive(Debug)]
struct Sink {
    options: SinkOptions,
    address: SocketAddr,
    records: AtomicU64,
    bytes: AtomicU64,
    batches: AtomicU64,
    requests: AtomicU64,
    violations: AtomicU64,
    next_producer_id: AtomicU64,
    offsets: Vec<AtomicU64>,
    sequences: Mutex<NextSequences>,
}

/// Serves until stdin ends. Each line on stdin is answered with the totals: records, bytes, batches, requests and
/// violations.
///
/// # Errors
///
/// The listener or stdio.
pub fn run(address: &str, options: SinkOptions) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    let sink = Arc::new(Sink::new(options, listener.local_addr()?));
    println!("{}", sink.address);
    let acceptor = Arc::clone(&sink);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let sink = Arc::clone(&acceptor);
            std::thread::spawn(move || {
                if let Err(error) = stream.and_then(|stream| sink.serve(stream)) {
                    eprintln!("sink: {error}");
                }
            });
        }
    });
    for line in io::stdin().lock().lines() {
        line?;
        let [records, bytes, batches, requests, violations] =
            [&sink.records, &sink.bytes, &sink.batches, &sink.requests, &sink.violations]
                .map(|counter| counter.load(Ordering::Relaxed));
        println!("{records} {bytes} {batches} {requests} {violations}");
    }
    Ok(())
}

/// The sink without a socket: what it answers to a frame.
#[allow(dead_code, reason = "only `instructions` needs it")]
#[derive(Debug)]
pub struct Answers(Sink);

#[allow(dead_code, reason = "only `instructions` needs it")]
impl Answers {
    /// A sink at an address that nobody dials.
    #[must_use]
    pub fn new(options: SinkOptions, address: SocketAddr) -> Self {
        Self(Sink::new(options, address))
    }

    /// The answer to a frame, both without their length prefix; empty if none is wanted.
    ///
    /// # Errors
    ///
    /// The frame is not what the sink speaks.
    pub fn to(&self, frame: &[u8]) -> io::Result<Vec<u8>> {
        let mut answers = Vec::new();
        self.0.answer(frame, &mut answers)?;
        answers.drain(..4.min(answers.len()));
        Ok(answers)
    }
}

/// A thread that writes each answer when its time has come, in order.
fn answer_later(mut stream: TcpStream) -> mpsc::Sender<(Instant, Vec<u8>)> {
    let (later, answers) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        for (due, answer) in answers {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    });
    later
}

impl Sink {
    fn new(options: SinkOptions, address: SocketAddr) -> Self {
        Self {
            options,
            address,
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            violations: AtomicU64::new(0),
            next_producer_id: AtomicU64::new(1000),
            offsets: (0..options.partitions).map(|_| AtomicU64::new(0)).collect(),
            sequences: Mutex::new(BTreeMap::new()),
        }
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut buffer = vec![0; READ_BYTES];
        let mut answers = Vec::new();
        let mut filled = 0;
        let delayed = match self.options.rtt {
            Duration::ZERO => None,
            _ => Some(answer_later(stream.try_clone()?)),
        };
        loop {
            let read = match stream.read(&mut buffer[filled..]) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            filled += read;
            let mut from = 0;
            let mut needed = 4;
            while let Some(prefix) = buffer[from..filled].first_chunk::<4>() {
                let size = u32::from_be_bytes(*prefix) as usize;
                if size > MAX_FRAME_BYTES {
                    return Err(bad("a frame that is too large"));
                }
                needed = 4 + size;
                if filled - from < needed {
                    break;
                }
                self.answer(&buffer[from + 4..from + needed], &mut answers)?;
                from += needed;
                needed = 4;
            }
            match &delayed {
                _ if answers.is_empty() => {}
                None => {
                    stream.write_all(&answers)?;
                    answers.clear();
                }
                // Gone only after the client is.
                Some(later) => {
                    drop(later.send((Instant::now() + self.options.rtt, std::mem::take(&mut answers))));
                }
            }
            buffer.copy_within(from..filled, 0);
            filled -= from;
            if buffer.len() < needed.max(filled + READ_BYTES / 4) {
                buffer.resize(needed.max(filled + READ_BYTES), 0);
            }
        }
    }

    fn answer(&self, frame: &[u8], answers: &mut Vec<u8>) -> io::Result<()> {
        let mut request = Fields { rest: frame, is_flexible: false };
        let (api, version, correlation_id) = (request.i16()?, request.i16()?, request.i32()?);
        let (_, _, highest, first_flexible) = *APIS
            .iter()
            .find(|(key, ..)| *key == api)
            .ok_or_else(|| bad("an API that the sink does not speak"))?;
        let is_flexible = version >= first_flexible;
        let client_id = request.i16()?;
        request.skip(usize::try_from(client_id).unwrap_or(0))?;
        request.is_flexible = is_flexible;
        request.tags()?;
        let start = answers.len();
        answers.extend_from_slice(&[0; 4]);
        let mut answer = Answer { bytes: answers, is_flexible };
        answer.i32(correlation_id);
        if api != API_VERSIONS {
            answer.no_tags();
        }
        match api {
            API_VERSIONS => api_versions(&mut answer, version, highest),
            METADATA => self.metadata(&mut request, &mut answer, version)?,
            INIT_PRODUCER_ID => {
                answer.i32(0);
                answer.i16(0);
                let id = self.next_producer_id.fetch_add(1, Ordering::Relaxed);
                answer.bytes.extend_from_slice(&id.to_be_bytes());
                answer.i16(0);
                answer.no_tags();
            }
            _ => {
                if !self.produce(&mut request, &mut answer, version)? {
                    answers.truncate(start);
                    return Ok(());
                }
            }
        }
        let size =
            u32::try_from(answers.len() - start - 4).map_err(|_| bad("an answer that is too large"))?;
        answers[start..start + 4].copy_from_slice(&size.to_be_bytes());
        Ok(())
    }

    fn metadata(&self, request: &mut Fields<'_>, answer: &mut Answer<'_>, version: i16) -> io::Result<()> {
        let mut topics = Vec::new();
        for _ in 0..request.length()?.unwrap_or(0) {
            if version >= 10 {
                request.skip(16)?;
            }
            topics.push(request.text()?);
            request.tags()?;
        }
        if version >= 3 {
            answer.i32(0);
        }
        answer.length(1);
        answer.i32(0);
        answer.text(self.address.ip().to_string().as_bytes());
        answer.i32(i32::from(self.address.port()));
        answer.null();
        answer.no_tags();
        if version >= 2 {
            answer.text(b"sink");
        }
        answer.i32(0);
        answer.length(topics.len());
        for topic in topics {
            answer.i16(0);
            answer.text(topic);
            if version >= 10 {
                answer.bytes.extend_from_slice(&[0; 16]);
            }
            answer.bytes.push(0);
            answer.length(self.offsets.len());
            for partition in 0..self.options.partitions {
                answer.i16(0);
                answer.i32(partition);
                answer.i32(0);
                if version >= 7 {
                    answer.i32(0);
                }
                for nodes in [1, 1, 0].into_iter().take(if version >= 5 { 3 } else { 2 }) {
                    answer.length(nodes);
                    (0..nodes).for_each(|_| answer.i32(0));
                }
                answer.no_tags();
            }
            if version >= 8 {
                answer.i32(i32::MIN);
            }
            answer.no_tags();
        }
        if (8..=10).contains(&version) {
            answer.i32(i32::MIN);
        }
        answer.no_tags();
        Ok(())
    }

    /// True if the request wants an answer.
    fn produce(&self, request: &mut Fields<'_>, answer: &mut Answer<'_>, version: i16) -> io::Result<bool> {
        request.text()?;
        let acks = request.i16()?;
        request.skip(4)?;
        let topics = request.length()?.unwrap_or(0);
        answer.length(topics);
        for _ in 0..topics {
            let topic = request.text()?;
            answer.text(topic);
            let partitions = request.length()?.unwrap_or(0);
            answer.length(partitions);
            for _ in 0..partitions {
                let partition = request.i32()?;
                let size = request.bytes_length()?;
                let batch = request.skip(size)?;
                request.tags()?;
                let base = self.count((topic, partition), batch)?;
                answer.i32(partition);
                answer.i16(0);
                answer.bytes.extend_from_slice(&base.to_be_bytes());
                answer.bytes.extend_from_slice(&(-1_i64).to_be_bytes());
                if version >= 5 {
                    answer.bytes.extend_from_slice(&0_i64.to_be_bytes());
                }
                if version >= 8 {
                    answer.length(0);
                    answer.null();
                }
                answer.no_tags();
            }
            request.tags()?;
            answer.no_tags();
        }
        answer.i32(0);
        answer.no_tags();
        self.requests.fetch_add(1, Ordering::Relaxed);
        Ok(acks != 0)
    }

    /// Counts a batch: its base offset.
    fn count(&self, (topic, partition): (&[u8], i32), batch: &[u8]) -> io::Result<u64> {
        let header = batch.first_chunk::<HEADER_BYTES>().ok_or_else(|| bad("a batch without a header"))?;
        if header[MAGIC_AT] != MAGIC {
            return Err(bad("records in an old format, not a batch"));
        }
        let mut fields = Fields { rest: &header[57..], is_flexible: false };
        let records = u64::try_from(fields.i32()?).map_err(|_| bad("a negative count of records"))?;
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(batch.len() as u64, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        if self.options.verify {
            self.verify((topic, partition), batch, header)?;
        }
        let offset = usize::try_from(partition).ok().and_then(|index| self.offsets.get(index));
        Ok(offset.ok_or_else(|| bad("an unknown partition"))?.fetch_add(records, Ordering::Relaxed))
    }

    fn verify(
        &self,
        (topic, partition): (&[u8], i32),
        batch: &[u8],
        header: &[u8; HEADER_BYTES],
    ) -> io::Result<()> {
        let mut fields = Fields { rest: &header[17..], is_flexible: false };
        let crc = fields.i32()?.cast_unsigned();
        if crc32c::crc32c(&batch[21..]) != crc {
            self.violation("a wrong checksum", partition);
        }
        let mut fields = Fields { rest: &header[43..], is_flexible: false };
        let producer_id = fields.i64()?;
        fields.i16()?;
        let (sequence, records) = (fields.i32()?, fields.i32()?);
        if producer_id >= 0 {
            let mut sequences = self.sequences.lock().unwrap_or_else(PoisonError::into_inner);
            let next = sequences.entry((producer_id, topic.to_vec(), partition)).or_insert(0);
            if *next != sequence {
                self.violation("a sequence out of order", partition);
            }
            *next = (sequence.wrapping_add(records)) & i32::MAX;
        }
        Ok(())
    }

    fn violation(&self, what: &str, partition: i32) {
        self.violations.fetch_add(1, Ordering::Relaxed);
        eprintln!("sink: {what} in partition {partition}");
    }
}

fn api_versions(answer: &mut Answer<'_>, version: i16, highest: i16) {
    let is_known = version <= highest;
    answer.is_flexible &= is_known;
    answer.i16(if is_known { 0 } else { 35 });
    answer.length(APIS.len() + CLAIMED_APIS.len());
    let spoken = APIS.map(|(key, min, max, _)| (key, min, max));
    for (key, min, max) in spoken.into_iter().chain(CLAIMED_APIS) {
        answer.i16(key);
        answer.i16(min);
        answer.i16(max);
        answer.no_tags();
    }
    if is_known && version >= 1 {
        answer.i32(0);
    }
    answer.no_tags();
}

fn bad(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("the client sent {what}"))
}

/// The rest of a request.
struct Fields<'a> {
    rest: &'a [u8],
    is_flexible: bool,
}

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (field, rest) =
            self.rest.split_first_chunk::<N>().ok_or_else(|| bad("a request that is cut short"))?;
        self.rest = rest;
        Ok(*field)
    }

    fn i16(&mut self) -> io::Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> io::Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> io::Result<i64> {
        self.array().map(i64::from_be_bytes)
    }

    fn skip(&mut self, bytes: usize) -> io::Result<&'a [u8]> {
        let (skipped, rest) =
            self.rest.split_at_checked(bytes).ok_or_else(|| bad("a request that is cut short"))?;
        self.rest = rest;
        Ok(skipped)
    }

    fn varint(&mut self) -> io::Result<u32> {
        let mut value = 0;
        for shift in (0..32).step_by(7) {
            let [byte] = self.array()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(bad("an endless varint"))
    }

    /// The count of an array.
    fn length(&mut self) -> io::Result<Option<usize>> {
        if self.is_flexible {
            return Ok((self.varint()? as usize).checked_sub(1));
        }
        Ok(usize::try_from(self.i32()?).ok())
    }

    fn bytes_length(&mut self) -> io::Result<usize> {
        self.length()?.ok_or_else(|| bad("no batch"))
    }

    fn text(&mut self) -> io::Result<&'a [u8]> {
        let length = if self.is_flexible {
            (self.varint()? as usize).saturating_sub(1)
        } else {
            usize::try_from(self.i16()?).unwrap_or(0)
        };
        self.skip(length)
    }

    fn tags(&mut self) -> io::Result<()> {
        if self.is_flexible {
            for _ in 0..self.varint()? {
                self.varint()?;
                let size = self.varint()? as usize;
                self.skip(size)?;
            }
        }
        Ok(())
    }
}

/// An answer that is written.
struct Answer<'a> {
    bytes: &'a mut Vec<u8>,
    is_flexible: bool,
}

impl Answer<'_> {
    fn i16(&mut self, value: i16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    fn varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.bytes.push(0x80 | u8::try_from(value & 0x7f).unwrap_or(0));
            value >>= 7;
        }
        self.bytes.push(u8::try_from(value).unwrap_or(0));
    }

    fn length(&mut self, length: usize) {
        if self.is_flexible {
            self.varint(length + 1);
        } else {
            self.i32(i32::try_from(length).unwrap_or(i32::MAX));
        }
    }

    fn text(&mut self, text: &[u8]) {
        if self.is_flexible {
            self.varint(text.len() + 1);
        } else {
            self.i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
        }
        self.bytes.extend_from_slice(text);
    }

    /// A string that is not there.
    fn null(&mut self) {
        if self.is_flexible {
            self.bytes.push(0);
        } else {
            self.i16(-1);
        }
    }

    fn no_tags(&mut self) {
        if self.is_flexible {
            self.bytes.push(0);
        }
    }
}
