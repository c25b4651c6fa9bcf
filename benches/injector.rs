//! What the fault injector itself costs: delay and throughput on loopback, beside a direct connection in the same run.
//!
//! ```text
//! cargo bench --bench injector                      everything, five rounds each, medians
//! cargo bench --bench injector -- --rounds=9        more rounds
//!     --max-us=100   exit 1 if the injector adds more to a round trip at the median
//!     --min-mb=500   exit 1 if it carries fewer megabytes a second, plain or in Kafka mode
//! cargo test --benches                              the short form: a smoke test
//! ```
//!
//! Delay: 64 bytes there and back, one at a time, through a proxy of bytes and through one that speaks Kafka; a round trip
//! passes the injector twice. Throughput: one connection, 1 MiB frames; in Kafka mode Produce requests one way (acks=0) and
//! Fetch answers the other, which the Kafka half cuts into frames. Ends are blocking threads, the injector has a tokio
//! runtime with a thread per core, as in the lab. See `docs/performance.md`.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::cast_precision_loss,
    reason = "a program that measures with the real clock and prints"
)]

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use facteur::chaos::definition::Protocol;
use facteur::chaos::view::NewProxy;
use facteur::chaos::{Injector, InjectorOptions};
use tokio::runtime::Runtime;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const PING_BYTES: usize = 64;
const FRAME_BYTES: usize = 1024 * 1024;

#[derive(Debug)]
struct Options {
    rounds: usize,
    pings: usize,
    frames: usize,
    max_us: Option<f64>,
    min_mb: Option<f64>,
}

/// What a connection carries.
#[derive(Debug, Clone, Copy)]
enum Load {
    /// Frames that are no Kafka, to the server.
    Bytes,
    /// Produce requests without answers, to the server.
    Produce,
    /// Answers to Fetch requests, to the client.
    Fetch,
}

fn main() -> ExitCode {
    match options().and_then(|options| measure(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("injector bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Outcome<Options> {
    // `cargo bench` passes --bench; without it this is `cargo test`.
    let is_long = std::env::args().any(|argument| argument == "--bench");
    let mut options = if is_long {
        Options { rounds: 5, pings: 20_000, frames: 2048, max_us: None, min_mb: None }
    } else {
        Options { rounds: 1, pings: 200, frames: 16, max_us: None, min_mb: None }
    };
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            Some(("--rounds", value)) => options.rounds = value.parse()?,
            Some(("--max-us", value)) => options.max_us = Some(value.parse()?),
            Some(("--min-mb", value)) => options.min_mb = Some(value.parse()?),
            Some(_) => return Err(format!("unknown option {argument}").into()),
            None => {}
        }
    }
    Ok(options)
}

/// Prints the table; whether the limits held.
fn measure(options: &Options) -> Outcome<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let direct = medians(options, |options| ping(options, None, &runtime))?;
    let plain = medians(options, |options| ping(options, Some(Protocol::Tcp), &runtime))?;
    let kafka = medians(options, |options| ping(options, Some(Protocol::Kafka), &runtime))?;
    println!("round trip of {PING_BYTES} bytes, median of {} rounds of {}:", options.rounds, options.pings);
    println!("  direct        {direct:8.1} us");
    println!("  plain proxy   {plain:8.1} us   adds {:.1} us", plain - direct);
    println!("  Kafka proxy   {kafka:8.1} us   adds {:.1} us", kafka - direct);
    let mut holds = options.max_us.is_none_or(|most| plain - direct <= most && kafka - direct <= most);
    println!("throughput of 1 MiB frames, median of {} rounds of {} MiB:", options.rounds, options.frames);
    for (load, protocol) in
        [(Load::Bytes, Protocol::Tcp), (Load::Produce, Protocol::Kafka), (Load::Fetch, Protocol::Kafka)]
    {
        let straight = medians(options, |options| carry(options, load, None, &runtime))?;
        let through = medians(options, |options| carry(options, load, Some(protocol), &runtime))?;
        let share = through / straight;
        println!(
            "  {:<8} direct {straight:7.0} MB/s   proxy {through:7.0} MB/s   {share:.2} of it",
            format!("{load:?}")
        );
        holds &= options.min_mb.is_none_or(|least| through >= least);
    }
    Ok(holds)
}

fn medians(options: &Options, mut one: impl FnMut(&Options) -> Outcome<f64>) -> Outcome<f64> {
    let mut found = Vec::new();
    for _ in 0..options.rounds.max(1) {
        found.push(one(options)?);
    }
    Ok(median(&mut found))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The address to dial for a server: itself, or a new proxy in front of it, and the injector that must live as long.
fn door(server: SocketAddr, proxy: Option<Protocol>, runtime: &Runtime) -> Outcome<(SocketAddr, Injector)> {
    let injector = Injector::new(InjectorOptions::default());
    let Some(protocol) = proxy else { return Ok((server, injector)) };
    let wanted = NewProxy { protocol, ..NewProxy::new("bench", "127.0.0.1:0", server.to_string()) };
    let view = runtime.block_on(injector.create(wanted))?.value;
    Ok((view.listen.parse()?, injector))
}

/// The median round trip, in microseconds.
fn ping(options: &Options, proxy: Option<Protocol>, runtime: &Runtime) -> Outcome<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, injector) = door(listener.local_addr()?, proxy, runtime)?;
    let echo = thread::spawn(move || -> Outcome<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut bytes = [0; PING_BYTES];
        while stream.read_exact(&mut bytes).is_ok() {
            stream.write_all(&bytes)?;
        }
        Ok(())
    });
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut times = Vec::with_capacity(options.pings);
    let request = ping_request();
    let mut answer = [0; PING_BYTES];
    for _ in 0..options.pings {
        let began = Instant::now();
        stream.write_all(&request)?;
        stream.read_exact(&mut answer)?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    drop(stream);
    echo.join().map_err(|_| "the echo thread panicked")??;
    runtime.block_on(injector.stop());
    Ok(median(&mut times))
}

