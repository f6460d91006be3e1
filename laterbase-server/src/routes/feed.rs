//! `GET /e/{root}`: what the caller lacks, in feed order.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use laterbase_core::id::RootName;
use laterbase_core::json::{write_event, write_event_verbatim};
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::reader::Reader;
use laterbase_core::version_vector::VersionVector;

use crate::app::App;
use crate::live;
use crate::parameters::{LAST_EVENT_ID, Parameters, Segments, choose, parse_vv};
use crate::problem::Result;
use crate::wire::{self, DELTA, EVENT_STREAM, JSON, JsonList, LINES};

const FORMS: [&str; 4] = [JSON, LINES, DELTA, EVENT_STREAM];

pub(super) async fn read(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    let form = choose(&headers, &FORMS)?;
    let root = if form == DELTA { app.sync_root(&name)? } else { app.public_root(&name)? };
    parameters.only(&["vv", "limit"])?;
    let (vv, limit) = (parameters.vv()?, parameters.limit()?);
    if form == EVENT_STREAM {
        let vv = match headers.get(LAST_EVENT_ID) {
            Some(id) => parse_vv("Last-Event-ID", id.to_str().unwrap_or("?"))?,
            None => vv,
        };
        return Ok(live::respond(app, root, vv, limit));
    }
    app.read(move |reader| match form {
        LINES => lines(reader, &root, &vv, limit),
        DELTA => delta(reader, &root, &vv, limit),
        _ => document(reader, &root, &vv, limit),
    })
    .await
}

fn document(
    reader: &Reader,
    root: &RootName,
    vv: &VersionVector,
    limit: usize,
) -> Result<Response> {
    let mut events = JsonList::member("events");
    let page = reader.feed(root, vv, limit, &mut |event| {
        write_event_verbatim(events.value(), root, event);
        ControlFlow::Continue(())
    })?;
    let body = events.finish(&[("vv", page.vv.to_string().into()), ("more", page.more.into())]);
    Ok(wire::respond(StatusCode::OK, JSON, body))
}

fn lines(reader: &Reader, root: &RootName, vv: &VersionVector, limit: usize) -> Result<Response> {
    let mut body = Vec::new();
    let page = reader.feed(root, vv, limit, &mut |event| {
        write_event(&mut body, root, event);
        body.push(b'\n');
        ControlFlow::Continue(())
    })?;
    let mut response = wire::respond(StatusCode::OK, LINES, body);
    wire::set_page_end(&mut response, &page.vv, page.more);
    Ok(response)
}

fn delta(reader: &Reader, root: &RootName, vv: &VersionVector, limit: usize) -> Result<Response> {
    let page = reader.delta(root, vv, limit, BATCH_BYTES_MAX)?;
    let mut response = wire::respond(StatusCode::OK, DELTA, page.bytes);
    wire::set_page_end(&mut response, &page.vv, page.more);
    Ok(response)
}
