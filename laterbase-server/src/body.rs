//! Request bodies, read within bounds.

use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::app::App;
use crate::bounds::{PRESSED_BYTES_PER_SECOND_MIN, PRESSED_LAG_TIME_MAX};
use crate::encoding::{self, Encoding};
use crate::pace::Pace;
use crate::problem::{Kind, Problem, Result};
use crate::room::Held;

/// Room is taken for so many bytes before the first of them is read, and then for as many again.
const STEP_BYTES: usize = 64 * 1024;

/// How long a body may wait for room. Long enough for those who are slow to give way.
const ROOM_TIME_MAX: Duration = Duration::from_secs(5);

/// A sender that is turned away before its body was read sees the answer only once it is done
/// sending, unless it looks earlier. So much of the rest is thrown away, to let it get there.
const DISCARD_BYTES_MAX: u64 = 64 * 1024 * 1024;
const DISCARD_TIME_MAX: Duration = Duration::from_secs(2);

const _: () = assert!(PRESSED_LAG_TIME_MAX.as_secs() < ROOM_TIME_MAX.as_secs());

/// A body that is worth reading.
#[derive(Debug)]
pub(crate) struct AdmittedBody {
    encoding: Encoding,
    expected_bytes: usize,
    bytes_max: usize,
}

/// A body that was read. The room that it takes up is held for as long as this lives.
#[derive(Debug)]
pub(crate) struct Content {
    /// The body, decompressed.
    pub bytes: Bytes,
    _room: Held,
}

impl AdmittedBody {
    /// Looks whether a body of at most `bytes_max`, compressed or not, is to be read.
    ///
    /// # Errors
    /// 413 if it claims too much, 415 if it is in an unknown encoding, 503 if the server stops;
    /// nothing of it needs to be read.
    pub(crate) fn check(app: &App, headers: &HeaderMap, bytes_max: usize) -> Result<Self> {
        let encoding = Encoding::of(headers)?;
        let expected_bytes = expected_bytes(headers, bytes_max)?;
        if app.is_stopping() {
            return Err(Problem::new(Kind::ShuttingDown));
        }
        Ok(Self { encoding, expected_bytes, bytes_max })
    }

    /// Reads the body whole, and takes room for it as it comes in.
    ///
    /// # Errors
    /// 503 if there is no room, 408 if it comes too slowly.
    pub(crate) async fn read(self, app: &App, body: &mut Body) -> Result<Content> {
        let Self { encoding, expected_bytes, bytes_max } = self;
        let room = room_for(app, expected_bytes.min(STEP_BYTES)).await?;
        let mut intake = Intake::new(app, room);
        let bytes = intake.read(body, expected_bytes, bytes_max).await?;
        if encoding == Encoding::Identity {
            intake.room.shrink(bytes.len());
            return Ok(Content { bytes, _room: intake.room });
        }
        // Few are decompressed at once, so those that find no room take little of it meanwhile.
        let plain = app.take_in(move || encoding::decompress(&bytes, bytes_max)).await?;
        // What came in is gone, and makes room for what came of it.
        drop(intake);
        let room = room_for(app, plain.len()).await?;
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

async fn room_for(app: &App, bytes: usize) -> Result<Held> {
    app.bodies.take(bytes, ROOM_TIME_MAX).await.ok_or_else(|| Problem::new(Kind::Busy))
}

/// What a body must come to, and what it must come to while others wait for room.
fn paces(app: &App) -> (Pace, Pace) {
    let bounds = app.bounds();
    let pace = Pace::new(bounds.lag_time_max, bounds.bytes_per_second_min);
    (pace, Pace::new(PRESSED_LAG_TIME_MAX, PRESSED_BYTES_PER_SECOND_MIN))
}

/// A body that is coming in.
struct Intake<'a> {
    app: &'a App,
    room: Held,
    pace: Pace,
    /// What it must come to while others wait for room.
    pressed: Pace,
    pressure: watch::Receiver<u64>,
}

impl<'a> Intake<'a> {
    fn new(app: &'a App, room: Held) -> Self {
        let (pace, pressed) = paces(app);
        Self { app, room, pace, pressed, pressure: app.bodies.pressure() }
    }

    /// Reads a body whole. `expected` is its length, or more.
    async fn read(&mut self, body: &mut Body, expected: usize, bytes_max: usize) -> Result<Bytes> {
        let Some(first) = self.next(body).await? else { return Ok(Bytes::new()) };
        if body.is_end_stream() && first.len() <= bytes_max {
            self.make_room(first.len(), expected).await?;
            return Ok(first);
        }
        let mut whole = Vec::new();
        let mut piece = Some(first);
        while let Some(bytes) = piece {
            let length = whole.len() + bytes.len();
            if length > bytes_max {
                return Err(Problem::too_large());
            }
            self.make_room(length, expected).await?;
            // Grows as it comes in, whatever it claims to become.
            if length > whole.capacity() {
                let wanted = length.max(2 * whole.capacity()).min(expected.max(length));
                whole.reserve_exact(wanted - whole.len());
            }
            whole.extend_from_slice(&bytes);
            piece = self.next(body).await?;
        }
        Ok(whole.into())
    }

    async fn make_room(&mut self, length: usize, expected: usize) -> Result<()> {
        let held = self.room.bytes();
        if length > held && held < expected {
            let step = STEP_BYTES.max(length - held).min(expected - held);
            let more = match self.app.bodies.try_take(step) {
                Some(more) => more,
                None => {
                    let more = room_for(self.app, step).await?;
                    // It was not the sender who was slow.
                    (self.pace, self.pressed) = paces(self.app);
                    more
                }
            };
            self.room.add(more);
        }
        Ok(())
    }

    async fn next(&mut self, body: &mut Body) -> Result<Option<Bytes>> {
        loop {
            let frame = match body.frame().now_or_never() {
                Some(frame) => frame,
                None => self.wait(body).await?,
            };
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => {
                        self.pace.advance(bytes.len());
                        self.pressed.advance(bytes.len());
                        return Ok(Some(bytes));
                    }
                    _ => {}
                },
                Some(Err(error)) => {
                    let detail = format!("the body broke off: {error}");
                    return Err(Problem::new(Kind::MalformedRequest).detail(detail));
                }
            }
        }
    }

    /// Waits for what comes next, for as long as the body is not too slow.
    async fn wait(
        &mut self,
        body: &mut Body,
    ) -> Result<Option<std::result::Result<Frame<Bytes>, axum::Error>>> {
        loop {
            tokio::select! {
                frame = timeout_at(self.pace.deadline(), body.frame()) => {
                    return frame.map_err(|_late| Problem::new(Kind::RequestTimeout));
                }
                Ok(()) = self.pressure.changed() => {
                    if self.pressed.is_late() {
                        let detail = "others waited for the room that this slow body held";
                        return Err(Problem::new(Kind::Busy).detail(detail));
                    }
                }
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
