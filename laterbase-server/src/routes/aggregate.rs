//! `GET /a/…`: aggregates, and the events that they are folded from.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use laterbase_core::Place;
use laterbase_core::id::RootName;
use laterbase_core::json::{write_event, write_event_verbatim};
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::reader::{
    AggregateState, Covered, EventsPage, FoldFailure, Query, ReadError, Reader,
};
use laterbase_core::time::format_time;
use serde_json::Value;

use crate::app::App;
use crate::parameters::{Parameters, Segments, choose, id_cursor, place_cursor};
use crate::problem::{Kind, Problem, Result};
use crate::reading::{Slot, Target};
use crate::wire::{
    self, COVERED_HEADER, EVENT_COUNT_HEADER, JSON, JsonList, LINES, NEXT_HEADER,
    REFUSED_COUNT_HEADER,
};

/// `GET /a/{root}`
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    choose(&headers, &[JSON])?;
    let root = app.public_root(&name)?;
    let (limit, query) = (parameters.limit()?, parameters.query()?);
    let after = parameters.after_id()?;
    let target = Target {
        root: root.clone(),
        id: after.clone(),
        is_listing: true,
        is_timed: query.is_timed(),
    };
    let read = move |reader: &Reader| page(reader, &root, after.as_deref(), limit, &query);
    let (mut response, slot) = app.fold(target, read).await?;
    response.extensions_mut().insert(slot);
    Ok(response)
}

fn page(
    reader: &Reader,
    root: &RootName,
    after: Option<&str>,
    limit: usize,
    query: &Query,
) -> std::result::Result<Response, ReadError> {
    let mut list = JsonList::member("aggregates");
    // Entry by entry, so that no state is in memory twice.
    let page = reader.visit_aggregates(root, after, limit, query, &mut |id, folded| {
        write_entry(list.value(), id, &folded);
    })?;
    let next = page.next.map_or(Value::Null, |id| id_cursor(&id).into());
    let mut response = wire::respond(StatusCode::OK, JSON, list.finish(&[("next", next)]));
    wire::set(&mut response, COVERED_HEADER, &format!("arrivals={}", page.position));
    Ok(response)
}

fn write_entry(
    out: &mut Vec<u8>,
    id: &str,
    folded: &std::result::Result<AggregateState, FoldFailure>,
) {
    out.extend_from_slice(b"{\"id\":");
    wire::write_text(out, id);
    match folded {
        Ok(aggregate) => {
            out.extend_from_slice(b",\"state\":");
            out.extend_from_slice(&aggregate.state);
            out.extend_from_slice(b",\"etag\":");
            wire::write_text(out, &aggregate.etag);
            if aggregate.refused_count > 0 {
                let refused = format!(",\"refused_count\":{}", aggregate.refused_count);
                out.extend_from_slice(refused.as_bytes());
            }
        }
        Err(failure) => {
            out.extend_from_slice(b",\"problem\":");
            out.extend_from_slice(&Problem::from(failure).to_json());
        }
    }
    out.push(b'}');
}

/// `GET /a/{root}/{id}`
pub(super) async fn state(
    State(app): State<Arc<App>>,
    Segments((name, id)): Segments<(String, String)>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    choose(&headers, &[JSON])?;
    let root = app.public_root(&name)?;
    let query = parameters.query()?;
    let (aggregate, slot) = match app.reader().hot_aggregate(&root, &id, &query)? {
        Some(hot) => (hot, None),
        None => fold(&app, root, id, query).await?,
    };
    let mut response = if is_known(&headers, &aggregate.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        wire::respond(StatusCode::OK, JSON, aggregate.state)
    };
    response.extensions_mut().insert(slot);
    wire::set(&mut response, ETAG, &format!("\"{}\"", aggregate.etag));
    wire::set(&mut response, EVENT_COUNT_HEADER, &aggregate.event_count.to_string());
    wire::set(&mut response, COVERED_HEADER, &covered(&aggregate.covered));
    if aggregate.refused_count > 0 {
        wire::set(&mut response, REFUSED_COUNT_HEADER, &aggregate.refused_count.to_string());
    }
    Ok(response)
}

