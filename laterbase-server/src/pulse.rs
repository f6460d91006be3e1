//! What every live answer (`text/event-stream`) has in common: it wakes when something arrives,
//! says now and then that it is there, and says why it ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::meters::Meters;
use crate::problem::{Problem, Result};
use crate::wire::EVENT_STREAM;

/// How long a reader hears nothing at most, by default.
pub(crate) const HEARTBEAT_PERIOD_DEFAULT: Duration = Duration::from_secs(15);

/// More often than so, heartbeats would keep everybody busy.
pub(crate) const HEARTBEAT_PERIOD_MIN: Duration = Duration::from_millis(50);

/// Sent at once, so that the reader's side sees that the stream is there.
const GREETING: &[u8] = b": live\n\n";

/// Tells the reader that there is nothing to tell.
pub(crate) const HEARTBEAT: &[u8] = b": heartbeat\n\n";

/// Tells nginx to pass on what comes as it comes.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What a live answer tells.
pub(crate) trait News: Send + 'static {
    /// Looks for what the reader has not been told yet, and counts it as told.
    fn look(&mut self) -> impl Future<Output = Result<Option<Bytes>>> + Send;

    /// What the reader is told when there was nothing to tell for a while.
    fn heartbeat(&mut self) -> Bytes {
        Bytes::from_static(HEARTBEAT)
    }
}

/// An answer that greets, tells news as they come, and says why it ends.
pub(crate) fn respond(app: &App, news: impl News) -> Response {
    let greeting = stream::iter([Bytes::from_static(GREETING)]);
    let under_way = UnderWay::begin(app);
    let telling = Telling { news, pulse: Pulse::new(app), is_ended: false, _under_way: under_way };
    let pieces = stream::unfold(telling, async |mut telling| {
        let piece = telling.next().await?;
        Some((piece, telling))
    });
    let pieces = greeting.chain(pieces).map(Ok::<Bytes, Infallible>);
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

struct Telling<N> {
    news: N,
    pulse: Pulse,
    is_ended: bool,
    _under_way: UnderWay,
}

/// A live answer is counted for as long as this is there.
struct UnderWay(Arc<Meters>);

impl UnderWay {
    fn begin(app: &App) -> Self {
        app.meters.streams.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&app.meters))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<N: News> Telling<N> {
    /// The next piece to send; `None` once the end has been said.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_ended {
            return None;
        }
        loop {
            // Marked as seen before the read, so that no arrival falls between the two.
            self.pulse.mark_seen();
            if !self.pulse.is_stopping() {
                match self.news.look().await {
                    Ok(None) => {}
                    Ok(Some(piece)) => {
                        self.pulse.put_off();
                        return Some(piece);
                    }
                    Err(problem) => return Some(self.end(End::failed(&problem))),
                }
            }
            match self.pulse.wait().await {
                Wake::Arrivals => {}
                Wake::Heartbeat => return Some(self.news.heartbeat()),
                Wake::End(end) => return Some(self.end(end)),
            }
        }
    }

    fn end(&mut self, end: End) -> Bytes {
        self.is_ended = true;
        end.into_bytes()
    }
}

/// What a live answer waits for. It queues nothing: whoever reads slowly finds out later.
struct Pulse {
    head: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    period: Duration,
    /// When the reader is told that there is nothing to tell.
    heartbeat: Instant,
}

/// Why a wait is over.
enum Wake {
    /// Something has arrived since [`Pulse::mark_seen`].
    Arrivals,
    /// [`News::heartbeat`] is due.
    Heartbeat,
    /// Nothing more will come.
    End(End),
}

/// The last word of a live answer.
struct End(serde_json::Value);

impl Pulse {
    fn new(app: &App) -> Self {
        let period = app.heartbeat_period;
        let heartbeat = Instant::now() + period;
        Self { head: app.head.clone(), stopping: app.stopping(), period, heartbeat }
    }

    /// From here on, what arrives is new. To be called before the read that looks at it.
    fn mark_seen(&mut self) {
        self.head.mark_unchanged();
    }

    /// Whether the end is near, so that a read is not worth its while.
    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Something was sent, so the next heartbeat can wait.
    fn put_off(&mut self) {
        self.heartbeat = Instant::now() + self.period;
    }

    async fn wait(&mut self) -> Wake {
        if self.is_stopping() {
            return Wake::End(End::stopping());
        }
        let arrived = tokio::select! {
            changed = self.head.changed() => Some(changed.is_ok()),
            _ = self.stopping.changed() => None,
            () = sleep_until(self.heartbeat) => {
                self.heartbeat = Instant::now() + self.period;
                return Wake::Heartbeat;
            }
        };
        match arrived {
            Some(true) => Wake::Arrivals,
            _ if self.is_stopping() => Wake::End(End::stopping()),
            // The writer is gone, so nothing more will arrive.
            _ => Wake::End(End(json!({ "reason": "failed" }))),
        }
    }
}

impl End {
    fn stopping() -> Self {
        Self(json!({ "reason": "shutting-down" }))
    }

    /// A read went wrong, or the reader's cursor is not of the log any more.
    fn failed(problem: &Problem) -> Self {
        match problem.correlation_id() {
            Some(id) => Self(json!({ "reason": "failed", "correlation_id": id })),
            None => Self(json!({ "reason": problem.kind_name() })),
        }
    }

    fn into_bytes(self) -> Bytes {
        format!("event: end\ndata: {}\n\n", self.0).into()
    }
}

#[cfg(test)]
mod tests;
