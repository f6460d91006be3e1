//! A link into a router that breaks once, at a chosen byte.

use std::sync::Mutex;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use laterbase_client::transport::{ResponseBody, Transport, TransportError};
use tower::ServiceExt;

/// Breaks at one byte of all bodies that it carries, and is whole before and after.
pub(crate) struct OneCut {
    router: Router,
    link: Mutex<Link>,
}

#[derive(Debug, Default)]
struct Link {
    bytes_left: Option<usize>,
    requests_left: Option<usize>,
    carried: usize,
}

impl OneCut {
    /// Carries so many bytes of bodies before it breaks.
    pub(crate) fn after_bytes(router: Router, bytes: usize) -> Self {
        let link = Link { bytes_left: Some(bytes), ..Link::default() };
        Self { router, link: Mutex::new(link) }
    }

    /// Carries so many requests and their answers before it breaks.
    pub(crate) fn after_requests(router: Router, requests: usize) -> Self {
        let link = Link { requests_left: Some(requests), ..Link::default() };
        Self { router, link: Mutex::new(link) }
    }

    /// Bytes of bodies that it has carried.
    pub(crate) fn carried(&self) -> usize {
        self.link.lock().unwrap().carried
    }

    /// How many of a body's bytes get through, and whether the link breaks behind them.
    fn carry(&self, bytes: usize) -> (usize, bool) {
        let mut link = self.link.lock().unwrap();
        let (passed, breaks) = match link.bytes_left {
            Some(left) if left < bytes => {
                link.bytes_left = None;
                (left, true)
            }
            Some(left) => {
                link.bytes_left = Some(left - bytes);
                (bytes, false)
            }
            None => (bytes, false),
        };
        link.carried += passed;
        (passed, breaks)
    }

    fn breaks_before_request(&self) -> bool {
        let mut link = self.link.lock().unwrap();
        let breaks = link.requests_left == Some(0);
        link.requests_left = link.requests_left.and_then(|left| left.checked_sub(1));
        breaks
    }
}

impl Transport for OneCut {
    async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<ResponseBody>, TransportError> {
        if self.breaks_before_request() {
            return Err(broken());
        }
        let (passed, breaks) = self.carry(request.body().len());
        if breaks {
            let request = request.map(|body| Body::new(cut_short(body.slice(..passed))));
            let _nobody_hears = self.router.clone().oneshot(request).await.unwrap();
            return Err(broken());
        }
        let response = self.router.clone().oneshot(request.map(Body::from)).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|_ended| broken())?.to_bytes();
        let (passed, breaks) = self.carry(body.len());
        let body = if breaks { cut_short(body.slice(..passed)) } else { whole(body) };
        Ok(Response::from_parts(head, body))
    }
}

/// A body that breaks off behind these bytes.
pub(crate) fn cut_short(bytes: Bytes) -> ResponseBody {
    let frames = [Ok(http_body::Frame::data(bytes)), Err(broken())];
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

pub(crate) fn whole(bytes: Bytes) -> ResponseBody {
    http_body_util::Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn broken() -> TransportError {
    TransportError::Broken { source: "cut".into() }
}
