//! Typed events and states on a device, in the words that a server has for them too.

use laterbase_core::fold::Aggregate;
use laterbase_core::id::{EventId, RootName};
use laterbase_core::limits::ANSWER_ETAG_EVENTS_MAX;
use laterbase_core::reader::ReadError;
use laterbase_core::replica::WriteError;
use laterbase_core::typed::{AggregateAt, Append, At, Recorded, Unwritable};

use super::Device;

impl Device {
    /// Writes typed events, whole or not at all. They are on disk when this returns.
    ///
    /// # Errors
    /// [`AppendError`]; nothing of it is stored.
    pub fn append<A: Aggregate>(&self, append: &Append<A>) -> Result<Recorded, AppendError> {
        let batch = append.prepare(self.reader.folds().clone(), self.now_nanos())?;
        let appended = self.record(&batch)?;
        let (root, id) = (append.root(), append.aggregate_id());
        let events_max = ANSWER_ETAG_EVENTS_MAX + batch.len();
        // What is on disk is never answered with an error.
        let etag = self.reader.etag_at(root, id, appended.end, events_max).unwrap_or(None);
        let ids = appended.dots.into_iter().map(|dot| EventId { root: root.clone(), dot });
        Ok(Recorded { ids: ids.collect(), etag, is_repeat: appended.replayed })
    }

    /// Reads an aggregate by the fold of its type; `None` if no event of it is known within those
    /// times. The aggregate must be among [`DeviceOptions::folds`](super::DeviceOptions::folds).
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn aggregate<A: Aggregate>(
        &self,
        root: &RootName,
        id: &str,
        at: At,
    ) -> Result<Option<AggregateAt<A>>, ReadError> {
        AggregateAt::read(&self.reader, root, id, at)
    }
}

/// Why nothing of an append was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// It is nothing that can be written.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// What the replica says against it.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl AppendError {
    /// Whether the aggregate is not as the writer expected: read, decide again, write again.
    pub const fn is_precondition_failed(&self) -> bool {
        matches!(self, Self::Write(WriteError::Precondition { .. }))
    }
}
