//! `GET /sync/heads`: what this server holds, for callers that cannot go on from a cursor.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use laterbase_core::id::RootName;
use laterbase_core::limits::HEADS_ENTRIES_MAX;
use laterbase_core::sync::answer::{Answering, head_text};

use super::{set_cursor, set_replica};
use crate::app::App;
use crate::callers::Asking;
use crate::parameters::{Parameters, choose};
use crate::problem::Result;
use crate::wire::{self, HEADS, NEXT_HEADER};

pub(crate) async fn read(
    State(app): State<Arc<App>>,
    asking: Asking,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    choose(&headers, &[HEADS])?;
    let limit = parameters.limit_of(HEADS_ENTRIES_MAX, HEADS_ENTRIES_MAX)?;
    let (selection, after) =
        (parameters.roots()?, parameters.after_origin("what `Laterbase-Next` of a page said")?);
    app.callers.compares(&asking, app.writer.now());
    let giving = Arc::clone(&app);
    app.read(move |reader| {
        let gives = |root: &RootName| giving.syncs(root);
        let answering = Answering { reader, gives: &gives };
        let (end, page) = answering.heads(&selection, after.as_ref(), limit);
        let mut response = wire::respond(StatusCode::OK, HEADS, page.encode());
        set_cursor(&mut response, &end);
        if let Some((root, origin)) = &page.next {
            wire::set(&mut response, NEXT_HEADER, &head_text(root, *origin));
        }
        set_replica(&mut response, reader);
        Ok(response)
    })
    .await
}
