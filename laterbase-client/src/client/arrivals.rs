//! Streams by which a server says that something arrived (`text/event-stream`).

use http::HeaderMap;

use super::error::ClientError;
use super::exchange::Exchange;
use super::messages::{Messages, Word};
use crate::transport::{ResponseBody, Transport};

/// Longest line that a server sends.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// What a server says on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arrival {
    /// Something arrived; its log ends at this cursor now.
    Arrived {
        /// The cursor, which also is where to listen from after a cut.
        cursor: String,
    },
    /// Nothing new, and the link is alive.
    Heartbeat,
    /// The server ends the stream.
    End {
        /// Why, in the server's word.
        reason: String,
    },
}

/// A server's news as they come. Dropping it hangs up.
#[derive(Debug)]
pub struct ArrivalStream<'c, T> {
    messages: Messages<'c, T>,
}

impl<'c, T: Transport> ArrivalStream<'c, T> {
    pub(super) fn new(
        exchange: &'c Exchange<T>,
        headers: &HeaderMap,
        body: ResponseBody,
    ) -> Result<Self, ClientError> {
        Ok(Self { messages: Messages::new(exchange, headers, body, LINE_BYTES_MAX)? })
    }

    /// Waits for the next word; `None` if the stream ended without one. Nothing is lost if the
    /// wait is given up and begun again.
    ///
    /// # Errors
    /// [`ClientError::Transport`] if the link broke, [`ClientError::Protocol`] if what comes is
    /// no stream of events.
    pub async fn next(&mut self) -> Result<Option<Arrival>, ClientError> {
        loop {
            let message = match self.messages.next().await? {
                None => return Ok(None),
                Some(Word::Comment) => return Ok(Some(Arrival::Heartbeat)),
                Some(Word::Message(message)) => message,
            };
            if let Some(reason) = message.end_reason() {
                return Ok(Some(Arrival::End { reason }));
            }
            if message.name == "arrived" {
                let cursor = message.id.unwrap_or_default();
                return Ok(Some(Arrival::Arrived { cursor }));
            }
        }
    }
}
