//! `GET /a/{root}/{id}/events`: the events that an aggregate is folded from.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use laterbase_core::event::Event;
use laterbase_core::id::RootName;
use laterbase_core::json::{write_event, write_event_verbatim};
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::reader::{EventsPage, History, Reader, Window};
use serde_json::Value;

use super::{no_such_fold, unknown_aggregate};
use crate::app::App;
use crate::parameters::{Parameters, Segments, choose, place_cursor};
use crate::problem::Result;
use crate::wire::{self, COVERED_HEADER, JSON, JsonList, LINES, NEXT_HEADER};

/// `GET /a/{root}/{id}/events`
pub(in crate::routes) async fn events(
    State(app): State<Arc<App>>,
    Segments((name, id)): Segments<(String, String)>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    let form = choose(&headers, &[JSON, LINES])?;
    let root = app.public_root(&name)?;
    if let Some(fold) = parameters.get("fold")
        && app.folds().named(&root, fold).is_none()
    {
        return Err(no_such_fold());
    }
    let history = History {
        query: parameters.query()?,
        window: parameters.window()?,
        after: parameters.after_place(&root, &id)?,
        limit: parameters.limit()?,
    };
    let asked = Asked { root, id, history };
    app.read_page(BATCH_BYTES_MAX, move |reader, bytes_max| {
        if form == LINES {
            asked.lines(reader, bytes_max)
        } else {
            asked.document(reader, bytes_max)
        }
    })
    .await
}

/// Which events of which aggregate are asked for.
struct Asked {
    root: RootName,
    id: String,
    history: History,
}

impl Asked {
    fn document(&self, reader: &Reader, bytes_max: usize) -> Result<Response> {
        let mut events = JsonList::member("events");
        let page = self.read(reader, |event| {
            write_event_verbatim(events.value(), &self.root, event);
            events.flow(bytes_max)
        })?;
        let cursor = |place| place_cursor(&place, &self.root, &self.id).into();
        let next = page.next.map_or(Value::Null, cursor);
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
            wire::set(&mut response, NEXT_HEADER, &place_cursor(&place, &self.root, &self.id));
        }
        Ok(response)
    }

    fn read(
        &self,
        reader: &Reader,
        mut write: impl FnMut(&Event<'_>) -> ControlFlow<()>,
    ) -> Result<EventsPage> {
        let Self { root, id, history } = self;
        let page = reader.history(root, id, history, &mut write)?;
        if page.events > 0 || page.next.is_some() || history.after.is_some() {
            return Ok(page);
        }
        // A window in which nothing lies is empty; an aggregate of which nothing is known is none.
        if !history.window.is_everything() {
            let any = History { window: Window::default(), limit: 1, ..history.clone() };
            let first = reader.history(root, id, &any, &mut |_| ControlFlow::Break(()))?;
            if first.events > 0 || first.next.is_some() {
                return Ok(page);
            }
        }
        Err(unknown_aggregate(root, id, &history.query))
    }
}
