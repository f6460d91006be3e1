//! Replication between a device and a server, step by step: ours, and PouchDB's.
//!
//! All take their turns at each step, so that a noisy minute of the machine meets them all.
//! Devices are programs of their own and are waited for, on the thread that runs `main`; the
//! relays that they go through run on the others.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::{events::Events, pouchdb::PouchDb, relay::Relay, results::Results, synced::Synced};

/// How often the steps are repeated that come after the first sync.
const REPEATS: usize = 5;

/// Documents a batch, beside PouchDB's default, which is a hundred.
const POUCHDB_BATCH: usize = 1_000;

/// Real events, below the folder of samples.
const FLIGHTS: &str = "nycflights.jsonl.zst";

/// What is replicated and by whom.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Events before the first sync.
    pub events: usize,
    /// The program `laterbase-server`.
    pub server: PathBuf,
    /// The program `laterbase`.
    pub device: PathBuf,
    /// The folder of PouchDB's packages; left out if there is none.
    pub pouchdb: Option<PathBuf>,
    /// The folder of real events.
    pub samples: PathBuf,
}

/// A device. The one that records is not the one that pulls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    Recording,
    Pulling,
}

/// Where events are to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Push,
    Pull,
    Both,
}

/// What a device did in one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub elapsed: Duration,
    /// Events that arrived on the other side, or here.
    pub events: u64,
    /// Requests by the device's own count, where it has one.
    pub requests: Option<u64>,
}

/// A server with devices of the same kind.
pub(crate) trait Peer {
    fn name(&self) -> &str;

    /// Where what crosses the socket is counted.
    fn relay(&self) -> &Relay;

    /// Records the events of a file on the device that records.
    fn record(&mut self, file: &Path) -> Result<()>;

    /// Replicates until there is nothing left to do. Whoever cannot go one way goes both.
    fn replicate(&mut self, device: Device, way: Way) -> Result<Step>;
}

/// Replicates everything that the plan asks for.
pub(crate) async fn run(plan: &Plan, results: &mut Results) -> Result<()> {
    let folder = TempDir::new()?;
    let made = Events::make(folder.path(), plan.events, REPEATS)?;
    replicate(plan, &made, results).await?;
    let samples = plan.samples.join(FLIGHTS);
    if !samples.is_file() {
        eprintln!("{} is not there: replicating real events is left out", samples.display());
        return Ok(());
    }
    let flights = Events::read(folder.path(), "flights", &samples, plan.events, REPEATS)?;
    replicate(plan, &flights, results).await
}

async fn replicate(plan: &Plan, events: &Events, results: &mut Results) -> Result<()> {
    let mut peers: Vec<Box<dyn Peer>> =
        vec![Box::new(Synced::start(&plan.server, &plan.device).await?)];
    if let Some(packages) = &plan.pouchdb {
        peers.push(Box::new(PouchDb::start(packages, None).await?));
        peers.push(Box::new(PouchDb::start(packages, Some(POUCHDB_BATCH)).await?));
    }
    eprintln!("replicating {} events ({})", events.first_count, events.data);
    let mut run = Run { peers, data: events.data, volume: events.first_count, results };
    run.all(|peer| peer.record(&events.first))?;
    run.step("first push", Device::Recording, Way::Push, events.first_count)?;
    // One way is done; what the other finds out for the first time is not the matter here.
    run.all(|peer| peer.replicate(Device::Recording, Way::Both).map(drop))?;
    run.step("first pull", Device::Pulling, Way::Pull, events.first_count)?;
    for _ in 0..REPEATS {
        run.step("nothing new", Device::Recording, Way::Both, 0)?;
    }
    for file in &events.later {
        run.all(|peer| peer.record(file))?;
        run.step("one new event", Device::Recording, Way::Both, 1)?;
    }
    Ok(())
}

struct Run<'r> {
    peers: Vec<Box<dyn Peer>>,
    data: &'static str,
    volume: usize,
    results: &'r mut Results,
}

impl Run<'_> {
    fn all(&mut self, mut work: impl FnMut(&mut dyn Peer) -> Result<()>) -> Result<()> {
        self.peers.iter_mut().try_for_each(|peer| work(&mut **peer))
    }

    /// One step of every peer, measured. Fails unless as many events moved as there were to move.
    fn step(&mut self, name: &str, device: Device, way: Way, events: usize) -> Result<()> {
        for peer in &mut self.peers {
            peer.relay().take();
            let done = peer.replicate(device, way)?;
            let traffic = peer.relay().take();
            let name = format!("replication {} {name}", self.data);
            ensure!(
                done.events == events as u64,
                "{}, {name}: {} events moved, not {events}",
                peer.name(),
                done.events
            );
            if let Some(requests) = done.requests {
                let counted = traffic.round_trips;
                ensure!(requests == counted, "{name}: {requests} requests, but {counted} seen");
            }
            self.results.add_step(&name, peer.name(), self.volume, done, traffic);
        }
        Ok(())
    }
}
