//! Batches of new events, made ready on the caller's thread.

use std::sync::Arc;

use crate::chain::RecordHash;
use crate::codec::CodecError;
use crate::event::{Record, Voids, VoidsBuf};
use crate::fold::{Folds, Refusal, contain};
use crate::id::RootName;
use crate::json::{DataError, check_data};
use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};

/// Events of one root that are written together or not at all.
///
/// They are checked, validated, encoded and hashed as they are added, so that the one writer has
/// little left to do. What a writer leaves open is filled in at that point too.
#[derive(Debug)]
pub struct PreparedBatch {
    root: RootName,
    folds: Arc<Folds>,
    now_nanos: i64,
    bytes: Vec<u8>,
    /// Aggregate ids and idempotency keys, one behind the other.
    texts: String,
    events: Vec<PreparedEvent>,
    precondition: Option<Precondition>,
    key: Option<String>,
    /// The number, in its request, of the event that comes next.
    number: usize,
}

/// What must hold of a batch's one aggregate for the batch to be written (optimistic
/// concurrency). It speaks of this replica at the moment of the write, and of no other replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The aggregate has no events.
    Absent,
    /// The aggregate's etag, over all its events, is one of these.
    Etag(Vec<String>),
    /// The aggregate has events.
    Present,
}

#[derive(Debug)]
struct PreparedEvent {
    end: usize,
    hash: RecordHash,
    said: RecordHash,
    occurred: i64,
    is_occurred_defaulted: bool,
    aggregate_id: Span,
    key: Option<Span>,
    voids: VoidsBuf,
}

/// Where a text stands in the batch's bytes.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
}

/// One event of a [`PreparedBatch`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct PreparedRecord<'a> {
    pub bytes: &'a [u8],
    pub hash: RecordHash,
    /// Whether it was filled in when the event occurred.
    pub is_occurred_defaulted: bool,
    pub indexed: Indexed<'a>,
}

/// What of an event the derived tables and the counts are about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Indexed<'a> {
    pub aggregate_id: &'a str,
    pub occurred: i64,
    pub idempotency_key: Option<&'a str>,
    /// The hash of what the writer said, of an event with a key. See [`Record::said`].
    pub said: RecordHash,
    /// [`Record::is_readable`].
    pub is_readable: bool,
    pub voids: Voids<'a>,
}

impl<'a> Indexed<'a> {
    /// Of a record that is kept, and its hash.
    pub(crate) fn of(record: &Record<'a>, hash: RecordHash) -> Self {
        Self::known(record, hash, record.is_readable())
    }

    /// The same of a record that was looked at before.
    pub(crate) fn known(record: &Record<'a>, hash: RecordHash, is_readable: bool) -> Self {
        let has_key = record.idempotency_key.is_some();
        Self {
            voids: record.voids,
            aggregate_id: record.aggregate_id,
            occurred: record.kept_occurred(),
            idempotency_key: record.idempotency_key,
            said: if has_key { record.said(hash) } else { hash },
            is_readable,
        }
    }
}

impl PreparedBatch {
    /// An empty batch for a root, validated by the root's default fold. `now_nanos` is the wall
    /// clock, in nanoseconds since 1970: what does not say when it happened, happens then.
    pub const fn new(root: RootName, folds: Arc<Folds>, now_nanos: i64) -> Self {
        Self {
            root,
            folds,
            now_nanos,
            bytes: Vec::new(),
            texts: String::new(),
            events: Vec::new(),
            precondition: None,
            key: None,
            number: 0,
        }
    }

