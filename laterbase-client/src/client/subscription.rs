//! Following a server's events for as long as it takes: over cuts, restarts and silence.

use std::pin::Pin;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use laterbase_core::sync::Backoff;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until, timeout};

use super::exchange::{Call, EVENT_STREAM_MEDIA_TYPE};
use super::messages::{Message, Messages, Word};
use super::wire::ReceivedEvent;
use super::{Client, ClientError, EventFilter, Problem};
use crate::sync::{BackoffOptions, random_byte};
use crate::transport::{Transport, TransportError};

/// Longest line that a server sends: an event with 1 MiB of data, in base64.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How a subscription waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// How long a server may say nothing before the link to it counts as dead. It says something
    /// every 15 s.
    pub silence_max: Duration,
    /// When is tried again what failed. By default it never ends.
    pub backoff: BackoffOptions,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        let backoff = BackoffOptions { failures_max: u32::MAX, ..BackoffOptions::default() };
        Self { silence_max: Duration::from_secs(45), backoff }
    }
}

/// What a subscription gives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Delivery {
    /// An event, and where to go on behind it.
    Event(Box<ReceivedEvent>, String),
    /// The server's log was read on to here, and nothing in it was for this subscription.
    Advanced(String),
}

impl Delivery {
    /// Where to go on.
    pub fn cursor(&self) -> &str {
        match self {
            Self::Event(_, cursor) | Self::Advanced(cursor) => cursor,
        }
    }
}

/// Events, each with the cursor behind it.
pub type EventStream<'c> =
    Pin<Box<dyn Stream<Item = Result<(ReceivedEvent, String), SubscriptionError>> + Send + 'c>>;

/// Why a subscription ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// 410: the server's log is another one than that of the cursor. What was made of its events
    /// may be wrong now: throw it away, and subscribe without a cursor.
    #[error("the cursor is not of the server's log: {0}")]
    CursorGone(Box<Problem>),
    /// 401 or 403: the server does not let this client read that.
    #[error("the server does not allow it: {0}")]
    NotAllowed(Box<Problem>),
    /// 404: the server has no such root, or no such route.
    #[error("the server has no such thing: {0}")]
    NotFound(Box<Problem>),
    /// Anything else that does not get better by itself, or too many failures in a row.
    #[error(transparent)]
    Failed(#[from] ClientError),
}

impl SubscriptionError {
    fn of(error: ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => match problem.status.as_u16() {
                401 | 403 => Self::NotAllowed(problem),
                404 => Self::NotFound(problem),
                410 => Self::CursorGone(problem),
                _ => Self::Failed(ClientError::Problem(problem)),
            },
            other => Self::Failed(other),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UnreadableDocument {
    entries: u64,
}

/// A server's events as they come, over any number of connections.
///
/// Invariant: `cursor` is behind all that was given, and nothing else.
#[derive(Debug)]
pub struct Subscription<'c, T> {
    client: &'c Client<T>,
    filter: EventFilter,
    silence_max: Duration,
    cursor: Option<String>,
    messages: Option<Messages<'c, T>>,
    is_greeted: bool,
    failures: Backoff,
    /// Until when is rested after a failure.
    rest_until: Option<Instant>,
    unreadable: u64,
    is_over: bool,
}

impl<T: Transport> Client<T> {
    /// Follows the events that arrive at the server, in the order of their arrival, behind a
    /// cursor or from the first one on. It connects when it is first asked, and again after every
    /// cut. Every event comes once; whoever keeps each cursor together with what was made of the
    /// events up to it, and later subscribes with the last one, has made it of each event once.
    pub fn subscribe(&self, cursor: Option<&str>, filter: EventFilter) -> Subscription<'_, T> {
        self.subscribe_with(cursor, filter, SubscribeOptions::default())
    }

    /// The same with other options.
    pub fn subscribe_with(
        &self,
        cursor: Option<&str>,
        filter: EventFilter,
        options: SubscribeOptions,
    ) -> Subscription<'_, T> {
        Subscription {
            client: self,
            filter,
            silence_max: options.silence_max,
            cursor: cursor.map(str::to_owned),
            messages: None,
            is_greeted: false,
            failures: Backoff::new(options.backoff),
            rest_until: None,
            unreadable: 0,
            is_over: false,
        }
    }

    async fn open_events(
        &self,
        cursor: Option<&str>,
        filter: &EventFilter,
    ) -> Result<Messages<'_, T>, ClientError> {
        let mut query = filter.query();
        query.extend(cursor.map(|cursor| ("after", cursor.to_owned())));
        let call = Call::get(&["events"], &query).accept(EVENT_STREAM_MEDIA_TYPE);
        let (headers, body) = self.exchange.open(call).await?;
        Messages::new(&self.exchange, &headers, body, LINE_BYTES_MAX)
    }
}

