//! The users' own code, called so that a panic in it stays where it arose.
//!
//! Everything that a fold does in a read goes through here: its start, its policy, its events, its
//! state's JSON, and the end of its state, whose destructor is the user's as well.

use crate::event::Event;
use crate::fold::{Applied, Fold, FoldState, contain};
use crate::snapshot::{SnapshotPolicy, ladder_prefix};

/// A fold's policy.
pub(super) fn policy(fold: &dyn Fold) -> Result<SnapshotPolicy, String> {
    contain(|| fold.snapshots())
}

/// The start of the keys of an aggregate's snapshots.
pub(super) fn prefix(fold: &dyn Fold, aggregate: &[u8]) -> Result<Vec<u8>, String> {
    contain(|| ladder_prefix(aggregate, fold.name(), fold.version()))
}

/// A state that is being folded.
pub(super) struct GuardedState {
    /// `None` only at its end.
    state: Option<Box<dyn FoldState>>,
}

impl GuardedState {
    pub(super) fn start(fold: &dyn Fold) -> Result<Self, String> {
        contain(|| fold.start()).map(|state| Self { state: Some(state) })
    }

    pub(super) fn resume(fold: &dyn Fold, json: &[u8]) -> Result<Self, String> {
        let resumed = contain(|| fold.resume(json))?;
        resumed.map(|state| Self { state: Some(state) }).map_err(|error| error.0)
    }

    pub(super) fn apply(&mut self, event: &Event<'_>) -> Result<Applied, String> {
        let state = self.state.as_mut().expect("the state has not ended");
        contain(|| state.apply(event))?.map_err(|error| error.0)
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, String> {
        let state = self.state.as_ref().expect("the state has not ended");
        contain(|| state.to_json())?.map_err(|error| error.0)
    }

    pub(super) fn to_snapshot(&self) -> Result<Option<Vec<u8>>, String> {
        let state = self.state.as_ref().expect("the state has not ended");
        contain(|| state.to_snapshot())?.map_err(|error| error.0)
    }

    /// Drops the state.
    pub(super) fn end(mut self) -> Result<(), String> {
        let state = self.state.take();
        contain(|| drop(state))
    }
}

impl Drop for GuardedState {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            // The read has failed for another reason, and says so.
            let _second_failure = contain(|| drop(state));
        }
    }
}
