//! A server's routes as typed calls.

mod arrivals;
mod encoding;
mod error;
mod events;
mod exchange;
mod forks;
mod listing;
mod messages;
mod patience;
mod read_model;
mod replication;
mod retry_after;
mod server_clock;
mod server_url;
mod subscription;
mod traffic;
mod typed;
mod wire;

use bytes::Bytes;
use http::header::ETAG;
use http::{HeaderMap, StatusCode};
use laterbase_core::id::RootName;
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::version_vector::VersionVector;
use serde::de::DeserializeOwned;

use crate::transport::Transport;
use encoding::LinkEncoding;
use exchange::{Call, Exchange, Reply};

pub use arrivals::{Arrival, ArrivalStream};
pub use encoding::Compression;
pub use error::{ClientError, Problem};
pub use events::{EventFilter, EventsPage};
pub use forks::{Decided, ForksPage, ServerBranch, ServerFork};
pub use listing::Roots;
pub use patience::Patience;
pub use read_model::{Checkpoint, ReadModelError};
pub use replication::{Introduction, refusal};
pub use server_url::ServerUrl;
pub use subscription::{Delivery, EventStream, SubscribeOptions, Subscription, SubscriptionError};
pub use traffic::Traffic;
pub use wire::{
    Aggregate, AggregateEntry, AggregatePage, ChangedPage, FeedPage, HistoryPage, NewEvent,
    ReceivedEvent, ServerPeer, ServerRoot, ServerStatus, ServerStorage, Written,
};

/// The media type of binary deltas.
pub const DELTA_MEDIA_TYPE: &str = "application/vnd.laterbase.delta";

const NDJSON_MEDIA_TYPE: &str = "application/x-ndjson";
const EVENT_COUNT_HEADER: &str = "laterbase-event-count";

/// Calls one server. Makes each call once; whether to try again is the caller's to say.
#[derive(Debug)]
pub struct Client<T> {
    exchange: Exchange<T>,
}

impl<T: Transport> Client<T> {
    /// A client of the server at `server`.
    pub fn new(server: ServerUrl, transport: T) -> Self {
        let encoding = LinkEncoding::new(Compression::default());
        Self { exchange: Exchange::new(server, transport, encoding) }
    }

