//! A store around a store, whose commits fail when the test says so.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use laterbase_core::store::{Area, Batch, Durability, Snapshot, Store, StoreError, WriterSlot};

/// How a commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full: nothing is written, and the store stays open to writers.
    Full,
    /// The engine fails before anything is written, which its caller cannot know. Poisons.
    Before,
    /// The engine fails after all is written, which its caller cannot know. Poisons.
    After,
}

/// A store around a store, whose commits fail when the test says so.
///
/// It keeps the contract of stores, poison included, and passes the conformance suite: what it
/// does is what a real store may do on a bad day. Without faults it only counts.
#[derive(Debug)]
pub struct FaultStore<S> {
    inner: S,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    /// Commits that were tried on each area while the store was not poisoned.
    tried: BTreeMap<Area, u64>,
    /// What is to become of a commit, by its area and number.
    faults: BTreeMap<(Area, u64), Fault>,
    sync_fails: bool,
    poisoned: bool,
}

impl<S: Store> FaultStore<S> {
    /// Wraps a store. Nothing fails until told to.
    pub fn new(inner: S) -> Self {
        Self { inner, plan: Mutex::default() }
    }

    /// Makes the `nth` commit to an area from now on fail; the next one is the first.
    ///
    /// # Panics
    /// If `nth` is 0.
    pub fn fail_commit(&self, area: Area, nth: u64, fault: Fault) {
        assert!(nth > 0, "commits are counted from 1");
        let mut plan = self.plan();
        let number = plan.tried.get(&area).copied().unwrap_or_default() + nth;
        plan.faults.insert((area, number), fault);
    }

    /// Makes the next sync fail and poison the store.
    pub fn fail_next_sync(&self) {
        self.plan().sync_fails = true;
    }

    /// How many commits to an area were tried, those that failed included, and those that found
    /// the store poisoned not.
    pub fn commits_tried(&self, area: Area) -> u64 {
        self.plan().tried.get(&area).copied().unwrap_or_default()
    }

    /// Whether a commit has failed in a way that closed the store to writers.
    pub fn is_poisoned(&self) -> bool {
        self.plan().poisoned
    }

    /// The store inside. What a fault leaves of a batch can be seen there.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// Takes the store out, as if the wrapped one was opened anew.
    pub fn into_inner(self) -> S {
        self.inner
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    /// Counts a commit, and says how it is to fail, if it is.
    fn next(&mut self, area: Area) -> Result<Option<Fault>, StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        let tried = self.tried.entry(area).or_default();
        *tried += 1;
        let fault = self.faults.remove(&(area, *tried));
        // Poisoned at once: nobody may slip in between the decision and the failure.
        self.poisoned = matches!(fault, Some(Fault::Before | Fault::After));
        Ok(fault)
    }
}

fn broken(action: &'static str) -> StoreError {
    StoreError::engine(action, io::Error::other("injected fault"))
}

impl<S: Store> Store for FaultStore<S> {
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
        let fault = self.plan().next(batch.area())?;
        match fault {
            None => self.inner.commit(batch),
            Some(Fault::Full) => Err(StoreError::Full { detail: "injected fault".into() }),
            Some(Fault::Before) => Err(broken("write a batch")),
            Some(Fault::After) => self.inner.commit(batch).and(Err(broken("write a batch"))),
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        {
            let mut plan = self.plan();
            if plan.poisoned {
                return Err(StoreError::Poisoned);
            }
            if plan.sync_fails {
                plan.poisoned = true;
                return Err(broken("sync"));
            }
        }
        self.inner.sync()
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
