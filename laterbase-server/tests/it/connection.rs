//! One HTTP/1.1 connection, as plain as a test wants it.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::contract;

pub const JSON: (&str, &str) = ("content-type", "application/json");
pub const LINES: (&str, &str) = ("content-type", "application/x-ndjson");
pub const DELTA: (&str, &str) = ("content-type", "application/vnd.laterbase.delta");
pub const WANTS: (&str, &str) = ("content-type", "application/vnd.laterbase.wants");
pub const ZSTD: (&str, &str) = ("content-encoding", "zstd");
pub const ACCEPT_ZSTD: (&str, &str) = ("accept-encoding", "zstd");
pub const ACCEPT_LINES: (&str, &str) = ("accept", "application/x-ndjson");
pub const ACCEPT_DELTA: (&str, &str) = ("accept", "application/vnd.laterbase.delta");
pub const ACCEPT_LIVE: (&str, &str) = ("accept", "text/event-stream");

pub struct Connection {
    requests: SendRequest<Full<Bytes>>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (requests, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { requests }
    }

    /// Sends bytes, and gives all that is answered until the server closes the connection.
    pub async fn raw(address: SocketAddr, bytes: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// Sends a request; its answer's body is still to come.
    pub async fn start(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> hyper::Result<hyper::Response<Incoming>> {
        let mut request = Request::builder().method(method).uri(target).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.requests.ready().await?;
        self.requests.send_request(request.body(Full::new(body.into())).unwrap()).await
    }

    pub async fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        self.try_send(method, target, headers, body).await.unwrap()
    }

    pub async fn try_send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> hyper::Result<Reply> {
        let response = self.start(method, target, headers, body).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        let reply = Reply { status: head.status, headers: head.headers, body };
        contract::check(method, target, &reply);
        Ok(reply)
    }

    pub async fn get(&mut self, target: &str) -> Reply {
        self.send("GET", target, &[], Bytes::new()).await
    }

    pub async fn post(&mut self, target: &str, body: impl Into<Bytes>) -> Reply {
        self.send("POST", target, &[JSON], body).await
    }

    /// The server's status document, without how much room is left: others use the disk too.
    pub async fn status(&mut self) -> Value {
        let reply = self.get("/").await;
        assert_eq!(reply.status, 200);
        let mut status = reply.json();
        assert!(status["storage"].is_object(), "{status}");
        status.as_object_mut().unwrap().remove("storage");
        status
    }

    /// How many events the server holds, over all roots.
    pub async fn event_count(&mut self) -> u64 {
        let status = self.status().await;
        let roots = status["roots"].as_object().unwrap().values();
        roots.map(|root| root["events"].as_u64().unwrap()).sum()
    }
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The cursor that came with the answer.
    pub fn cursor(&self) -> String {
        self.header("laterbase-cursor").expect("a cursor comes along").to_owned()
    }

    /// Checks that it is a problem document of a kind, and gives it.
    #[track_caller]
    pub fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:laterbase:problem:{kind}"));
        problem
    }

    #[track_caller]
    pub fn check(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// An aggregate id as one path segment.
pub fn segment(id: &str) -> String {
    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string()
}
