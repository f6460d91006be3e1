//! The forms in which events come in and everything goes out.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use laterbase_core::PreparedBatch;
use laterbase_core::fold::Folds;
use laterbase_core::id::{Dot, RootName};
use laterbase_core::json::{self, JsonError, JsonEvent};
use laterbase_core::limits::BATCH_EVENTS_MAX;
use serde_json::Value;

use crate::conditions::Conditions;
use crate::problem::{Kind, Problem, Result};

pub(crate) const JSON: &str = "application/json";
pub(crate) const LINES: &str = "application/x-ndjson";
pub(crate) const DELTA: &str = "application/vnd.laterbase.delta";
pub(crate) const HEADS: &str = "application/vnd.laterbase.heads";
pub(crate) const WANTS: &str = "application/vnd.laterbase.wants";
pub(crate) const EVENT_STREAM: &str = "text/event-stream";
pub(crate) const CLOUD_EVENT: &str = "application/cloudevents+json";
pub(crate) const CLOUD_EVENTS: &str = "application/cloudevents-batch+json";

/// What to go on with in a feed once the page was taken in.
pub(crate) const AFTER_HEADER: HeaderName = HeaderName::from_static("laterbase-after");
/// Whether there is another page: `true` or `false`.
pub(crate) const MORE_HEADER: HeaderName = HeaderName::from_static("laterbase-more");
/// What to ask for the next page with.
pub(crate) const NEXT_HEADER: HeaderName = HeaderName::from_static("laterbase-next");
/// Where the caller is in this server's arrival log once it has taken the page in.
pub(crate) const CURSOR_HEADER: HeaderName = HeaderName::from_static("laterbase-cursor");
/// Who answers.
pub(crate) const REPLICA_HEADER: HeaderName = HeaderName::from_static("laterbase-replica");
/// How many events of the origins that the caller leaves out are held in the roots it takes.
pub(crate) const LEFT_OUT_HEADER: HeaderName = HeaderName::from_static("laterbase-left-out");
/// How far an aggregate's state reaches on each time axis.
pub(crate) const COVERED_HEADER: HeaderName = HeaderName::from_static("laterbase-covered");
/// How many events an aggregate's state is folded from.
pub(crate) const EVENT_COUNT_HEADER: HeaderName = HeaderName::from_static("laterbase-event-count");
/// How many of them the root's validation hook left out.
pub(crate) const REFUSED_COUNT_HEADER: HeaderName =
    HeaderName::from_static("laterbase-refused-count");
/// How many log entries could not be read, and were left out of a page.
pub(crate) const UNREADABLE_HEADER: HeaderName = HeaderName::from_static("laterbase-unreadable");

/// The headers above.
pub(crate) const HEADERS: [HeaderName; 10] = [
    AFTER_HEADER,
    MORE_HEADER,
    NEXT_HEADER,
    CURSOR_HEADER,
    REPLICA_HEADER,
    LEFT_OUT_HEADER,
    COVERED_HEADER,
    EVENT_COUNT_HEADER,
    REFUSED_COUNT_HEADER,
    UNREADABLE_HEADER,
];

/// The forms in which events may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON object, or an array of them.
    Document,
    /// A JSON object a line.
    Lines,
    /// The binary delta.
    Delta,
}

impl Form {
    /// The form that a request's `Content-Type` says.
    ///
    /// # Errors
    /// 415 if it says another one, or nothing: what is sent without a type can come from any page
    /// in a browser, unasked.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self> {
        let media_type = media_type(headers).unwrap_or_default();
        [(JSON, Self::Document), (LINES, Self::Lines), (DELTA, Self::Delta)]
            .into_iter()
            .find(|(name, _)| media_type.eq_ignore_ascii_case(name))
            .map(|(_, form)| form)
            .ok_or_else(|| {
                let detail = format!(
                    "a Content-Type is needed; the route takes {JSON}, {LINES} and {DELTA}"
                );
                Problem::new(Kind::UnsupportedMediaType).detail(detail)
            })
    }
}

