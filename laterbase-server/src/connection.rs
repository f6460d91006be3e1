//! One connection: HTTP/1.1 on a stream, within bounds.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::http::header::DATE;
use axum::http::{HeaderValue, Request, Response};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tower_service::Service as _;

use crate::callers::Caller;
use crate::progress::{Progress, UnderWay, WatchedStream};
use crate::shutdown::requested;

/// Bytes of a head, and of an answer that waits to be written beside the piece that is.
const BUFFER_BYTES_MAX: usize = 128 * 1024;

/// How long a connection that is closed with bytes still coming in may take to end. Closed at
/// once, the system would take back what was written last.
const LINGER_TIME_MAX: Duration = Duration::from_secs(1);

/// Bytes that are thrown away meanwhile.
const LINGER_BYTES_MAX: u64 = 1024 * 1024;

/// The end of the year 9999, in seconds since 1970: no header can say a later date.
const DATE_SECONDS_END: u64 = 253_402_300_800;

/// What ends a connection, beside its client and its own times.
#[derive(Debug)]
pub(crate) struct Ends {
    /// The server stops.
    pub stop: watch::Receiver<bool>,
    /// Others wait for room that slow readers hold.
    pub pressure: watch::Receiver<u64>,
    /// Others wait for the place of an idle connection.
    pub gives_way: Arc<Notify>,
}

/// Serves one connection until it ends.
pub(crate) async fn run<S>(
    stream: S,
    progress: Arc<Progress>,
    caller: Caller,
    router: Router,
    mut ends: Ends,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let of_requests = Arc::clone(&progress);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(caller.clone());
        answer(Arc::clone(&of_requests), router.clone(), request)
    });
    let stream = TokioIo::new(WatchedStream::new(stream, Arc::clone(&progress)));
    let mut connection = http1::Builder::new()
        .auto_date_header(false)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(stream, service);
    let mut timer = pin!(sleep_until(Instant::now()));
    let mut is_last = false;
    loop {
        // Only once the connection has been looked at is it known how long it may wait.
        let served = poll_fn(|context| {
            if Pin::new(&mut connection).poll(context).is_ready() {
                return Poll::Ready(true);
            }
            let Some(deadline) = progress.deadline() else { return Poll::Pending };
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            timer.as_mut().poll(context).map(|()| false)
        });
        tokio::select! {
            biased;
            is_over = served => {
                if is_over {
                    break;
                }
                return;
            }
            () = ends.gives_way.notified() => {}
            Ok(()) = ends.pressure.changed() => {
                if progress.is_slow_reader() {
                    return;
                }
                continue;
            }
            () = requested(&mut ends.stop), if !is_last => {}
        }
        if progress.is_idle() {
            return;
        }
        Pin::new(&mut connection).graceful_shutdown();
        is_last = true;
    }
    let mut stream = connection.into_parts().io.into_inner();
    let _ = timeout(LINGER_TIME_MAX, linger(&mut stream)).await;
}

/// Answers one request, which is under way until its answer was handed over.
async fn answer(
    progress: Arc<Progress>,
    mut router: Router,
    request: Request<Incoming>,
) -> Result<Response<Counted>, Infallible> {
    let under_way = progress.begin_request();
    let mut response = router.call(request.map(Body::new)).await?;
    if let Some(date) = date(SystemTime::now()) {
        response.headers_mut().insert(DATE, date);
    }
    Ok(response.map(|body| Counted { body, _under_way: under_way }))
}

/// The time as a `Date`, if it is one that a header can say. A server without a clock that it can
/// believe sends none (RFC 9110, section 6.6.1).
fn date(now: SystemTime) -> Option<HeaderValue> {
    let since_1970 = now.duration_since(UNIX_EPOCH).ok()?;
    let is_sayable = since_1970.as_secs() < DATE_SECONDS_END;
    is_sayable.then(|| HeaderValue::try_from(httpdate::fmt_http_date(now)).ok()).flatten()
}

/// Says that nothing more comes, and waits for the other side to say so too.
pub(crate) async fn linger<S>(stream: &mut S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.shutdown().await?;
    let mut rest = stream.take(LINGER_BYTES_MAX);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await.map(drop)
}

/// An answer's body, whose request is under way until it is dropped.
struct Counted {
    body: Body,
    _under_way: UnderWay,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
