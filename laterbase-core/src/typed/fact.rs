//! One typed event, and what is said beside it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Unwritable;
use crate::EventError;
use crate::event::{MetadataBuf, MetadataError, OFFSET_MINUTES_MAX, Record, VoidsBuf};
use crate::fold::{Aggregate, EventTypes, survives_json};
use crate::id::{EventId, RootName};

/// A typed event with what is to be said of it alone. An event of which nothing is to be said can
/// stand for one.
#[derive(Clone, Debug)]
#[must_use]
pub struct Fact<E> {
    event: E,
    said: Said,
}

/// What is said beside an event's data.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) occurred: Option<i64>,
    pub(super) occurred_offset: Option<i16>,
    pub(super) metadata: Vec<(String, String)>,
    key: Option<String>,
    voids: Vec<EventId>,
}

impl<E> Fact<E> {
    /// An event that happens when it is recorded.
    pub fn of(event: E) -> Self {
        Self { event, said: Said::default() }
    }

    /// Says when it happened, in nanoseconds since 1970 UTC.
    pub const fn occurred_at(mut self, nanos: i64) -> Self {
        self.said.occurred = Some(nanos);
        self
    }

    /// Says how many minutes east of UTC the clock stood that the time was read from.
    pub const fn occurred_offset(mut self, minutes: i16) -> Self {
        self.said.occurred_offset = Some(minutes);
        self
    }

    /// Says who or why, by a name such as `actor` or `correlation_id`.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.said.metadata.push((name.into(), value.into()));
        self
    }

    /// Gives this one event an idempotency key, 1 to 255 bytes. An append that has a key gives its
    /// events theirs.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.said.key = Some(key.into());
        self
    }

    /// Takes other events of the aggregate back: they were wrong.
    pub fn voids(mut self, events: impl IntoIterator<Item = EventId>) -> Self {
        self.said.voids.extend(events);
        self
    }
}

impl<E> From<E> for Fact<E> {
    fn from(event: E) -> Self {
        Self::of(event)
    }
}

/// A fact as it is written: a [`Record`] but for the aggregate's id.
#[derive(Clone, Debug)]
pub struct EncodedFact {
    /// What kind of event.
    pub event_type: String,
    /// Schema version of the data.
    pub version: u32,
    /// The data as JSON text.
    pub data: Box<RawValue>,
    /// When it happened, in nanoseconds since 1970 UTC; `None` for when it is recorded.
    pub occurred: Option<i64>,
    /// How many minutes east of UTC the writer's clock stood.
    pub occurred_offset: Option<i16>,
    /// The key of this event alone.
    pub idempotency_key: Option<String>,
    /// Who and why.
    pub metadata: Vec<(String, String)>,
    /// Events that it takes back.
    pub voids: Vec<EventId>,
}

/// An event as serde writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tagged {
    r#type: String,
    #[serde(default)]
    data: Option<Box<RawValue>>,
}

impl EncodedFact {
    /// Encodes the event that stands at `index` of what is written.
    pub(super) fn of<A>(fact: Fact<A::Event>, index: usize) -> Result<Self, Unwritable>
    where
        A: Aggregate<Event: Serialize>,
    {
        let Fact { event, said } = fact;
        let fault = |reason: String| Unwritable::Encode { index, reason };
        if !survives_json(&event) {
            let reason = "it holds a number that is not finite, or `Some` of what is null in JSON";
            return Err(fault(reason.to_owned()));
        }
        let json = serde_json::to_string(&event).map_err(|error| fault(error.to_string()))?;
        let Tagged { r#type: event_type, data } = serde_json::from_str(&json).map_err(|error| {
            fault(format!("it is not written as `{{\"type\": …, \"data\": …}}`: {error}"))
        })?;
        if !EventTypes::of::<A>()?.contains(&event_type) {
            return Err(Unwritable::NotFolded { index, event_type, fold: A::NAME });
        }
        Ok(Self {
            event_type,
            version: A::event_version(&event),
            // A unit variant has none, and reads null.
            data: data.unwrap_or_else(|| RawValue::NULL.to_owned()),
            occurred: said.occurred,
            occurred_offset: said.occurred_offset,
            idempotency_key: said.key,
            metadata: said.metadata,
            voids: said.voids,
        })
    }

    /// What is left open, filled in by what is said of all facts.
    fn beside(mut self, all: &Said) -> Self {
        if self.occurred.is_none() {
            self.occurred = all.occurred;
            self.occurred_offset = self.occurred_offset.or(all.occurred_offset);
        }
        // Of a clock that nobody read, there is nothing to say.
        self.occurred_offset = self.occurred_offset.filter(|_| self.occurred.is_some());
        for (name, value) in &all.metadata {
            if self.metadata.iter().all(|(own, _)| own != name) {
                self.metadata.push((name.clone(), value.clone()));
            }
        }
        self
    }

    /// The fact that stands at `index` of what is written to a root, as it is sent.
    pub(super) fn finish(
        self,
        all: &Said,
        root: &RootName,
        index: usize,
    ) -> Result<Self, Unwritable> {
        let fact = self.beside(all);
        if let Some(event) = fact.voids.iter().find(|event| event.root != *root) {
            return Err(Unwritable::OtherRoot { index, event: event.clone() });
        }
        if fact.occurred_offset.is_some_and(|minutes| minutes.unsigned_abs() > OFFSET_MINUTES_MAX) {
            let source = EventError::Bounds { field: "occurred_at" };
            return Err(Unwritable::Event { index, source });
        }
        fact.metadata().map_err(|source| Unwritable::Metadata { index, source })?;
        Ok(fact)
    }

    pub(super) fn metadata(&self) -> Result<MetadataBuf, MetadataError> {
        let mut metadata = MetadataBuf::default();
        for (name, value) in &self.metadata {
            metadata.set(name, value)?;
        }
        Ok(metadata)
    }

    /// Calls back with the record of it.
    pub(super) fn with_record<R>(
        &self,
        aggregate_id: &str,
        metadata: &MetadataBuf,
        take: impl FnOnce(&Record<'_>) -> R,
    ) -> R {
        let voids: VoidsBuf = self.voids.iter().map(|id| id.dot).collect();
        let record = Record::json(aggregate_id, &self.event_type, self.data.get());
        take(&Record {
            version: self.version,
            occurred: self.occurred,
            occurred_offset: self.occurred_offset,
            idempotency_key: self.idempotency_key.as_deref(),
            metadata: metadata.as_metadata(),
            voids: voids.as_voids(),
            ..record
        })
    }
}
