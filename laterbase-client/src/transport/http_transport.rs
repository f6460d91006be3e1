//! Requests over the network, through `reqwest`.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use reqwest::redirect;

use super::{ResponseBody, Transport, TransportError};

const CONNECT_SECONDS_MAX: u64 = 10;

/// How long what was sent may stay without a word from the other end of the connection.
const UNACKNOWLEDGED_SECONDS_MAX: u64 = 60;

/// HTTP/1.1 over TCP, with TLS for `https` URLs. Connections are kept and used again.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: reqwest::Client,
    /// Why nobody can be trusted, where the system has no trust anchors: `https` is refused then.
    distrust: Option<String>,
}

impl HttpTransport {
    /// Makes a transport that takes its trust anchors from the operating system and its proxies
    /// from the environment. A system without trust anchors, as in a small container, is asked at
    /// `http` all the same.
    ///
    /// # Errors
    /// [`TransportError::Connect`] if the system's set-up cannot be loaded.
    pub fn new() -> Result<Self, TransportError> {
        // An error says that the process has chosen a provider already, and that one is kept.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let failed = match builder().build() {
            Ok(client) => return Ok(Self { client, distrust: None }),
            Err(error) => error,
        };
        match builder().tls_certs_only([]).build() {
            Ok(client) => Ok(Self { client, distrust: Some(innermost(&failed)) }),
            Err(_) => Err(TransportError::Connect { source: failed.into() }),
        }
    }
}

fn builder() -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
        .redirect(redirect::Policy::none())
        .tcp_nodelay(true);
    bounded(builder)
}

/// What an error came from in the end, in its words.
fn innermost(error: &dyn StdError) -> String {
    match error.source() {
        Some(source) => innermost(source),
        None => error.to_string(),
    }
}

/// Has the system notice a peer that is gone while it still has something to send.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
fn bounded(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder.tcp_user_timeout(Duration::from_secs(UNACKNOWLEDGED_SECONDS_MAX))
}

/// Has the system notice a peer that is gone while it still has something to send.
#[cfg(not(any(target_os = "android", target_os = "fuchsia", target_os = "linux")))]
const fn bounded(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder
}

impl Transport for HttpTransport {
    async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<ResponseBody>, TransportError> {
        let request = reqwest::Request::try_from(request).map_err(classify)?;
        if let Some(reason) = self.distrust.as_ref().filter(|_| request.url().scheme() == "https") {
            return Err(TransportError::Connect { source: reason.clone().into() });
        }
        let response = self.client.execute(request).await.map_err(classify)?;
        Ok(Response::from(response).map(|body| body.map_err(classify).boxed_unsync()))
    }
}

fn classify(error: reqwest::Error) -> TransportError {
    if error.is_connect() || error.is_builder() {
        TransportError::Connect { source: error.without_url().into() }
    } else {
        TransportError::Broken { source: error.without_url().into() }
    }
}
