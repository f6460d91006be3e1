//! A device as the holder of its store, who writes for other processes.

use std::borrow::Borrow;

use laterbase_core::PreparedBatch;
use laterbase_core::reader::{Reader, Remembered};
use laterbase_core::replica::Replica;

use super::{Device, TogetherError};
use crate::handover::{Holder, NotTaken, Receipt, stage_together};
use crate::local::Local;

impl Device {
    /// Writes batches as one, and what is to be remembered of them.
    pub(super) fn write_together<B: Borrow<PreparedBatch>>(
        &self,
        batches: &[B],
        receipt: Option<&Receipt>,
    ) -> Result<u64, TogetherError> {
        let (mut failed, mut others) = (None, Vec::new());
        let stage = |replica: &mut Replica, now_nanos| {
            stage_together(replica, batches, receipt, now_nanos).map_err(|error| {
                (failed, others) = (error.batch, error.others);
                error.source
            })
        };
        self.write(stage).map_err(|source| TogetherError { batch: failed, source, others })
    }
}

impl Holder for Device {
    fn reader(&self) -> &Reader {
        Self::reader(self)
    }

    fn take(&self, batches: Vec<PreparedBatch>, receipt: Receipt) -> Result<u64, NotTaken> {
        self.write_together(&batches, Some(&receipt)).map_err(NotTaken::Refused)
    }

    fn remember(&self, entries: Vec<Remembered>) -> Result<(), NotTaken> {
        Local::remember(self, entries)
            .map_err(|source| NotTaken::Refused(TogetherError::of_commit(source)))
    }
}
