//! Background work, as steps that a shell's thread calls.
//!
//! Derived tables trail the truth. Each flush writes what the front holds into them, together
//! with the arrival position up to which they are then complete; after a crash, the front is
//! filled again from there.

use std::sync::Arc;

use crate::front;
use crate::shared::Shared;
use crate::store::StoreError;

mod catch_up;
mod flush;
mod ladders;

pub(crate) use catch_up::{catch_up, fill_for_good, rebuild, rebuild_whole};
pub(crate) use flush::{aggregate_count, built, is_indexed};

/// The background work of one replica.
#[derive(Debug)]
pub struct Maintenance {
    shared: Arc<Shared>,
    events_flush: usize,
}

impl Maintenance {
    pub(crate) const fn new(shared: Arc<Shared>, events_flush: usize) -> Self {
        Self { shared, events_flush }
    }

    /// Flushes if the front, or what reads have left, has grown to its bound, or merges the front's
    /// layers if they are many. Says whether there was anything to do.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is lost, and a later step tries again.
    pub fn step(&mut self) -> Result<bool, StoreError> {
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

    /// Brings the derived tables up to date, however little there is to do: the fold index, and
    /// the snapshots that reads have left.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is lost, and a later flush tries again.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        flush::flush(&self.shared, None)
    }
}