/// The media type that a request's `Content-Type` says, without its parameters.
fn media_type(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(CONTENT_TYPE)?.to_str().unwrap_or_default();
    Some(text.split(';').next().unwrap_or_default().trim())
}

/// Takes a body in one media type only.
///
/// # Errors
/// 415 unless the request says so.
pub(crate) fn require_media_type(headers: &HeaderMap, name: &str) -> Result<()> {
    match media_type(headers) {
        Some(found) if found.eq_ignore_ascii_case(name) => Ok(()),
        _ => {
            let detail = format!("the route takes {name}");
            Err(Problem::new(Kind::UnsupportedMediaType).detail(detail))
        }
    }
}

/// Reads the events of a JSON body, and makes them ready to be written.
pub(crate) fn read_batch(
    is_lines: bool,
    body: &[u8],
    root: &RootName,
    folds: Arc<Folds>,
    now_nanos: i64,
    conditions: Conditions,
) -> Result<PreparedBatch> {
    let mut batch = match &conditions.key {
        Some(key) => PreparedBatch::with_key(root.clone(), folds, now_nanos, key),
        None => PreparedBatch::new(root.clone(), folds, now_nanos),
    };
    let mut problem = None;
    let mut take = |event: JsonEvent<'_>| {
        let index = batch.len();
        problem = push(&mut batch, &event, index).err();
        if problem.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let visit = if is_lines { json::visit_lines } else { json::visit_document };
    visit(body, &mut take)?;
    if let Some(problem) = problem {
        return Err(problem);
    }
    if let Some(precondition) = conditions.precondition {
        batch.require(precondition).map_err(|error| Problem::of_event(0, &error))?;
    }
    Ok(batch)
}

/// The events of a body that are good, and what is wrong with the others.
pub(crate) struct GoodEvents {
    /// In the order of the body.
    pub batch: PreparedBatch,
    /// By the number of the event in the body.
    pub problems: BTreeMap<usize, Problem>,
    /// How many events there are in the body.
    pub count: usize,
}

/// Reads the events of a JSON body each for itself, and makes the good ones ready to be written.
pub(crate) fn read_good_events(
    is_lines: bool,
    body: &[u8],
    root: &RootName,
    folds: Arc<Folds>,
    now_nanos: i64,
    conditions: Conditions,
) -> Result<GoodEvents> {
    let batch = match &conditions.key {
        Some(key) => PreparedBatch::with_key(root.clone(), folds, now_nanos, key),
        None => PreparedBatch::new(root.clone(), folds, now_nanos),
    };
    let mut good = GoodEvents { batch, problems: BTreeMap::new(), count: 0 };
    let mut whole = None;
    let mut take = |event: std::result::Result<JsonEvent<'_>, JsonError>| {
        let taken = good.take(event);
        whole = taken.err();
        if whole.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    if is_lines {
        json::visit_lines_each(body, &mut take);
    } else {
        json::visit_document_each(body, &mut take)?;
    }
    if let Some(problem) = whole {
        return Err(problem);
    }
    if let Some(precondition) = conditions.precondition.filter(|_| !good.batch.is_empty()) {
        good.batch.require(precondition).map_err(|error| Problem::of_event(0, &error))?;
    }
    Ok(good)
}

