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
use crate::pulse::{self, News};
use crate::routes::feed::{Holding, cursor_gone};
use crate::wire;

/// Bytes of a page after which it is sent. A larger event is a page of its own.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Starts a live feed of what a caller lacks.
///
/// # Errors
/// 410 if the caller's cursor is of another log.
pub(crate) async fn respond(
    app: Arc<App>,
    root: RootName,
    holding: Holding,
    limit: usize,
) -> Result<Response> {
    let limit = limit.min(PAGE_EVENTS_DEFAULT);
    let feed = Feed { app: Arc::clone(&app), root, holding, limit };
    if let Holding::Cursor(_) = feed.holding {
        let (root, from) = (feed.root.clone(), feed.holding.clone());
        // A look without an event: whether the cursor fits is said before the answer begins.
        app.read(move |reader| {
            let look = reader.follow(&root, from.as_from(), 0, &mut |_, _| ControlFlow::Break(()));
            look?.map(drop).ok_or_else(cursor_gone)
        })
        .await?;
    }
    Ok(pulse::respond(&app, feed))
}

/// One reader's live feed.
///
/// Invariant: `holding` covers exactly what has been sent, beside what the reader had.
struct Feed {
    app: Arc<App>,
    root: RootName,
    holding: Holding,
    limit: usize,
}

impl News for Feed {
    /// Reads what the reader lacks, as much as is sent at once.
    async fn look(&mut self) -> Result<Option<Bytes>> {
        loop {
            let (root, limit) = (self.root.clone(), self.limit);
            let holding = self.holding.clone();
            let room = self.app.page_room(PAGE_BYTES_MAX).await?;
            let bytes_max = room.bytes().min(PAGE_BYTES_MAX);
            let read = move |reader: &Reader| read_page(reader, &root, &holding, limit, bytes_max);
            let (mut page, holding, more) = self.app.read(read).await?;
            self.holding = holding;
            if !page.is_empty() {
                page.shrink_to_fit();
                return self.app.settled(page.into(), Some(room)).await.map(Some);
            }
            if !more {
                return Ok(None);
            }
        }
    }
}

fn read_page(
    reader: &Reader,
    root: &RootName,
    holding: &Holding,
    limit: usize,
    bytes_max: usize,
) -> Result<(Vec<u8>, Holding, bool)> {
    let mut out = Vec::new();
    let page = reader.follow(root, holding.as_from(), limit, &mut |event, behind| {
        if let Some(cursor) = behind.cursor() {
            out.extend_from_slice(format!("id: {cursor}\n").as_bytes());
        }
        out.extend_from_slice(b"data: ");
        write_event(&mut out, root, event);
        out.extend_from_slice(b"\n\n");
        wire::flow(out.len(), bytes_max)
    })?;
    let page = page.ok_or_else(cursor_gone)?;
    // Without a cursor, there is a vector: what came with a cursor always has room for one.
    let vector = page.vv.map(Holding::Vector);
    let holding = page.after.map(Holding::Cursor).or(vector).ok_or_else(cursor_gone)?;
    Ok((out, holding, page.more))
}
