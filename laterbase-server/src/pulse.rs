//! What every live answer (`text/event-stream`) has in common: it wakes when something arrives,
//! says now and then that it is there, and says why it ends.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::problem::Problem;
use crate::wire::EVENT_STREAM;

/// How long a reader hears nothing at most, by default.
pub(crate) const HEARTBEAT_PERIOD_DEFAULT: Duration = Duration::from_secs(15);

/// Sent at once, so that the reader's side sees that the stream is there.
const GREETING: &[u8] = b": live\n\n";

/// Tells the reader that there is nothing to tell.
pub(crate) const HEARTBEAT: &[u8] = b": heartbeat\n\n";

/// An answer of pieces that come as they come, behind a greeting.
pub(crate) fn respond(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let greeting = stream::iter([Bytes::from_static(GREETING)]);
    let pieces = greeting.chain(pieces).map(Ok::<Bytes, Infallible>);
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a live answer waits for. It queues nothing: whoever reads slowly finds out later.
pub(crate) struct Pulse {
    head: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    period: Duration,
    /// When the reader is told that there is nothing to tell.
    heartbeat: Instant,
}

/// Why a wait is over.
pub(crate) enum Wake {
    /// Something has arrived since [`Pulse::mark_seen`].
    Arrivals,
    /// [`HEARTBEAT`] is due.
    Heartbeat,
    /// Nothing more will come.
    End(End),
}

/// The last word of a live answer.
pub(crate) struct End(serde_json::Value);

impl Pulse {
    pub(crate) fn new(app: &App) -> Self {
        let period = app.heartbeat_period;
        let heartbeat = Instant::now() + period;
        Self { head: app.head.clone(), stopping: app.stopping(), period, heartbeat }
    }

    /// From here on, what arrives is new. To be called before the read that looks at it.
    pub(crate) fn mark_seen(&mut self) {
        self.head.mark_unchanged();
    }

    /// Whether the end is near, so that a read is not worth its while.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Something was sent, so the next heartbeat can wait.
    pub(crate) fn put_off(&mut self) {
        self.heartbeat = Instant::now() + self.period;
    }

    pub(crate) async fn wait(&mut self) -> Wake {
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

    /// A read went wrong.
    pub(crate) fn failed(problem: &Problem) -> Self {
        Self(json!({ "reason": "failed", "correlation_id": problem.correlation_id() }))
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        format!("event: end\ndata: {}\n\n", self.0).into()
    }
}

#[cfg(test)]
mod tests;
