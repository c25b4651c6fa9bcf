//! The floor: a bare loop of vectored writes of the same bytes to the sink, and the answers read and counted.
//!
//! **Why.** It is what the kernel and the sink leave of the machine to any client: "of the floor: 80 %" says how much a
//! client adds. Its batches are complete before it begins, so a record costs it nothing; a request costs a header and a
//! checksum of forty bytes. They are true all the same: consecutive sequences, right checksums (the sink's `--verify`).
//!
//! **With a codec** it is the bare encoder too: each batch is compressed anew right before it is written, by the very function
//! that facteur calls and at facteur's default level. So it says how much of facteur's CPU time no client around that encoder
//! could save. It has one thread, and facteur compresses in several: CPU compares, records per second do not.
//!
//! Neighbours: [`batches`] builds the bytes. Not here: appending, topics, keys, lingering, retries, compression in parallel; the
//! arena leaves the floor out where keys, topics or tasks matter.

#[path = "../batches.rs"]
mod batches;

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use facteur::ProducerConfig;
use facteur::config::Compression;
use facteur_peers::{Client, Options, Outcome, Tally, Timed, Work, serve};
use tokio::runtime::Runtime;

use crate::batches::{Batch, Shape};

/// Requests in flight: what an idempotent client may have on a connection.
const WINDOW: usize = 5;
const ANSWER_BYTES: usize = 64 * 1024;

/// Produce v7 and InitProducerId v1: the newest without compact fields and tags.
const PRODUCE: (i16, i16) = (0, 7);
const INIT_PRODUCER_ID: (i16, i16) = (22, 1);

/// One connection, for one thread at a time.
struct Floor {
    connection: Mutex<Connection>,
}

struct Connection {
    stream: TcpStream,
    topic: String,
    codec: Compression,
    shape: Shape,
    producer_id: i64,
    producer_epoch: i16,
    /// What goes into a batch, ready before the first is sent; sent in turn.
    bodies: Vec<Batch>,
    next_body: usize,
    /// The next sequence of each partition; they are filled in turn.
    sequences: Vec<i32>,
    next_partition: usize,
    correlation_id: i32,
    /// Correlation id and count of records of each request without an answer.
    in_flight: VecDeque<(i32, u64)>,
    answers: Vec<u8>,
    filled: usize,
}

impl Connection {
    fn open(options: &Options) -> Outcome<Self> {
        let stream = TcpStream::connect(&*options.bootstrap)?;
        stream.set_nodelay(true)?;
        let batch_bytes = if options.is_own_best { 131_072 } else { options.batch_bytes };
        let codec = codec(options)?;
        let shape = Shape::with_codec(&options.values, batch_bytes, codec)?;
        // As many as it takes until the values come again.
        let count = options.values.len().div_ceil(shape.records).max(WINDOW + 1);
        let bodies = (0..count)
            .map(|body| shape.batch(&options.values, body * shape.records))
            .collect::<Outcome<_>>()?;
        let mut connection = Self {
            stream,
            topic: options.topics[0].clone(),
            codec,
            shape,
            producer_id: -1,
            producer_epoch: -1,
            bodies,
            next_body: 0,
            sequences: vec![0; options.partitions],
            next_partition: 0,
            correlation_id: 0,
            in_flight: VecDeque::with_capacity(WINDOW),
            answers: vec![0; ANSWER_BYTES],
            filled: 0,
        };
        connection.init_producer_id()?;
        Ok(connection)
    }

    fn init_producer_id(&mut self) -> Outcome<()> {
        let mut request = self.request(INIT_PRODUCER_ID);
        request.extend_from_slice(&(-1_i16).to_be_bytes());
        request.extend_from_slice(&60_000_i32.to_be_bytes());
        finish(&mut request, 0)?;
        self.stream.write_all(&request)?;
        // Size, correlation id, throttle time, error code, producer id, epoch.
        let mut answer = [0; 4 + 4 + 4 + 2 + 8 + 2];
        self.stream.read_exact(&mut answer)?;
        let mut rest = &answer[12..];
        let error = i16::from_be_bytes(take(&mut rest)?);
        if error != 0 {
            return Err(format!("InitProducerId was answered by error {error}").into());
        }
        self.producer_id = i64::from_be_bytes(take(&mut rest)?);
        self.producer_epoch = i16::from_be_bytes(take(&mut rest)?);
        Ok(())
    }

