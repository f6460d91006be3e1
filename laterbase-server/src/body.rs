//! Request bodies, read within bounds.

use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;
use laterbase_core::limits::BATCH_BYTES_MAX;
use tokio::time::{Instant, timeout, timeout_at};

use crate::problem::{Kind, Problem, Result};

/// How long a body may pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A sender that is turned away before its body was read sees the answer only once it is done
/// sending, unless it looks earlier. So much of the rest is thrown away, to let it get there.
const DISCARD_BYTES_MAX: u64 = 64 * 1024 * 1024;
const DISCARD_TIME_MAX: Duration = Duration::from_secs(2);

/// Bytes that a body may turn out to have: what it claims, or the most there may be.
///
/// # Errors
/// 413 if it claims too much; nothing of it needs to be read.
pub(crate) fn expected_bytes(headers: &HeaderMap) -> Result<usize> {
    let Some(length) = headers.get(CONTENT_LENGTH) else { return Ok(BATCH_BYTES_MAX) };
    let length: usize = length
        .to_str()
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Problem::new(Kind::MalformedRequest).detail("a bad Content-Length"))?;
    if length > BATCH_BYTES_MAX { Err(Problem::too_large()) } else { Ok(length) }
}

/// Reads a body whole. `expected` is its length, or more.
pub(crate) async fn read(body: &mut Body, expected: usize) -> Result<Bytes> {
    let Some(first) = next(body).await? else { return Ok(Bytes::new()) };
    if body.is_end_stream() && first.len() <= BATCH_BYTES_MAX {
        return Ok(first);
    }
    // A body of unknown length starts small and grows as it comes in.
    let room = if body.size_hint().exact().is_some() { expected } else { first.len() * 4 };
    let mut whole = Vec::with_capacity(room.min(BATCH_BYTES_MAX));
    let mut piece = Some(first);
    while let Some(bytes) = piece {
        if whole.len() + bytes.len() > BATCH_BYTES_MAX {
            return Err(Problem::too_large());
        }
        whole.extend_from_slice(&bytes);
        piece = next(body).await?;
    }
    Ok(whole.into())
}

async fn next(body: &mut Body) -> Result<Option<Bytes>> {
    loop {
        let frame = timeout(PAUSE_MAX, body.frame()).await;
        let frame = frame.map_err(|_late| Problem::new(Kind::RequestTimeout))?;
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) if !bytes.is_empty() => return Ok(Some(bytes)),
                _ => {}
            },
            Some(Err(error)) => {
                let detail = format!("the body broke off: {error}");
                return Err(Problem::new(Kind::MalformedRequest).detail(detail));
            }
        }
    }
}

/// Throws away what is left of a body, in the background and within bounds.
pub(crate) fn discard(mut body: Body) {
    let length = body.size_hint().exact().unwrap_or(0);
    if body.is_end_stream() || length > DISCARD_BYTES_MAX {
        return;
    }
    tokio::spawn(async move {
        let deadline = Instant::now() + DISCARD_TIME_MAX;
        let mut bytes = 0;
        let mut body = Pin::new(&mut body);
        while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            if bytes > DISCARD_BYTES_MAX {
                break;
            }
        }
    });
}
