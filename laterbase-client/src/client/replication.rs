//! The routes by which replicas sync, as typed calls.

use std::fmt;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use laterbase_core::heads::HeadsPage;
use laterbase_core::id::ReplicaId;
use laterbase_core::limits::{BATCH_BYTES_MAX, PAGE_EVENTS_DEFAULT, PEER_NAME_BYTES_MAX};
use laterbase_core::selection::RootSelection;
use laterbase_core::sync::message::{Answer, Arrivals, Heads, Pushed, Question, Refusal, Wanted};
use laterbase_core::wants::Wants;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::arrivals::ArrivalStream;
use super::error::{ClientError, Problem};
use super::exchange::{Call, EVENT_STREAM_MEDIA_TYPE, Reply};
use super::{Client, DELTA_MEDIA_TYPE, decode, header};
use crate::transport::{Transport, TransportError};

const HEADS_MEDIA_TYPE: &str = "application/vnd.laterbase.heads";
const WANTS_MEDIA_TYPE: &str = "application/vnd.laterbase.wants";

const REPLICA_HEADER: &str = "laterbase-replica";
const CURSOR_HEADER: &str = "laterbase-cursor";
const MORE_HEADER: &str = "laterbase-more";
const LEFT_OUT_HEADER: &str = "laterbase-left-out";
const NEXT_HEADER: &str = "laterbase-next";

/// What a side tells those who watch the server of itself. Nothing depends on it.
#[derive(Clone, Debug, Default)]
pub struct Introduction {
    /// What people call it. A name of more than [`PEER_NAME_BYTES_MAX`] bytes is not told.
    pub name: Option<String>,
    /// Tells the wall clock's time in nanoseconds since 1970 UTC, so that a clock that is wrong is
    /// seen at the server too.
    pub wall_clock: Option<fn() -> i64>,
}

/// How somebody who asks introduces themselves to those who watch a server.
struct Asking<'q> {
    /// The replica that is synced.
    replica: ReplicaId,
    who: &'q Introduction,
}

/// Bytes of a name that travel as they are.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl fmt::Display for Asking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.replica)?;
        if let Some(wall_clock) = self.who.wall_clock {
            write!(f, ";time={}", wall_clock().div_euclid(1_000_000_000))?;
        }
        match &self.who.name {
            Some(name) if name.len() <= PEER_NAME_BYTES_MAX => {
                write!(f, ";name={}", utf8_percent_encode(name, PLAIN))
            }
            _ => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct PushedDocument {
    stored: u64,
    known: u64,
    before: String,
    after: String,
}

impl<T: Transport> Client<T> {
    /// Puts a question of a sync to the server.
    ///
    /// # Errors
    /// [`ClientError`]; [`refusal`] says what it means to the sync.
    ///
    /// # Panics
    /// If more than 10,000 stretches of events are asked for by name.
    pub async fn ask(
        &self,
        question: &Question,
        who: &Introduction,
    ) -> Result<Answer, ClientError> {
        match question {
            Question::Heads { roots, after, limit } => {
                self.heads(roots, after.as_deref(), *limit).await.map(Answer::Heads)
            }
            Question::Arrivals { roots, cursor, not, seen, asking, limit } => {
                let mut parameters = log_query(cursor, roots);
                if *limit != PAGE_EVENTS_DEFAULT {
                    parameters.push(("limit", limit.to_string()));
                }
                parameters.extend(not.map(|id| ("not", id.to_string())));
                parameters.extend(seen.as_ref().map(|seen| ("seen", seen.clone())));
                let asking = asking.map(|replica| Asking { replica, who });
                self.arrivals(&parameters, asking).await.map(Answer::Arrivals)
            }
            Question::Wanted { wants, limit } => {
                self.wanted(wants, *limit).await.map(Answer::Wanted)
            }
            Question::Push { page } => self.push(page.clone()).await.map(Answer::Pushed),
        }
    }

    async fn arrivals(
        &self,
        parameters: &[(&'static str, String)],
        asking: Option<Asking<'_>>,
    ) -> Result<Arrivals, ClientError> {
        let asking = asking.and_then(|asking| HeaderValue::try_from(asking.to_string()).ok());
        let name = HeaderName::from_static(REPLICA_HEADER);
        let headers = asking.map(|id| (name, id)).into_iter().collect();
        let call = Call::get(&["sync"], parameters).accept(DELTA_MEDIA_TYPE).headers(headers);
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
    /// [`ClientError`] as for [`Self::ask`], or if the server has no such streams.
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

/// What it means to a sync that a question has no answer.
pub fn refusal(question: &Question, error: &ClientError) -> Refusal {
    match error {
        ClientError::Transport(TransportError::Broken { .. }) => Refusal::Broken,
        _ if error.is_silence() => Refusal::Silent,
        ClientError::Problem(problem) => refusal_of(question, problem),
        _ if error.is_transient() => Refusal::Unclear,
        _ => Refusal::Final,
    }
}

fn refusal_of(question: &Question, problem: &Problem) -> Refusal {
    let is_of_log = matches!(question, Question::Arrivals { .. });
    let is_push = matches!(question, Question::Push { .. });
    let is_garbled = ["malformed-delta", "malformed-request", "malformed-wants"];
    match (problem.status.as_u16(), problem.root.clone().filter(|_| is_push), problem.origin) {
        (404 | 403, Some(root), _) => Refusal::RootNotTaken { root },
        (_, Some(root), Some(origin)) if problem.is("hole") => {
            Refusal::Hole { root, origin, held: problem.held }
        }
        (_, Some(root), Some(origin)) if problem.is("fork") => {
            Refusal::Fork { root, origin, seq: problem.seq }
        }
        (_, Some(_), _) => Refusal::Final,
        _ if is_of_log && (problem.is("cursor-gone") || problem.is("malformed-parameter")) => {
            Refusal::CursorGone
        }
        (413, ..) => Refusal::TooLarge,
        (408 | 429 | 502..=504, ..) => Refusal::Busy { retry_after: problem.retry_after },
        _ if is_garbled.iter().any(|kind| problem.is(kind)) => Refusal::Garbled,
        _ => Refusal::Final,
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
