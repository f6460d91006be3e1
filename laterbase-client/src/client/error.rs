//! Why a call to a server failed.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::printable::Printable;
use laterbase_core::typed::Unwritable;
use laterbase_core::version_vector::VersionVector;
use serde::{Deserialize, Deserializer};

use crate::transport::TransportError;

/// Why a call to a server failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server's URL, or one made from it, cannot be used. Nothing was sent.
    #[error("not a server's address: {detail}")]
    Address {
        /// What is wrong with it.
        detail: String,
    },
    /// It is nothing that can be written. Nothing was sent.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// What was to be sent cannot be put as JSON. Nothing was sent.
    #[error("cannot be put as JSON")]
    Encode {
        /// The encoder's error.
        source: serde_json::Error,
    },
    /// The server answered with an error. Nothing of the request was stored, unless the status is
    /// 500 or above.
    #[error("the server refused: {0}")]
    Problem(Box<Problem>),
    /// No whole response came back. The server may have done what was asked.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The answer is not what a Laterbase server says. The server may have done what was asked.
    #[error("the server's answer makes no sense: {detail}")]
    Protocol {
        /// What is wrong with it.
        detail: String,
    },
    /// A line of the server's stream of events is longer than any that it can have to send. It
    /// would be so again.
    #[error("a line of the server's stream is longer than {bytes_max} bytes")]
    TooLong {
        /// Longest line that is taken.
        bytes_max: usize,
    },
}

impl ClientError {
    pub(crate) fn protocol(detail: impl Into<String>) -> Self {
        Self::Protocol { detail: detail.into() }
    }

    /// The problem, if it is one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the aggregate is not as the writer expected: read, decide again, write again.
    pub fn is_precondition_failed(&self) -> bool {
        self.problem().is_some_and(|problem| problem.status == StatusCode::PRECONDITION_FAILED)
    }

    /// Whether what was sent is more than the server, or a proxy before it, lets through.
    pub fn is_too_large(&self) -> bool {
        self.problem().is_some_and(|problem| problem.status == StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// Whether next to nothing came for as long as is waited.
    pub(crate) const fn is_silence(&self) -> bool {
        use TransportError::{Crawling, Silent};
        matches!(self, Self::Transport(Silent { .. } | Crawling { .. }))
    }

    /// Whether the same call may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport(_) | Self::Protocol { .. } => true,
            Self::Problem(problem) => matches!(problem.status.as_u16(), 408 | 429 | 502..=504),
            Self::Address { .. }
            | Self::Encode { .. }
            | Self::Unwritable(_)
            | Self::TooLong { .. } => false,
        }
    }

    /// How long the server asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        self.problem().and_then(|problem| problem.retry_after)
    }
}

/// An error as the server put it (RFC 9457, problem details).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// A URI reference that names the kind of problem.
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// What is wrong this time.
    pub detail: Option<String>,
    /// Which event of the batch it is about, from 0.
    pub index: Option<u64>,
    /// Which field it is about.
    pub field: Option<String>,
    /// What the server holds, if a delta did not fit onto it.
    pub vv: Option<VersionVector>,
    /// Which root it is about.
    pub root: Option<RootName>,
    /// Whose events it is about.
    pub origin: Option<ReplicaId>,
    /// From which event of the origin on.
    pub seq: Option<u64>,
    /// The last event of the origin that the server holds.
    pub held: Option<u64>,
    /// How long to wait before the next try.
    pub retry_after: Option<Duration>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ProblemDocument {
    status: Option<u16>,
    r#type: Option<String>,
    title: Option<String>,
    detail: Option<String>,
    index: Option<u64>,
    field: Option<String>,
    vv: Option<String>,
    root: Option<String>,
    origin: Option<String>,
    seq: Option<u64>,
    held: Option<u64>,
}

impl Problem {
    /// Whether it is of a kind, which is the last part of its type.
    pub fn is(&self, kind: &str) -> bool {
        self.kind.rsplit([':', '/']).next() == Some(kind)
    }

    /// Reads a problem document; what is no document still gives status and title.
    pub(super) fn read(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let document = serde_json::from_slice(body).unwrap_or_default();
        Self::of(status, retry_after, document)
    }

    /// Reads a problem document that is part of an answer.
    pub(super) fn within<'d, D: Deserializer<'d>>(from: D) -> Result<Option<Self>, D::Error> {
        let document = Option::<ProblemDocument>::deserialize(from)?;
        Ok(document.map(|document| {
            let status = document.status.and_then(|status| StatusCode::from_u16(status).ok());
            Self::of(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), None, document)
        }))
    }

    fn of(status: StatusCode, retry_after: Option<Duration>, document: ProblemDocument) -> Self {
        let reason = status.canonical_reason().unwrap_or("unknown status");
        Self {
            status,
            kind: document.r#type.unwrap_or_else(|| "about:blank".to_owned()),
            title: document.title.unwrap_or_else(|| reason.to_owned()),
            detail: document.detail,
            index: document.index,
            field: document.field,
            vv: document.vv.and_then(|text| text.parse().ok()),
            root: document.root.and_then(|text| text.parse().ok()),
            origin: document.origin.and_then(|text| text.parse().ok()),
            seq: document.seq,
            held: document.held,
            retry_after,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a server says is shown on one line, whatever it is.
        write!(f, "{} {}", self.status.as_u16(), Printable(&self.title))?;
        if let Some(detail) = &self.detail {
            write!(f, ": {}", Printable(detail))?;
        }
        if let Some(index) = self.index {
            write!(f, " (event {index} of the batch, counted from 0)")?;
        }
        if let Some(field) = &self.field {
            write!(f, " (field {})", Printable(field))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