impl GoodEvents {
    /// Takes the next event of the body in, or keeps what is wrong with it.
    ///
    /// # Errors
    /// What is wrong with the body as a whole.
    fn take(&mut self, event: std::result::Result<JsonEvent<'_>, JsonError>) -> Result<()> {
        let index = self.count;
        self.count += 1;
        if self.count > BATCH_EVENTS_MAX {
            return Err(Problem::too_large());
        }
        let event = event.map_err(Problem::from);
        match event.and_then(|event| push(&mut self.batch, &event, index)) {
            Err(problem) if problem.is_of_whole() => Err(problem),
            Err(problem) => {
                self.batch.pass_over();
                self.problems.insert(index, problem);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

fn push(batch: &mut PreparedBatch, event: &JsonEvent<'_>, index: usize) -> Result<()> {
    let of_root = event.check_root(batch.root());
    of_root.map_err(|error| Problem::from(JsonError { index, ..error }))?;
    batch.push(&event.record()).map_err(|error| Problem::of_event(index, &error))
}

/// A list of JSON values that is being written.
pub(crate) struct JsonList {
    out: Vec<u8>,
    start: usize,
}

impl JsonList {
    /// Begins an object whose first member is the list.
    pub(crate) fn member(name: &str) -> Self {
        let mut out = format!("{{\"{name}\":[").into_bytes();
        out.reserve(4096);
        let start = out.len();
        Self { out, start }
    }

    /// Begins a document that is the list.
    pub(crate) fn document() -> Self {
        Self { out: vec![b'['], start: 1 }
    }

    /// Begins one value, which is then to be appended.
    pub(crate) fn value(&mut self) -> &mut Vec<u8> {
        if self.out.len() > self.start {
            self.out.push(b',');
        }
        &mut self.out
    }

    /// Whether a page of so many bytes is full.
    pub(crate) fn flow(&self, bytes_max: usize) -> ControlFlow<()> {
        flow(self.out.len(), bytes_max)
    }

    /// Ends the list and the object, with more members behind the list.
    pub(crate) fn finish(self, members: &[(&str, Value)]) -> Vec<u8> {
        self.end().finish(members)
    }

    /// Ends the list.
    pub(crate) fn end(self) -> JsonObject {
        JsonObject { out: self.end_document() }
    }

    /// Ends a document that is the list.
    pub(crate) fn end_document(mut self) -> Vec<u8> {
        self.out.push(b']');
        self.out
    }
}

/// A JSON object that is being written.
///
/// Invariant: it begins with `{` and lacks only the end.
pub(crate) struct JsonObject {
    out: Vec<u8>,
}

impl JsonObject {
    /// Begins an object with members.
    pub(crate) fn of(members: &[(&str, Value)]) -> Self {
        let mut object = Self { out: vec![b'{'] };
        object.push(members);
        object
    }

    /// The object with one member more.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.push(&[(name, value)]);
        self
    }

    fn push(&mut self, members: &[(&str, Value)]) {
        for (name, value) in members {
            let comma = if self.out.len() > 1 { "," } else { "" };
            self.out.extend_from_slice(format!("{comma}\"{name}\":{value}").as_bytes());
        }
    }

    /// Ends the object, with more members.
    pub(crate) fn finish(mut self, members: &[(&str, Value)]) -> Vec<u8> {
        self.push(members);
        self.out.push(b'}');
        self.out
    }
}

/// Whether a page that has come to `bytes` goes on. What does not fit is on the next one.
pub(crate) const fn flow(bytes: usize, bytes_max: usize) -> ControlFlow<()> {
    if bytes < bytes_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

/// Appends a text as a JSON string.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing into memory does not fail");
}

/// Appends an event's id as a string. Nothing in it needs to be escaped.
pub(crate) fn write_id(out: &mut Vec<u8>, root: &RootName, dot: Dot) {
    write!(out, "\"{root}:{dot}\"").expect("writing into memory does not fail");
}

/// A successful answer in a media type.
pub(crate) fn respond(status: StatusCode, media_type: &'static str, mut body: Vec<u8>) -> Response {
    // It may be kept for a while, and what it grew by beyond itself with it.
    body.shrink_to_fit();
    let mut response = (status, Body::from(body)).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Says whether there is another page.
pub(crate) fn set_more(response: &mut Response, more: bool) {
    set(response, MORE_HEADER, if more { "true" } else { "false" });
}

/// Adds a header whose value is ours, and therefore plain ASCII.
pub(crate) fn set(response: &mut Response, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("our own values are plain ASCII");
    response.headers_mut().insert(name, value);
}
