//! One request and its response, with bounds on time and size.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap,
    LOCATION, USER_AGENT,
};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use laterbase_directory::environment::wall_clock_nanos;
use tokio::time::{Instant, timeout, timeout_at};

use super::encoding::{LinkEncoding, ZSTD, decompress};
use super::error::{ClientError, Problem};
use super::patience::{Patience, Waiting};
use super::retry_after::retry_after;
use super::server_clock::ServerClock;
use super::server_url::ServerUrl;
use super::traffic::{Traffic, TrafficCounter, request_head_bytes, response_head_bytes};
use crate::transport::{ResponseBody, Transport, TransportError};

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("laterbase/", env!("CARGO_PKG_VERSION")));

/// What a request and its answer have at least for their time to say how fast the link is.
const MEASURED_BYTES_MIN: usize = 16 * 1024;

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
    /// Beside those that every request has.
    pub(super) headers: HeaderMap,
}

impl<'a> Call<'a> {
    pub(super) fn get(segments: &'a [&'a str], query: &'a [(&'a str, String)]) -> Self {
        Self {
            method: Method::GET,
            segments,
            query,
            accept: "application/json",
            body: None,
            headers: HeaderMap::new(),
        }
    }

    pub(super) fn post(segments: &'a [&'a str], media_type: &'static str, body: Bytes) -> Self {
        let body = Some((media_type, body));
        Self { method: Method::POST, body, ..Self::get(segments, &[]) }
    }

    #[must_use]
    pub(super) fn query(mut self, query: &'a [(&'a str, String)]) -> Self {
        self.query = query;
        self
    }

    #[must_use]
    pub(super) fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    #[must_use]
    pub(super) fn accept(mut self, media_type: &'static str) -> Self {
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
        let mut headers = self.headers.clone();
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

/// The way to one server. What it has learned and counted is shared by all its copies.
#[derive(Debug)]
pub(super) struct Exchange<T> {
    server: ServerUrl,
    transport: Arc<T>,
    traffic: Arc<TrafficCounter>,
    encoding: Arc<LinkEncoding>,
    clock: Arc<ServerClock>,
    /// What the link has carried lately, in bytes a second; 0 if that is not known.
    rate: Arc<AtomicU64>,
    patience: Patience,
}

impl<T: Transport> Exchange<T> {
    pub(super) fn new(server: ServerUrl, transport: T, encoding: LinkEncoding) -> Self {
        Self {
            server,
            transport: Arc::new(transport),
            traffic: Arc::default(),
            encoding: Arc::new(encoding),
            clock: Arc::default(),
            rate: Arc::default(),
            patience: Patience::default(),
        }
    }

    pub(super) fn set_encoding(&mut self, encoding: LinkEncoding) {
        self.encoding = Arc::new(encoding);
    }

    /// The same way, with other bounds.
    pub(super) fn with_patience(&self, patience: Patience) -> Self {
        Self {
            server: self.server.clone(),
            transport: Arc::clone(&self.transport),
            traffic: Arc::clone(&self.traffic),
            encoding: Arc::clone(&self.encoding),
            clock: Arc::clone(&self.clock),
            rate: Arc::clone(&self.rate),
            patience,
        }
    }

    pub(super) const fn server(&self) -> &ServerUrl {
        &self.server
    }

    pub(super) fn clock(&self) -> &ServerClock {
        &self.clock
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
        let answer = async {
            let (head, body) = self.send(request).await?.into_parts();
            Ok::<_, ClientError>((head, self.read_body(body).await?))
        };
        // The link may be another one the next time.
        let forget = |_failure: &ClientError| self.rate.store(0, Ordering::Relaxed);
        let (head, body) = answer.await.inspect_err(forget)?;
        self.measured(sent + body.len(), start.elapsed());
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

    /// Learns how long a request and its answer took, whose bodies had so many bytes on the wire.
    fn measured(&self, body_bytes: usize, elapsed: Duration) {
        self.encoding.measured(body_bytes, elapsed);
        if body_bytes >= MEASURED_BYTES_MIN {
            let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
            self.rate.store(body_bytes as u64 * 1_000 / millis, Ordering::Relaxed);
        }
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<ResponseBody>, ClientError> {
        let (method, target): (&Method, &Uri) = (request.method(), request.uri());
        let head_bytes = request_head_bytes(method, target, request.headers());
        let body_bytes = request.body().len();
        let longest = self.patience.for_sending(body_bytes, self.rate.load(Ordering::Relaxed));
        let seconds = longest.as_secs();
        let sent = wall_clock_nanos();
        let sending = timeout(longest, self.transport.send(request));
        let result =
            sending.await.unwrap_or_else(|_elapsed| Err(TransportError::Silent { seconds }));
        if !matches!(result, Err(TransportError::Connect { .. })) {
            self.traffic.add_request(head_bytes + body_bytes);
        }
        let response = result?;
        self.clock.hear(response.headers(), sent, wall_clock_nanos());
        self.traffic.add_received(response_head_bytes(response.status(), response.headers()));
        Ok(response)
    }

    async fn read_body(&self, mut body: ResponseBody) -> Result<Bytes, ClientError> {
        let mut bytes = BytesMut::new();
        let mut waiting = Waiting::start(self.patience);
        loop {
            let frame = timeout_at(waiting.deadline(), body.frame()).await;
            let Some(frame) = frame.map_err(|_elapsed| waiting.exhausted())? else {
                return Ok(bytes.freeze());
            };
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            self.traffic.add_received(data.len());
            waiting.received(data.len());
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
    ClientError::Problem(Box::new(Problem::read(status, retry_after(headers), body)))
}
