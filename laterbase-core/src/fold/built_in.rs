//! Folds for servers without user code.

use serde_json::{Map, Value};

use super::{Applied, Fold, FoldError, FoldState, Refusal};
use crate::event::{Event, Record};

/// `merge-patch`: each event's JSON data is a merge patch (RFC 7396) on the state, which starts
/// as an empty object. Data that is not JSON is left alone.
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

    fn version(&self) -> u32 {
        1
    }

    fn validate(&self, _: &Record<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn start(&self) -> Box<dyn FoldState> {
        Box::new(Patched(Value::Object(Map::new())))
    }

    fn resume(&self, json: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        Ok(Box::new(Patched(read(json).map_err(|refusal| FoldError(refusal.0))?)))
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

struct Patched(Value);

impl FoldState for Patched {
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError> {
        if !event.record.is_json {
            return Ok(Applied::Ignored);
        }
        match read(event.record.data) {
            Ok(patch) => {
                merge(&mut self.0, patch);
                Ok(Applied::Folded)
            }
            Err(refusal) => Ok(Applied::Refused(refusal)),
        }
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        serde_json::to_vec(&self.0).map_err(|error| FoldError(error.to_string()))
    }
}

struct LatestState(Vec<u8>);

impl FoldState for LatestState {
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError> {
        if !event.record.is_json {
            return Ok(Applied::Ignored);
        }
        if let Err(refusal) = read(event.record.data) {
            return Ok(Applied::Refused(refusal));
        }
        self.0.clear();
        self.0.extend_from_slice(event.record.data);
        Ok(Applied::Folded)
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        Ok(self.0.clone())
    }
}

/// Reads JSON text. The parser bounds the depth, so [`merge`] may recurse.
fn read(json: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(json).map_err(|error| Refusal(error.to_string()))
}

/// `MergePatch(Target, Patch)` of RFC 7396, section 2.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(&name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}
