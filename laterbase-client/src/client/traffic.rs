//! Counting what goes over the wire.

use std::ops::Sub;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, Method, StatusCode, Uri};

/// Requests made and bytes of HTTP/1.1 heads and bodies as sent.
///
/// Not counted: what TCP and TLS add, and the frames of chunked bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests that were sent, also those that got no answer.
    pub requests: u64,
    /// Bytes of request heads and bodies.
    pub bytes_sent: u64,
    /// Bytes of response heads and bodies.
    pub bytes_received: u64,
}

impl Sub for Traffic {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            requests: self.requests - earlier.requests,
            bytes_sent: self.bytes_sent - earlier.bytes_sent,
            bytes_received: self.bytes_received - earlier.bytes_received,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct TrafficCounter {
    requests: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
}

impl TrafficCounter {
    pub(super) fn add_request(&self, bytes: usize) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes_sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn add_received(&self, bytes: usize) {
        self.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Traffic {
        Traffic {
            requests: self.requests.load(Ordering::Relaxed),
            bytes_sent: self.bytes_sent.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
        }
    }
}

/// Bytes of a request's head: its line, its headers, and the empty line.
pub(super) fn request_head_bytes(method: &Method, target: &Uri, headers: &HeaderMap) -> usize {
    let target = target.path_and_query().map_or(1, |target| target.as_str().len());
    method.as_str().len() + " ".len() + target + " HTTP/1.1\r\n".len() + headers_bytes(headers)
}

/// Bytes of a response's head, if its server writes the usual reason phrase.
pub(super) fn response_head_bytes(status: StatusCode, headers: &HeaderMap) -> usize {
    let reason = status.canonical_reason().unwrap_or_default();
    "HTTP/1.1 200 ".len() + reason.len() + "\r\n".len() + headers_bytes(headers)
}

fn headers_bytes(headers: &HeaderMap) -> usize {
    let lines = headers.iter().map(|(name, value)| {
        name.as_str().len() + ": ".len() + value.as_bytes().len() + "\r\n".len()
    });
    lines.sum::<usize>() + "\r\n".len()
}

#[cfg(test)]
mod tests;
