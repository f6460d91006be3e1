//! What must hold before a replica writes on.

use super::Replica;
use crate::store::StoreError;

impl Replica {
    /// Writes who the replica is, if the disk was too full for it when it was opened.
    pub(super) fn write_identity(&mut self) -> Result<(), StoreError> {
        let Some(batch) = &self.unwritten else { return Ok(()) };
        self.shared.store.commit(batch)?;
        self.shared.store.sync()?;
        self.unwritten = None;
        Ok(())
    }

    /// Refuses to write on while what the derived tables lack fills the memory: their disk may be
    /// full while that of the truth is not.
    pub(super) fn check_front(&mut self) -> Result<(), StoreError> {
        let most = self.shared.front_events_max;
        if self.shared.state().front.event_count() <= most {
            return Ok(());
        }
        let flushed = self.maintenance.flush_if_there_is_room();
        if self.shared.state().front.event_count() <= most {
            return Ok(());
        }
        Err(StoreError::Full {
            detail: match flushed {
                Err(error) => format!("the derived tables fall behind: {error}"),
                Ok(()) => "the derived tables fall behind".to_owned(),
            },
        })
    }
}
