//! Everything that can go wrong, as RFC 9457 problem documents: the one place that knows which
//! error gets which status.

mod kind;

use std::error::Error as StdError;
use std::sync::Arc;

use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use laterbase_core::EventError;
use laterbase_core::codec::CodecError;
use laterbase_core::id::RootName;
use laterbase_core::json::{JsonError, JsonErrorKind};
use laterbase_core::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use laterbase_core::reader::{FoldFailure, ReadError};
use laterbase_core::replica::{KeyHolder, WriteError};
use laterbase_core::store::StoreError;
use serde::Serialize;

pub(crate) use kind::Kind;

pub(crate) const PROBLEM: &str = "application/problem+json";

/// When a client that was turned away may try again, in seconds.
const RETRY_AFTER_SECONDS: u16 = 1;

/// A problem document on its way out.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    document: Box<Document>,
}

/// Goes along with an answer that is a problem, for those who count and log.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub kind: Kind,
    correlation_id: Option<Arc<str>>,
}

impl Named {
    /// What leads to the log line that says what happened inside.
    pub(crate) fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }
}

pub(crate) type Result<T> = std::result::Result<T, Problem>;

#[derive(Debug, Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(flatten)]
    extensions: Extensions,
}

/// The members that a problem may carry beside those of RFC 9457.
#[derive(Debug, Default, Serialize)]
struct Extensions {
    /// Which event of the batch, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    /// The field or parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The etag that the aggregate has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// What the receiver of a delta holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    vv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    /// The first seq missing or in doubt.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    /// The last seq that the receiver of a delta holds; 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<u64>,
    /// The event that a fold failed on, or that has an idempotency key.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    /// The aggregate of that event.
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregate: Option<String>,
    /// Leads to the log line that says what happened inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
}

impl Problem {
    /// A problem without a detail. One of our own making (5xx) gets a correlation id.
    pub(crate) fn new(kind: Kind) -> Self {
        let status = kind.status();
        let extensions = Extensions {
            correlation_id: status.is_server_error().then(correlation_id),
            ..Extensions::default()
        };
        let document = Document {
            kind: kind.uri(),
            title: kind.title(),
            status: status.as_u16(),
            detail: None,
            extensions,
        };
        Self { kind, document: Box::new(document) }
    }

