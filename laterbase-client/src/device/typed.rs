//! Typed events and states on a device, in the words that a server has for them too.

use laterbase_core::fold::Aggregate;
use laterbase_core::id::RootName;
use laterbase_core::reader::ReadError;
use laterbase_core::typed::{AggregateAt, Append, AppendError, At, Recorded};

use super::Device;

impl Device {
    /// Writes typed events, whole or not at all. They are on disk when this returns.
    ///
    /// # Errors
    /// [`AppendError`]; nothing of it is stored.
    pub fn append<A: Aggregate>(&self, append: &Append<A>) -> Result<Recorded, AppendError> {
        let batch = append.prepare(self.reader.folds().clone(), self.now_nanos())?;
        let appended = self.record(&batch)?;
        Ok(append.recorded(&self.reader, batch.len(), appended))
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
