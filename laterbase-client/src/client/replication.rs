//! The routes by which replicas sync, as typed calls.

use std::fmt;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use laterbase_core::heads::HeadsPage;
use laterbase_core::id::ReplicaId;
use laterbase_core::limits::{BATCH_BYTES_MAX, PAGE_EVENTS_DEFAULT, PEER_NAME_BYTES_MAX};
use laterbase_core::selection::RootSelection;
use laterbase_core::wants::Wants;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::arrivals::ArrivalStream;
use super::error::ClientError;
use super::exchange::{Call, EVENT_STREAM_MEDIA_TYPE, Reply};
use super::{Client, DELTA_MEDIA_TYPE, decode, header};
use crate::transport::Transport;

const HEADS_MEDIA_TYPE: &str = "application/vnd.laterbase.heads";
const WANTS_MEDIA_TYPE: &str = "application/vnd.laterbase.wants";

const REPLICA_HEADER: &str = "laterbase-replica";
const CURSOR_HEADER: &str = "laterbase-cursor";
const MORE_HEADER: &str = "laterbase-more";
const LEFT_OUT_HEADER: &str = "laterbase-left-out";
const NEXT_HEADER: &str = "laterbase-next";

/// What is asked of a server's arrival log.
#[derive(Clone, Copy, Debug)]
pub struct ArrivalsQuery<'q> {
    /// Where the caller left off.
    pub cursor: &'q str,
    /// The roots that it takes.
    pub selection: &'q RootSelection,
    /// Most events on the page.
    pub limit: usize,
    /// The origin whose events are to be left out, as the caller has them.
    pub not: Option<ReplicaId>,
    /// Who asks, so that those who watch the server see who is behind. It changes no answer.
    pub asking: Option<Asking<'q>>,
    /// A later place that the log is known to have come to.
    pub seen: Option<&'q str>,
}

/// How somebody who asks introduces themselves to those who watch a server.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'q> {
    /// The replica that is synced.
    pub replica: ReplicaId,
    /// What people call it. A name of more than [`PEER_NAME_BYTES_MAX`] bytes is not told.
    pub name: Option<&'q str>,
    /// What its wall clock shows, in nanoseconds since 1970 UTC.
    pub now_nanos: Option<i64>,
}

/// Bytes of a name that travel as they are.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl fmt::Display for Asking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.replica)?;
        if let Some(now) = self.now_nanos {
            write!(f, ";time={}", now.div_euclid(1_000_000_000))?;
        }
        match self.name {
            Some(name) if name.len() <= PEER_NAME_BYTES_MAX => {
                write!(f, ";name={}", utf8_percent_encode(name, PLAIN))
            }
            _ => Ok(()),
        }
    }
}

/// What arrived at a server after a cursor.
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// Who the server is.
    pub replica: ReplicaId,
    /// Where to go on, if that is another place than before.
    pub cursor: Option<String>,
    /// A delta; nothing if nothing arrived.
    pub page: Option<Bytes>,
    /// Whether there is more behind the page.
    pub more: bool,
    /// How many events of the origin that was left out the server holds in the roots that were
    /// asked for, wherever they lie.
    pub left_out: Option<u64>,
}

/// A page of what a server holds.
#[derive(Clone, Debug)]
pub struct Heads {
    /// Who the server is.
    pub replica: ReplicaId,
    /// The end of its arrival log before it looked at what it holds.
    pub cursor: String,
    /// The heads.
    pub page: HeadsPage,
    /// What to ask the next page with; nothing if this is the last one.
    pub next: Option<String>,
}

/// Events that a server was asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Who the server is.
    pub replica: ReplicaId,
    /// A delta.
    pub page: Bytes,
    /// Whether the server has more of what was asked for.
    pub more: bool,
}

/// What a server says to a page that was pushed: all of it is durable there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Who the server is, if it says so.
    pub replica: Option<ReplicaId>,
    /// Events that were new to it.
    pub stored: u64,
    /// Events that it had already.
    pub known: u64,
    /// A cursor into its arrival log before the new events.
    pub before: String,
    /// The same behind them.
    pub after: String,
}

#[derive(Deserialize)]
struct PushedDocument {
    stored: u64,
    known: u64,
    before: String,
    after: String,
}

impl<T: Transport> Client<T> {
    /// Fetches what arrived at the server after a cursor.
    ///
    /// # Errors
    /// [`ClientError::Problem`] of the kind `cursor-gone` if the cursor is of another log.
    pub async fn arrivals(&self, query: &ArrivalsQuery<'_>) -> Result<Arrivals, ClientError> {
        let mut parameters = log_query(query.cursor, query.selection);
        if query.limit != PAGE_EVENTS_DEFAULT {
            parameters.push(("limit", query.limit.to_string()));
        }
        parameters.extend(query.not.map(|id| ("not", id.to_string())));
        parameters.extend(query.seen.map(|seen| ("seen", seen.to_owned())));
        let asking = query.asking.and_then(|asking| HeaderValue::try_from(asking.to_string()).ok());
        let name = HeaderName::from_static(REPLICA_HEADER);
        let headers = asking.map(|id| (name, id)).into_iter().collect();
        let call = Call::get(&["sync"], &parameters).accept(DELTA_MEDIA_TYPE).headers(headers);
        let reply = self.exchange.call(call).await?;
        let page = (reply.status != StatusCode::NO_CONTENT).then(|| reply.body.clone());
        check_size(&reply)?;
        Ok(Arrivals {
            replica: replica(&reply)?,
            cursor: optional(&reply, CURSOR_HEADER)?,
            page,
            more: is_more(&reply),
            left_out: optional(&reply, LEFT_OUT_HEADER)?.and_then(|count| count.parse().ok()),
        })
    }

