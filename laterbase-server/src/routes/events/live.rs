//! `GET /events` as an event stream.
//!
//! ```text
//! id: <cursor>        where the reader is once it has taken this event in
//! data: {"id": …}     the event, on one line
//!
//! id: <cursor>        how far the log was read, where nothing in it was for this reader
//!
//! event: unreadable   log entries that were passed over
//! data: {"entries":1}
//! ```
//!
//! By the rules of the HTML standard, a message without data is no message, but its id is what the
//! reader sends as `Last-Event-ID` when it comes back.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use laterbase_core::cursor::Cursor;
use laterbase_core::json::write_event;
use laterbase_core::reader::{ReadError, Reader};

use super::cursor_gone;
use super::filter::Filter;
use crate::app::App;
use crate::live::{self, Source};
use crate::problem::Result;
use crate::pulse::HEARTBEAT;
use crate::wire;

/// Starts a stream of what arrived after a cursor.
///
/// # Errors
/// 410 if the cursor is of another log.
pub(super) async fn respond(
    app: &Arc<App>,
    filter: Filter,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Response> {
    if let Some(after) = after {
        let fits = move |reader: &Reader| Ok(reader.fits(&after).map_err(ReadError::from)?);
        if !app.read(fits).await? {
            return Err(cursor_gone());
        }
    }
    Ok(live::follow(app, Arrivals { filter, read: after, told: after }, limit))
}

/// One reader's stream.
///
/// Invariant: all that the reader takes up to `read` was sent. The last id that it was sent, or
/// came with, is `told`.
#[derive(Clone)]
struct Arrivals {
    filter: Filter,
    read: Option<Cursor>,
    told: Option<Cursor>,
}

impl Source for Arrivals {
    fn page(&mut self, reader: &Reader, limit: usize, bytes_max: usize) -> Result<(Vec<u8>, bool)> {
        let mut out = Vec::new();
        let after = self.read;
        let page =
            self.filter.read(reader, after.as_ref(), limit, &mut |root, event, cursor| {
                self.told = Some(cursor);
                live::write_message(&mut out, Some(cursor), |out| write_event(out, root, event));
                wire::flow(out.len(), bytes_max)
            })?;
        self.read = Some(page.cursor);
        // Of a tail that cannot be read, it is said once it is passed.
        if page.unreadable > 0 && self.read != after {
            let entries = page.unreadable;
            let notice = format!("event: unreadable\ndata: {{\"entries\":{entries}}}\n\n");
            out.extend_from_slice(notice.as_bytes());
        }
        // So that a reader who is cut off in the long stretches between has come along.
        if page.more && out.is_empty() {
            out.extend_from_slice(&self.advance());
        }
        Ok((out, page.more))
    }

    fn heartbeat(&mut self) -> Bytes {
        if self.read == self.told { Bytes::from_static(HEARTBEAT) } else { self.advance() }
    }
}

impl Arrivals {
    /// Tells how far the log was read.
    fn advance(&mut self) -> Bytes {
        self.told = self.read;
        let id = self.read.map(|cursor| format!("id: {cursor}\n\n")).unwrap_or_default();
        id.into()
    }
}
