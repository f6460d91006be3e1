//! Requests into a `tower` service: a router in this process, or a client of another kind.

use std::error::Error as StdError;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt};

use super::{ResponseBody, Transport, TransportError};

/// Sends requests to a service: an `axum` router for tests without a socket, or a `hyper-util`
/// client with a connector of one's own for a simulated network.
#[derive(Clone, Debug)]
pub struct ServiceTransport<S> {
    service: S,
}

impl<S> ServiceTransport<S> {
    /// Wraps a service, which is cloned for every request.
    pub const fn new(service: S) -> Self {
        Self { service }
    }
}

impl<S, B> Transport for ServiceTransport<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<ResponseBody>, TransportError> {
        let response = self
            .service
            .clone()
            .oneshot(request.map(Full::new))
            .await
            .map_err(|error| TransportError::Broken { source: error.into() })?;
        Ok(response.map(|body| {
            body.map_err(|error| TransportError::Broken { source: error.into() }).boxed_unsync()
        }))
    }
}