    /// A request's begin, with room for its size.
    fn request(&mut self, (api, version): (i16, i16)) -> Vec<u8> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let mut request = vec![0; 4];
        request.extend_from_slice(&api.to_be_bytes());
        request.extend_from_slice(&version.to_be_bytes());
        request.extend_from_slice(&self.correlation_id.to_be_bytes());
        request.extend_from_slice(&5_i16.to_be_bytes());
        request.extend_from_slice(b"floor");
        request
    }

    /// Everything of a Produce request but the body.
    fn produce(&mut self, body: &Batch) -> Outcome<Vec<u8>> {
        let header = body.header(&self.shape, self.producer(), self.sequences[self.next_partition])?;
        self.produce_with(&header, body.records, body.bytes.len())
    }

    /// The same for a batch that has its header.
    fn produce_with(&mut self, header: &[u8], records: i32, body_bytes: usize) -> Outcome<Vec<u8>> {
        let mut request = self.request(PRODUCE);
        request.extend_from_slice(&(-1_i16).to_be_bytes());
        request.extend_from_slice(&(-1_i16).to_be_bytes());
        request.extend_from_slice(&30_000_i32.to_be_bytes());
        request.extend_from_slice(&1_i32.to_be_bytes());
        request.extend_from_slice(&i16::try_from(self.topic.len())?.to_be_bytes());
        request.extend_from_slice(self.topic.as_bytes());
        request.extend_from_slice(&1_i32.to_be_bytes());
        request.extend_from_slice(&i32::try_from(self.next_partition)?.to_be_bytes());
        request.extend_from_slice(&i32::try_from(header.len() + body_bytes)?.to_be_bytes());
        request.extend_from_slice(header);
        finish(&mut request, body_bytes)?;
        let sequence = &mut self.sequences[self.next_partition];
        *sequence = sequence.wrapping_add(records) & i32::MAX;
        self.next_partition = (self.next_partition + 1) % self.sequences.len();
        Ok(request)
    }

    fn producer(&self) -> (i64, i16) {
        (self.producer_id, self.producer_epoch)
    }

    /// [`Self::send`] with a codec: each batch is written while what came out of the encoder is still in the cache.
    fn send_compressed(&mut self, work: &mut Work, mut records: u64, tally: &Tally) -> Outcome<()> {
        while records > 0 {
            let last = if records < self.shape.records as u64 { Some(smaller(work, records)?) } else { None };
            let body = last.as_ref().unwrap_or(&self.bodies[self.next_body]);
            let count = body.records;
            let sequence = self.sequences[self.next_partition];
            let (header, packed) = body.packed(self.codec, self.producer(), sequence)?;
            let head = self.produce_with(&header, count, packed.len())?;
            write_all(&self.stream, &mut [IoSlice::new(&head), IoSlice::new(&packed)])?;
            self.next_body = (self.next_body + usize::from(last.is_none())) % self.bodies.len();
            let count = u64::from(count.unsigned_abs());
            self.in_flight.push_back((self.correlation_id, count));
            records -= count;
            if self.in_flight.len() == WINDOW {
                self.hear(tally)?;
            }
        }
        Ok(())
    }

    /// Sends as many records, whole batches of them and then a smaller one.
    fn send(&mut self, work: &mut Work, mut records: u64, tally: &Tally) -> Outcome<()> {
        while records > 0 {
            let mut heads = Vec::with_capacity(WINDOW);
            let mut last = None;
            let from = self.next_body;
            while records > 0 && self.in_flight.len() + heads.len() < WINDOW && last.is_none() {
                let whole = records >= self.shape.records as u64;
                if !whole {
                    last = Some(smaller(work, records)?);
                }
                let at = (from + heads.len()) % self.bodies.len();
                // Taken out for a moment, because a head needs all of the connection.
                let body = last.take().unwrap_or_else(|| std::mem::take(&mut self.bodies[at]));
                let (head, count) = (self.produce(&body)?, u64::from(body.records.unsigned_abs()));
                heads.push((self.correlation_id, count, head));
                records -= count;
                if whole { self.bodies[at] = body } else { last = Some(body) }
            }
            self.write(from, &heads, last.as_ref())?;
            let whole = heads.len() - usize::from(last.is_some());
            self.next_body = (from + whole) % self.bodies.len();
            self.in_flight.extend(heads.into_iter().map(|(id, records, _)| (id, records)));
            if self.in_flight.len() == WINDOW {
                self.hear(tally)?;
            }
        }
        Ok(())
    }

    /// One vectored write, if the kernel takes all.
    fn write(&mut self, from: usize, heads: &[(i32, u64, Vec<u8>)], last: Option<&Batch>) -> io::Result<()> {
        let mut slices = Vec::with_capacity(2 * heads.len());
        for (place, (_, _, head)) in heads.iter().enumerate() {
            let body = match last {
                Some(last) if place + 1 == heads.len() => last,
                _ => &self.bodies[(from + place) % self.bodies.len()],
            };
            slices.extend([IoSlice::new(head), IoSlice::new(&body.bytes)]);
        }
        write_all(&self.stream, &mut slices)
    }

    /// Reads once and counts what was answered.
    fn hear(&mut self, tally: &Tally) -> Outcome<()> {
        let read = self.stream.read(&mut self.answers[self.filled..])?;
        if read == 0 {
            return Err("the sink closed the connection".into());
        }
        self.filled += read;
        let mut rest = &self.answers[..self.filled];
        while let Some(prefix) = rest.first_chunk::<4>() {
            let size = u32::from_be_bytes(*prefix) as usize;
            let Some(answer) = rest.get(4..4 + size) else { break };
            let (id, records) = self.in_flight.pop_front().ok_or("an answer to nothing")?;
            let error = error_of(answer, id, self.topic.len())?;
            if error != 0 {
                return Err(format!("a batch was answered by error {error}").into());
            }
            tally.count_many(records, 0);
            rest = &rest[4 + size..];
        }
        let left = rest.len();
        self.answers.copy_within(self.filled - left..self.filled, 0);
        self.filled = left;
        Ok(())
    }
}