impl<'c, T: Transport> Subscription<'c, T> {
    /// Waits for the next event, or for word of how far the log was read. Nothing is lost if the
    /// wait is given up and begun again. `None` once it has ended, which it only does with an
    /// error.
    pub async fn next(&mut self) -> Option<Result<Delivery, SubscriptionError>> {
        if self.is_over {
            return None;
        }
        loop {
            match self.hear().await {
                Ok(Some(delivery)) => return Some(Ok(delivery)),
                Ok(None) => {}
                Err(error) => {
                    self.is_over = true;
                    self.messages = None;
                    return Some(Err(error));
                }
            }
        }
    }

    /// Where to go on behind all that was given.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// How many events the server could not read, and passed over.
    pub const fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// The events alone, each with the cursor behind it.
    pub fn into_stream(self) -> EventStream<'c>
    where
        T: 'c,
    {
        Box::pin(unfold(self, async |mut subscription| {
            loop {
                match subscription.next().await? {
                    Ok(Delivery::Event(event, cursor)) => {
                        return Some((Ok((*event, cursor)), subscription));
                    }
                    Ok(Delivery::Advanced(_)) => {}
                    Err(error) => return Some((Err(error), subscription)),
                }
            }
        }))
    }

    /// Connects if need be, and takes a word. `None` if it gives nothing.
    async fn hear(&mut self) -> Result<Option<Delivery>, SubscriptionError> {
        if let Some(until) = self.rest_until {
            sleep_until(until).await;
            self.rest_until = None;
        }
        if self.messages.is_none() {
            let opening = self.client.open_events(self.cursor.as_deref(), &self.filter);
            match timeout(self.silence_max, opening).await {
                Ok(Ok(messages)) => {
                    (self.messages, self.is_greeted) = (Some(messages), false);
                }
                Ok(Err(error)) => return self.rest(error),
                Err(_elapsed) => return self.rest(self.silence()),
            }
        }
        let Some(messages) = &mut self.messages else { return Ok(None) };
        match timeout(self.silence_max, messages.next()).await {
            Ok(Ok(Some(Word::Comment))) => {
                // The first one only greets, also where the next word is that it fails.
                if std::mem::replace(&mut self.is_greeted, true) {
                    self.failures.reset();
                }
                Ok(None)
            }
            Ok(Ok(Some(Word::Message(message)))) => self.take(message),
            Ok(Ok(None)) => self.rest(ClientError::protocol("the stream ended without a word")),
            Ok(Err(error)) => self.rest(error),
            Err(_elapsed) => self.rest(self.silence()),
        }
    }

    fn take(&mut self, message: Message) -> Result<Option<Delivery>, SubscriptionError> {
        if let Some(reason) = message.end_reason() {
            return self.rest(ClientError::protocol(format!("the server ended it: {reason}")));
        }
        self.failures.reset();
        if message.name == "unreadable" {
            let passed: UnreadableDocument =
                serde_json::from_str(&message.data).unwrap_or_default();
            self.unreadable = self.unreadable.saturating_add(passed.entries);
        }
        let (true, Some(cursor)) = (message.name.is_empty(), message.id) else { return Ok(None) };
        if message.data.is_empty() {
            self.cursor = Some(cursor.clone());
            return Ok(Some(Delivery::Advanced(cursor)));
        }
        // It would be the same the next time, so there is no going on.
        let event = serde_json::from_str(&message.data)
            .map_err(|error| ClientError::protocol(error.to_string()))?;
        self.cursor = Some(cursor.clone());
        Ok(Some(Delivery::Event(event, cursor)))
    }

    /// Rests after a failure, unless it will not get better, or was one too many.
    fn rest(&mut self, error: ClientError) -> Result<Option<Delivery>, SubscriptionError> {
        self.messages = None;
        let is_server_error =
            error.problem().is_some_and(|problem| problem.status.is_server_error());
        if !error.is_transient() && !is_server_error {
            return Err(SubscriptionError::of(error));
        }
        match self.failures.next_pause(error.retry_after()) {
            Some(pause) => self.rest_until = Some(Instant::now() + pause.at(random_byte())),
            None => return Err(SubscriptionError::of(error)),
        }
        Ok(None)
    }

    fn silence(&self) -> ClientError {
        TransportError::Silent { seconds: self.silence_max.as_secs() }.into()
    }
}

#[cfg(test)]
mod tests;