    /// Says what is wrong, in a sentence for whoever sent the request.
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.document.detail = Some(detail.into());
        self
    }

    pub(crate) fn index(mut self, index: usize) -> Self {
        self.document.extensions.index = Some(index);
        self
    }

    pub(crate) fn field(mut self, field: impl Into<String>) -> Self {
        self.document.extensions.field = Some(field.into());
        self
    }

    /// A parameter of the query or the path that cannot be read.
    pub(crate) fn parameter(name: &str, detail: impl Into<String>) -> Self {
        Self::new(Kind::MalformedParameter).field(name).detail(detail)
    }

    /// Something inside failed. The log gets the whole error, the caller its correlation id.
    pub(crate) fn internal(error: &dyn StdError) -> Self {
        Self::new(Kind::Internal).log(error)
    }

    fn log(self, error: &dyn StdError) -> Self {
        let mut chain = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            chain = format!("{chain}: {inner}");
            source = inner.source();
        }
        let correlation_id = self.correlation_id().unwrap_or_default();
        tracing::error!(correlation_id, kind = ?self.kind, error = chain, "a request failed");
        self
    }

    pub(crate) fn correlation_id(&self) -> Option<&str> {
        self.document.extensions.correlation_id.as_deref()
    }

    /// Whether it is about the request as a whole, and not about one event of it.
    pub(crate) const fn is_of_whole(&self) -> bool {
        !matches!(
            self.kind,
            Kind::MalformedEvent
                | Kind::InvalidEvent
                | Kind::FutureEvent
                | Kind::RefusedEvent
                | Kind::KeyConflict
        )
    }

    /// The name of its kind.
    pub(crate) const fn kind_name(&self) -> &'static str {
        self.kind.name()
    }

    /// Whether it is one of the fold of an aggregate, whose events can be read all the same.
    #[cfg(feature = "console")]
    pub(crate) const fn is_of_fold(&self) -> bool {
        matches!(self.kind, Kind::FoldFailed | Kind::FoldTooSlow | Kind::StateTooLarge)
    }

    /// What it says to people: its title, and a sentence of detail.
    #[cfg(feature = "console")]
    pub(crate) fn told(&self) -> (&'static str, Option<&str>) {
        (self.document.title, self.document.detail.as_deref())
    }

    /// The document's bytes.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.document).expect("a problem document has a JSON form")
    }

    /// Which root there is not, as far as this server's public routes are concerned.
    pub(crate) fn unknown_root(name: &str) -> Self {
        Self::new(Kind::UnknownRoot).detail(format!("this server has no root {name:?}"))
    }

    /// Names the root that the problem is about.
    pub(crate) fn root(mut self, root: &RootName) -> Self {
        self.document.extensions.root = Some(root.to_string());
        self
    }

    /// Leaves the version vector out. A caller that goes by heads has no use for it, and it is as
    /// long as there are origins.
    pub(crate) fn without_vv(mut self) -> Self {
        self.document.extensions.vv = None;
        self
    }

    pub(crate) fn too_large() -> Self {
        Self::new(Kind::TooLarge).detail(format!(
            "a request has at most {BATCH_BYTES_MAX} bytes and {BATCH_EVENTS_MAX} events"
        ))
    }

    /// An event that a batch did not take.
    pub(crate) fn of_event(index: usize, error: &EventError) -> Self {
        match error {
            EventError::Bounds { .. }
            | EventError::DotSegment
            | EventError::Reserved { .. }
            | EventError::Data(_) => {
                let problem = Self::new(Kind::InvalidEvent).detail(error.to_string()).index(index);
                error.field().into_iter().fold(problem, Self::field)
            }
            EventError::Refused { reason } => {
                Self::new(Kind::RefusedEvent).detail(reason.to_string()).index(index)
            }
            EventError::BatchFull => Self::too_large(),
            EventError::TwoKeys => Self::new(Kind::MalformedEvent)
                .field("idempotency_key")
                .detail(error.to_string())
                .index(index),
            EventError::NotOneAggregate => {
                Self::new(Kind::MalformedRequest).field("aggregate_id").detail(error.to_string())
            }
            other => Self::internal(other),
        }
    }

    /// A write that was not done.
    pub(crate) fn of_write(error: &WriteError) -> Self {
        match error {
            WriteError::Store(error) => Self::of_store(error),
            WriteError::Future { index } => Self::new(Kind::FutureEvent)
                .detail("occurred_at is further ahead of this server's clock than it allows")
                .field("occurred_at")
                .index(*index),
            WriteError::Void { index, .. } => {
                Self::new(Kind::InvalidEvent).detail(error.to_string()).field("voids").index(*index)
            }
            WriteError::KeyConflict { index, holder } => {
                let mut problem = Self::new(Kind::KeyConflict)
                    .detail(error.to_string())
                    .field("idempotency_key")
                    .index(*index);
                if let Some(KeyHolder { event, aggregate_id }) = holder {
                    problem.document.extensions.event = Some(event.to_string());
                    problem.document.extensions.aggregate = Some(aggregate_id.clone());
                }
                problem
            }
            WriteError::Hole { root, origin, held_seq, held } => {
                let mut problem = Self::new(Kind::Hole).detail(error.to_string());
                problem.name(root, origin.to_string(), held_seq + 1);
                problem.document.extensions.vv = Some(held.to_string());
                problem.document.extensions.held = Some(*held_seq);
                problem
            }
            WriteError::Fork { root, origin, seq } => {
                let mut problem = Self::new(Kind::Fork).detail(error.to_string());
                problem.name(root, origin.to_string(), *seq);
                problem
            }
            WriteError::NoFork { .. } | WriteError::NoBranch { .. } => {
                Self::new(Kind::UnknownFork).detail(error.to_string())
            }
            WriteError::ForkNotLocated { root, origin, seq } => {
                let mut problem = Self::new(Kind::ForkNotLocated).detail(error.to_string());
                problem.name(root, origin.to_string(), *seq);
                problem
            }
            WriteError::Precondition { etag } => {
                let mut problem = Self::new(Kind::PreconditionFailed);
                problem.document.extensions.etag.clone_from(etag);
                problem
            }
            WriteError::Malformed(error) => Self::from(*error),
            other => Self::internal(other),
        }
    }

    fn name(&mut self, root: &RootName, origin: String, seq: u64) {
        let extensions = &mut self.document.extensions;
        extensions.root = Some(root.to_string());
        extensions.origin = Some(origin);
        extensions.seq = Some(seq);
    }

    fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::Full { .. } => Self::new(Kind::StoreFull).log(error),
            StoreError::Poisoned => Self::new(Kind::ReadOnly).log(error),
            StoreError::Rebuilding => Self::new(Kind::Busy).log(error),
            other => Self::internal(other),
        }
    }
}

fn correlation_id() -> String {
    format!("{:032x}", u128::from_be_bytes(laterbase_directory::environment::random_bytes_16()))
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        let kind = match error.kind {
            JsonErrorKind::Malformed => Kind::MalformedEvent,
            JsonErrorKind::Invalid => Kind::InvalidEvent,
        };
        let problem = Self::new(kind).detail(error.detail).index(error.index);
        match error.field {
            Some(field) => problem.field(field),
            None => problem,
        }
    }
}

/// Of a delta; other documents have problems of their own.
impl From<CodecError> for Problem {
    fn from(error: CodecError) -> Self {
        Self::new(Kind::MalformedDelta).detail(error.to_string())
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Store(error) => Self::of_store(&error),
            ReadError::UnknownFold => Self::parameter("fold", "the root has no such fold"),
            ReadError::FoldFailed(failure) => Self::from(&failure),
            ReadError::Stopped => Self::new(Kind::FoldTooSlow),
            other => Self::internal(&other),
        }
    }
}

impl From<&FoldFailure> for Problem {
    fn from(failure: &FoldFailure) -> Self {
        let failed = || Self::new(Kind::FoldFailed);
        match failure {
            FoldFailure::Event { event, .. } => {
                let mut problem = failed()
                    .detail("the root's fold cannot take one of the aggregate's events")
                    .log(failure);
                problem.document.extensions.event = Some(event.to_string());
                problem
            }
            FoldFailure::StateTooLarge { bytes_max, .. } => Self::new(Kind::StateTooLarge)
                .detail(format!("a state has at most {bytes_max} bytes of JSON here"))
                .log(failure),
            _ => failed().detail("the root's fold cannot give a state").log(failure),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let mut response = (status, self.to_json()).into_response();
        let correlation_id = self.correlation_id().map(Arc::from);
        response.extensions_mut().insert(Named { kind: self.kind, correlation_id });
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        if self.kind.passes() {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        response
    }
}
