//! The store's one writer, which is lent once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::StoreError;

/// What a store lends its one writer by.
///
/// Two writers over one store would each count on from the same head: they would give the same
/// ids to different events, and each would write over what the other acknowledged. So the writer
/// is lent, and comes back when the [`WriterLease`] is dropped.
///
/// A clone is the same slot, for stores whose clones are handles on the same data.
#[derive(Clone, Debug, Default)]
pub struct WriterSlot {
    is_lent: Arc<AtomicBool>,
}

impl WriterSlot {
    /// Lends the writer.
    ///
    /// # Errors
    /// [`StoreError::WriterLent`] if it is lent already.
    pub fn lend(&self) -> Result<WriterLease, StoreError> {
        if self.is_lent.swap(true, Ordering::AcqRel) {
            return Err(StoreError::WriterLent);
        }
        Ok(WriterLease { is_lent: Arc::clone(&self.is_lent) })
    }
}

/// The right to write to a store, for as long as this lives.
#[derive(Debug)]
pub struct WriterLease {
    is_lent: Arc<AtomicBool>,
}

impl Drop for WriterLease {
    fn drop(&mut self) {
        self.is_lent.store(false, Ordering::Release);
    }
}
