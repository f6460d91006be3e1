//! The experiments, each with its floor in the same run.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use laterbase_core::limits::FRONT_EVENTS_FLUSH;
use laterbase_core::reader::Reader;
use laterbase_core::replica::Replica;
use laterbase_core::store::Store;
use tempfile::TempDir;

use crate::raw::Raw;
use crate::results::{Cell, Results};
use crate::script::{Script, Step};
use crate::{Background, Engine, Events, NOW, replica};

mod aggregates;
mod append;
mod deltas;
mod environments;
mod feed;
mod first_sync;
mod opening;

pub use environments::environments;
pub use first_sync::first_sync;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Events that are in a store before most things are measured.
    pub volume: u64,
    /// Most events that one cell of an append experiment writes.
    pub cell_events: usize,
    /// Most time for one cell.
    pub cell_time: Duration,
}

impl Plan {
    /// A plan that all engines together are through with in about two minutes.
    pub const QUICK: Self =
        Self { volume: 10_000, cell_events: 40_000, cell_time: Duration::from_millis(1_500) };

    /// A plan whose figures are worth keeping.
    pub const fn full(volume: u64) -> Self {
        Self { volume, cell_events: 300_000, cell_time: Duration::from_secs(12) }
    }

    fn cell(&self, name: &str, engine: Engine, subject: &str, size: usize) -> Cell {
        let (name, engine) = (name.to_owned(), engine.name().to_owned());
        let subject = subject.to_owned();
        Cell { name, engine, subject, volume: self.volume, size: size as u64, writers: 1 }
    }
}

/// Runs every experiment on an engine.
///
/// # Errors
/// If an engine, or a replica on it, fails.
pub fn run(engine: Engine, plan: &Plan, results: &mut Results) -> Result<()> {
    let mut bench = Bench::open(engine, *plan)?;
    append::fill(&mut bench, results)?;
    append::batches(&mut bench, results)?;
    append::beside_reader(&mut bench, results)?;
    feed::feed(&bench, results)?;
    aggregates::cold(&bench, results)?;
    let mut bench = opening::opening(bench, results)?;
    aggregates::hot(&mut bench, results)?;
    aggregates::late(&mut bench, results)?;
    drop(bench);
    deltas::deltas(engine, plan, results)
}

/// A replica on an engine and the engine alone, which hold the same log.
struct Bench {
    engine: Engine,
    plan: Plan,
    events: Events,
    script: Script,
    raw: Raw,
    store: Arc<dyn Store>,
    replica: Replica,
    reader: Reader,
    background: Background,
    folder: TempDir,
}

impl Bench {
    fn open(engine: Engine, plan: Plan) -> Result<Self> {
        let (store, folder) = engine.open();
        let replica = replica(Arc::clone(&store));
        let background = Background::start(replica.maintenance());
        let (events, script, raw) = (Events::default(), Script::new(), Raw::open(engine)?);
        let reader = replica.reader();
        Ok(Self { engine, plan, events, script, raw, store, replica, reader, background, folder })
    }

    fn cell(&self, name: &str, subject: &str, size: usize) -> Cell {
        self.plan.cell(name, self.engine, subject, size)
    }

    /// Writes one step to the replica, as one thread that has events and wants them durable.
    fn append(&mut self, step: &Step) -> Result<()> {
        let batch = self.events.prepare(&step.inputs);
        self.replica.append(&batch, NOW)?;
        Ok(())
    }

    /// Waits until the background work has caught up, so that it does not disturb what follows.
    fn settle(&self) {
        while self.reader.front_events() >= FRONT_EVENTS_FLUSH {
            thread::sleep(Duration::from_millis(1));
        }
    }
}
