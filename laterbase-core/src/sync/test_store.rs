//! A store in memory, for tests.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use crate::PreparedBatch;
use crate::delta::Delta;
use crate::event::Record;
use crate::fold::{Folds, MergePatch};
use crate::id::{ReplicaId, RootName};
use crate::memory_store::MemoryStore;
use crate::reader::{Reader, Remembered};
use crate::replica::{Replica, ReplicaOptions};

const NOW: i64 = 1_700_000_000_000_000_000;

pub(super) struct TestStore {
    replica: Replica,
    reader: Reader,
}

impl TestStore {
    pub(super) fn new() -> Self {
        Self::of(0xee)
    }

    /// One whose id is made of a byte.
    pub(super) fn of(id: u8) -> Self {
        let folds = Arc::new(Folds::new().fallback(Arc::new(MergePatch)));
        let random = Box::new(move || [id; 16]);
        let store = Arc::new(MemoryStore::new());
        let replica = Replica::open(store, folds, ReplicaOptions::default(), random).unwrap();
        let reader = replica.reader();
        Self { replica, reader }
    }

    pub(super) const fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(super) fn id(&self) -> ReplicaId {
        self.reader.replica_id()
    }

    pub(super) fn record(&mut self, root: &RootName, count: usize) {
        let folds = Arc::clone(self.reader.folds());
        let mut batch = PreparedBatch::new(root.clone(), folds, NOW);
        for _ in 0..count {
            batch.push(&Record::json("P1", "Packed", "{}")).unwrap();
        }
        self.replica.append(&batch, NOW).unwrap();
    }

    /// Merges a page; how many events of it were new.
    pub(super) fn merge(&mut self, page: &[u8]) -> u64 {
        self.replica.merge(&Delta::decode(page).unwrap(), NOW).unwrap().stored
    }

    pub(super) fn remember(&mut self, entries: Vec<Remembered>) {
        for (key, value) in entries {
            self.replica.remember(&key, &value);
        }
        self.replica.commit().unwrap();
    }
}