    /// An empty batch that is recognised as a whole when it is written again: its events get
    /// idempotency keys that are made of this one and their number. A batch that has the key and
    /// other content is refused.
    pub fn with_key(root: RootName, folds: Arc<Folds>, now_nanos: i64, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..Self::new(root, folds, now_nanos) }
    }

    /// Adds an event.
    ///
    /// # Errors
    /// [`EventError`]; the batch is as it was.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), EventError> {
        match self.key_of(self.number) {
            None => self.push_as_is(record)?,
            Some(_) if record.idempotency_key.is_some() => return Err(EventError::TwoKeys),
            Some(key) => self.push_as_is(&Record { idempotency_key: Some(&key), ..*record })?,
        }
        self.number += 1;
        Ok(())
    }

    /// Says that the next event of the request is not part of the batch, so that those behind it
    /// keep the numbers that their keys are made of.
    pub const fn pass_over(&mut self) {
        self.number += 1;
    }

    /// The idempotency key of the event with a number, if the batch has a key.
    pub(crate) fn key_of(&self, index: usize) -> Option<String> {
        let key = self.key.as_ref()?;
        Some(if index == 0 { key.clone() } else { format!("{key}#{index}") })
    }

    fn push_as_is(&mut self, record: &Record<'_>) -> Result<(), EventError> {
        let record = &record.filled_in(self.now_nanos);
        record.check().map_err(EventError::from_bounds)?;
        if record.is_json {
            check_data(record.data)?;
        }
        if matches!(record.aggregate_id, "." | "..") {
            return Err(EventError::DotSegment);
        }
        if let Some(name) = record.metadata.reserved() {
            return Err(EventError::Reserved { name: name.to_owned() });
        }
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
        // What cannot be read was refused above.
        let indexed = Indexed::known(record, hash, true);
        let aggregate_id = self.keep_text(record.aggregate_id);
        let key = record.idempotency_key.map(|key| self.keep_text(key));
        self.events.push(PreparedEvent {
            end: self.bytes.len(),
            hash,
            said: indexed.said,
            occurred: indexed.occurred,
            is_occurred_defaulted: record.is_occurred_defaulted,
            aggregate_id,
            key,
            voids: record.voids.iter().collect(),
        });
        Ok(())
    }

    fn keep_text(&mut self, text: &str) -> Span {
        let start = self.texts.len();
        self.texts.push_str(text);
        Span { start, end: self.texts.len() }
    }

    fn text(&self, span: Span) -> &str {
        &self.texts[span.start..span.end]
    }

    /// Makes the write depend on the state of the batch's aggregate.
    ///
    /// # Errors
    /// [`EventError::NotOneAggregate`] unless all events are of one.
    pub fn require(&mut self, precondition: Precondition) -> Result<(), EventError> {
        self.one_aggregate().ok_or(EventError::NotOneAggregate)?;
        self.precondition = Some(precondition);
        Ok(())
    }

    /// The precondition, and the aggregate it is about.
    pub(crate) fn precondition(&self) -> Option<(&Precondition, &str)> {
        self.precondition.as_ref().zip(self.one_aggregate())
    }

    /// The aggregate that all events are of; `None` if there are several, or no events.
    pub fn one_aggregate(&self) -> Option<&str> {
        let mut ids = self.records().map(|record| record.indexed.aggregate_id).peekable();
        let first = *ids.peek()?;
        ids.all(|id| id == first).then_some(first)
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

    /// The events in their stored form, as [`Record::decode`] reads it.
    pub fn encoded(&self) -> impl Iterator<Item = &[u8]> {
        self.records().map(|record| record.bytes)
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = PreparedRecord<'_>> {
        let mut start = 0;
        self.events.iter().map(move |event| {
            let bytes = &self.bytes[start..event.end];
            start = event.end;
            let indexed = Indexed {
                aggregate_id: self.text(event.aggregate_id),
                occurred: event.occurred,
                idempotency_key: event.key.map(|key| self.text(key)),
                said: event.said,
                // Checked when it was added.
                is_readable: true,
                voids: event.voids.as_voids(),
            };
            let is_occurred_defaulted = event.is_occurred_defaulted;
            PreparedRecord { bytes, hash: event.hash, is_occurred_defaulted, indexed }
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
    /// The aggregate id is `.` or `..`, which clients take out of every URL.
    #[error("an aggregate id is neither `.` nor `..`: no URL leads to it")]
    DotSegment,
    /// The metadata has a name that is the server's to set.
    #[error("the name {name} in metadata is the server's to set")]
    Reserved {
        /// The name.
        name: String,
    },
    /// The data is said to be JSON, and not every reader could make something of it.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The root's validation hook does not take it.
    #[error("the event was refused: {reason}")]
    Refused {
        /// The hook's reason.
        reason: Refusal,
    },
    /// The batch has a key, and so does the event.
    #[error("an event of a request with an idempotency key has none of its own")]
    TwoKeys,
    /// A precondition is about one aggregate.
    #[error("a write with a precondition is of events of one aggregate")]
    NotOneAggregate,
    /// The batch has as many events or bytes as one may have.
    #[error("the batch has more than {BATCH_EVENTS_MAX} events or {BATCH_BYTES_MAX} bytes")]
    BatchFull,
}

impl EventError {
    /// The field at fault, where it is one field's.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::Bounds { field } => Some(field),
            Self::DotSegment => Some("aggregate_id"),
            Self::Data(_) => Some("data"),
            Self::Reserved { .. } => Some("metadata"),
            Self::TwoKeys => Some("idempotency_key"),
            Self::Refused { .. } | Self::NotOneAggregate | Self::BatchFull => None,
        }
    }

    fn from_bounds(error: CodecError) -> Self {
        match error {
            CodecError::Bounds { field } => Self::Bounds { field },
            other => unreachable!("a record's check finds bounds only, not {other}"),
        }
    }
}