/// A Heartbeat request (API 12): no addresses in its answer, so that an echo of it, whose first field after the length is
/// its correlation id, is a good one: the id is made of the request's key and version.
fn ping_request() -> [u8; PING_BYTES] {
    let mut frame = [0; PING_BYTES];
    let body = u32::try_from(PING_BYTES - 4).unwrap_or(0);
    frame[..4].copy_from_slice(&body.to_be_bytes());
    frame[4..8].copy_from_slice(&[0, 12, 0, 0]);
    frame[8..12].copy_from_slice(&[0, 12, 0, 0]);
    frame
}

/// Megabytes a second over one connection.
fn carry(options: &Options, load: Load, proxy: Option<Protocol>, runtime: &Runtime) -> Outcome<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, injector) = door(listener.local_addr()?, proxy, runtime)?;
    let frames = options.frames;
    let server = thread::spawn(move || -> Outcome<()> {
        let (mut stream, _) = listener.accept()?;
        match load {
            Load::Bytes | Load::Produce => swallow(&mut stream, frames * load_frame(load).len())?,
            Load::Fetch => answer_fetches(&mut stream, frames)?,
        }
        Ok(())
    });
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let frame = load_frame(load);
    let began = Instant::now();
    match load {
        Load::Bytes | Load::Produce => {
            for _ in 0..frames {
                stream.write_all(&frame)?;
            }
            // The server closes when it has everything.
            let _end = stream.read(&mut [0; 4]);
        }
        Load::Fetch => {
            for correlation_id in 0..frames {
                stream.write_all(&fetch_request(u32::try_from(correlation_id)?))?;
                swallow(&mut stream, FRAME_BYTES)?;
            }
        }
    }
    let took = began.elapsed();
    drop(stream);
    server.join().map_err(|_| "the server thread panicked")??;
    runtime.block_on(injector.stop());
    let bytes = frames * if matches!(load, Load::Fetch) { FRAME_BYTES } else { frame.len() };
    Ok(bytes as f64 / took.as_secs_f64() / 1e6)
}

/// One frame of a load to the server.
fn load_frame(load: Load) -> Vec<u8> {
    match load {
        // Longer than any Kafka frame may be, so nobody takes it for one.
        Load::Bytes | Load::Fetch => vec![0xff; FRAME_BYTES],
        Load::Produce => {
            let mut body = vec![0, 0, 0, 7, 0, 0, 0, 1, 0, 1, b'b'];
            // No transaction, acks 0, 1 s; one topic "t", one partition 0, its records.
            body.extend([0xff, 0xff, 0, 0, 0, 0, 3, 0xe8, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0]);
            let records = FRAME_BYTES - 4 - body.len() - 4;
            body.extend(u32::try_from(records).unwrap_or(0).to_be_bytes());
            body.resize(FRAME_BYTES - 4, 1);
            framed(&body)
        }
    }
}

/// Fetch v4 of no topics.
fn fetch_request(correlation_id: u32) -> Vec<u8> {
    let mut body = vec![0, 1, 0, 4];
    body.extend(correlation_id.to_be_bytes());
    body.extend([0, 1, b'b', 0xff, 0xff, 0xff, 0xff]);
    body.extend([0, 0, 0, 0, 0, 0, 0, 1, 0, 0x10, 0, 0, 0, 0, 0, 0, 0]);
    framed(&body)
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len()).unwrap_or(0).to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

fn answer_fetches(stream: &mut TcpStream, frames: usize) -> Outcome<()> {
    let mut request = vec![0; fetch_request(0).len()];
    for _ in 0..frames {
        stream.read_exact(&mut request)?;
        let mut body = request.get(8..12).unwrap_or_default().to_vec();
        body.resize(FRAME_BYTES - 4, 2);
        stream.write_all(&framed(&body))?;
    }
    Ok(())
}

fn swallow(stream: &mut TcpStream, bytes: usize) -> Outcome<()> {
    let mut buffer = vec![0; 256 * 1024];
    let mut left = bytes;
    while left > 0 {
        let most = left.min(buffer.len());
        let length = stream.read(buffer.get_mut(..most).unwrap_or_default())?;
        if length == 0 {
            return Err(format!("the connection ended {left} bytes early").into());
        }
        left -= length;
    }
    Ok(())
}
