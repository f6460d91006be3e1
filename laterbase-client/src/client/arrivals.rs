//! Streams by which a server says that something arrived (`text/event-stream`).

use bytes::{Buf, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use serde::Deserialize;

use super::error::ClientError;
use super::exchange::{EVENT_STREAM_MEDIA_TYPE, Exchange};
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
    exchange: &'c Exchange<T>,
    body: ResponseBody,
    unread: BytesMut,
    event: Fields,
}

/// The fields of the event that is being read.
#[derive(Debug, Default)]
struct Fields {
    name: String,
    id: String,
    data: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EndDocument {
    reason: String,
}

impl<'c, T: Transport> ArrivalStream<'c, T> {
    pub(super) fn new(
        exchange: &'c Exchange<T>,
        headers: &HeaderMap,
        body: ResponseBody,
    ) -> Result<Self, ClientError> {
        let is_stream =
            |value: &HeaderValue| value.as_bytes().starts_with(EVENT_STREAM_MEDIA_TYPE.as_bytes());
        if !headers.get(CONTENT_TYPE).is_some_and(is_stream) {
            return Err(ClientError::protocol("it is not a stream of events"));
        }
        Ok(Self { exchange, body, unread: BytesMut::new(), event: Fields::default() })
    }

    /// Waits for the next word; `None` if the stream ended without one. Nothing is lost if the
    /// wait is given up and begun again.
    ///
    /// # Errors
    /// [`ClientError::Transport`] if the link broke, [`ClientError::Protocol`] if what comes is
    /// no stream of events.
    pub async fn next(&mut self) -> Result<Option<Arrival>, ClientError> {
        loop {
            while let Some(line) = take_line(&mut self.unread)? {
                if let Some(arrival) = self.event.read(&line) {
                    return Ok(Some(arrival));
                }
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            if let Ok(data) = frame?.into_data() {
                self.exchange.add_received(data.len());
                self.unread.extend_from_slice(&data);
            }
        }
    }
}

/// Takes a line off the front, without its end; `None` if there is no whole one yet.
fn take_line(unread: &mut BytesMut) -> Result<Option<String>, ClientError> {
    let Some(end) = unread.iter().position(|byte| *byte == b'\n') else {
        if unread.len() > LINE_BYTES_MAX {
            return Err(ClientError::protocol("a line of its stream does not end"));
        }
        return Ok(None);
    };
    let line = unread.split_to(end);
    unread.advance(1);
    let line = line.strip_suffix(b"\r").unwrap_or(&line);
    Ok(Some(String::from_utf8_lossy(line).into_owned()))
}

impl Fields {
    /// Reads a line, and gives what it completes.
    fn read(&mut self, line: &str) -> Option<Arrival> {
        if line.is_empty() {
            return std::mem::take(self).complete();
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => return Some(Arrival::Heartbeat),
            "event" => value.clone_into(&mut self.name),
            "id" => value.clone_into(&mut self.id),
            "data" if self.data.len() < LINE_BYTES_MAX => self.data.push_str(value),
            _ => {}
        }
        None
    }

    fn complete(self) -> Option<Arrival> {
        match self.name.as_str() {
            "arrived" => Some(Arrival::Arrived { cursor: self.id }),
            "end" => {
                let document: EndDocument = serde_json::from_str(&self.data).unwrap_or_default();
                Some(Arrival::End { reason: document.reason })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
