//! The first sync of a device with a server, beside a copy of the same pairs without Laterbase.
//!
//! *Raw copy* reads all pairs of the server's log and its other tables of the truth straight from
//! LMDB, sends them length-prefixed over HTTP on loopback, and inserts them into an empty LMDB,
//! one durable transaction for as many pairs as a page of ours has events at most.

use std::io::BufRead as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use laterbase_client::client::{Client, Compression};
use laterbase_client::device::{Device, DeviceOptions};
use laterbase_client::sync::{SyncOptions, SyncReport, sync};
use laterbase_client::transport::HttpTransport;
use laterbase_core::PreparedBatch;
use laterbase_core::fold::MergePatch;
use laterbase_core::id::RootName;
use laterbase_core::json::JsonEvent;
use laterbase_core::limits::BATCH_EVENTS_MAX;
use laterbase_core::replica::Replica;
use laterbase_server::{Server, ServerHandle};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::raw_copy;
use crate::results::{Cell, Results, Unit};
use crate::samples::{Samples, nanos};
use crate::{Engine, Events, NOW, folds, replica};

/// Times that everything is copied, in turns.
const ROUNDS: usize = 3;

/// Syncs a store of made events with an empty one, and one of real events (`flights`: one JSON
/// object a line, compressed with zstd) if there is such a file.
///
/// # Errors
/// If an engine, a replica or the network fails.
pub fn first_sync(volume: u64, flights: Option<&Path>, results: &mut Results) -> Result<()> {
    let folder = TempDir::new()?;
    let mut replica = open(folder.path());
    let mut events = Events::default();
    let mut left = usize::try_from(volume)?;
    while left > 0 {
        let count = left.min(BATCH_EVENTS_MAX);
        replica.append(&events.batch(count), NOW)?;
        left -= count;
    }
    measure("made", &folder, replica, results)?;
    let Some(file) = flights else { return Ok(()) };
    let folder = TempDir::new()?;
    let mut replica = open(folder.path());
    record(&mut replica, file, usize::try_from(volume)?)?;
    measure("flights", &folder, replica, results)
}

fn open(folder: &Path) -> Replica {
    replica(Engine::Lmdb.open_in(&folder.join("source")))
}

/// Writes events of a compressed file, one JSON object a line.
fn record(replica: &mut Replica, file: &Path, count: usize) -> Result<()> {
    let input = zstd::Decoder::new(std::fs::File::open(file)?)?;
    let mut batch: Option<PreparedBatch> = None;
    for line in std::io::BufReader::new(input).lines().take(count) {
        let line = line?;
        let event = JsonEvent::parse(line.as_bytes())?;
        let root: RootName = event.root().context("an event of no root")?.parse()?;
        if batch
            .as_ref()
            .is_some_and(|batch| *batch.root() != root || batch.len() == BATCH_EVENTS_MAX)
            && let Some(full) = batch.take()
        {
            replica.append(&full, NOW)?;
        }
        let batch = batch.get_or_insert_with(|| PreparedBatch::new(root, folds(), NOW));
        batch.push(&event.record())?;
    }
    if let Some(last) = batch {
        replica.append(&last, NOW)?;
    }
    Ok(())
}

/// Closes the source and copies it in every way.
fn measure(data: &str, folder: &TempDir, source: Replica, results: &mut Results) -> Result<()> {
    let count = source.reader().head();
    source.close()?;
    let path = folder.path().join("source");
    let runtime = Runtime::new()?;
    let [mut raw, mut pull, mut push] = [(); 3].map(|()| Samples::default());
    let [mut bytes_raw, mut bytes_pull] = [(); 2].map(|()| Samples::default());
    for _round in 0..ROUNDS {
        let copied = raw.time(|| runtime.block_on(raw_copy::copy(&path.join("truth"))))?;
        ensure!(copied.pairs >= count, "{} pairs for {count} events", copied.pairs);
        bytes_raw.push(copied.bytes);
        let pulled = pulled(&path, &runtime, &mut pull)?;
        ensure!(pulled.pulled == count, "{} of {count} events pulled", pulled.pulled);
        bytes_pull.push(pulled.bytes_received);
        let pushed = pushed(&path, &runtime, &mut push)?;
        ensure!(pushed.pushed == count, "{} of {count} events pushed", pushed.pushed);
    }
    let cell = |name: &str, subject: &str| Cell {
        name: format!("{name} {data}"),
        engine: Engine::Lmdb.name().to_owned(),
        subject: subject.to_owned(),
        volume: count,
        size: BATCH_EVENTS_MAX as u64,
        writers: 1,
    };
    let floor = Some("raw copy");
    for (subject, samples, floor) in
        [("raw copy", &raw, None), ("pull", &pull, floor), ("push", &push, floor)]
    {
        let events = count * ROUNDS as u64;
        results.add(cell("first sync", subject), Unit::Nanoseconds, samples, events, floor);
    }
    for (subject, samples, floor) in [("raw copy", &bytes_raw, None), ("pull", &bytes_pull, floor)]
    {
        results.add(cell("first sync bytes", subject), Unit::Bytes, samples, 0, floor);
    }
    Ok(())
}

/// An empty device pulls everything. The time ends when all of it is durable on the device.
fn pulled(source: &Path, runtime: &Runtime, samples: &mut Samples) -> Result<SyncReport> {
    let folder = TempDir::new()?;
    let listening = Listening::start(source)?;
    let report = transfer(folder.path(), &listening, runtime, samples);
    listening.stop()?;
    report
}

/// A device that holds everything pushes it to an empty server.
fn pushed(source: &Path, runtime: &Runtime, samples: &mut Samples) -> Result<SyncReport> {
    let folder = TempDir::new()?;
    let listening = Listening::start(folder.path())?;
    let report = transfer(source, &listening, runtime, samples);
    listening.stop()?;
    report
}

fn transfer(
    store: &Path,
    listening: &Listening,
    runtime: &Runtime,
    samples: &mut Samples,
) -> Result<SyncReport> {
    let device = Device::open(store, DeviceOptions::default())?;
    let url = format!("http://{}", listening.address).parse()?;
    // A raw copy does not compress either.
    let client = Client::new(url, HttpTransport::new()?).with_compression(Compression::Never);
    let start = Instant::now();
    let report = runtime.block_on(sync(&device, &client, &SyncOptions::default(), &mut |_| {}))?;
    samples.push(nanos(start.elapsed()));
    device.close()?;
    Ok(report)
}

/// A server on a thread of its own.
struct Listening {
    address: SocketAddr,
    handle: ServerHandle,
    thread: JoinHandle<Result<()>>,
}

impl Listening {
    fn start(store: &Path) -> Result<Self> {
        let server = Server::builder()
            .store(Engine::Lmdb.open_in(store))
            .fallback(Arc::new(MergePatch))
            .build()?;
        let handle = server.handle();
        let runtime = Runtime::new()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let thread = thread::spawn(move || Ok(runtime.block_on(server.serve(listener))?));
        Ok(Self { address, handle, thread })
    }

    fn stop(self) -> Result<()> {
        self.handle.stop();
        self.thread.join().expect("the server does not panic")
    }
}
