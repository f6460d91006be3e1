//! Engines to measure, events to measure them with, and the experiments of `laterbase-bench`.

pub mod machine;
pub mod raw;
mod raw_copy;
pub mod report;
pub mod results;
pub mod samples;
pub mod script;
pub mod suite;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use laterbase_core::event::Record;
use laterbase_core::fold::{Folds, MergePatch};
use laterbase_core::id::RootName;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::replica::{Replica, ReplicaOptions};
use laterbase_core::store::Store;
use laterbase_core::{Maintenance, PreparedBatch};
use laterbase_store_lmdb::{LmdbOptions, LmdbStore};
#[cfg(feature = "rocks")]
use laterbase_store_rocks::{RocksOptions, RocksStore};
use tempfile::TempDir;

/// Bytes of an event's data.
pub const PAYLOAD_BYTES: usize = 256;

/// Aggregates that events are spread over: one shared id would flatter the index.
pub const AGGREGATES: u64 = 10_000;

/// Wall clock of the measurements, in nanoseconds since 1970.
pub const NOW: i64 = 1_700_000_000_000_000_000;

/// An engine that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The reference backend: what everything above the engine costs.
    Memory,
    /// LMDB.
    Lmdb,
    /// RocksDB.
    #[cfg(feature = "rocks")]
    Rocks,
}

impl Engine {
    /// The engines that this build can measure.
    pub const ALL: &'static [Self] = &[
        Self::Memory,
        Self::Lmdb,
        #[cfg(feature = "rocks")]
        Self::Rocks,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Lmdb => "lmdb",
            #[cfg(feature = "rocks")]
            Self::Rocks => "rocks",
        }
    }

    /// A new, empty store in a folder of its own, which goes when the returned guard does.
    ///
    /// # Panics
    /// If the store cannot be opened.
    pub fn open(self) -> (Arc<dyn Store>, TempDir) {
        let folder = TempDir::new().expect("a temporary folder");
        (self.open_in(folder.path()), folder)
    }

    /// The store in a folder; a new one if there is none, as always in memory.
    ///
    /// # Panics
    /// If the store cannot be opened.
    pub fn open_in(self, folder: &Path) -> Arc<dyn Store> {
        match self {
            Self::Memory => Arc::new(MemoryStore::new()),
            Self::Lmdb => {
                let store = LmdbStore::open(folder, LmdbOptions::default());
                Arc::new(store.expect("an LMDB store"))
            }
            #[cfg(feature = "rocks")]
            Self::Rocks => {
                let store = RocksStore::open(folder, RocksOptions::default());
                Arc::new(store.expect("a RocksDB store"))
            }
        }
    }

    /// Whether it keeps anything on disk.
    pub fn is_durable(self) -> bool {
        self != Self::Memory
    }
}

/// The root that events are written to.
///
/// # Panics
/// Never: the name is well-formed.
pub fn root() -> RootName {
    RootName::new("shipment").expect("a root's name")
}

/// The folds of the measurements: merge-patch for every root.
pub fn folds() -> Arc<Folds> {
    Arc::new(Folds::new().fallback(Arc::new(MergePatch)))
}

/// Opens a replica on a store.
///
/// # Panics
/// If it cannot be opened.
pub fn replica(store: Arc<dyn Store>) -> Replica {
    let mut count = 0;
    let random = Box::new(move || {
        count += 1;
        [count; 16]
    });
    Replica::open(store, folds(), ReplicaOptions::default(), random).expect("a replica")
}

/// Makes events whose aggregates and times are spread at random, the same on every run.
#[derive(Debug)]
pub struct Events {
    state: u64,
    payload: String,
}

impl Default for Events {
    fn default() -> Self {
        let filler = "x".repeat(PAYLOAD_BYTES - r#"{"note":""}"#.len());
        Self { state: 1, payload: format!(r#"{{"note":"{filler}"}}"#) }
    }
}

impl Events {
    /// The next number of a linear congruential generator (Knuth, MMIX).
    pub const fn next_number(&mut self) -> u64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.state >> 33
    }

    /// A batch of new events.
    ///
    /// # Panics
    /// If there are more than one batch may have.
    pub fn batch(&mut self, count: usize) -> PreparedBatch {
        let inputs = self.inputs(count);
        self.prepare(&inputs)
    }

    /// What sets new events apart from each other.
    pub fn inputs(&mut self, count: usize) -> Vec<Input> {
        let mut input = || {
            let aggregate_id = format!("shipment-{}", self.next_number() % AGGREGATES);
            let back = i64::try_from(self.next_number() % 1_000_000).expect("small");
            Input { aggregate_id, occurred: NOW - back * 1_000_000_000 }
        };
        (0..count).map(|_| input()).collect()
    }

    /// Makes a batch of events ready to be written, as a user's thread does.
    ///
    /// # Panics
    /// If there are more than one batch may have.
    pub fn prepare(&self, inputs: &[Input]) -> PreparedBatch {
        let mut batch = PreparedBatch::new(root(), folds(), NOW);
        for Input { aggregate_id, occurred } in inputs {
            let record = Record {
                occurred: Some(*occurred),
                ..Record::json(aggregate_id, "Departed", &self.payload)
            };
            batch.push(&record).expect("within bounds");
        }
        batch
    }
}

/// What sets an event apart from others: all have the same data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// One of [`AGGREGATES`].
    pub aggregate_id: String,
    /// In nanoseconds since 1970; up to 11 days before [`NOW`].
    pub occurred: i64,
}

/// Runs a replica's maintenance on a thread of its own, as a server does, until dropped.
#[derive(Debug)]
pub struct Background {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts the thread.
    pub fn start(mut maintenance: Maintenance) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if !maintenance.step().expect("maintenance") {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
