//! `GET /sync` as an event stream: says that something arrived, and leaves the fetching to the
//! plain request, so that there is one way for data.
//!
//! ```text
//! event: arrived
//! id: <cursor>        how far the log had come
//! data: {}
//! ```

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use laterbase_core::cursor::Cursor;
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::reader::{Reader, Taken};
use laterbase_core::sync::answer::Asked;

use super::arrivals::{cursor_gone, fits};
use super::{is_taken, set_replica};
use crate::app::App;
use crate::problem::Result;
use crate::pulse::{self, News};

/// Starts to tell a caller of what arrives.
///
/// # Errors
/// 410 if the caller's cursor is of another log.
pub(super) async fn respond(app: Arc<App>, lacking: Asked) -> Result<Response> {
    let (cursor, seen) = (lacking.cursor, lacking.seen);
    let fits =
        app.read(move |reader| Ok(fits(reader, Some(cursor))? && fits(reader, seen)?)).await?;
    if !fits {
        return Err(cursor_gone());
    }
    let mut response = pulse::respond(&app, Notices { app: Arc::clone(&app), lacking });
    set_replica(&mut response, app.reader());
    Ok(response)
}

/// One caller's notices.
///
/// Invariant: of what lies before `lacking.cursor`, the caller has been told.
struct Notices {
    app: Arc<App>,
    lacking: Asked,
}

impl News for Notices {
    /// Tells that something arrived, if the caller lacks some of it.
    async fn look(&mut self) -> Result<Option<Bytes>> {
        if self.lacking.cursor == self.app.reader().cursor() {
            return Ok(None);
        }
        let (app, lacking) = (Arc::clone(&self.app), self.lacking.clone());
        let found = self.app.read(move |reader| look(&app, reader, lacking)).await?;
        self.lacking.cursor = found.cursor;
        let id = found.cursor;
        Ok(found.is_lacking.then(|| format!("event: arrived\nid: {id}\ndata: {{}}\n\n").into()))
    }
}

/// How far a look at the log went, and whether it met something that the caller lacks.
struct Found {
    cursor: Cursor,
    is_lacking: bool,
}

fn look(app: &App, reader: &Reader, mut lacking: Asked) -> Result<Found> {
    let root = is_taken(app, &lacking.roots);
    let (not_of, bytes_max) = (&lacking.not_of[..], BATCH_BYTES_MAX);
    let taken = Taken { root: &root, not_of, limit: 1, bytes_max };
    loop {
        let end = reader.cursor();
        let Some(page) = reader.arrivals_delta(&lacking.cursor, &taken)? else {
            // The log was set anew under the caller's feet, of which it learns when it asks.
            return Ok(Found { cursor: end, is_lacking: true });
        };
        if page.events > 0 {
            return Ok(Found { cursor: end, is_lacking: true });
        }
        lacking.cursor = page.cursor;
        if !page.more {
            return Ok(Found { cursor: page.cursor, is_lacking: false });
        }
    }
}
