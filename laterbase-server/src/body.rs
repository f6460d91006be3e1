//! Request bodies, read within bounds.

use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use crate::app::App;
use crate::encoding::{self, Encoding};
use crate::problem::{Kind, Problem, Result};

/// How long a body may pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A sender that is turned away before its body was read sees the answer only once it is done
/// sending, unless it looks earlier. So much of the rest is thrown away, to let it get there.
const DISCARD_BYTES_MAX: u64 = 64 * 1024 * 1024;
const DISCARD_TIME_MAX: Duration = Duration::from_secs(2);

/// A body that is worth reading, and that there is room for.
#[derive(Debug)]
pub(crate) struct AdmittedBody {
    encoding: Encoding,
    expected_bytes: usize,
    bytes_max: usize,
    room: OwnedSemaphorePermit,
}

/// A body that was read. The room that was set aside for it is held for as long as this lives.
#[derive(Debug)]
pub(crate) struct Content {
    /// The body, decompressed.
    pub bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AdmittedBody {
    /// Sets room aside for a body of at most `bytes_max`, compressed or not.
    ///
    /// # Errors
    /// 413 if it claims too much, 415 if it is in an unknown encoding, 503 if there is no room;
    /// nothing of it needs to be read.
    pub(crate) fn check(app: &App, headers: &HeaderMap, bytes_max: usize) -> Result<Self> {
        let encoding = Encoding::of(headers)?;
        let expected_bytes = expected_bytes(headers, bytes_max)?;
        Ok(Self { encoding, expected_bytes, bytes_max, room: app.admit(expected_bytes)? })
    }

    /// Reads the body whole.
    pub(crate) async fn read(self, app: &App, body: &mut Body) -> Result<Content> {
        let bytes = read(body, self.expected_bytes, self.bytes_max).await?;
        if self.encoding == Encoding::Identity {
            return Ok(Content { bytes, _room: self.room });
        }
        let bytes_max = self.bytes_max;
        // Few are decompressed at once, so those that find no room take little of it meanwhile.
        let plain = app.take_in(move || encoding::decompress(&bytes, bytes_max)).await?;
        // What came in is gone, and makes room for what came of it.
        drop(self.room);
        let room = app.admit(plain.len())?;
        Ok(Content { bytes: plain.into(), _room: room })
    }
}

/// Bytes that a body may turn out to have: what it claims, or the most there may be.
fn expected_bytes(headers: &HeaderMap, bytes_max: usize) -> Result<usize> {
    let Some(length) = headers.get(CONTENT_LENGTH) else { return Ok(bytes_max) };
    let length: usize = length
        .to_str()
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Problem::new(Kind::MalformedRequest).detail("a bad Content-Length"))?;
    if length > bytes_max { Err(Problem::too_large()) } else { Ok(length) }
}

/// Reads a body whole. `expected` is its length, or more.
async fn read(body: &mut Body, expected: usize, bytes_max: usize) -> Result<Bytes> {
    let Some(first) = next(body).await? else { return Ok(Bytes::new()) };
    if body.is_end_stream() && first.len() <= bytes_max {
        return Ok(first);
    }
    // A body of unknown length starts small and grows as it comes in.
    let room = if body.size_hint().exact().is_some() { expected } else { first.len() * 4 };
    let mut whole = Vec::with_capacity(room.min(bytes_max));
    let mut piece = Some(first);
    while let Some(bytes) = piece {
        if whole.len() + bytes.len() > bytes_max {
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
