//! `GET /a/{root}/{id}`: one aggregate's state. Beside it, the routes of many, and of the events
//! that it is folded from.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use laterbase_core::id::RootName;
use laterbase_core::reader::{AggregateState, Covered, Query, ReadError, Reader};
use laterbase_core::time::format_time;

use crate::app::App;
use crate::parameters::{Parameters, Segments, choose};
use crate::problem::{Kind, Problem, Result};
use crate::reading::{Slot, Target};
use crate::wire::{self, COVERED_HEADER, EVENT_COUNT_HEADER, JSON, REFUSED_COUNT_HEADER};

pub(super) mod history;
pub(crate) mod listing;

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

fn no_such_fold() -> Problem {
    ReadError::UnknownFold.into()
}

fn unknown_aggregate(root: &RootName, id: &str, query: &Query) -> Problem {
    let times = if query.is_timed() { " within these times" } else { "" };
    Problem::new(Kind::UnknownAggregate).detail(format!("{root} has no event of {id:?}{times}"))
}
