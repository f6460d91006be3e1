//! Background work, as steps that a shell's thread calls.
//!
//! Derived tables trail the truth. Each flush writes what the front holds into them, together
//! with the arrival position up to which they are then complete; after a crash, the front is
//! filled again from there.

use std::sync::Arc;

use crate::front;
use crate::shared::Shared;
use crate::store::{Area, StoreError, WriterLease};

mod catch_up;
mod flush;
mod ladders;

pub(crate) use catch_up::{build, catch_up, clear, fill_for_good, rebuild, rebuild_whole};
pub(crate) use flush::{aggregate_count, built, is_indexed};

/// The background work of one replica.
#[derive(Debug)]
pub struct Maintenance {
    shared: Arc<Shared>,
    events_flush: usize,
    /// It writes too, so the store has its writer back only when this is gone.
    lease: Arc<WriterLease>,
}

impl Maintenance {
    pub(crate) const fn new(
        shared: Arc<Shared>,
        events_flush: usize,
        lease: Arc<WriterLease>,
    ) -> Self {
        Self { shared, events_flush, lease }
    }

    /// The same work, for another thread.
    pub(crate) fn another(&self) -> Self {
        let (shared, lease) = (Arc::clone(&self.shared), Arc::clone(&self.lease));
        Self::new(shared, self.events_flush, lease)
    }

    /// Builds what is derived if it is damaged or lacks much; flushes if the front, or what reads
    /// have left, has grown to its bound; or merges the front's layers if they are many. Says
    /// whether there was anything to do.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is lost, and a later step tries again.
    pub fn step(&mut self) -> Result<bool, StoreError> {
        if self.shared.needs_building() {
            self.shared.heal()?;
            return Ok(true);
        }
        let is_full = self.shared.state().front.event_count() >= self.events_flush;
        if is_full || self.shared.unstored.is_large() {
            self.flush()?;
            return Ok(true);
        }
        let layers = self.shared.state().front.mergeable();
        if layers.is_empty() {
            return Ok(false);
        }
        let merged = front::merge_all(&layers);
        self.shared.state_mut().front.replace(&layers, merged);
        Ok(true)
    }

    /// [`Self::flush`], unless the derived area has no room, is being built, or has yet to be.
    pub(crate) fn flush_if_possible(&mut self) -> Result<(), StoreError> {
        if self.shared.needs_building() {
            return Ok(());
        }
        match self.shared.store.refusal(Area::Derived) {
            Some(refusal) => Err(refusal.into_error()),
            None => flush::flush(&self.shared, None),
        }
    }

    /// [`Self::flush`], unless the derived area has no room. Builds what has to be built first,
    /// however long that takes.
    pub(crate) fn flush_if_there_is_room(&mut self) -> Result<(), StoreError> {
        match self.shared.store.refusal(Area::Derived) {
            Some(refusal) => Err(refusal.into_error()),
            None => self.flush(),
        }
    }

    /// Brings the derived tables up to date, however little there is to do: the fold index, and
    /// the snapshots that reads have left.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is lost, and a later flush tries again.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        if self.shared.needs_building() {
            self.shared.heal()?;
        }
        flush::flush(&self.shared, None)
    }
}
