//! The kinds of problems, and the status of each.

use axum::http::StatusCode;

/// What kind of problem. Together with [`Kind::parts`], the table of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    MalformedRequest,
    MalformedParameter,
    MalformedEvent,
    MalformedDelta,
    MalformedWants,
    UnknownRoute,
    UnknownRoot,
    UnknownAggregate,
    UnknownEvent,
    UnknownFork,
    MethodNotAllowed,
    NotAcceptable,
    RequestTimeout,
    KeyConflict,
    PreconditionFailed,
    Hole,
    Fork,
    ForkNotLocated,
    CursorGone,
    TooLarge,
    UriTooLong,
    HeadTooLarge,
    ForeignOrigin,
    UnknownHost,
    UnsupportedMediaType,
    InvalidEvent,
    FutureEvent,
    RefusedEvent,
    FoldFailed,
    FoldTooSlow,
    StateTooLarge,
    Internal,
    Busy,
    ShuttingDown,
    ReadOnly,
    StoreFull,
}

impl Kind {
    /// All of them, in order. A test compares this with the last one's number.
    pub(crate) const ALL: [Self; 36] = [
        Self::MalformedRequest,
        Self::MalformedParameter,
        Self::MalformedEvent,
        Self::MalformedDelta,
        Self::MalformedWants,
        Self::UnknownRoute,
        Self::UnknownRoot,
        Self::UnknownAggregate,
        Self::UnknownEvent,
        Self::UnknownFork,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::RequestTimeout,
        Self::KeyConflict,
        Self::PreconditionFailed,
        Self::Hole,
        Self::Fork,
        Self::ForkNotLocated,
        Self::CursorGone,
        Self::TooLarge,
        Self::UriTooLong,
        Self::HeadTooLarge,
        Self::ForeignOrigin,
        Self::UnknownHost,
        Self::UnsupportedMediaType,
        Self::InvalidEvent,
        Self::FutureEvent,
        Self::RefusedEvent,
        Self::FoldFailed,
        Self::FoldTooSlow,
        Self::StateTooLarge,
        Self::Internal,
        Self::Busy,
        Self::ShuttingDown,
        Self::ReadOnly,
        Self::StoreFull,
    ];

    pub(crate) const fn status(self) -> StatusCode {
        self.parts().0
    }

    /// Its name, which callers go by.
    pub(crate) const fn name(self) -> &'static str {
        self.parts().1
    }

    pub(crate) const fn title(self) -> &'static str {
        self.parts().2
    }

    /// The URI that names it in a document.
    pub(crate) fn uri(self) -> String {
        format!("urn:laterbase:problem:{}", self.name())
    }

    /// Status, name in the `type` URI, and title.
    pub(super) const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::MalformedRequest => {
                (S::BAD_REQUEST, "malformed-request", "The request cannot be read")
            }
            Self::MalformedParameter => {
                (S::BAD_REQUEST, "malformed-parameter", "A parameter cannot be read")
            }
            Self::MalformedEvent => {
                (S::BAD_REQUEST, "malformed-event", "An event is not of the form")
            }
            Self::MalformedDelta => (S::BAD_REQUEST, "malformed-delta", "The delta is damaged"),
            Self::MalformedWants => {
                (S::BAD_REQUEST, "malformed-wants", "The request list is damaged")
            }
            Self::UnknownRoute => (S::NOT_FOUND, "unknown-route", "There is no such route"),
            Self::UnknownRoot => (S::NOT_FOUND, "unknown-root", "There is no such root"),
            Self::UnknownAggregate => {
                (S::NOT_FOUND, "unknown-aggregate", "There is no such aggregate")
            }
            Self::UnknownEvent => (S::NOT_FOUND, "unknown-event", "There is no such event"),
            Self::UnknownFork => (S::NOT_FOUND, "unknown-fork", "There is no such fork"),
            Self::MethodNotAllowed => {
                (S::METHOD_NOT_ALLOWED, "method-not-allowed", "The route has no such method")
            }
            Self::NotAcceptable => {
                (S::NOT_ACCEPTABLE, "not-acceptable", "The route gives no such media type")
            }
            Self::RequestTimeout => {
                (S::REQUEST_TIMEOUT, "request-timeout", "The body took too long")
            }
            Self::KeyConflict => {
                (S::CONFLICT, "key-conflict", "The idempotency key belongs to another event")
            }
            Self::PreconditionFailed => (
                S::PRECONDITION_FAILED,
                "precondition-failed",
                "The aggregate is not as the writer expects",
            ),
            Self::Hole => (S::CONFLICT, "hole", "The delta leaves a hole"),
            Self::Fork => (S::CONFLICT, "fork", "Two histories claim the same ids"),
            Self::ForkNotLocated => {
                (S::CONFLICT, "fork-not-located", "Where the histories part is not known")
            }
            Self::CursorGone => (S::GONE, "cursor-gone", "The cursor is not of this log"),
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, "too-large", "The request is too large"),
            Self::InvalidEvent => {
                (S::UNPROCESSABLE_ENTITY, "invalid-event", "A field of an event is out of bounds")
            }
            Self::FutureEvent => (
                S::UNPROCESSABLE_ENTITY,
                "future-event",
                "An event is said to happen in the future",
            ),
            Self::RefusedEvent => {
                (S::UNPROCESSABLE_ENTITY, "refused-event", "The root does not take the event")
            }
            Self::UriTooLong
            | Self::HeadTooLarge
            | Self::ForeignOrigin
            | Self::UnknownHost
            | Self::UnsupportedMediaType => self.head_parts(),
            _ => self.server_parts(),
        }
    }

    /// The same of heads that are not looked at further.
    const fn head_parts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::UriTooLong => {
                (S::URI_TOO_LONG, "uri-too-long", "The request's target is too long")
            }
            Self::HeadTooLarge => (
                S::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "head-too-large",
                "The request's head is too large",
            ),
            Self::ForeignOrigin => {
                (S::FORBIDDEN, "foreign-origin", "Pages of that origin may not ask this server")
            }
            Self::UnknownHost => {
                (S::MISDIRECTED_REQUEST, "unknown-host", "The server is not known by that name")
            }
            Self::UnsupportedMediaType => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The route takes no such media type or encoding",
            ),
            _ => self.server_parts(),
        }
    }

    /// The same of what is not the caller's fault.
    const fn server_parts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::FoldFailed => {
                (S::INTERNAL_SERVER_ERROR, "fold-failed", "The aggregate cannot be folded")
            }
            Self::FoldTooSlow => {
                (S::SERVICE_UNAVAILABLE, "fold-too-slow", "Folding took longer than a read may")
            }
            Self::StateTooLarge => (
                S::INTERNAL_SERVER_ERROR,
                "state-too-large",
                "The aggregate's state is longer than a state may be",
            ),
            Self::Busy => (S::SERVICE_UNAVAILABLE, "busy", "The server has too much to do"),
            Self::ShuttingDown => {
                (S::SERVICE_UNAVAILABLE, "shutting-down", "The server is shutting down")
            }
            Self::ReadOnly => {
                (S::SERVICE_UNAVAILABLE, "read-only", "The store takes no writes at present")
            }
            Self::StoreFull => (S::INSUFFICIENT_STORAGE, "store-full", "The store is full"),
            _ => (S::INTERNAL_SERVER_ERROR, "internal", "The server could not do it"),
        }
    }

    /// Whether it passes by itself.
    pub(super) const fn passes(self) -> bool {
        matches!(self, Self::Busy | Self::FoldTooSlow | Self::ShuttingDown)
    }
}
