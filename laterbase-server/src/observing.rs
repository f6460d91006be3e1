//! What every request leaves behind: counts, a line in the access log, and the ids that it came
//! with in its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::app::App;
use crate::callers::Deal;
use crate::meters::NO_ROUTE;
use crate::problem::Named;

use trace_ids::TraceIds;

mod trace_ids;

/// Names the targets of lines about requests, for filters of the log.
const ACCESS: &str = "access";

/// Goes along with an answer: the path of its route, as it is declared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfRoute(pub &'static str);

/// Observes a request from its head until the last byte of its answer.
pub(crate) async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let ids = TraceIds::of(request.headers());
    let (request, bytes_in) = count_in(request);
    let mut response = next.run(request).await;
    let (status, extensions) = (response.status(), response.extensions_mut());
    let path = extensions.remove().map_or(NO_ROUTE, |OfRoute(path)| path);
    let problem = extensions.remove::<Named>();
    let deal = extensions.remove::<Deal>();
    app.meters.answered(path, &method, status, begun.elapsed());
    if let Some(problem) = &problem {
        app.meters.refused(problem.kind);
    }
    ids.give_back(response.headers_mut());
    let observed =
        Observed { app, begun, method, path, status, ids, problem, deal, bytes_in, bytes_out: 0 };
    response.map(|body| Body::new(Sending { body, observed: Some(Box::new(observed)) }))
}

/// Has the bytes of a body counted, if there is one.
fn count_in(request: Request) -> (Request, Option<Arc<AtomicU64>>) {
    if request.body().is_end_stream() {
        return (request, None);
    }
    let bytes = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&bytes);
    (request.map(|body| Body::new(Receiving { body, bytes: counter })), Some(bytes))
}

/// What is known of a request once its answer has begun.
struct Observed {
    app: Arc<App>,
    begun: Instant,
    method: Method,
    path: &'static str,
    status: StatusCode,
    ids: TraceIds,
    problem: Option<Named>,
    deal: Option<Deal>,
    bytes_in: Option<Arc<AtomicU64>>,
    bytes_out: u64,
}

impl Observed {
    /// The answer was sent, or its reader is gone.
    fn end(self, is_whole: bool) {
        let bytes_in = self.bytes_in.as_ref().map_or(0, |bytes| bytes.load(Ordering::Relaxed));
        let meters = &self.app.meters;
        meters.bytes_in.fetch_add(bytes_in, Ordering::Relaxed);
        meters.bytes_out.fetch_add(self.bytes_out, Ordering::Relaxed);
        if let Some(deal) = &self.deal {
            self.app.callers.settle(deal, is_whole, bytes_in, self.bytes_out);
        }
        self.log(is_whole, bytes_in);
    }

    /// Leaves a line in the log, if there is room for one and somebody wants it.
    fn log(&self, is_whole: bool, bytes_in: u64) {
        // What nobody wants to read is neither left out nor told of.
        if !tracing::enabled!(target: ACCESS, tracing::Level::INFO) {
            return;
        }
        let (has_line, untold) = self.app.access_log.admit(self.app.writer.now());
        if untold > 0 {
            tracing::warn!(target: ACCESS, requests = untold, "too many requests to log them all");
        }
        if !has_line {
            self.app.meters.unlogged.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let ms = self.begun.elapsed().as_micros() as f64 / 1_000.0;
        let problem = self.problem.as_ref();
        tracing::info!(
            target: ACCESS,
            method = self.method.as_str(),
            route = self.path,
            status = self.status.as_u16(),
            bytes_in,
            bytes_out = self.bytes_out,
            ms,
            is_whole,
            problem = problem.map(|problem| problem.kind.name()),
            correlation_id = self.ids.text().or(problem.and_then(Named::correlation_id)),
        );
    }
}

/// A request's body, whose bytes are counted.
struct Receiving {
    body: Body,
    bytes: Arc<AtomicU64>,
}

impl HttpBody for Receiving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.bytes.fetch_add(size_of_frame(frame), Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, which says when all of it was handed over.
struct Sending {
    body: Body,
    /// Gone once that was said.
    observed: Option<Box<Observed>>,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let (Poll::Ready(Some(Ok(frame))), Some(observed)) = (&polled, &mut self.observed) {
            observed.bytes_out += size_of_frame(frame);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let is_whole = self.body.is_end_stream();
        if let Some(observed) = self.observed.take() {
            observed.end(is_whole);
        }
    }
}

fn size_of_frame(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}
