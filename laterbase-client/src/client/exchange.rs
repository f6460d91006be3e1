//! One request and its response, with bounds on time and size.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap,
    LOCATION, RETRY_AFTER, USER_AGENT,
};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout};

use super::encoding::{LinkEncoding, ZSTD, decompress};
use super::error::{ClientError, Problem};
use super::server_url::ServerUrl;
use super::traffic::{Traffic, TrafficCounter, request_head_bytes, response_head_bytes};
use crate::transport::{ResponseBody, Transport, TransportError};

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("laterbase/", env!("CARGO_PKG_VERSION")));

/// How long the network may be silent.
const SILENT_SECONDS_MAX: u64 = 30;

/// The slowest link that a request's body is given time for, in bytes a second.
const SLOWEST_LINK_BYTES: u64 = 1_000;

/// Most bytes of a response's body: a page of 16 MiB of data, as JSON text.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The media type of streams of events, which are read as they come.
pub(super) const EVENT_STREAM_MEDIA_TYPE: &str = "text/event-stream";

/// What is asked of a server.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) segments: &'a [&'a str],
    pub(super) query: &'a [(&'a str, String)],
    pub(super) accept: &'static str,
    pub(super) body: Option<(&'static str, Bytes)>,
}

impl<'a> Call<'a> {
    pub(super) const fn get(segments: &'a [&'a str], query: &'a [(&'a str, String)]) -> Self {
        Self { method: Method::GET, segments, query, accept: "application/json", body: None }
    }

    pub(super) const fn post(
        segments: &'a [&'a str],
        media_type: &'static str,
        body: Bytes,
    ) -> Self {
        let body = Some((media_type, body));
        Self { method: Method::POST, segments, query: &[], accept: "application/json", body }
    }

    #[must_use]
    pub(super) const fn query(mut self, query: &'a [(&'a str, String)]) -> Self {
        self.query = query;
        self
    }

    #[must_use]
    pub(super) const fn accept(mut self, media_type: &'static str) -> Self {
        self.accept = media_type;
        self
    }

    fn to_request(
        &self,
        server: &ServerUrl,
        encoding: &LinkEncoding,
    ) -> Result<Request<Bytes>, ClientError> {
        let target = server.resource(self.segments, self.query)?;
        let host = HeaderValue::from_str(server.host())
            .map_err(|error| ClientError::Address { detail: error.to_string() })?;
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT, HeaderValue::from_static(self.accept));
        if encoding.accepts() && self.accept != EVENT_STREAM_MEDIA_TYPE {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(ZSTD));
        }
        let mut body = Bytes::new();
        if let Some((media_type, bytes)) = &self.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            let packed = encoding.compress(bytes);
            if packed.is_some() {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(ZSTD));
            }
            body = packed.unwrap_or_else(|| bytes.clone());
            headers.insert(CONTENT_LENGTH, body.len().into());
        }
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = target;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// A successful response.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The way to one server.
#[derive(Debug)]
pub(super) struct Exchange<T> {
    server: ServerUrl,
    transport: T,
    traffic: TrafficCounter,
    encoding: LinkEncoding,
}

impl<T: Transport> Exchange<T> {
    pub(super) fn new(server: ServerUrl, transport: T, encoding: LinkEncoding) -> Self {
        Self { server, transport, traffic: TrafficCounter::default(), encoding }
    }

    pub(super) fn set_encoding(&mut self, encoding: LinkEncoding) {
        self.encoding = encoding;
    }

    pub(super) const fn server(&self) -> &ServerUrl {
        &self.server
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.traffic.read()
    }

    /// Makes a call; a response of another status than 2xx is an error.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Reply, ClientError> {
        let request = call.to_request(&self.server, &self.encoding)?;
        let is_packed = request.headers().contains_key(CONTENT_ENCODING);
        match self.exchange(request).await {
            Err(ClientError::Problem(problem))
                if is_packed && problem.status == StatusCode::UNSUPPORTED_MEDIA_TYPE =>
            {
                self.encoding.refused();
                self.exchange(call.to_request(&self.server, &self.encoding)?).await
            }
            outcome => outcome,
        }
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Reply, ClientError> {
        let (start, sent) = (Instant::now(), request.body().len());
        let (head, body) = self.send(request).await?.into_parts();
        let body = self.read_body(body).await?;
        self.encoding.measured(sent + body.len(), start.elapsed());
        let body = unpack(&head.headers, body)?;
        if head.status.is_success() {
            return Ok(Reply { status: head.status, headers: head.headers, body });
        }
        Err(refusal(head.status, &head.headers, &body))
    }

    /// Makes a call whose answer is read piece by piece, and may never end.
    pub(super) async fn open(
        &self,
        call: Call<'_>,
    ) -> Result<(HeaderMap, ResponseBody), ClientError> {
        let response = self.send(call.to_request(&self.server, &self.encoding)?).await?;
        let (head, body) = response.into_parts();
        if head.status.is_success() {
            return Ok((head.headers, body));
        }
        let body = self.read_body(body).await?;
        Err(refusal(head.status, &head.headers, &unpack(&head.headers, body)?))
    }

    /// Counts bytes of an answer that is read piece by piece.
    pub(super) fn add_received(&self, bytes: usize) {
        self.traffic.add_received(bytes);
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<ResponseBody>, ClientError> {
        let (method, target): (&Method, &Uri) = (request.method(), request.uri());
        let head_bytes = request_head_bytes(method, target, request.headers());
        let body_bytes = request.body().len();
        let seconds = SILENT_SECONDS_MAX + body_bytes as u64 / SLOWEST_LINK_BYTES;
        let sending = timeout(Duration::from_secs(seconds), self.transport.send(request));
        let result =
            sending.await.unwrap_or_else(|_elapsed| Err(TransportError::Silent { seconds }));
        if !matches!(result, Err(TransportError::Connect { .. })) {
            self.traffic.add_request(head_bytes + body_bytes);
        }
        let response = result?;
        self.traffic.add_received(response_head_bytes(response.status(), response.headers()));
        Ok(response)
    }

    async fn read_body(&self, mut body: ResponseBody) -> Result<Bytes, ClientError> {
        let mut bytes = BytesMut::new();
        loop {
            let frame = timeout(Duration::from_secs(SILENT_SECONDS_MAX), body.frame()).await;
            let silent = |_elapsed| TransportError::Silent { seconds: SILENT_SECONDS_MAX };
            let Some(frame) = frame.map_err(silent)? else {
                return Ok(bytes.freeze());
            };
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            self.traffic.add_received(data.len());
            if bytes.len() + data.len() > BODY_BYTES_MAX {
                return Err(ClientError::protocol("it is longer than any page"));
            }
            bytes.extend_from_slice(&data);
        }
    }
}

fn unpack(headers: &HeaderMap, body: Bytes) -> Result<Bytes, ClientError> {
    match headers.get(CONTENT_ENCODING) {
        None => Ok(body),
        Some(encoding) if encoding == ZSTD => decompress(&body, BODY_BYTES_MAX),
        Some(encoding) => {
            let detail = format!("it is encoded as {encoding:?}, which was not asked for");
            Err(ClientError::protocol(detail))
        }
    }
}

fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ClientError {
    if status.is_redirection() {
        let place = headers.get(LOCATION).and_then(|place| place.to_str().ok());
        let place = place.unwrap_or("another place");
        let detail = format!("the server sends its callers on to {place}; use that URL instead");
        return ClientError::Address { detail };
    }
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let retry_after = seconds.map(Duration::from_secs);
    ClientError::Problem(Box::new(Problem::read(status, retry_after, body)))
}
