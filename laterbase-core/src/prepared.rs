//! Batches of new events, made ready on the caller's thread.

use std::sync::Arc;

use crate::chain::RecordHash;
use crate::codec::CodecError;
use crate::event::Record;
use crate::fold::{Folds, Refusal, contain};
use crate::id::RootName;
use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};

/// Events of one root that are written together or not at all.
///
/// They are checked, validated, encoded and hashed as they are added, so that the one writer has
/// little left to do.
#[derive(Debug)]
pub struct PreparedBatch {
    root: RootName,
    folds: Arc<Folds>,
    bytes: Vec<u8>,
    events: Vec<PreparedEvent>,
}

#[derive(Debug)]
struct PreparedEvent {
    end: usize,
    hash: RecordHash,
}

/// One event of a [`PreparedBatch`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct PreparedRecord<'a> {
    pub bytes: &'a [u8],
    pub hash: RecordHash,
}

impl PreparedBatch {
    /// An empty batch for a root, validated by the root's default fold.
    pub const fn new(root: RootName, folds: Arc<Folds>) -> Self {
        Self { root, folds, bytes: Vec::new(), events: Vec::new() }
    }

    /// Adds an event.
    ///
    /// # Errors
    /// [`EventError`]; the batch is as it was.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), EventError> {
        record.check().map_err(EventError::from_bounds)?;
        if let Some(fold) = self.folds.default_for(&self.root) {
            contain(|| fold.validate(record))
                .map_err(|panic| EventError::Refused { reason: Refusal(panic) })?
                .map_err(|reason| EventError::Refused { reason })?;
        }
        let start = self.bytes.len();
        record.encode(&mut self.bytes);
        if self.bytes.len() > BATCH_BYTES_MAX || self.events.len() == BATCH_EVENTS_MAX {
            self.bytes.truncate(start);
            return Err(EventError::BatchFull);
        }
        let hash = RecordHash::of(&self.bytes[start..]);
        self.events.push(PreparedEvent { end: self.bytes.len(), hash });
        Ok(())
    }

    /// The root that the events are for.
    pub const fn root(&self) -> &RootName {
        &self.root
    }

    /// How many events there are.
    pub const fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Bytes of all records.
    pub const fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = PreparedRecord<'_>> {
        let mut start = 0;
        self.events.iter().map(move |event| {
            let bytes = &self.bytes[start..event.end];
            start = event.end;
            PreparedRecord { bytes, hash: event.hash }
        })
    }
}

/// Why an event cannot be part of a batch. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// A field is empty or too long.
    #[error("{field} is empty or too long")]
    Bounds {
        /// Which field.
        field: &'static str,
    },
    /// The root's validation hook does not take it.
    #[error("the event was refused: {reason}")]
    Refused {
        /// The hook's reason.
        reason: Refusal,
    },
    /// The batch has as many events or bytes as one may have.
    #[error("the batch has more than {BATCH_EVENTS_MAX} events or {BATCH_BYTES_MAX} bytes")]
    BatchFull,
}

impl EventError {
    fn from_bounds(error: CodecError) -> Self {
        match error {
            CodecError::Bounds { field } => Self::Bounds { field },
            other => unreachable!("a record's check finds bounds only, not {other}"),
        }
    }
}
