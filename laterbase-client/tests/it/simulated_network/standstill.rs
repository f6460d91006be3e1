//! A clock that stands still while a write is with the writer thread.

use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use tokio::task::spawn_blocking;

/// Routes that take no simulated time between the end of a request's body and the head of its
/// answer.
pub(super) fn standing_still(router: Router) -> Router {
    router.layer(from_fn(serve))
}

async fn serve(request: Request, next: Next) -> Response {
    let still = Standstill::default();
    let _end = End(still.clone());
    let watched = |body| Body::new(Watched { body, still });
    next.run(request.map(watched)).await
}

#[derive(Clone, Default)]
struct Standstill(Arc<Mutex<Phase>>);

#[derive(Default)]
enum Phase {
    #[default]
    Before,
    /// Blocking work waits until this is dropped, and the clock with it.
    During {
        _hold: Sender<()>,
    },
    After,
}

impl Standstill {
    fn begin(&self) {
        let mut phase = self.0.lock().unwrap();
        if matches!(*phase, Phase::Before) {
            let (hold, held) = channel::<()>();
            spawn_blocking(move || held.recv());
            *phase = Phase::During { _hold: hold };
        }
    }
}

/// Lets the clock go on, also if the request is given up.
struct End(Standstill);

impl Drop for End {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap() = Phase::After;
    }
}

/// A request's body, whose end stops the clock.
struct Watched {
    body: Body,
    still: Standstill,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Ok(_)))) && self.body.is_end_stream() {
            self.still.begin();
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
