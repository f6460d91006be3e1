//! Messages of an event stream (`text/event-stream`), by the rules of the HTML standard.

use bytes::{Buf, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use serde::Deserialize;

use super::error::ClientError;
use super::exchange::{EVENT_STREAM_MEDIA_TYPE, Exchange};
use crate::transport::{ResponseBody, Transport};

/// What comes on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A comment: the link is alive.
    Comment,
    Message(Message),
}

/// A message, which may have nothing but an id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub name: String,
    pub id: Option<String>,
    pub data: String,
}

/// Messages as they come. Dropping it hangs up.
#[derive(Debug)]
pub(super) struct Messages<'c, T> {
    exchange: &'c Exchange<T>,
    body: ResponseBody,
    unread: BytesMut,
    message: Message,
    /// Longest line, and most data, that a server sends on this stream.
    line_bytes_max: usize,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EndDocument {
    reason: String,
}

impl<'c, T: Transport> Messages<'c, T> {
    pub(super) fn new(
        exchange: &'c Exchange<T>,
        headers: &HeaderMap,
        body: ResponseBody,
        line_bytes_max: usize,
    ) -> Result<Self, ClientError> {
        let is_stream =
            |value: &HeaderValue| value.as_bytes().starts_with(EVENT_STREAM_MEDIA_TYPE.as_bytes());
        if !headers.get(CONTENT_TYPE).is_some_and(is_stream) {
            return Err(ClientError::protocol("it is not a stream of events"));
        }
        let (unread, message) = (BytesMut::new(), Message::default());
        Ok(Self { exchange, body, unread, message, line_bytes_max })
    }

    /// Waits for the next word; `None` if the stream ended without one. Nothing is lost if the
    /// wait is given up and begun again.
    pub(super) async fn next(&mut self) -> Result<Option<Word>, ClientError> {
        loop {
            while let Some(line) = take_line(&mut self.unread, self.line_bytes_max)? {
                if let Some(word) = self.message.read(&line, self.line_bytes_max) {
                    return Ok(Some(word));
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
fn take_line(unread: &mut BytesMut, bytes_max: usize) -> Result<Option<String>, ClientError> {
    let Some(end) = unread.iter().position(|byte| *byte == b'\n') else {
        if unread.len() > bytes_max {
            return Err(ClientError::TooLong { bytes_max });
        }
        return Ok(None);
    };
    let line = unread.split_to(end);
    unread.advance(1);
    let line = line.strip_suffix(b"\r").unwrap_or(&line);
    Ok(Some(String::from_utf8_lossy(line).into_owned()))
}

impl Message {
    /// Reads a line, and gives what it completes.
    fn read(&mut self, line: &str, bytes_max: usize) -> Option<Word> {
        if line.is_empty() {
            let message = std::mem::take(self);
            return (message != Self::default()).then_some(Word::Message(message));
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => return Some(Word::Comment),
            "event" => value.clone_into(&mut self.name),
            "id" => self.id = Some(value.to_owned()),
            "data" if self.data.len() < bytes_max => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {}
        }
        None
    }

    /// Why the server ends the stream, if this message says so.
    pub(super) fn end_reason(&self) -> Option<String> {
        let read = || serde_json::from_str::<EndDocument>(&self.data).unwrap_or_default();
        (self.name == "end").then(|| read().reason)
    }
}

#[cfg(test)]
mod tests;
