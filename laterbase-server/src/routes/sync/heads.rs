//! `GET /sync/heads`: what this server holds, for callers that cannot go on from a cursor.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::limits::HEADS_ENTRIES_MAX;

use super::{is_taken, selection, set_cursor, set_replica};
use crate::app::App;
use crate::parameters::{Parameters, choose};
use crate::problem::{Problem, Result};
use crate::wire::{self, HEADS, NEXT_HEADER};

pub(crate) async fn read(
    State(app): State<Arc<App>>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    choose(&headers, &[HEADS])?;
    parameters.only(&["roots", "after", "limit"])?;
    let limit = parameters.limit_of(HEADS_ENTRIES_MAX, HEADS_ENTRIES_MAX)?;
    let (selection, after) = (selection(&parameters)?, after(&parameters)?);
    let giving = Arc::clone(&app);
    app.read(move |reader| {
        // Before the heads are read: what arrives meanwhile is met again behind the cursor.
        let end = reader.cursor();
        let page = reader.heads_page_of(&is_taken(&giving, &selection), after.as_ref(), limit);
        let mut response = wire::respond(StatusCode::OK, HEADS, page.encode());
        set_cursor(&mut response, &end);
        if let Some((root, origin)) = &page.next {
            wire::set(&mut response, NEXT_HEADER, &format!("{root}/{origin}"));
        }
        set_replica(&mut response, reader);
        Ok(response)
    })
    .await
}

/// The head behind which the page starts, as [`NEXT_HEADER`] of the page before said.
fn after(parameters: &Parameters) -> Result<Option<(RootName, ReplicaId)>> {
    let Some(text) = parameters.get("after") else { return Ok(None) };
    let read = || {
        let (root, origin) = text.split_once('/')?;
        Some((root.parse().ok()?, origin.parse().ok()?))
    };
    let bad = || Problem::parameter("after", "not what `Laterbase-Next` of a page said");
    read().map(Some).ok_or_else(bad)
}
