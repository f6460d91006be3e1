//! The JSON that a server says and takes, as types.

use std::collections::BTreeMap;

use laterbase_core::id::{EventId, ReplicaId, RootName};
use laterbase_core::version_vector::VersionVector;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::error::{ClientError, Problem};

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStatus {
    /// Its replica id.
    pub replica: ReplicaId,
    /// The storage engine it runs on.
    pub engine: String,
    /// The roots that it holds events of, and those that it has a fold for and none of yet.
    pub roots: BTreeMap<RootName, ServerRoot>,
    /// How much room its store takes and has left.
    pub storage: ServerStorage,
}

/// How much room a server's store takes and has left, in bytes. What its engine cannot tell is
/// `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStorage {
    /// What it takes.
    pub size_bytes: Option<u64>,
    /// The bound that it was given.
    pub size_bytes_max: Option<u64>,
    /// What is left, up to that bound or on the disk.
    pub left_bytes: Option<u64>,
}

/// What a server says of a root.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ServerRoot {
    /// How many events it holds.
    pub events: u64,
    /// Of how many aggregates.
    pub aggregates: u64,
    /// How many of the events have data that no fold can read, and are left out of every state.
    #[serde(default)]
    pub unreadable: u64,
    /// Equal on two replicas exactly when they hold the same events.
    pub digest: String,
    /// Which events it holds.
    #[serde(deserialize_with = "from_text")]
    pub vv: VersionVector,
}

/// Somebody who synced with a server lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerPeer {
    /// Its replica id in 32 hex digits, if it said so.
    pub replica: Option<String>,
    /// What it is called, if it said so.
    #[serde(default)]
    pub name: Option<String>,
    /// By how many seconds its clock was ahead of the server's when it was seen last, below 0 if it
    /// was behind; if it said what its clock shows.
    #[serde(default)]
    pub clock_ahead: Option<i64>,
    /// Where it was seen last.
    pub address: Option<String>,
    /// When it was seen last, in RFC 3339.
    pub seen_at: String,
    /// How many seconds ago that was.
    pub seen_seconds: u64,
    /// How many events it lacks, if that is known.
    pub lacks: Option<u64>,
    /// Whether it may lack fewer.
    pub lacks_at_most: bool,
    /// For how many seconds the server has had the first of them.
    pub behind_seconds: Option<u64>,
    /// How many events of its own the server holds.
    pub held: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct PeersDocument {
    pub(super) peers: Vec<ServerPeer>,
}

#[derive(Deserialize)]
pub(super) struct StatusDocument {
    #[serde(deserialize_with = "from_text")]
    replica: ReplicaId,
    engine: String,
    roots: BTreeMap<String, ServerRoot>,
    #[serde(default)]
    storage: ServerStorage,
}

impl StatusDocument {
    pub(super) fn check(self) -> Result<ServerStatus, ClientError> {
        let named = |(name, root): (String, ServerRoot)| match RootName::new(&name) {
            Ok(name) => Ok((name, root)),
            Err(_bad_name) => Err(ClientError::protocol(format!("{name:?} is no root's name"))),
        };
        let Self { replica, engine, roots, storage } = self;
        let roots = roots.into_iter().map(named).collect::<Result<_, _>>()?;
        Ok(ServerStatus { replica, engine, roots, storage })
    }
}

/// An event to be written. Exactly one of the two kinds of data is set.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewEvent {
    /// Which entity it is about, 1 to 255 bytes.
    pub aggregate_id: String,
    /// What kind of event, 1 to 255 bytes.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Schema version of the data; the server takes 1 if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// When it happened, in RFC 3339; the server takes the moment it records the event if nothing
    /// is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<String>,
    /// The data as JSON text, kept byte for byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
    /// The data as any bytes, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
    /// Makes a replay of the same write recognisable, 1 to 255 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Who and why, beside the data: at most 32 short texts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Events of the same aggregate that were wrong, 256 at most.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "to_texts")]
    pub voids: Vec<EventId>,
}

