//! Which event made which field of a merge-patch state.
//!
//! It is a fold beside the one that makes the state, so that both count the same events: those that
//! are known within the times that were asked for, without twins and without what is taken back.

use std::collections::BTreeMap;
use std::sync::Arc;

use laterbase_core::event::{Event, Record};
use laterbase_core::fold::{Applied, Fold, FoldError, FoldState, Refusal};
use laterbase_core::json::check_data;
use laterbase_core::snapshot::SnapshotPolicy;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The fold's name.
pub(super) const ORIGINS: &str = "merge-patch-origins";

/// A field of a state, and the event that gave it its value.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Field {
    /// Names of members, from the outermost one on; none for a state that is no object.
    pub(super) path: Vec<String>,
    pub(super) value: Box<RawValue>,
    #[serde(flatten)]
    pub(super) source: Source,
}

/// An event, as far as it is told. Times are nanoseconds since 1970 UTC.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Source {
    pub(super) dot: String,
    pub(super) event_type: String,
    pub(super) occurred: i64,
    pub(super) recorded: i64,
    pub(super) actor: Option<String>,
}

impl Source {
    fn of(event: &Event<'_>) -> Self {
        Self {
            dot: event.dot.to_string(),
            event_type: event.record.event_type.to_owned(),
            occurred: event.occurred(),
            recorded: event.recorded.to_unix_nanos(),
            actor: event.record.metadata.get("actor").map(str::to_owned),
        }
    }
}

/// Gives the [`Field`]s of the state that `merge-patch` makes, in the order of their paths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origins;

impl Fold for Origins {
    fn name(&self) -> &'static str {
        ORIGINS
    }

    fn version(&self) -> u32 {
        1
    }

    fn validate(&self, _: &Record<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    /// What is asked once and seldom is not worth the room.
    fn snapshots(&self) -> SnapshotPolicy {
        SnapshotPolicy::Never
    }

    fn start(&self) -> Box<dyn FoldState> {
        Box::new(Explained(Node::Object(None, BTreeMap::new())))
    }

    fn resume(&self, _json: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        Err("no snapshot is kept of it".into())
    }
}

struct Explained(Node);

impl FoldState for Explained {
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError> {
        if !event.record.is_json {
            return Ok(Applied::Ignored);
        }
        if let Err(error) = check_data(event.record.data) {
            return Ok(Applied::Refused(Refusal(error.to_string())));
        }
        let data = serde_json::from_slice(event.record.data);
        let data: &RawValue = data.map_err(|error| FoldError(error.to_string()))?;
        self.0.patch(data, &Arc::new(Source::of(event)))?;
        Ok(Applied::Folded)
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        let mut fields = Vec::new();
        self.0.list(&mut Vec::new(), &mut fields);
        serde_json::to_vec(&fields).map_err(|error| FoldError(error.to_string()))
    }
}

/// A part of the state.
enum Node {
    /// Anything but an object, which is replaced as a whole.
    Value(Arc<Source>, Box<RawValue>),
    /// An object, and what made it one; nothing for the state at its start.
    Object(Option<Arc<Source>>, BTreeMap<String, Self>),
}

impl Node {
    /// RFC 7396, section 2.
    fn patch(&mut self, patch: &RawValue, source: &Arc<Source>) -> Result<(), FoldError> {
        if !patch.get().starts_with('{') {
            *self = Self::Value(Arc::clone(source), patch.to_owned());
            return Ok(());
        }
        if matches!(self, Self::Value(..)) {
            *self = Self::made_by(source);
        }
        let Self::Object(_, members) = self else { return Ok(()) };
        let patches: BTreeMap<String, &RawValue> =
            serde_json::from_str(patch.get()).map_err(|error| FoldError(error.to_string()))?;
        for (name, patch) in patches {
            if patch.get() == "null" {
                members.remove(&name);
            } else {
                members
                    .entry(name)
                    .or_insert_with(|| Self::made_by(source))
                    .patch(patch, source)?;
            }
        }
        Ok(())
    }

    fn made_by(source: &Arc<Source>) -> Self {
        Self::Object(Some(Arc::clone(source)), BTreeMap::new())
    }

    fn list(&self, path: &mut Vec<String>, fields: &mut Vec<Field>) {
        match self {
            Self::Value(source, value) => fields.push(Field {
                path: path.clone(),
                value: value.clone(),
                source: Source::clone(source),
            }),
            Self::Object(source, members) if members.is_empty() => {
                fields.extend(source.as_ref().map(|source| Field {
                    path: path.clone(),
                    value: RawValue::from_string("{}".to_owned()).expect("an empty object"),
                    source: Source::clone(source),
                }));
            }
            Self::Object(_, members) => {
                for (name, node) in members {
                    path.push(name.clone());
                    node.list(path, fields);
                    path.pop();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