    /// The same client, which compresses what is said.
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.exchange.set_encoding(LinkEncoding::new(compression));
        self
    }

    /// The same client with other bounds on how slow the server, or the way to it, may be. What
    /// goes over the wire is counted together.
    #[must_use]
    pub fn with_patience(&self, patience: Patience) -> Self {
        Self { exchange: self.exchange.with_patience(patience) }
    }

    /// The server's base URL.
    pub const fn server(&self) -> &ServerUrl {
        self.exchange.server()
    }

    /// By how many seconds this machine's clock is ahead of the server's, at the least, as the
    /// server's last answer told; below 0 if it is behind. What the way there may have taken is no
    /// difference. `None` if no answer has told it.
    pub fn clock_ahead_seconds(&self) -> Option<i64> {
        self.exchange.clock().ahead_seconds()
    }

    /// What has gone over the wire so far.
    pub fn traffic(&self) -> Traffic {
        self.exchange.traffic()
    }

    /// Asks who the server is and what it holds.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self) -> Result<ServerStatus, ClientError> {
        let reply = self.exchange.call(Call::get(&[], &[])).await?;
        decode::<wire::StatusDocument>(&reply)?.check()
    }

    /// Asks who synced with the server lately, and how far behind they are.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn peers(&self) -> Result<Vec<ServerPeer>, ClientError> {
        let reply = self.exchange.call(Call::get(&["peers"], &[])).await?;
        Ok(decode::<wire::PeersDocument>(&reply)?.peers)
    }

    /// Writes events as one atomic batch. Those of an aggregate's own type go by
    /// [`Self::append`].
    ///
    /// A lost answer leaves it open whether they were stored: give them idempotency keys to be
    /// able to write them again.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with the index of the event that the server does not take.
    pub async fn write(
        &self,
        root: &RootName,
        events: &[NewEvent],
    ) -> Result<Written, ClientError> {
        decode(&self.post_events(root, events, HeaderMap::new()).await?)
    }

    async fn post_events(
        &self,
        root: &RootName,
        events: &[NewEvent],
        headers: HeaderMap,
    ) -> Result<Reply, ClientError> {
        let mut body = Vec::new();
        for event in events {
            serde_json::to_writer(&mut body, event)
                .map_err(|source| ClientError::Encode { source })?;
            body.push(b'\n');
        }
        let segments = ["e", root.as_str()];
        let call = Call::post(&segments, NDJSON_MEDIA_TYPE, body.into());
        self.exchange.call(call.headers(headers)).await
    }

    /// Reads a page of the events that a reader which holds `vv` lacks, in feed order.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn feed(
        &self,
        root: &RootName,
        vv: &VersionVector,
        limit: usize,
    ) -> Result<FeedPage, ClientError> {
        let query = page_query(vv, limit);
        decode(&self.exchange.call(Call::get(&["e", root.as_str()], &query)).await?)
    }

    /// Reads an aggregate's state as JSON, by the root's default fold. `None` if the server knows no
    /// event of it. [`Self::aggregate`] reads it as a type.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn aggregate_json(
        &self,
        root: &RootName,
        id: &str,
    ) -> Result<Option<Aggregate>, ClientError> {
        let reply = match self.exchange.call(Call::get(&["a", root.as_str(), id], &[])).await {
            Ok(reply) => reply,
            Err(ClientError::Problem(problem)) if problem.status == StatusCode::NOT_FOUND => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let etag = header(&reply, ETAG.as_str())?.to_owned();
        let event_count = number(&reply, EVENT_COUNT_HEADER)?;
        Ok(Some(Aggregate { state: decode(&reply)?, etag, event_count }))
    }

    /// Reads a page of an aggregate's events in the order in which they happened, those after the
    /// place that the page before named.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn history(
        &self,
        root: &RootName,
        id: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<HistoryPage, ClientError> {
        let query = cursor_query(after, limit);
        let segments = ["a", root.as_str(), id, "events"];
        decode(&self.exchange.call(Call::get(&segments, &query)).await?)
    }

    /// Sends a delta and returns what the server durably holds of the root then.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with the server's vv, if the delta would leave a hole there.
    pub async fn push_delta(
        &self,
        root: &RootName,
        page: Bytes,
    ) -> Result<VersionVector, ClientError> {
        let segments = ["e", root.as_str()];
        let query = [("vv", "true".to_owned())];
        let call = Call::post(&segments, DELTA_MEDIA_TYPE, page).query(&query);
        let reply = self.exchange.call(call).await?;
        Ok(decode::<wire::HeldDocument>(&reply)?.vv)
    }

    /// Fetches a delta of at most `limit` events that a replica which holds `vv` lacks.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn pull_delta(
        &self,
        root: &RootName,
        vv: &VersionVector,
        limit: usize,
    ) -> Result<Bytes, ClientError> {
        let query = page_query(vv, limit);
        let segments = ["e", root.as_str()];
        let call = Call::get(&segments, &query).accept(DELTA_MEDIA_TYPE);
        let body = self.exchange.call(call).await?.body;
        if body.len() > BATCH_BYTES_MAX {
            return Err(ClientError::protocol("the delta is longer than a page may be"));
        }
        Ok(body)
    }
}

fn page_query(vv: &VersionVector, limit: usize) -> Vec<(&'static str, String)> {
    let mut query = Vec::new();
    if !vv.is_empty() {
        query.push(("vv", vv.to_string()));
    }
    query.push(("limit", limit.to_string()));
    query
}

fn cursor_query(after: Option<&str>, limit: usize) -> Vec<(&'static str, String)> {
    let mut query = vec![("limit", limit.to_string())];
    query.extend(after.map(|after| ("after", after.to_owned())));
    query
}

fn decode<D: DeserializeOwned>(reply: &Reply) -> Result<D, ClientError> {
    serde_json::from_slice(&reply.body).map_err(|error| ClientError::protocol(error.to_string()))
}

fn number(reply: &Reply, name: &str) -> Result<u64, ClientError> {
    let text = header(reply, name)?;
    text.parse().map_err(|_no_number| ClientError::protocol(format!("{name} is not a number")))
}

fn header<'a>(reply: &'a Reply, name: &str) -> Result<&'a str, ClientError> {
    reply
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| ClientError::protocol(format!("the header {name} is missing")))
}