/// An event as a server gives it out.
#[derive(Clone, Debug, Deserialize)]
pub struct ReceivedEvent {
    /// Its id.
    #[serde(deserialize_with = "from_text")]
    pub id: EventId,
    /// Which entity it is about.
    pub aggregate_id: String,
    /// What kind of event.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Schema version of the data.
    pub version: u32,
    /// When it happened, in RFC 3339.
    pub occurred_at: String,
    /// When its origin recorded it, in RFC 3339.
    pub recorded_at: String,
    /// The same as a hybrid logical clock's stamp, whose text order is clock order.
    pub hlc: String,
    /// The data, if its writer sent JSON: the same text, byte for byte.
    #[serde(default)]
    pub data: Option<Box<RawValue>>,
    /// The data, if its writer sent other bytes, in base64.
    #[serde(default)]
    pub data_base64: Option<String>,
    /// The key under which it was written.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// How far from UTC the writer's clock stood, as `+02:00`.
    #[serde(default)]
    pub occurred_offset: Option<String>,
    /// Who and why, beside the data.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Events of the same aggregate that it takes back.
    #[serde(default, deserialize_with = "from_texts")]
    pub voids: Vec<EventId>,
    /// Events that take it back, as far as the server knew.
    #[serde(default, deserialize_with = "from_texts")]
    pub voided_by: Vec<EventId>,
}

impl ReceivedEvent {
    /// Bytes of the data, as it came.
    pub(super) fn data_bytes(&self) -> usize {
        let json = self.data.as_ref().map_or(0, |data| data.get().len());
        json + self.data_base64.as_ref().map_or(0, String::len)
    }
}

/// What a server says to a write.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Written {
    /// The events' ids, in the order in which they were sent.
    #[serde(deserialize_with = "from_texts")]
    pub ids: Vec<EventId>,
}

/// A page of a root's events, in feed order.
#[derive(Clone, Debug, Deserialize)]
pub struct FeedPage {
    /// The events that the caller lacked.
    pub events: Vec<ReceivedEvent>,
    /// What the caller holds once it has taken this page in.
    #[serde(deserialize_with = "from_text")]
    pub vv: VersionVector,
    /// Whether there is another page.
    pub more: bool,
    /// What to ask the next page with, in place of the vector and much shorter; nothing where the
    /// caller is ahead of the page in too many origins.
    #[serde(default)]
    pub after: Option<String>,
}

/// A page of one aggregate's events, in fold order.
#[derive(Clone, Debug, Deserialize)]
pub struct HistoryPage {
    /// The events.
    pub events: Vec<ReceivedEvent>,
    /// What to ask the next page with; nothing if this is the last one.
    pub next: Option<String>,
}

/// A page of a root's aggregates, in the order of their ids.
#[derive(Clone, Debug, Deserialize)]
pub struct AggregatePage {
    /// The aggregates.
    pub aggregates: Vec<AggregateEntry>,
    /// What to ask the next page with; nothing if this is the last one.
    pub next: Option<String>,
    /// What to ask with for those that changed since this list was begun. Only the first page has
    /// it.
    #[serde(default)]
    pub changed_since: Option<String>,
}

/// A page of aggregates that changed, in the order in which the first event since then of each
/// arrived.
#[derive(Clone, Debug, Deserialize)]
pub struct ChangedPage {
    /// The aggregates, each once.
    pub aggregates: Vec<AggregateEntry>,
    /// What to ask with for the next page, or for what changes from now on. To be kept together
    /// with what was made of the states.
    pub changed_since: String,
    /// Whether there is another page. This one may be empty all the same.
    pub more: bool,
    /// How many events the server could not read and passed over.
    #[serde(default)]
    pub unreadable: u64,
}

/// One aggregate of a page.
#[derive(Clone, Debug, Deserialize)]
pub struct AggregateEntry {
    /// Its root, where those of several roots are listed.
    #[serde(default)]
    pub root: Option<String>,
    /// Its id.
    pub id: String,
    /// Its state, if it could be folded.
    #[serde(default)]
    pub state: Option<Box<RawValue>>,
    /// Equal on two replicas exactly when they know the same events of it, and the same of them
    /// count.
    #[serde(default)]
    pub etag: Option<String>,
    /// Why there is no state: the fold failed on one of its events.
    #[serde(default, deserialize_with = "Problem::within")]
    pub problem: Option<Problem>,
    /// How many of its events are left out of the state, as its validation refuses them.
    #[serde(default)]
    pub refused_count: u64,
}

/// One aggregate's state.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// The state, as JSON.
    pub state: Box<RawValue>,
    /// Equal on two replicas exactly when they know the same events of it, and the same of them
    /// count.
    pub etag: String,
    /// How many events it was folded from.
    pub event_count: u64,
}

/// What a server holds after a delta.
#[derive(Deserialize)]
pub(super) struct HeldDocument {
    #[serde(deserialize_with = "from_text")]
    pub(super) vv: VersionVector,
}

fn to_texts<S: Serializer>(ids: &[EventId], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ids.iter().map(ToString::to_string))
}

fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

fn from_texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<EventId>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}
