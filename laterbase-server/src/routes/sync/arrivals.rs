//! `GET /sync`: what arrived after a cursor.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use laterbase_core::cursor::Cursor;
use laterbase_core::id::RootName;
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::reader::{ReadError, Reader};
use laterbase_core::sync::answer::{Answering, Asked};

use super::{left_out, live, set_cursor, set_replica, with};
use crate::app::App;
use crate::callers::{Asking, Deal, Holding};
use crate::parameters::{Parameters, choose, last_event_id, parse_cursor};
use crate::problem::{Kind, Problem, Result};
use crate::wire::{self, DELTA, EVENT_STREAM, LEFT_OUT_HEADER};

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
    let asked = Asked { cursor, seen, roots: selection, not_of };
    // A stream that does not say whose it is belongs to somebody who pulls as well.
    let is_named = form != EVENT_STREAM || !holding.not_of.is_empty();
    let deal = is_named.then(|| app.callers.asks(&asking, &holding, app.writer.now())).flatten();
    if form == EVENT_STREAM {
        return live::respond(app, asked).await;
    }
    // The usual case takes no look at the store.
    let is_seen = asked.seen.is_none_or(|seen| seen == asked.cursor);
    if is_seen && asked.cursor == app.reader().cursor() {
        let gives = |root: &RootName| app.syncs(root);
        let reader = app.reader();
        let answering = Answering { reader, gives: &gives };
        let response = nothing(reader, answering.left_out(&asked));
        return Ok(with(response, deal.map(|deal| deal.reaching(cursor))));
    }
    let taking = Arc::clone(&app);
    let read =
        move |reader: &Reader, bytes_max| page(&taking, reader, &asked, deal, limit, bytes_max);
    app.read_page(BATCH_BYTES_MAX, read).await
}

fn page(
    app: &App,
    reader: &Reader,
    asked: &Asked,
    deal: Option<Deal>,
    limit: usize,
    bytes_max: usize,
) -> Result<Response> {
    let gives = |root: &RootName| app.syncs(root);
    let answering = Answering { reader, gives: &gives };
    let arrived = answering.arrivals(asked, limit, bytes_max)?.ok_or_else(cursor_gone)?;
    let (cursor, left_out) = (arrived.cursor, arrived.left_out);
    let mut response = match arrived.page {
        None => with(nothing(reader, left_out), deal.map(|deal| deal.reaching(cursor))),
        Some(page) => {
            let mut response = wire::respond(StatusCode::OK, DELTA, page);
            wire::set_more(&mut response, arrived.more);
            sign(&mut response, reader, left_out);
            with(response, deal.map(|deal| deal.giving(Some(cursor))))
        }
    };
    if cursor != asked.cursor {
        set_cursor(&mut response, &cursor);
    }
    Ok(response)
}

fn nothing(reader: &Reader, left_out: Option<u64>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    sign(&mut response, reader, left_out);
    response
}

/// Says who answers, and how much it holds of what the caller wrote.
fn sign(response: &mut Response, reader: &Reader, left_out: Option<u64>) {
    set_replica(response, reader);
    if let Some(count) = left_out {
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
