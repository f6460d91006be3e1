//! Content encodings: bodies compressed with zstd, both ways.
//!
//! What comes in is bounded while it is decompressed: neither the output nor the window that a
//! sender claims makes the server allocate more than its bounds.

use std::io::{self, Read};

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use http_body::Body as _;
use http_body_util::{BodyExt, Collected};
use laterbase_core::reader::Reader;

use crate::app::App;
use crate::parameters::thousandths;
use crate::problem::{Kind, Problem, Result};

const ZSTD: &str = "zstd";

/// Largest window that a compressed body may need, as a power of two: 8 MiB.
const WINDOW_LOG_MAX: u32 = 23;

/// Answers that are not larger are sent as they are.
const COMPRESSED_BYTES_MIN: u64 = 1024;

/// The fastest of the usual levels: answers are made once each, on the way out.
const LEVEL: i32 = 1;

/// Answers from this size on are compressed away from the threads that serve connections: about
/// a third of a millisecond's work.
const BLOCKING_BYTES_MIN: usize = 64 * 1024;

/// How a request's body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Zstd,
}

impl Encoding {
    /// What a request's `Content-Encoding` says.
    ///
    /// # Errors
    /// 415 if it is neither zstd nor nothing.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self> {
        let mut named = headers.get_all(CONTENT_ENCODING).iter();
        let Some(value) = named.next() else { return Ok(Self::Identity) };
        let text = value.to_str().unwrap_or_default().trim();
        match text {
            _ if named.next().is_some() => {}
            _ if text.eq_ignore_ascii_case("identity") => return Ok(Self::Identity),
            _ if text.eq_ignore_ascii_case(ZSTD) => return Ok(Self::Zstd),
            _ => {}
        }
        Err(Problem::new(Kind::UnsupportedMediaType)
            .detail(format!("a body may be sent as it is, or in the encoding {ZSTD}"))
            .field("Content-Encoding"))
    }
}

/// Decompresses a body whole.
///
/// # Errors
/// 413 if it comes to more than `bytes_max` or needs too large a window, 400 if it is damaged or
/// cut short.
pub(crate) fn decompress(compressed: &[u8], bytes_max: usize) -> Result<Vec<u8>> {
    let mut decoder = zstd::Decoder::with_buffer(compressed).map_err(|error| refuse(&error))?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(|error| refuse(&error))?;
    let mut whole = Vec::new();
    let mut bounded = decoder.take(bytes_max as u64 + 1);
    bounded.read_to_end(&mut whole).map_err(|error| refuse(&error))?;
    if whole.len() > bytes_max { Err(Problem::too_large()) } else { Ok(whole) }
}

/// What is wrong with a compressed body. The library tells in words only that a window is too
/// large.
fn refuse(error: &io::Error) -> Problem {
    if error.to_string().contains("too much memory") {
        let detail = format!("the window of a compressed body is at most 2^{WINDOW_LOG_MAX} bytes");
        return Problem::new(Kind::TooLarge).detail(detail);
    }
    Problem::new(Kind::MalformedRequest).detail(format!("the body cannot be decompressed: {error}"))
}

/// Compresses answers for callers that take zstd.
///
/// Left alone are small answers, those that have no end, and those with an etag, which is the
/// same for whoever holds the same events and so must not stand for two forms of an answer.
pub(crate) async fn compress(app: &App, accepted: bool, mut response: Response) -> Response {
    let size = response.body().size_hint().exact().unwrap_or(0);
    let headers = response.headers();
    let is_plain = !headers.contains_key(CONTENT_ENCODING) && !headers.contains_key(ETAG);
    if size <= COMPRESSED_BYTES_MIN || !headers.contains_key(CONTENT_TYPE) || !is_plain {
        return response;
    }
    response.headers_mut().insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
    if accepted { compressed(app, response).await } else { response }
}

async fn compressed(app: &App, response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    // An answer that has a size is in memory, so there is nothing to wait for or to fail.
    let plain = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let small = if plain.len() < BLOCKING_BYTES_MIN {
        zstd::bulk::compress(&plain, LEVEL).ok()
    } else {
        let plain = plain.clone();
        let compress = move |_: &Reader| Ok(zstd::bulk::compress(&plain, LEVEL).ok());
        app.read(compress).await.ok().flatten()
    };
    match small.filter(|small| small.len() < plain.len()) {
        Some(small) => {
            head.headers.remove(CONTENT_LENGTH);
            head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(ZSTD));
            Response::from_parts(head, Body::from(small))
        }
        None => Response::from_parts(head, Body::from(plain)),
    }
}

/// Whether a caller takes answers in zstd.
pub(crate) fn is_accepted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(ZSTD));
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1_000, thousandths);
        is_named && quality > 0
    })
}

#[cfg(test)]
mod tests;
