//! Live feeds: `text/event-stream`, which begins with what the caller lacks and never ends by
//! itself.
//!
//! ```text
//! id: <cursor>        where the reader is once it has taken this event in
//! data: {"id": …}     the event, on one line
//!
//! : heartbeat         where nothing happens
//!
//! event: end
//! data: {"reason": "shutting-down"}
//! ```
//!
//! A reader that comes back sends the last `id` it saw as `Last-Event-ID`, and goes on from
//! there. The id is the short cursor of a page, so it says the same for any number of origins.

use std::fmt::Display;
use std::ops::ControlFlow;
use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use laterbase_core::id::RootName;
use laterbase_core::json::write_event;
use laterbase_core::limits::PAGE_EVENTS_DEFAULT;
use laterbase_core::reader::Reader;

use crate::app::App;
use crate::problem::Result;
use crate::pulse::{self, HEARTBEAT, News};
use crate::routes::feed::{Holding, cursor_gone};
use crate::wire;

/// Bytes of a page after which it is sent. A larger event is a page of its own.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// What a live answer reads, a page at a time, and how far its reader has come.
pub(crate) trait Source: Clone + Send + 'static {
    /// Reads a page of at most `limit` events that ends at about `bytes_max`, as it is sent, and
    /// says whether there is more behind it. From then on, the reader has it.
    fn page(&mut self, reader: &Reader, limit: usize, bytes_max: usize) -> Result<(Vec<u8>, bool)>;

    /// What the reader is told when there was no page for a while.
    fn heartbeat(&mut self) -> Bytes {
        Bytes::from_static(HEARTBEAT)
    }
}

/// A live answer with what a source has, and then what it gets.
pub(crate) fn follow(app: &Arc<App>, source: impl Source, limit: usize) -> Response {
    let limit = limit.min(PAGE_EVENTS_DEFAULT);
    pulse::respond(app, Followed { app: Arc::clone(app), source, limit })
}

/// Appends a message whose data is one line, and the cursor behind it.
pub(crate) fn write_message(
    out: &mut Vec<u8>,
    id: Option<impl Display>,
    write_data: impl FnOnce(&mut Vec<u8>),
) {
    if let Some(id) = id {
        out.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    out.extend_from_slice(b"data: ");
    write_data(out);
    out.extend_from_slice(b"\n\n");
}

/// Starts a live feed of what a caller lacks of a root.
///
/// # Errors
/// 410 if the caller's cursor is of another log.
pub(crate) async fn respond(
    app: Arc<App>,
    root: RootName,
    holding: Holding,
    limit: usize,
) -> Result<Response> {
    let feed = Feed { root, holding };
    if let Holding::Cursor(_) = feed.holding {
        let (root, from) = (feed.root.clone(), feed.holding.clone());
        // A look without an event: whether the cursor fits is said before the answer begins.
        app.read(move |reader| {
            let look = reader.follow(&root, from.as_from(), 0, &mut |_, _| ControlFlow::Break(()));
            look?.map(drop).ok_or_else(cursor_gone)
        })
        .await?;
    }
    Ok(follow(&app, feed, limit))
}

/// One reader of a source.
struct Followed<S> {
    app: Arc<App>,
    source: S,
    limit: usize,
}

impl<S: Source> News for Followed<S> {
    /// Reads what the reader lacks, as much as is sent at once.
    async fn look(&mut self) -> Result<Option<Bytes>> {
        loop {
            let (mut source, limit) = (self.source.clone(), self.limit);
            let room = self.app.page_room(PAGE_BYTES_MAX).await?;
            let bytes_max = room.bytes().min(PAGE_BYTES_MAX);
            let read = move |reader: &Reader| {
                let (page, more) = source.page(reader, limit, bytes_max)?;
                Ok((page, more, source))
            };
            let (mut page, more, source) = self.app.read(read).await?;
            self.source = source;
            if !page.is_empty() {
                page.shrink_to_fit();
                return self.app.settled(page.into(), Some(room)).await.map(Some);
            }
            if !more {
                return Ok(None);
            }
        }
    }

    fn heartbeat(&mut self) -> Bytes {
        self.source.heartbeat()
    }
}

/// One reader's live feed of a root.
///
/// Invariant: `holding` covers exactly what has been sent, beside what the reader had.
#[derive(Clone)]
struct Feed {
    root: RootName,
    holding: Holding,
}

impl Source for Feed {
    fn page(&mut self, reader: &Reader, limit: usize, bytes_max: usize) -> Result<(Vec<u8>, bool)> {
        let (root, from) = (&self.root, self.holding.as_from());
        let mut out = Vec::new();
        let page = reader.follow(root, from, limit, &mut |event, behind| {
            write_message(&mut out, behind.cursor(), |out| write_event(out, root, event));
            wire::flow(out.len(), bytes_max)
        })?;
        let page = page.ok_or_else(cursor_gone)?;
        // Without a cursor, there is a vector: what came with a cursor always has room for one.
        let vector = page.vv.map(Holding::Vector);
        self.holding = page.after.map(Holding::Cursor).or(vector).ok_or_else(cursor_gone)?;
        Ok((out, page.more))
    }
}