/// facteur's, at its default level.
fn codec(options: &Options) -> Outcome<Compression> {
    let config = ProducerConfig::builder(&options.bootstrap).property("compression.type", &options.codec);
    Ok(config.build()?.compression)
}

/// The batch that ends a round.
fn smaller(work: &mut Work, records: u64) -> Outcome<Batch> {
    let values: Vec<Vec<u8>> = (0..records).map(|_| work.next().value.to_vec()).collect();
    Batch::of(values.iter().map(Vec::as_slice))
}

fn write_all(mut stream: &TcpStream, mut rest: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !rest.is_empty() {
        let written = stream.write_vectored(rest)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut rest, written);
    }
    Ok(())
}

/// The error code of the one partition in an answer, which must be the oldest request's.
fn error_of(mut answer: &[u8], id: i32, topic_bytes: usize) -> Outcome<i16> {
    let answered = i32::from_be_bytes(take(&mut answer)?);
    if answered != id {
        return Err(format!("request {id} was next, and {answered} was answered").into());
    }
    // One topic, its name, one partition, its number.
    let mut rest = answer.get(4 + 2 + topic_bytes + 4 + 4..).ok_or("an answer that is cut short")?;
    Ok(i16::from_be_bytes(take(&mut rest)?))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Outcome<[u8; N]> {
    let (field, after) = rest.split_first_chunk::<N>().ok_or("an answer that is cut short")?;
    *rest = after;
    Ok(*field)
}

/// Writes a request's size; `more` bytes follow it.
fn finish(request: &mut [u8], more: usize) -> Outcome<()> {
    let size = i32::try_from(request.len() - 4 + more)?;
    request[..4].copy_from_slice(&size.to_be_bytes());
    Ok(())
}

impl Client for Floor {
    fn send(&self, work: &mut Work, records: u64, tally: &Arc<Tally>) -> Outcome<()> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        match connection.codec {
            Compression::None => connection.send(work, records, tally),
            _ => connection.send_compressed(work, records, tally),
        }
    }

    fn send_timed(&self, _: &mut Work, _: usize, _: &Arc<Timed>) -> Outcome<()> {
        Err("the floor has no rate".into())
    }

    async fn one_by_one(&self, _: &mut Work, _: u64, _: &Arc<Tally>) -> Outcome<()> {
        Err("the floor has no tasks".into())
    }

    fn runtime(&self) -> Outcome<&Runtime> {
        Err("the floor has no tasks".into())
    }

    fn flush(&self, tally: &Arc<Tally>) -> Outcome<()> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        while !connection.in_flight.is_empty() {
            connection.hear(tally)?;
        }
        Ok(())
    }
}

fn main() -> Outcome<()> {
    let options = Options::from_arguments()?;
    let wrong = [
        (options.tasks > 0, "tasks="),
        (options.topics.len() > 1, "topics="),
        (!options.keys.is_empty(), "keys="),
    ];
    if let Some((_, name)) = wrong.iter().find(|(is_wrong, _)| *is_wrong) {
        return Err(format!("{name}: the floor has none").into());
    }
    let connection = Mutex::new(Connection::open(&options)?);
    let name = match options.codec.as_str() {
        "none" => "the floor: bare vectored writes",
        _ => "the floor: bare encoder and vectored writes",
    };
    serve(name, &options, Floor { connection })
}
