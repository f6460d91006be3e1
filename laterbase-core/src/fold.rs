//! Folds: the user's functions from an aggregate's events, in fold order, to its state.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use crate::event::{Event, Record};
use crate::id::{IdError, RootName};
use crate::limits::{FOLD_NAME_BYTES_MAX, STATE_BYTES_MAX, STATE_BYTES_MAX_DEFAULT};
use crate::snapshot::SnapshotPolicy;

mod built_in;
mod by_type;
mod check;
mod event_types;
mod probe;
mod tree;
mod typed;

pub use built_in::{BUILT_IN_NAMES, Latest, MergePatch, built_in};
pub use by_type::ByType;
pub use check::{SnapshotDrift, check_snapshots};
pub use event_types::{EventTypes, EventTypesError};
pub(crate) use probe::survives_json;
pub use typed::{Aggregate, Typed, decode_json, state_from_json};

/// A fold with its types taken off, so that folds of different aggregates stand side by side.
///
/// Most users implement [`Aggregate`] and never see this trait.
pub trait Fold: Send + Sync {
    /// The fold's name, 1 to 64 bytes, by which a reader asks for it.
    fn name(&self) -> &str;

    /// Changes when the state, or what it means, changes. Old snapshots are then not used.
    fn version(&self) -> u32;

    /// Says whether a local write may record this event.
    ///
    /// # Errors
    /// [`Refusal`] with the reason.
    fn validate(&self, record: &Record<'_>) -> Result<(), Refusal>;

    /// What the data of its events may be, for those who show forms: JSON text of an object whose
    /// member `events` has a JSON Schema for each event type, which may refer to other members. `None`
    /// if it does not say.
    fn event_schemas(&self) -> Option<&str> {
        None
    }

    /// When reads leave snapshots of the state.
    fn snapshots(&self) -> SnapshotPolicy {
        SnapshotPolicy::default()
    }

    /// The state before any event.
    fn start(&self) -> Box<dyn FoldState>;

    /// The state that [`FoldState::to_json`] gave.
    ///
    /// # Errors
    /// [`FoldError`] if it cannot be read; the caller then folds from the start.
    fn resume(&self, json: &[u8]) -> Result<Box<dyn FoldState>, FoldError>;
}

/// A state that is being folded.
pub trait FoldState {
    /// Folds the next event in.
    ///
    /// # Errors
    /// [`FoldError`] if the fold cannot go on; the state is of no use then.
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError>;

    /// The state as JSON text.
    ///
    /// # Errors
    /// [`FoldError`] if the state has no JSON form.
    fn to_json(&self) -> Result<Vec<u8>, FoldError>;

    /// The state as JSON text from which [`Fold::resume`] makes the same state again, or `None`
    /// if it is found to have none; no snapshot is then kept of it. By default what
    /// [`Self::to_json`] gives.
    ///
    /// # Errors
    /// As for [`Self::to_json`].
    fn to_snapshot(&self) -> Result<Option<Vec<u8>>, FoldError> {
        self.to_json().map(Some)
    }
}

/// What a fold did with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is part of the state now.
    Folded,
    /// It is of a type that the fold leaves alone.
    Ignored,
    /// It was left out: it came by sync, and its data cannot be read, or the validation hook
    /// would have refused it at a local write.
    Refused(Refusal),
}

/// Why a validation hook does not take an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self(reason)
    }
}

/// Why a fold cannot go on. Only the read that met it fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FoldError(pub String);

impl From<&str> for FoldError {
    fn from(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

impl From<String> for FoldError {
    fn from(reason: String) -> Self {
        Self(reason)
    }
}

/// Runs user code and turns its panic into text.
pub(crate) fn contain<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic_text(&*panic);
        // What it panicked with is the user's too, and may panic when it is dropped.
        if let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(again);
        }
        text
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.map_or_else(|| "panicked".to_owned(), |text| format!("panicked: {text}"))
}

/// Which folds belong to which kinds of root.
#[derive(Clone, Default)]
pub struct Folds {
    kinds: BTreeMap<String, Vec<Arc<dyn Fold>>>,
    fallback: Option<Arc<dyn Fold>>,
    /// `None` for the default.
    state_bytes_max: Option<usize>,
}

