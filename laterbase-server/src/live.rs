//! Live feeds: `text/event-stream`, which begins with what the caller lacks and never ends by
//! itself.
//!
//! ```text
//! id: <vv>            what the reader holds once it has taken this event in
//! data: {"id": …}     the event, on one line
//!
//! : heartbeat         where nothing happens
//!
//! event: end
//! data: {"reason": "shutting-down"}
//! ```
//!
//! A reader that comes back sends the last `id` it saw as `Last-Event-ID`, and goes on from
//! there. Where a root has so many origins that the id would outweigh the event, only the last
//! event of a page carries one: a reader cut off before it gets that page again.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use laterbase_core::id::RootName;
use laterbase_core::json::write_event;
use laterbase_core::limits::PAGE_EVENTS_DEFAULT;
use laterbase_core::reader::Reader;
use laterbase_core::version_vector::VersionVector;

use crate::app::App;
use crate::problem::Result;
use crate::pulse::{self, News};

/// Bytes of a page after which it is sent. A larger event is a page of its own.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Origins up to which every event carries an id.
const ID_ORIGINS_MAX: usize = 16;

/// Starts a live feed of what a caller that holds `vv` lacks.
pub(crate) fn respond(app: Arc<App>, root: RootName, vv: VersionVector, limit: usize) -> Response {
    let limit = limit.min(PAGE_EVENTS_DEFAULT);
    pulse::respond(&Arc::clone(&app), Feed { app, root, vv, limit })
}

/// One reader's live feed.
///
/// Invariant: `vv` covers exactly what has been sent, beside what the reader had.
struct Feed {
    app: Arc<App>,
    root: RootName,
    vv: VersionVector,
    limit: usize,
}

impl News for Feed {
    /// Reads what the reader lacks, as much as is sent at once.
    async fn look(&mut self) -> Result<Option<Bytes>> {
        if self.vv.covers(&self.app.reader().version_vector(&self.root)) {
            return Ok(None);
        }
        let (root, vv, limit) = (self.root.clone(), self.vv.clone(), self.limit);
        let (page, vv) = self.app.read(move |reader| read_page(reader, &root, vv, limit)).await?;
        self.vv = vv;
        Ok((!page.is_empty()).then(|| page.into()))
    }
}

fn read_page(
    reader: &Reader,
    root: &RootName,
    vv: VersionVector,
    limit: usize,
) -> Result<(Vec<u8>, VersionVector)> {
    let mut out = Vec::new();
    let mut sent = vv.clone();
    // Where the `data` line of the last event begins: an id may still have to stand before it.
    let mut last_start = 0;
    let page = reader.feed(root, &vv, limit, &mut |event| {
        sent.raise(event.dot.origin, event.dot.seq);
        last_start = out.len();
        if sent.len() <= ID_ORIGINS_MAX {
            write_id(&mut out, &sent);
        }
        out.extend_from_slice(b"data: ");
        write_event(&mut out, root, event);
        out.extend_from_slice(b"\n\n");
        if out.len() < PAGE_BYTES_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if page.events > 0 && page.vv.len() > ID_ORIGINS_MAX {
        let mut id = Vec::new();
        write_id(&mut id, &page.vv);
        out.splice(last_start..last_start, id);
    }
    Ok((out, page.vv))
}

fn write_id(out: &mut Vec<u8>, vv: &VersionVector) {
    out.extend_from_slice(format!("id: {vv}\n").as_bytes());
}