    /// Listens for news from the server: opens a stream that says when something arrived after a
    /// cursor.
    ///
    /// # Errors
    /// [`ClientError`] as for [`Self::arrivals`], or if the server has no such streams.
    pub async fn listen(
        &self,
        cursor: &str,
        selection: &RootSelection,
    ) -> Result<ArrivalStream<'_, T>, ClientError> {
        let parameters = log_query(cursor, selection);
        let call = Call::get(&["sync"], &parameters).accept(EVENT_STREAM_MEDIA_TYPE);
        let (headers, body) = self.exchange.open(call).await?;
        ArrivalStream::new(&self.exchange, &headers, body)
    }

    /// Fetches a page of what the server holds of some roots.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn heads(
        &self,
        selection: &RootSelection,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Heads, ClientError> {
        let mut parameters = selection_query(selection);
        parameters.extend(after.map(|after| ("after", after.to_owned())));
        parameters.push(("limit", limit.to_string()));
        let call = Call::get(&["sync", "heads"], &parameters).accept(HEADS_MEDIA_TYPE);
        let reply = self.exchange.call(call).await?;
        let page = HeadsPage::decode(&reply.body)
            .map_err(|error| ClientError::protocol(error.to_string()))?;
        let next = optional(&reply, NEXT_HEADER)?;
        if next.is_some() != page.next.is_some() {
            return Err(ClientError::protocol("it is unclear whether there are more heads"));
        }
        if next.is_some() && page.entries.len() != limit {
            return Err(ClientError::protocol("a page of heads before the last one is not full"));
        }
        let cursor = header(&reply, CURSOR_HEADER)?.to_owned();
        Ok(Heads { replica: replica(&reply)?, cursor, page, next })
    }

    /// Fetches events by origin and seq, at most `limit` of them.
    ///
    /// # Errors
    /// [`ClientError`].
    ///
    /// # Panics
    /// If there are more than 10,000 entries in the list.
    pub async fn wanted(&self, wants: &Wants, limit: usize) -> Result<Wanted, ClientError> {
        let parameters = [("limit", limit.to_string())];
        let call = Call::post(&["sync", "wants"], WANTS_MEDIA_TYPE, wants.encode().into());
        let call = call.query(&parameters).accept(DELTA_MEDIA_TYPE);
        let reply = self.exchange.call(call).await?;
        check_size(&reply)?;
        let (replica, more) = (replica(&reply)?, is_more(&reply));
        Ok(Wanted { replica, page: reply.body, more })
    }

    /// Sends a delta of any roots.
    ///
    /// # Errors
    /// [`ClientError::Problem`] of the kind `hole` or `fork`, with `root` and `origin`, if the
    /// delta does not fit onto what the server holds, or with `root` if the server does not take
    /// that root.
    pub async fn push(&self, page: Bytes) -> Result<Pushed, ClientError> {
        let call = Call::post(&["sync"], DELTA_MEDIA_TYPE, page);
        let reply = self.exchange.call(call).await?;
        let PushedDocument { stored, known, before, after } = decode(&reply)?;
        let replica =
            optional(&reply, REPLICA_HEADER)?.map(|text| replica_id(&text)).transpose()?;
        Ok(Pushed { replica, stored, known, before, after })
    }
}

fn log_query(cursor: &str, selection: &RootSelection) -> Vec<(&'static str, String)> {
    let mut parameters = vec![("cursor", cursor.to_owned())];
    parameters.append(&mut selection_query(selection));
    parameters
}

fn selection_query(selection: &RootSelection) -> Vec<(&'static str, String)> {
    if selection.is_all() { Vec::new() } else { vec![("roots", selection.to_string())] }
}

fn replica(reply: &Reply) -> Result<ReplicaId, ClientError> {
    replica_id(header(reply, REPLICA_HEADER)?)
}

fn replica_id(text: &str) -> Result<ReplicaId, ClientError> {
    text.parse().map_err(|_bad_id| ClientError::protocol("it names no replica"))
}

fn optional(reply: &Reply, name: &str) -> Result<Option<String>, ClientError> {
    if !reply.headers.contains_key(name) {
        return Ok(None);
    }
    header(reply, name).map(|text| Some(text.to_owned()))
}

fn is_more(reply: &Reply) -> bool {
    reply.headers.get(MORE_HEADER).is_some_and(|value| value == "true")
}

fn check_size(reply: &Reply) -> Result<(), ClientError> {
    if reply.body.len() > BATCH_BYTES_MAX {
        return Err(ClientError::protocol("the delta is longer than a page may be"));
    }
    Ok(())
}