impl Folds {
    /// No folds: every root is unknown.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a user's aggregate for a kind of root.
    ///
    /// # Errors
    /// As for [`Self::fold`], and [`FoldsError::EventTypes`].
    pub fn aggregate<A: Aggregate>(self, kind: &str) -> Result<Self, FoldsError> {
        self.fold(kind, Arc::new(Typed::<A>::new()?))
    }

    /// Registers a fold for a kind of root. The first one is the kind's default.
    ///
    /// # Errors
    /// [`FoldsError`] if the kind is no root's name or carries a partition, or the fold's name
    /// is out of bounds or taken.
    pub fn fold(mut self, kind: &str, fold: Arc<dyn Fold>) -> Result<Self, FoldsError> {
        let root = RootName::new(kind).map_err(FoldsError::Kind)?;
        if root.kind() != kind {
            return Err(FoldsError::Kind(IdError::RootName));
        }
        if !(1..=FOLD_NAME_BYTES_MAX).contains(&fold.name().len()) {
            return Err(FoldsError::NameLength);
        }
        let folds = self.kinds.entry(kind.to_owned()).or_default();
        if folds.iter().any(|other| other.name() == fold.name()) {
            return Err(FoldsError::NameTaken { name: fold.name().to_owned() });
        }
        folds.push(fold);
        Ok(self)
    }

    /// Registers a fold for every root that has none of its own.
    #[must_use]
    pub fn fallback(mut self, fold: Arc<dyn Fold>) -> Self {
        self.fallback = Some(fold);
        self
    }

    /// Bounds the states' JSON text, 16 MiB by default. An aggregate whose state is longer cannot
    /// be read. Memory for reads is in proportion to it.
    #[must_use]
    pub const fn with_state_bytes_max(mut self, bytes: usize) -> Self {
        self.state_bytes_max = Some(bytes);
        self
    }

    /// How long a state's JSON text may be, in bytes.
    pub fn state_bytes_max(&self) -> usize {
        self.state_bytes_max.unwrap_or(STATE_BYTES_MAX_DEFAULT).min(STATE_BYTES_MAX)
    }

    /// The kinds that have folds of their own, in order.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    /// Whether there is a fold for roots that have none of their own.
    pub fn has_fallback(&self) -> bool {
        self.fallback.is_some()
    }

    /// Whether there is a fold for the root.
    pub fn knows(&self, root: &RootName) -> bool {
        self.default_for(root).is_some()
    }

    /// The folds of a root, the default first.
    pub fn of(&self, root: &RootName) -> &[Arc<dyn Fold>] {
        match self.kinds.get(root.kind()) {
            Some(folds) => folds,
            None => self.fallback.as_slice(),
        }
    }

    /// The fold that a root is read by when the reader names none.
    pub fn default_for(&self, root: &RootName) -> Option<&Arc<dyn Fold>> {
        self.of(root).first()
    }

    /// A fold of a root by its name.
    pub fn named(&self, root: &RootName, name: &str) -> Option<&Arc<dyn Fold>> {
        self.of(root).iter().find(|fold| fold.name() == name)
    }
}

impl fmt::Debug for Folds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |folds: &[Arc<dyn Fold>]| -> Vec<String> {
            folds.iter().map(|fold| fold.name().to_owned()).collect()
        };
        f.debug_map()
            .entries(self.kinds.iter().map(|(kind, folds)| (kind, names(folds))))
            .entry(&"*", &names(self.fallback.as_slice()))
            .finish()
    }
}

/// Why a fold was not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FoldsError {
    /// The kind is no name of a root without a partition.
    #[error("a fold is registered for a root's name without a partition")]
    Kind(#[source] IdError),
    /// The fold's name is empty or too long.
    #[error("a fold's name has 1 to {FOLD_NAME_BYTES_MAX} bytes")]
    NameLength,
    /// The kind has a fold of that name.
    #[error("there is a fold named {name} already")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// It is not known which event types the aggregate takes; it would leave all of them alone.
    #[error(transparent)]
    EventTypes(#[from] EventTypesError),
}

#[cfg(test)]
mod tests;
