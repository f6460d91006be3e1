//! A store whose commits the test holds back, to see what happens meanwhile.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::{Area, Batch, Durability, Snapshot, Store, StoreError, WriterSlot};
use tokio::sync::watch;

/// A memory store with a gate before its truth.
#[derive(Debug)]
pub struct GateStore {
    inner: MemoryStore,
    is_open: Mutex<bool>,
    opened: Condvar,
    arrived: watch::Sender<u64>,
}

impl GateStore {
    /// Its gate stands open.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStore::new(),
            is_open: Mutex::new(true),
            opened: Condvar::new(),
            arrived: watch::Sender::new(0),
        })
    }

    pub fn shut(&self) {
        *self.is_open() = false;
    }

    pub fn open(&self) {
        *self.is_open() = true;
        self.opened.notify_all();
    }

    /// How many commits have come to the gate.
    pub fn commits(&self) -> u64 {
        *self.arrived.borrow()
    }

    /// Waits until so many commits have come to the gate.
    pub async fn wait_for_commits(&self, count: u64) {
        self.arrived.subscribe().wait_for(|arrived| *arrived >= count).await.unwrap();
    }

    fn is_open(&self) -> MutexGuard<'_, bool> {
        self.is_open.lock().unwrap()
    }
}

impl Store for GateStore {
    fn engine(&self) -> &'static str {
        self.inner.engine()
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
        if batch.area() == Area::Truth {
            self.arrived.send_modify(|arrived| *arrived += 1);
            let _open = self.opened.wait_while(self.is_open(), |is_open| !*is_open).unwrap();
        }
        self.inner.commit(batch)
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
