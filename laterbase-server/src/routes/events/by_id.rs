//! `GET /events/{id}` and `GET /events?ids=`: events by their ids.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use laterbase_core::id::{EventId, RootName};
use laterbase_core::json::{write_cloud_event, write_event_verbatim};
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::reader::{ReadError, Reader};
use laterbase_core::store::StoreError;

use crate::app::App;
use crate::parameters::{Parameters, Segments, choose};
use crate::problem::{Kind, Problem, Result};
use crate::wire::{self, CLOUD_EVENT, JSON, JsonList};

/// Most ids that a caller may ask for at once.
const IDS_MAX: usize = 100;

/// `GET /events/{id}`
pub(in crate::routes) async fn one(
    State(app): State<Arc<App>>,
    Segments(id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let form = choose(&headers, &[JSON, CLOUD_EVENT])?;
    let id = parse("path", &id)?;
    app.public_root(id.root.as_str())?;
    app.read(move |reader| {
        let mut body = Vec::new();
        let write = if form == JSON { write_event_verbatim } else { write_cloud_event };
        let found = reader.event(&id, |event| write(&mut body, &id.root, event))?;
        found.ok_or_else(|| {
            Problem::new(Kind::UnknownEvent).detail(format!("this server does not hold {id}"))
        })?;
        Ok(wire::respond(StatusCode::OK, form, body))
    })
    .await
}

/// `GET /events?ids=`
pub(super) async fn several(
    app: &Arc<App>,
    ids: &str,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Response> {
    choose(headers, &[JSON])?;
    if let Some(other) = parameters.names().find(|name| *name != "ids") {
        return Err(Problem::parameter("ids", format!("excludes `{other}`")));
    }
    let ids = parse_list(ids)?;
    let asking = Arc::clone(app);
    app.read_page(BATCH_BYTES_MAX, move |reader, bytes_max| {
        read(reader, &ids, bytes_max, &|root| asking.folds().knows(root))
    })
    .await
}

fn parse(parameter: &str, text: &str) -> Result<EventId> {
    text.parse().map_err(|error| Problem::parameter(parameter, format!("{error}")))
}

/// Reads a list of ids, in its order, each of them once.
fn parse_list(text: &str) -> Result<Vec<EventId>> {
    let mut known = BTreeSet::new();
    let mut ids = Vec::new();
    for (index, text) in text.split(',').enumerate() {
        if index == IDS_MAX {
            return Err(Problem::parameter("ids", format!("names more than {IDS_MAX}")));
        }
        let id = parse("ids", text)?;
        if known.insert(id.clone()) {
            ids.push(id);
        }
    }
    Ok(ids)
}

fn read(
    reader: &Reader,
    ids: &[EventId],
    bytes_max: usize,
    is_public: &dyn Fn(&RootName) -> bool,
) -> Result<Response> {
    let mut events = JsonList::member("events");
    let (mut missing, mut unreadable, mut rest) = (Vec::new(), Vec::new(), ids);
    let mut lookup = reader.lookup()?;
    while let Some((id, others)) = rest.split_first() {
        // What may not be seen is as if it were not there.
        let found = if is_public(&id.root) {
            lookup.event(id, |event| write_event_verbatim(events.value(), &id.root, event))
        } else {
            Ok(None)
        };
        match found {
            Ok(Some(())) => {}
            Ok(None) => missing.push(id.to_string()),
            Err(ReadError::Store(StoreError::Corrupt { .. })) => unreadable.push(id.to_string()),
            Err(error) => return Err(error.into()),
        }
        rest = others;
        if events.flow(bytes_max).is_break() {
            break;
        }
    }
    let rest: Vec<String> = rest.iter().map(ToString::to_string).collect();
    let mut document = events.end().with("missing", missing.into()).with("rest", rest.into());
    if !unreadable.is_empty() {
        document = document.with("unreadable", unreadable.into());
    }
    Ok(wire::respond(StatusCode::OK, JSON, document.finish(&[])))
}
