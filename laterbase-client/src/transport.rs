//! How requests reach a server.
//!
//! The client is written against [`Transport`], so that the same code runs over [`HttpTransport`]
//! in production and over any `tower` service in tests and simulations, through
//! [`ServiceTransport`].

#[cfg(test)]
pub(crate) mod fated;
mod http_transport;
mod service_transport;

use std::error::Error as StdError;
use std::future::Future;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;

pub use http_transport::HttpTransport;
pub use service_transport::ServiceTransport;

/// A response's body, read piece by piece.
pub type ResponseBody = UnsyncBoxBody<Bytes, TransportError>;

/// Carries one request to a server and its response back.
///
/// A transport does not retry, follow redirects, or decode bodies, and adds no headers but those
/// without which a request could not be sent. The request's target is a full URL.
pub trait Transport: Send + Sync {
    /// Sends a request and waits for the head of its response.
    ///
    /// # Errors
    /// [`TransportError`] if no head came back. Whether the server took the request is not known
    /// then, unless [`TransportError::Connect`] says so.
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, TransportError>> + Send;
}

impl<T: Transport> Transport for &T {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, TransportError>> + Send {
        (**self).send(request)
    }
}

/// Why no whole response came back. Worth another try in every case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The server was not reached, so it knows nothing of the request.
    #[error("could not connect to the server")]
    Connect {
        /// What the network said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The connection broke. The server may have taken the request.
    #[error("the connection to the server broke")]
    Broken {
        /// What the network said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Nothing came for too long. The server may have taken the request.
    #[error("the server did not answer in {seconds} s")]
    Silent {
        /// How long was waited.
        seconds: u64,
    },
    /// What came did so too slowly to ever be an answer. The server may have taken the request.
    #[error("the server's answer does not come: {bytes} bytes of it in {seconds} s")]
    Crawling {
        /// How much of the answer's body came.
        bytes: u64,
        /// How long was waited.
        seconds: u64,
    },
}
