//! A store that kills its own process at a commit that was chosen.

use std::sync::Mutex;
use std::sync::PoisonError;

use laterbase_core::store::{
    Area, Batch, Durability, Operation, Snapshot, Store, StoreError, Table, WriterSlot,
};
use rustix::process::{Signal, getpid, kill_process};

/// What a replica is doing when it commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// Opening the store: who it is, and what the derived tables lack.
    #[default]
    Open,
    /// Writing events of its own.
    Append,
    /// Taking a page of a peer's events.
    Merge,
    /// Remembering what a peer has acknowledged.
    Remember,
    /// Bringing the derived tables up to date.
    Flush,
    /// Deciding a fork.
    Resolve,
    /// Stopping in order.
    Close,
}

/// Which call of the store is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A commit to the truth.
    Truth,
    /// A commit to the derived tables.
    Derived,
    /// One of those that writes snapshots.
    Snapshots,
    /// A sync of the whole store.
    Sync,
}

/// Where a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KillPoint {
    /// During what; at any time if that does not matter.
    pub work: Option<Work>,
    /// At which kind of call.
    pub call: Call,
    /// Whether the call is over by then.
    pub after: bool,
}

/// A store around a store, whose process ends at the `nth` call of a kind.
#[derive(Debug)]
pub struct DeadlyStore<S> {
    inner: S,
    point: Option<KillPoint>,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    work: Work,
    /// Calls of the kind that are still to be survived.
    left: u64,
}

impl<S: Store> DeadlyStore<S> {
    /// Wraps a store. Without a point it does nothing of its own.
    pub fn new(inner: S, point: Option<KillPoint>, nth: u64) -> Self {
        let progress = Progress { work: Work::Open, left: nth };
        Self { inner, point, progress: Mutex::new(progress) }
    }

    /// Says what the replica is about to do.
    pub fn begin(&self, work: Work) {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).work = work;
    }

    /// How many calls of the kind are still to be survived.
    pub fn left(&self) -> u64 {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).left
    }

    /// Whether this call is the one to die at.
    fn is_last(&self, calls: &[Call]) -> bool {
        let Some(point) = self.point else { return false };
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if point.work.is_some_and(|work| work != progress.work) || !calls.contains(&point.call) {
            return false;
        }
        progress.left = progress.left.saturating_sub(1);
        progress.left == 0
    }

    fn around<T>(
        &self,
        calls: &[Call],
        call: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let is_last = self.is_last(calls);
        let after = self.point.is_some_and(|point| point.after);
        if is_last && !after {
            die();
        }
        let done = call();
        if is_last && after {
            die();
        }
        done
    }
}

/// Ends this process as the system does when it kills it: nothing is cleaned up.
fn die() -> ! {
    let _ = kill_process(getpid(), Signal::KILL);
    unreachable!("nobody survives SIGKILL");
}

fn calls_of(batch: &Batch) -> Vec<Call> {
    let writes_snapshots = batch
        .operations()
        .any(|operation| matches!(operation, Operation::Put { table: Table::Snapshots, .. }));
    match batch.area() {
        Area::Truth => vec![Call::Truth],
        Area::Derived if writes_snapshots => vec![Call::Derived, Call::Snapshots],
        Area::Derived => vec![Call::Derived],
    }
}

impl<S: Store> Store for DeadlyStore<S> {
    fn engine(&self) -> &'static str {
        self.inner.engine()
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        self.inner.snapshot()
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.around(&calls_of(batch), || self.inner.commit(batch))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.around(&[Call::Sync], || self.inner.sync())
    }

    fn home(&self) -> Result<[u8; 32], StoreError> {
        self.inner.home()
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        self.inner.size_bytes()
    }

    fn writer(&self) -> &WriterSlot {
        self.inner.writer()
    }
}
