//! Typed events on their way to a replica.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;

use super::fact::{EncodedFact, Fact, Said};
use super::{AppendError, Recorded};
use crate::event::MetadataError;
use crate::fold::{Aggregate, EventTypesError, Folds};
use crate::id::{EventId, RootName};
use crate::limits::{ANSWER_ETAG_EVENTS_MAX, REQUEST_KEY_BYTES_MAX};
use crate::reader::Reader;
use crate::replica::{Appended, Replica};
use crate::{EventError, Precondition, PreparedBatch};

/// Events of one aggregate that are to be written together, or not at all.
///
/// It is put together without asking anybody. What is wrong with it is said by whoever it is handed
/// to, and nothing of it is sent or stored then. It can be handed over again: with a key, nothing is
/// stored twice.
#[must_use = "nothing is written until it is handed to a device, a handle or a client"]
pub struct Append<A> {
    root: RootName,
    aggregate_id: String,
    facts: Vec<EncodedFact>,
    /// What is said of all facts that do not say it themselves.
    said: Said,
    key: Option<String>,
    precondition: Option<Precondition>,
    /// The first thing that is wrong with it.
    fault: Option<Unwritable>,
    aggregate: PhantomData<fn() -> A>,
}

impl<A: Aggregate> Append<A> {
    /// Nothing yet, to an aggregate of a root.
    pub fn to(root: &RootName, aggregate_id: impl Into<String>) -> Self {
        Self {
            root: root.clone(),
            aggregate_id: aggregate_id.into(),
            facts: Vec::new(),
            said: Said::default(),
            key: None,
            precondition: None,
            fault: None,
            aggregate: PhantomData,
        }
    }

    /// Adds an event, or a [`Fact`] with what is to be said of this one alone. It is written as
    /// serde writes it; an enum that is marked `#[serde(tag = "type", content = "data")]`.
    pub fn event(mut self, fact: impl Into<Fact<A::Event>>) -> Self
    where
        A::Event: Serialize,
    {
        match EncodedFact::of::<A>(fact.into(), self.facts.len()) {
            Ok(fact) => self.facts.push(fact),
            Err(fault) => self.fault = self.fault.or(Some(fault)),
        }
        self
    }

    /// Says when the events happened, in nanoseconds since 1970 UTC, of which that is not said yet.
    /// Without it, they happen when they are recorded.
    pub const fn occurred_at(mut self, nanos: i64) -> Self {
        self.said.occurred = Some(nanos);
        self
    }

    /// Says how many minutes east of UTC the clock stood that [`Self::occurred_at`] was read from.
    pub const fn occurred_offset(mut self, minutes: i16) -> Self {
        self.said.occurred_offset = Some(minutes);
        self
    }

