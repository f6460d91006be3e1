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

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use laterbase_core::id::RootName;
use laterbase_core::json::write_event;
use laterbase_core::limits::PAGE_EVENTS_DEFAULT;
use laterbase_core::reader::Reader;
use laterbase_core::version_vector::VersionVector;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::problem::{Problem, Result};
use crate::wire::EVENT_STREAM;

/// How long a reader hears nothing at most.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Bytes of a page after which it is sent. A larger event is a page of its own.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Origins up to which every event carries an id.
const ID_ORIGINS_MAX: usize = 16;

/// Starts a live feed of what a caller that holds `vv` lacks.
pub(crate) fn respond(app: Arc<App>, root: RootName, vv: VersionVector, limit: usize) -> Response {
    let feed = Feed {
        head: app.head.clone(),
        stopping: app.stopping(),
        app,
        root,
        vv,
        limit: limit.min(PAGE_EVENTS_DEFAULT),
        phase: Phase::Greeting,
        heartbeat: Instant::now() + HEARTBEAT,
    };
    let pieces = stream::unfold(feed, async |mut feed| {
        let piece = feed.next().await?;
        Some((Ok::<Bytes, Infallible>(piece), feed))
    });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One reader's live feed.
///
/// Invariant: `vv` covers exactly what has been sent, beside what the reader had.
struct Feed {
    app: Arc<App>,
    root: RootName,
    vv: VersionVector,
    limit: usize,
    head: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    phase: Phase,
    /// When the reader is told that there is nothing to tell.
    heartbeat: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Greeting,
    Running,
    Ended,
}

/// What a feed waited for.
enum Wake {
    Arrivals,
    Heartbeat,
    Stop,
    WriterGone,
}

impl Feed {
    /// The next piece to send; `None` once the end has been said.
    async fn next(&mut self) -> Option<Bytes> {
        match self.phase {
            Phase::Ended => return None,
            // Sent at once, so that the reader's side sees that the stream is there.
            Phase::Greeting => {
                self.phase = Phase::Running;
                return Some(Bytes::from_static(b": live\n\n"));
            }
            Phase::Running => {}
        }
        loop {
            if *self.stopping.borrow() {
                return Some(self.end(&json!({ "reason": "shutting-down" })));
            }
            // Marked as seen before the read, so that no arrival falls between the two.
            self.head.mark_unchanged();
            match self.page().await {
                Ok(page) if page.is_empty() => {}
                Ok(page) => {
                    self.heartbeat = Instant::now() + HEARTBEAT;
                    return Some(page.into());
                }
                Err(problem) => return Some(self.fail(&problem)),
            }
            match self.wait().await {
                Wake::Arrivals | Wake::Stop => {}
                Wake::Heartbeat => {
                    self.heartbeat = Instant::now() + HEARTBEAT;
                    return Some(Bytes::from_static(b": heartbeat\n\n"));
                }
                // Nothing more will arrive.
                Wake::WriterGone if self.app.is_stopping() => {}
                Wake::WriterGone => return Some(self.end(&json!({ "reason": "failed" }))),
            }
        }
    }

    /// Reads what the reader lacks, as much as is sent at once.
    async fn page(&mut self) -> Result<Vec<u8>> {
        if self.vv.covers(&self.app.reader().version_vector(&self.root)) {
            return Ok(Vec::new());
        }
        let (root, vv, limit) = (self.root.clone(), self.vv.clone(), self.limit);
        let (page, vv) = self.app.read(move |reader| read_page(reader, &root, vv, limit)).await?;
        self.vv = vv;
        Ok(page)
    }

    async fn wait(&mut self) -> Wake {
        tokio::select! {
            changed = self.head.changed() => match changed {
                Ok(()) => Wake::Arrivals,
                Err(_closed) => Wake::WriterGone,
            },
            _ = self.stopping.wait_for(|stopping| *stopping) => Wake::Stop,
            () = sleep_until(self.heartbeat) => Wake::Heartbeat,
        }
    }

    fn fail(&mut self, problem: &Problem) -> Bytes {
        self.end(&json!({ "reason": "failed", "correlation_id": problem.correlation_id() }))
    }

    fn end(&mut self, data: &serde_json::Value) -> Bytes {
        self.phase = Phase::Ended;
        format!("event: end\ndata: {data}\n\n").into()
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
