//! A fold behind schemas.

use std::sync::Arc;

use laterbase_core::event::{Event, Record};
use laterbase_core::fold::{Applied, Fold, FoldError, FoldState, Refusal};
use laterbase_core::snapshot::SnapshotPolicy;

use crate::events::EventSchemas;

/// A fold that takes what its schemas take.
pub(crate) struct Checked {
    pub(crate) fold: Arc<dyn Fold>,
    pub(crate) schemas: Arc<EventSchemas>,
}

struct CheckedState {
    state: Box<dyn FoldState>,
    schemas: Arc<EventSchemas>,
}

impl Checked {
    fn check(&self, state: Box<dyn FoldState>) -> Box<dyn FoldState> {
        Box::new(CheckedState { state, schemas: Arc::clone(&self.schemas) })
    }
}

impl Fold for Checked {
    fn name(&self) -> &str {
        self.fold.name()
    }

    /// What is left out changes with the schemas, and so do the states.
    fn version(&self) -> u32 {
        self.fold.version() ^ self.schemas.version()
    }

    fn validate(&self, record: &Record<'_>) -> Result<(), Refusal> {
        self.schemas.check(record)?;
        self.fold.validate(record)
    }

    fn event_schemas(&self) -> Option<&str> {
        Some(self.schemas.text())
    }

    fn snapshots(&self) -> SnapshotPolicy {
        self.fold.snapshots()
    }

    fn start(&self) -> Box<dyn FoldState> {
        self.check(self.fold.start())
    }

    fn resume(&self, json: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        Ok(self.check(self.fold.resume(json)?))
    }
}

impl FoldState for CheckedState {
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError> {
        match self.schemas.check(&event.record) {
            Ok(()) => self.state.apply(event),
            Err(refusal) => Ok(Applied::Refused(refusal)),
        }
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        self.state.to_json()
    }

    fn to_snapshot(&self) -> Result<Option<Vec<u8>>, FoldError> {
        self.state.to_snapshot()
    }
}

#[cfg(test)]
mod tests;
