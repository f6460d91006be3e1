//! Folds for servers without user code.

use std::sync::Arc;

use super::tree::Tree;
use super::{Applied, ByType, Fold, FoldError, FoldState, Refusal};
use crate::event::{Event, Record};
use crate::json::{DataError, check_data};

/// What the built-in folds are called, the default first.
pub const BUILT_IN_NAMES: [&str; 3] = ["merge-patch", "latest", "by-type"];

/// The built-in folds, in the order of [`BUILT_IN_NAMES`].
pub fn built_in() -> [Arc<dyn Fold>; BUILT_IN_NAMES.len()] {
    [Arc::new(MergePatch), Arc::new(Latest), Arc::new(ByType)]
}

/// `merge-patch`: each event's JSON data is a merge patch (RFC 7396) on the state, which starts
/// as an empty object. Data that is not JSON is left alone.
///
/// Numbers and strings stay as their writers wrote them.
#[derive(Clone, Copy, Debug, Default)]
pub struct MergePatch;

/// `latest`: the state is the JSON data of the last event in fold order that has any; before the
/// first one, null.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latest;

impl Fold for MergePatch {
    fn name(&self) -> &'static str {
        "merge-patch"
    }

    /// 2: numbers as they were written.
    fn version(&self) -> u32 {
        2
    }

    fn validate(&self, _: &Record<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn start(&self) -> Box<dyn FoldState> {
        Box::new(Patched(Tree::empty()))
    }

    fn resume(&self, json: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        let state = Tree::parse(json).map_err(|error| FoldError(error.to_string()))?;
        Ok(Box::new(Patched(state)))
    }
}

impl Fold for Latest {
    fn name(&self) -> &'static str {
        "latest"
    }

    fn version(&self) -> u32 {
        1
    }

    fn validate(&self, _: &Record<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn start(&self) -> Box<dyn FoldState> {
        Box::new(LatestState(b"null".to_vec()))
    }

    fn resume(&self, json: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        Ok(Box::new(LatestState(json.to_vec())))
    }
}

struct Patched(Tree);

impl FoldState for Patched {
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError> {
        if !event.record.is_json {
            return Ok(Applied::Ignored);
        }
        Ok(match Tree::parse(event.record.data) {
            Ok(patch) => {
                self.0.merge(patch);
                Applied::Folded
            }
            Err(error) => Applied::Refused(unreadable(error)),
        })
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        let mut json = Vec::new();
        self.0.write(&mut json);
        Ok(json)
    }
}

struct LatestState(Vec<u8>);

impl FoldState for LatestState {
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError> {
        if !event.record.is_json {
            return Ok(Applied::Ignored);
        }
        if let Err(error) = check_data(event.record.data) {
            return Ok(Applied::Refused(unreadable(error)));
        }
        self.0.clear();
        self.0.extend_from_slice(event.record.data);
        Ok(Applied::Folded)
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        Ok(self.0.clone())
    }
}

/// Such an event comes by sync only: no local write takes it.
pub(super) fn unreadable(error: DataError) -> Refusal {
    Refusal(error.to_string())
}
