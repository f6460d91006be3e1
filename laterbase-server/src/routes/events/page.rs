//! Pages of events in the order of their arrival, in each form.

use axum::http::StatusCode;
use axum::response::Response;
use laterbase_core::cursor::Cursor;
use laterbase_core::json::{write_cloud_event, write_event, write_event_verbatim};
use laterbase_core::reader::{ArrivedPage, Reader};

use super::filter::Filter;
use crate::problem::Result;
use crate::wire::{self, AFTER_HEADER, CLOUD_EVENTS, JSON, JsonList, LINES, UNREADABLE_HEADER};

/// Reads a page in the form of a media type.
pub(super) fn read(
    form: &'static str,
    reader: &Reader,
    filter: &Filter,
    after: Option<&Cursor>,
    limit: usize,
    bytes_max: usize,
) -> Result<Response> {
    match form {
        LINES => {
            let mut body = Vec::new();
            let page = filter.read(reader, after, limit, &mut |root, event, _| {
                write_event(&mut body, root, event);
                body.push(b'\n');
                wire::flow(body.len(), bytes_max)
            })?;
            Ok(with_end(form, body, &page))
        }
        CLOUD_EVENTS => {
            let mut events = JsonList::document();
            let page = filter.read(reader, after, limit, &mut |root, event, _| {
                write_cloud_event(events.value(), root, event);
                events.flow(bytes_max)
            })?;
            Ok(with_end(form, events.end_document(), &page))
        }
        _ => {
            let mut events = JsonList::member("events");
            let page = filter.read(reader, after, limit, &mut |root, event, _| {
                write_event_verbatim(events.value(), root, event);
                events.flow(bytes_max)
            })?;
            Ok(wire::respond(StatusCode::OK, JSON, document(events, &page)))
        }
    }
}

fn document(events: JsonList, page: &ArrivedPage) -> Vec<u8> {
    let after = page.cursor.to_string();
    let mut document = events.end().with("after", after.into()).with("more", page.more.into());
    if page.unreadable > 0 {
        document = document.with("unreadable", page.unreadable.into());
    }
    document.finish(&[])
}

/// Says in headers where a page ends.
fn with_end(form: &'static str, body: Vec<u8>, page: &ArrivedPage) -> Response {
    let mut response = wire::respond(StatusCode::OK, form, body);
    wire::set_more(&mut response, page.more);
    wire::set(&mut response, AFTER_HEADER, &page.cursor.to_string());
    if page.unreadable > 0 {
        wire::set(&mut response, UNREADABLE_HEADER, &page.unreadable.to_string());
    }
    response
}