async fn fold(
    app: &App,
    root: RootName,
    id: String,
    query: Query,
) -> Result<(AggregateState, Option<Slot>)> {
    let target = Target {
        root: root.clone(),
        id: Some(id.clone()),
        is_listing: false,
        is_timed: query.is_timed(),
    };
    let (of_root, of_id, of_query) = (root.clone(), id.clone(), query.clone());
    let read = move |reader: &Reader| reader.aggregate(&of_root, &of_id, &of_query);
    let (found, slot) = app.fold(target, read).await?;
    Ok((found.ok_or_else(|| unknown_aggregate(&root, &id, &query))?, slot))
}

/// What a state covers, as a structured dictionary (RFC 9651): when the last event in fold order
/// happened, when the one recorded last was recorded, and how many arrivals were looked at.
fn covered(covered: &Covered) -> String {
    let Covered { occurred_last, recorded_last, position } = covered;
    let (occurred, recorded) = (format_time(*occurred_last), format_time(*recorded_last));
    format!("occurred=\"{occurred}\", recorded=\"{recorded}\", arrivals={position}")
}

/// Whether the caller has this state already. A listing gives etags without quotes, so both forms
/// can be sent back.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'))
        .any(|tag| tag == etag || tag == "*")
}

fn unknown_aggregate(root: &RootName, id: &str, query: &Query) -> Problem {
    let times = if query.is_timed() { " within these times" } else { "" };
    Problem::new(Kind::UnknownAggregate).detail(format!("{root} has no event of {id:?}{times}"))
}

/// `GET /a/{root}/{id}/events`
pub(super) async fn events(
    State(app): State<Arc<App>>,
    Segments((name, id)): Segments<(String, String)>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    let form = choose(&headers, &[JSON, LINES])?;
    let root = app.public_root(&name)?;
    let (limit, query) = (parameters.limit()?, parameters.query()?);
    let after = parameters.after_place()?;
    let history = History { root, id, after, limit, query };
    app.read_page(BATCH_BYTES_MAX, move |reader, bytes_max| {
        if form == LINES {
            history.lines(reader, bytes_max)
        } else {
            history.document(reader, bytes_max)
        }
    })
    .await
}

/// Which of an aggregate's events are asked for.
struct History {
    root: RootName,
    id: String,
    after: Option<Place>,
    limit: usize,
    query: Query,
}

impl History {
    fn document(&self, reader: &Reader, bytes_max: usize) -> Result<Response> {
        let mut events = JsonList::member("events");
        let page = self.read(reader, |event| {
            write_event_verbatim(events.value(), &self.root, event);
            events.flow(bytes_max)
        })?;
        let next = page.next.map_or(Value::Null, |place| place_cursor(&place).into());
        let mut response = wire::respond(StatusCode::OK, JSON, events.finish(&[("next", next)]));
        wire::set(&mut response, COVERED_HEADER, &format!("arrivals={}", page.position));
        Ok(response)
    }

    fn lines(&self, reader: &Reader, bytes_max: usize) -> Result<Response> {
        let mut body = Vec::new();
        let page = self.read(reader, |event| {
            write_event(&mut body, &self.root, event);
            body.push(b'\n');
            wire::flow(body.len(), bytes_max)
        })?;
        let mut response = wire::respond(StatusCode::OK, LINES, body);
        wire::set(&mut response, COVERED_HEADER, &format!("arrivals={}", page.position));
        if let Some(place) = page.next {
            wire::set(&mut response, NEXT_HEADER, &place_cursor(&place));
        }
        Ok(response)
    }

    fn read(
        &self,
        reader: &Reader,
        mut write: impl FnMut(&laterbase_core::event::Event<'_>) -> ControlFlow<()>,
    ) -> Result<EventsPage> {
        let (root, id) = (&self.root, self.id.as_str());
        let page =
            reader.aggregate_events(root, id, self.after, self.limit, &self.query, &mut write)?;
        match page.events {
            0 if self.after.is_none() => Err(unknown_aggregate(root, id, &self.query)),
            _ => Ok(page),
        }
    }
}
