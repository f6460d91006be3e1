//! `GET /sync`: what arrived after a cursor.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use laterbase_core::cursor::Cursor;
use laterbase_core::id::ReplicaId;
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::reader::{ReadError, Reader, Taken};
use laterbase_core::selection::RootSelection;

use super::{is_taken, left_out, live, set_cursor, set_replica, with};
use crate::app::App;
use crate::callers::{Asking, Deal, Holding};
use crate::parameters::{Parameters, choose, last_event_id, parse_cursor};
use crate::problem::{Kind, Problem, Result};
use crate::wire::{self, DELTA, EVENT_STREAM, LEFT_OUT_HEADER};

/// What a caller lacks: all that arrived after a cursor, in the roots that it takes, but for what
/// it wrote itself.
#[derive(Clone, Debug)]
pub(super) struct Lacking {
    pub cursor: Cursor,
    /// The furthest cursor of this log that the caller ever met. What it knows of the server goes
    /// back to there, so the log must have come that far.
    pub seen: Option<Cursor>,
    pub selection: RootSelection,
    pub not_of: Vec<ReplicaId>,
}

pub(crate) async fn read(
    State(app): State<Arc<App>>,
    asking: Asking,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    let form = choose(&headers, &[DELTA, EVENT_STREAM])?;
    let limit = parameters.limit()?;
    let last_id = last_event_id(&headers).filter(|_| form == EVENT_STREAM);
    let cursor = match (last_id, parameters.get("cursor")) {
        (Some(id), _) => parse_cursor("Last-Event-ID", id)?,
        (None, Some(text)) => parse_cursor("cursor", text)?,
        (None, None) => return Err(Problem::parameter("cursor", "must be given")),
    };
    let seen = parameters.get("seen").map(|text| parse_cursor("seen", text)).transpose()?;
    let (selection, not_of) = (parameters.roots()?, left_out(&parameters)?);
    let holding = Holding { cursor, selection: selection.clone(), not_of: not_of.clone() };
    let lacking = Lacking { cursor, seen, selection, not_of };
    // A stream that does not say whose it is belongs to somebody who pulls as well.
    let is_named = form != EVENT_STREAM || !holding.not_of.is_empty();
    let deal = is_named.then(|| app.callers.asks(&asking, &holding, app.writer.now())).flatten();
    if form == EVENT_STREAM {
        return live::respond(app, lacking).await;
    }
    // The usual case takes no look at the store.
    let is_seen = lacking.seen.is_none_or(|seen| seen == lacking.cursor);
    if is_seen && lacking.cursor == app.reader().cursor() {
        let response = nothing(&app, app.reader(), &lacking);
        return Ok(with(response, deal.map(|deal| deal.reaching(cursor))));
    }
    let taking = Arc::clone(&app);
    let read =
        move |reader: &Reader, bytes_max| page(&taking, reader, &lacking, deal, limit, bytes_max);
    app.read_page(BATCH_BYTES_MAX, read).await
}

fn page(
    app: &App,
    reader: &Reader,
    lacking: &Lacking,
    deal: Option<Deal>,
    limit: usize,
    bytes_max: usize,
) -> Result<Response> {
    let root = is_taken(app, &lacking.selection);
    let not_of = &lacking.not_of[..];
    let taken = Taken { root: &root, not_of, limit, bytes_max };
    if !fits(reader, lacking.seen)? {
        return Err(cursor_gone());
    }
    let page = reader.arrivals_delta(&lacking.cursor, &taken)?.ok_or_else(cursor_gone)?;
    let mut response = if page.events == 0 && !page.more {
        with(nothing(app, reader, lacking), deal.map(|deal| deal.reaching(page.cursor)))
    } else {
        let mut response = wire::respond(StatusCode::OK, DELTA, page.bytes);
        wire::set_more(&mut response, page.more);
        sign(&mut response, app, reader, lacking);
        with(response, deal.map(|deal| deal.giving(Some(page.cursor))))
    };
    if page.cursor != lacking.cursor {
        set_cursor(&mut response, &page.cursor);
    }
    Ok(response)
}

fn nothing(app: &App, reader: &Reader, lacking: &Lacking) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    sign(&mut response, app, reader, lacking);
    response
}

/// Says who answers, and how much it holds of what the caller wrote: if that is more than the
/// caller does, the caller was set back.
fn sign(response: &mut Response, app: &App, reader: &Reader, lacking: &Lacking) {
    set_replica(response, reader);
    if !lacking.not_of.is_empty() {
        let count = reader.held_count(&is_taken(app, &lacking.selection), &lacking.not_of);
        wire::set(response, LEFT_OUT_HEADER, &count.to_string());
    }
}

/// Whether a cursor, if there is one, is of this log.
pub(super) fn fits(reader: &Reader, cursor: Option<Cursor>) -> Result<bool> {
    let fits = cursor.map(|cursor| reader.fits(&cursor)).transpose().map_err(ReadError::from)?;
    Ok(fits.unwrap_or(true))
}

/// The log that the cursor is of is not the one that is here.
pub(super) fn cursor_gone() -> Problem {
    Problem::new(Kind::CursorGone).detail("compare heads, then pull from the cursor they give")
}
