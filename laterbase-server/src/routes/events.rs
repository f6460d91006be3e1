//! `GET /events`: the events of all roots, in the order in which they arrived at this replica.
//!
//! What programs follow that make something of the events: one stream, one short cursor, in any
//! number of roots and partitions. [`laterbase_core::reader`] says why such a reader loses nothing
//! and gets nothing twice.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use laterbase_core::limits::BATCH_BYTES_MAX;

use crate::app::App;
use crate::parameters::{Parameters, choose, last_event_id, parse_cursor};
use crate::problem::{Kind, Problem, Result};
use crate::wire::{CLOUD_EVENTS, EVENT_STREAM, JSON, LINES};

pub(super) mod by_id;
pub(crate) mod filter;
mod live;
mod page;

use filter::Filter;

const FORMS: [&str; 4] = [JSON, LINES, EVENT_STREAM, CLOUD_EVENTS];

/// `GET /events`
pub(super) async fn read(
    State(app): State<Arc<App>>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    if let Some(ids) = parameters.get("ids") {
        return by_id::several(&app, ids, &parameters, &headers).await;
    }
    let form = choose(&headers, &FORMS)?;
    let limit = parameters.limit()?;
    let filter = Filter::of(&app, &parameters)?;
    let last_id = last_event_id(&headers).filter(|_| form == EVENT_STREAM);
    let after = match (last_id, parameters.get("after")) {
        (Some(id), _) => Some(parse_cursor("Last-Event-ID", id)?),
        (None, Some(text)) => Some(parse_cursor("after", text)?),
        (None, None) => None,
    };
    if form == EVENT_STREAM {
        if filter.is_backward() {
            let detail = "desc has no stream: what arrives comes behind all that is there";
            return Err(Problem::parameter("order", detail));
        }
        return live::respond(&app, filter, after, limit).await;
    }
    app.read_page(BATCH_BYTES_MAX, move |reader, bytes_max| {
        page::read(form, reader, &filter, after.as_ref(), limit, bytes_max)
    })
    .await
}

/// The caller's cursor is not of this log as it is now.
fn cursor_gone() -> Problem {
    Problem::new(Kind::CursorGone).detail(
        "the log is another one now, or was written anew: read it from the start, without \
         `after`, and make anew what was made of its events",
    )
}
