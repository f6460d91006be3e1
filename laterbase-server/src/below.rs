//! Answers from below the routes: to heads that cannot be read, and to connections that are too
//! many.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;

use crate::problem::{Kind, Problem};

/// The answer that says what the HTTP library said of a head that it could not read; `None` if
/// those bytes are no such answer.
pub(crate) fn answer_instead(bare: &[u8]) -> Option<Bytes> {
    let status = bare.strip_prefix(b"HTTP/1.1 ").or_else(|| bare.strip_prefix(b"HTTP/1.0 "))?;
    let status = StatusCode::from_bytes(status.get(..3)?).ok()?;
    let problem = match status {
        StatusCode::URI_TOO_LONG => Problem::new(Kind::UriTooLong),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Problem::new(Kind::HeadTooLarge),
        StatusCode::BAD_REQUEST => {
            Problem::new(Kind::MalformedRequest).detail("its head is no head of HTTP/1.1")
        }
        _ => return None,
    };
    Some(last_answer(problem))
}

/// A problem as the bytes of an answer, after which the connection is closed.
pub(crate) fn last_answer(problem: Problem) -> Bytes {
    let response = problem.into_response();
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut out = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in response.headers() {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    // A problem is in memory, so there is nothing to wait for or to fail.
    let body = response.into_body().collect().now_or_never();
    let body = body.and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
    out.extend_from_slice(
        format!(
            "cache-control: no-store\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .as_bytes(),
    );
    out.extend_from_slice(&body);
    out.into()
}

#[cfg(test)]
mod tests;
