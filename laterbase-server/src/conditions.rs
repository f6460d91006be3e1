//! What a write depends on: the headers `Idempotency-Key`, `If-Match` and `If-None-Match`.

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use laterbase_core::Precondition;
use laterbase_core::limits::REQUEST_KEY_BYTES_MAX;

use crate::problem::{Kind, Problem, Result};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The conditions of a write. By default there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    /// Makes a replay of the whole request recognisable.
    pub key: Option<String>,
    /// What must hold of the one aggregate that the request is about.
    pub precondition: Option<Precondition>,
}

impl Conditions {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self> {
        Ok(Self { key: key(headers)?, precondition: precondition(headers)? })
    }

    /// A delta is merged whatever is there.
    pub(crate) fn check_none(headers: &HeaderMap) -> Result<()> {
        for name in [IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH] {
            if headers.contains_key(&name) {
                return Err(malformed(&name, "a delta is merged without conditions"));
            }
        }
        Ok(())
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(text) = single(headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
    if text.is_empty() || text.len() > REQUEST_KEY_BYTES_MAX {
        return Err(Problem::new(Kind::InvalidEvent)
            .field(IDEMPOTENCY_KEY.as_str())
            .detail(format!("the key has 1 to {REQUEST_KEY_BYTES_MAX} bytes")));
    }
    Ok(Some(text.to_owned()))
}

fn precondition(headers: &HeaderMap) -> Result<Option<Precondition>> {
    let none_match = single(headers, &IF_NONE_MATCH)?;
    match (single(headers, &IF_MATCH)?, none_match) {
        (None, None) => Ok(None),
        (None, Some("*")) => Ok(Some(Precondition::Absent)),
        (None, Some(_)) => Err(malformed(&IF_NONE_MATCH, "a write takes If-None-Match: * only")),
        (Some("*"), None) => Ok(Some(Precondition::Present)),
        (Some(tags), None) => Ok(Some(Precondition::Etag(tags.split(',').map(tag).collect()))),
        (Some(_), Some(_)) => {
            Err(malformed(&IF_MATCH, "If-Match and If-None-Match contradict each other"))
        }
    }
}

/// An etag without its quotes, as a listing gives it.
fn tag(text: &str) -> String {
    text.trim().trim_matches('"').to_owned()
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(malformed(name, "the header is there twice"));
    }
    match first.to_str() {
        Ok(text) => Ok(Some(text.trim())),
        Err(_not_ascii) => Err(malformed(name, "the header is not plain text")),
    }
}

fn malformed(name: &HeaderName, detail: &str) -> Problem {
    Problem::new(Kind::MalformedRequest).field(name.as_str()).detail(detail)
}
