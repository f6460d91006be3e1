//! What is written, twice over: as events for a replica, and as the puts that it makes of them.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::replica::Replica;
use laterbase_core::store::{
    Area, Batch, Durability, Operation, Snapshot, Store, StoreError, Table, WriterSlot,
};

use crate::{Events, Input, NOW, replica};

/// One batch of the script.
#[derive(Debug)]
pub struct Step {
    /// What a user hands in.
    pub inputs: Vec<Input>,
    /// What a replica that has done all steps before writes to its engine for it.
    pub written: Batch,
}

/// Makes steps, the same on every run.
#[derive(Debug)]
pub struct Script {
    events: Events,
    replica: Replica,
    recorder: Arc<Recorder>,
}

impl Script {
    /// A script from its start.
    pub fn new() -> Self {
        let recorder = Arc::new(Recorder::default());
        let replica = replica(Arc::clone(&recorder) as Arc<dyn Store>);
        Self { events: Events::default(), replica, recorder }
    }

    /// The next steps, of `size` events each.
    ///
    /// # Errors
    /// If the replica that makes them fails.
    pub fn steps(&mut self, count: usize, size: usize) -> Result<Vec<Step>> {
        (0..count).map(|_| self.step(size)).collect()
    }

    fn step(&mut self, size: usize) -> Result<Step> {
        let inputs = self.events.inputs(size);
        self.replica.append(&self.events.prepare(&inputs), NOW)?;
        let written = self.recorder.take().context("an append that wrote nothing")?;
        Ok(Step { inputs, written })
    }
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

/// A store that tells what was last written to its truth. It keeps neither log nor index, which
/// nobody reads, so that a long script takes little memory.
#[derive(Debug, Default)]
struct Recorder {
    inner: MemoryStore,
    last: Mutex<Option<Batch>>,
}

impl Recorder {
    fn take(&self) -> Option<Batch> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Store for Recorder {
    fn engine(&self) -> &'static str {
        "recorder"
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn home(&self) -> Result<[u8; 32], StoreError> {
        self.inner.home()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        self.inner.snapshot()
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut kept = Batch::new(batch.area());
        for operation in batch.operations() {
            if let Operation::Put { table: table @ (Table::Meta | Table::Progress), key, value } =
                operation
            {
                kept.put(table, key, value);
            }
        }
        self.inner.commit(&kept)?;
        if batch.area() == Area::Truth {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some(batch.clone());
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.inner.sync()
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        self.inner.size_bytes()
    }

    fn writer(&self) -> &WriterSlot {
        self.inner.writer()
    }
}
