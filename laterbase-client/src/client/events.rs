//! The events of all roots of a server, in the order in which they arrived there.

use http::StatusCode;
use laterbase_core::id::EventId;
use laterbase_core::selection::RootSelection;
use laterbase_core::time::format_time;
use serde::Deserialize;

use super::exchange::Call;
use super::wire::ReceivedEvent;
use super::{Client, ClientError, decode};
use crate::transport::Transport;

/// Which events of a server a caller takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of these roots. `shipment@*` is every partition of `shipment`, and not `shipment` itself.
    pub roots: RootSelection,
    /// Of these types, 100 at most; of all, if there are none.
    pub types: Vec<String>,
    /// Of the aggregate with this id, in any of the roots.
    pub aggregate: Option<String>,
    /// Only what happened then or later, in nanoseconds since 1970 UTC.
    pub occurred_from: Option<i64>,
    /// Only what its origin recorded then or later, in nanoseconds since 1970 UTC.
    pub recorded_from: Option<i64>,
}

impl EventFilter {
    /// What is said of it in a query.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = Vec::new();
        if !self.roots.is_all() {
            query.push(("roots", self.roots.to_string()));
        }
        query.extend(self.types.iter().map(|name| ("type", name.clone())));
        query.extend(self.aggregate.iter().map(|id| ("aggregate", id.clone())));
        query.extend(self.occurred_from.map(|from| ("occurred_from", format_time(from))));
        query.extend(self.recorded_from.map(|from| ("recorded_from", format_time(from))));
        query
    }
}

/// A page of events in the order of their arrival.
#[derive(Clone, Debug, Deserialize)]
pub struct EventsPage {
    /// The events; there may be none, although there is more.
    pub events: Vec<ReceivedEvent>,
    /// What to ask with for the next page, or for what is new. To be kept together with what was
    /// made of the events.
    pub after: String,
    /// Whether there is another page.
    pub more: bool,
    /// How many events the server could not read and left out.
    #[serde(default)]
    pub unreadable: u64,
}

impl<T: Transport> Client<T> {
    /// Reads a page of the events that arrived at the server behind a cursor, or from the first
    /// one on. [`Self::subscribe`] goes on with what arrives.
    ///
    /// # Errors
    /// [`ClientError::Problem`] of the kind `cursor-gone` if the cursor is of another log.
    pub async fn events(
        &self,
        after: Option<&str>,
        filter: &EventFilter,
        limit: usize,
    ) -> Result<EventsPage, ClientError> {
        let mut query = filter.query();
        query.push(("limit", limit.to_string()));
        query.extend(after.map(|after| ("after", after.to_owned())));
        decode(&self.exchange.call(Call::get(&["events"], &query)).await?)
    }

    /// Reads a page of the events that arrived last, the latest first, or of those before the event
    /// of a cursor.
    ///
    /// # Errors
    /// As for [`Self::events`].
    pub async fn events_back(
        &self,
        before: Option<&str>,
        filter: &EventFilter,
        limit: usize,
    ) -> Result<EventsPage, ClientError> {
        let mut query = filter.query();
        query.extend([("limit", limit.to_string()), ("order", "desc".to_owned())]);
        query.extend(before.map(|before| ("after", before.to_owned())));
        decode(&self.exchange.call(Call::get(&["events"], &query)).await?)
    }

    /// Reads one event. `None` if the server does not hold it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn event(&self, id: &EventId) -> Result<Option<ReceivedEvent>, ClientError> {
        let id = id.to_string();
        match self.exchange.call(Call::get(&["events", &id], &[])).await {
            Ok(reply) => decode(&reply).map(Some),
            Err(ClientError::Problem(problem)) if problem.status == StatusCode::NOT_FOUND => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
