//! `GET /e/{root}` and `POST /e/{root}/feed`: what the caller lacks, in feed order.
//!
//! The caller says what it holds: by its version vector, in the query or, as that is as long as
//! there are origins, in a body; or by the short cursor (`after`) that the page before gave.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use laterbase_core::cursor::FeedCursor;
use laterbase_core::id::RootName;
use laterbase_core::json::{write_event, write_event_verbatim};
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::reader::{FeedFrom, FollowedPage, Reader};
use laterbase_core::version_vector::VersionVector;
use serde::Deserialize;
use serde_json::Value;

use crate::app::App;
use crate::body::{self, AdmittedBody};
use crate::live;
use crate::parameters::{Parameters, Segments, choose, last_event_id, parse_vv};
use crate::problem::{Kind, Problem, Result};
use crate::wire::{self, AFTER_HEADER, DELTA, EVENT_STREAM, JSON, JsonList, LINES};

const FORMS: [&str; 4] = [JSON, LINES, DELTA, EVENT_STREAM];

/// What a caller says that it holds of a root.
#[derive(Clone, Debug)]
pub(crate) enum Holding {
    Vector(VersionVector),
    Cursor(FeedCursor),
}

impl Holding {
    pub(crate) const fn as_from(&self) -> FeedFrom<'_> {
        match self {
            Self::Vector(vv) => FeedFrom::Holding(vv),
            Self::Cursor(cursor) => FeedFrom::After(cursor),
        }
    }

    /// Reads a cursor that a caller sent back.
    fn cursor(name: &str, root: &RootName, text: &str) -> Result<Self> {
        FeedCursor::parse(root, text).map(Self::Cursor).map_err(|error| {
            Problem::parameter(name, format!("no `after` of a page of this root: {error}"))
        })
    }

    /// What the query says; nothing, if it does not.
    fn of(root: &RootName, parameters: &Parameters) -> Result<Self> {
        match (parameters.get("after"), parameters.get("vv")) {
            (Some(_), Some(_)) => {
                let detail = "excludes `vv`: it says the same in a few bytes";
                Err(Problem::parameter("after", detail))
            }
            (Some(text), None) => Self::cursor("after", root, text),
            (None, _) => parameters.vv().map(Self::Vector),
        }
    }
}

/// What a request for a page comes to.
struct Asked {
    form: &'static str,
    root: RootName,
    limit: usize,
}

impl Asked {
    fn of(app: &App, name: &str, parameters: &Parameters, headers: &HeaderMap) -> Result<Self> {
        let form = choose(headers, &FORMS)?;
        let root = if form == DELTA { app.sync_root(name)? } else { app.public_root(name)? };
        Ok(Self { form, root, limit: parameters.limit()? })
    }

    async fn answer(
        self,
        app: Arc<App>,
        holding: Holding,
        headers: &HeaderMap,
    ) -> Result<Response> {
        let Self { form, root, limit } = self;
        if form == EVENT_STREAM {
            let holding = match last_event_id(headers) {
                Some(id) => Holding::cursor("Last-Event-ID", &root, id)?,
                None => holding,
            };
            return live::respond(app, root, holding, limit).await;
        }
        app.read_page(BATCH_BYTES_MAX, move |reader, bytes_max| match form {
            LINES => lines(reader, &root, &holding, limit, bytes_max),
            DELTA => delta(reader, &root, &holding, limit, bytes_max),
            _ => document(reader, &root, &holding, limit, bytes_max),
        })
        .await
    }
}

/// `GET /e/{root}`
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Segments(name): Segments<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response> {
    let asked = Asked::of(&app, &name, &parameters, &headers)?;
    let holding = Holding::of(&asked.root, &parameters)?;
    asked.answer(app, holding, &headers).await
}

/// The body of `POST /e/{root}/feed`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldingDocument {
    #[serde(default)]
    vv: String,
}

/// `POST /e/{root}/feed`: the same for a vector that is too long for a URL.
pub(super) async fn read_by_body(
    State(app): State<Arc<App>>,
    segments: Result<Segments<String>>,
    parameters: Parameters,
    headers: HeaderMap,
    mut body: Body,
) -> Result<Response> {
    let admit = || {
        let Segments(name) = segments?;
        wire::require_media_type(&headers, JSON)?;
        let asked = Asked::of(&app, &name, &parameters, &headers)?;
        Ok((asked, AdmittedBody::check(&app, &headers, BATCH_BYTES_MAX)?))
    };
    let taken = match admit() {
        Ok((asked, admitted)) => {
            admitted.read(&app, &mut body).await.map(|content| (asked, content))
        }
        Err(problem) => Err(problem),
    };
    let (asked, content) = match taken {
        Ok(taken) => taken,
        Err(problem) => {
            body::discard(body);
            return Err(problem);
        }
    };
    let bytes = content.bytes.clone();
    let vv = app.take_in(move || read_document(&bytes)).await?;
    drop(content);
    asked.answer(app, Holding::Vector(vv), &headers).await
}

fn read_document(bytes: &[u8]) -> Result<VersionVector> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let document: HoldingDocument = serde_json::from_slice(bytes).map_err(|error| {
        let detail = format!("the body is {{\"vv\": \"…\"}}: {error}");
        Problem::new(Kind::MalformedRequest).detail(detail)
    })?;
    parse_vv("vv", &document.vv)
}

/// The caller's cursor is not of this log as it is now.
pub(crate) fn cursor_gone() -> Problem {
    Problem::new(Kind::CursorGone)
        .detail("read on by the `vv` of what you hold, or from the start without one")
}

fn document(
    reader: &Reader,
    root: &RootName,
    holding: &Holding,
    limit: usize,
    bytes_max: usize,
) -> Result<Response> {
    let mut events = JsonList::member("events");
    let page = reader.follow(root, holding.as_from(), limit, &mut |event, _| {
        write_event_verbatim(events.value(), root, event);
        events.flow(bytes_max)
    })?;
    let page = page.ok_or_else(cursor_gone)?;
    let vv = page.vv.map(|vv| ("vv", Value::from(vv.to_string())));
    let after = page.after.map(|after| Value::from(after.to_string())).unwrap_or_default();
    let members: Vec<_> =
        vv.into_iter().chain([("more", page.more.into()), ("after", after)]).collect();
    Ok(wire::respond(StatusCode::OK, JSON, events.finish(&members)))
}

fn lines(
    reader: &Reader,
    root: &RootName,
    holding: &Holding,
    limit: usize,
    bytes_max: usize,
) -> Result<Response> {
    let mut body = Vec::new();
    let page = reader.follow(root, holding.as_from(), limit, &mut |event, _| {
        write_event(&mut body, root, event);
        body.push(b'\n');
        wire::flow(body.len(), bytes_max)
    })?;
    let page = page.ok_or_else(cursor_gone)?;
    Ok(with_end(wire::respond(StatusCode::OK, LINES, body), &page))
}

fn delta(
    reader: &Reader,
    root: &RootName,
    holding: &Holding,
    limit: usize,
    bytes_max: usize,
) -> Result<Response> {
    let page = reader.follow_delta(root, holding.as_from(), limit, bytes_max)?;
    let (bytes, page) = page.ok_or_else(cursor_gone)?;
    Ok(with_end(wire::respond(StatusCode::OK, DELTA, bytes), &page))
}

/// Says in headers where a page ends. A vector has no place there: it is as long as there are
/// origins.
fn with_end(mut response: Response, page: &FollowedPage) -> Response {
    wire::set_more(&mut response, page.more);
    if let Some(after) = &page.after {
        wire::set(&mut response, AFTER_HEADER, &after.to_string());
    }
    response
}