    /// Says who or why of all events, by a name such as `actor` or `correlation_id`.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.said.metadata.push((name.into(), value.into()));
        self
    }

    /// Makes a repeat of the whole append recognisable: it stores nothing, and answers the ids of
    /// the first. 1 to 250 printable characters of ASCII, as it is a header over HTTP.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        let key = key.into();
        let is_header = key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && key.trim() == key;
        if !is_header || !(1..=REQUEST_KEY_BYTES_MAX).contains(&key.len()) {
            self.fault = self.fault.or(Some(Unwritable::Key));
        }
        self.key = Some(key);
        self
    }

    /// Writes only if the aggregate has no events.
    pub fn if_absent(mut self) -> Self {
        self.precondition = Some(Precondition::Absent);
        self
    }

    /// Writes only if the aggregate has events.
    pub fn if_present(mut self) -> Self {
        self.precondition = Some(Precondition::Present);
        self
    }

    /// Writes only if the aggregate, over all its events, has the etag that a read or a write
    /// gave: nothing of it has become known since.
    pub fn if_etag(mut self, etag: impl Into<String>) -> Self {
        let etag = etag.into();
        if etag.is_empty() || !etag.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            self.fault = self.fault.or(Some(Unwritable::Etag));
        }
        self.precondition = Some(Precondition::Etag(vec![etag]));
        self
    }

    /// The root that it is for.
    pub const fn root(&self) -> &RootName {
        &self.root
    }

    /// The aggregate that it is for.
    pub fn aggregate_id(&self) -> &str {
        &self.aggregate_id
    }

    /// The key of the whole append.
    pub fn whole_key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What must hold of the aggregate.
    pub const fn precondition(&self) -> Option<&Precondition> {
        self.precondition.as_ref()
    }

    /// Bytes of all events' data.
    pub fn data_bytes(&self) -> usize {
        self.facts.iter().map(|fact| fact.data.get().len()).sum()
    }

    /// The events as they are written, in their order.
    ///
    /// # Errors
    /// [`Unwritable`] with the first thing that is wrong with them.
    pub fn encoded(&self) -> Result<Vec<EncodedFact>, Unwritable> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if self.facts.is_empty() {
            return Err(Unwritable::Empty);
        }
        let facts = self.facts.iter().cloned().enumerate();
        facts.map(|(index, fact)| fact.finish(&self.said, &self.root, index)).collect()
    }

    /// Writes it to a replica; it is durable when this returns. `now_nanos` is the wall clock, in
    /// nanoseconds since 1970. Shells put threads and queues in between.
    ///
    /// # Errors
    /// [`AppendError`]; nothing of it is stored.
    pub fn write(&self, replica: &mut Replica, now_nanos: i64) -> Result<Recorded, AppendError> {
        let reader = replica.reader();
        let batch = self.prepare(Arc::clone(reader.folds()), now_nanos)?;
        let appended = replica.append(&batch, now_nanos)?;
        Ok(self.recorded(&reader, batch.len(), appended))
    }

    /// What an append of it did, as a reader of the replica tells.
    pub fn recorded(&self, reader: &Reader, count: usize, appended: Appended) -> Recorded {
        let events_max = ANSWER_ETAG_EVENTS_MAX + count;
        let etag = reader.etag_at(&self.root, &self.aggregate_id, appended.end, events_max);
        let ids = appended.dots.into_iter().map(|dot| EventId { root: self.root.clone(), dot });
        // What is durable is never answered with an error.
        Recorded { ids: ids.collect(), etag: etag.unwrap_or(None), is_repeat: appended.replayed }
    }

    /// Makes it ready for a replica, judged by the root's default fold. `now_nanos` is the wall
    /// clock, in nanoseconds since 1970.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub fn prepare(&self, folds: Arc<Folds>, now_nanos: i64) -> Result<PreparedBatch, Unwritable> {
        let facts = self.encoded()?;
        let root = self.root.clone();
        let mut batch = match &self.key {
            None => PreparedBatch::new(root, folds, now_nanos),
            Some(key) => PreparedBatch::with_key(root, folds, now_nanos, key),
        };
        for (index, fact) in facts.iter().enumerate() {
            let metadata = fact.metadata();
            let metadata = metadata.map_err(|source| Unwritable::Metadata { index, source })?;
            fact.with_record(&self.aggregate_id, &metadata, |record| batch.push(record))
                .map_err(|source| Unwritable::Event { index, source })?;
        }
        if let Some(precondition) = &self.precondition {
            let required = batch.require(precondition.clone());
            required.map_err(|source| Unwritable::Event { index: 0, source })?;
        }
        Ok(batch)
    }
}

impl<A> Clone for Append<A> {
    fn clone(&self) -> Self {
        Self {
            root: self.root.clone(),
            aggregate_id: self.aggregate_id.clone(),
            facts: self.facts.clone(),
            said: self.said.clone(),
            key: self.key.clone(),
            precondition: self.precondition.clone(),
            fault: self.fault.clone(),
            aggregate: PhantomData,
        }
    }
}

impl<A> fmt::Debug for Append<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Append")
            .field("root", &self.root)
            .field("aggregate_id", &self.aggregate_id)
            .field("facts", &self.facts)
            .field("key", &self.key)
            .field("precondition", &self.precondition)
            .finish_non_exhaustive()
    }
}

/// Why an append is nothing that can be written, as far as can be told without the replica. It is
/// the writer's fault; nothing was sent or stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unwritable {
    /// There are no events.
    #[error("there is no event to write")]
    Empty,
    /// An event has no JSON form that says what it is.
    #[error("event {index} cannot be written as JSON: {reason}")]
    Encode {
        /// Which event, from 0.
        index: usize,
        /// Why not.
        reason: String,
    },
    /// The event types of the aggregate are not known.
    #[error(transparent)]
    EventTypes(#[from] EventTypesError),
    /// serde writes an event under a name by which it does not read it, so no state would have it.
    #[error("event {index} is written as {event_type}, which the fold {fold} does not take")]
    NotFolded {
        /// Which event, from 0.
        index: usize,
        /// The name.
        event_type: String,
        /// The aggregate's fold.
        fold: &'static str,
    },
    /// The metadata of an event is out of bounds.
    #[error("the metadata of event {index}: {source}")]
    Metadata {
        /// Which event, from 0.
        index: usize,
        /// What is wrong with it.
        source: MetadataError,
    },
    /// An event takes one of another root back.
    #[error("event {index} takes back {event}, which is of another root")]
    OtherRoot {
        /// Which event, from 0.
        index: usize,
        /// The event that it names.
        event: EventId,
    },
    /// The key cannot be a header.
    #[error("the key of an append has 1 to {REQUEST_KEY_BYTES_MAX} printable characters of ASCII")]
    Key,
    /// The etag is none that a read gave.
    #[error("an etag is what a read or a write gave")]
    Etag,
    /// An event that no batch takes.
    #[error("event {index}: {source}")]
    Event {
        /// Which event, from 0.
        index: usize,
        /// What is wrong with it.
        source: EventError,
    },
}
