//! Building the derived tables anew while the replica is open.
//!
//! What is derived can be damaged, or lack so much that opening the store does not wait for it.
//! Whoever then asks for it builds it, from the log, and asks again; others who ask meanwhile wait
//! for that, a few of them, and the rest is told to come back. Reads of the truth and writes go on.
//! So every answer is exact, and core needs no thread of its own.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::front::Front;
use crate::maintenance;
use crate::shared::Shared;
use crate::store::{Area, Scan, Snapshot, StoreError, Table, Visit};

/// Readers that may wait until the derived tables are built. More are turned away, so that reads
/// that do not need them still find room in their shell.
const WAITING_MAX: usize = 16;

/// How often one read may find the derived tables damaged before it gives up.
const ATTEMPTS_MAX: usize = 3;

/// What is known of the derived tables' soundness.
#[derive(Debug, Default)]
pub(crate) struct Healing {
    /// How often the derived area was begun anew.
    generation: AtomicU64,
    /// One more than the last generation that was found damaged; 0 for none.
    broken: AtomicU64,
    /// What was found.
    reason: Mutex<String>,
    waiting: AtomicUsize,
}

impl Healing {
    fn mark(&self, generation: u64, detail: &str) {
        if self.broken.fetch_max(generation + 1, Ordering::AcqRel) <= generation {
            detail.clone_into(&mut self.reason.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire) > self.generation.load(Ordering::Acquire)
    }
}

impl Shared {
    /// Runs something that asks the derived tables. Where they are damaged or not built yet, builds
    /// them and runs it again.
    pub(crate) fn with_index<R, E: From<StoreError>>(
        &self,
        mut read: impl FnMut() -> Result<R, E>,
    ) -> Result<R, E> {
        for _ in 1..ATTEMPTS_MAX {
            match read() {
                Err(_) if self.needs_building() => self.heal()?,
                done => return done,
            }
        }
        read()
    }

    /// Whether the derived tables, with the front, do not hold everything.
    pub(crate) fn needs_building(&self) -> bool {
        self.healing.is_broken() || self.state().unbuilt.is_some()
    }

    /// Builds the derived tables, if that is needed. Waits for whoever does so already.
    ///
    /// # Errors
    /// [`StoreError::Rebuilding`] if many wait already; else whatever keeps them from being built.
    pub(crate) fn heal(&self) -> Result<(), StoreError> {
        let waiting = &self.healing.waiting;
        let _place = Place(waiting);
        if waiting.fetch_add(1, Ordering::AcqRel) >= WAITING_MAX {
            return Err(StoreError::Rebuilding);
        }
        let flushing = self.flushing();
        if self.healing.is_broken() {
            self.begin_anew()?;
        }
        maintenance::build(self, &flushing)
    }

    /// Empties the derived tables and the front.
    fn begin_anew(&self) -> Result<(), StoreError> {
        // Nobody takes a look while tables and front do not fit together.
        let _nobody_looks = self.close_for_rewriting();
        let reason = self.healing.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.store.renew_derived(&reason)?;
        {
            let mut state = self.state_mut();
            (state.front, state.unbuilt) = (Front::default(), Some(0));
        }
        self.unstored.restart(self.state().rewrites);
        *self.sweep() = Some(Vec::new());
        self.healing.generation.fetch_add(1, Ordering::AcqRel);
        maintenance::clear(self)
    }

    /// Notes that the derived tables are damaged, if that is what an error says.
    pub(crate) fn note_derived<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Corrupt { detail }) = &done {
            self.healing.mark(self.healing.generation.load(Ordering::Acquire), detail);
        }
        done
    }

    /// What the store holds now, if memory fits it. The derived tables can be read only if, with
    /// the front, they hold everything.
    pub(crate) fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        let generation = self.healing.generation.load(Ordering::Acquire);
        let is_whole = !self.needs_building();
        Ok(Box::new(Watched { inner: self.raw_snapshot()?, shared: self, generation, is_whole }))
    }
}

/// A place among those who wait.
struct Place<'p>(&'p AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A snapshot that notes damage to the derived tables, and refuses them where they are not whole.
struct Watched<'s> {
    inner: Box<dyn Snapshot + 's>,
    shared: &'s Shared,
    generation: u64,
    is_whole: bool,
}

impl Watched<'_> {
    fn check(&self, table: Table) -> Result<(), StoreError> {
        if self.is_whole || table.area() == Area::Truth {
            return Ok(());
        }
        Err(StoreError::Rebuilding)
    }

    fn note<T>(&self, table: Table, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Corrupt { detail }) = &done
            && table.area() == Area::Derived
        {
            self.shared.healing.mark(self.generation, detail);
        }
        done
    }
}

impl Snapshot for Watched<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        self.check(table)?;
        self.note(table, self.inner.get(table, key))
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.check(scan.table)?;
        self.note(scan.table, self.inner.scan(scan, visit))
    }
}

#[cfg(test)]
mod tests;
