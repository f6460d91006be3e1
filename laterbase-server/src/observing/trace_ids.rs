//! The ids by which whoever asks follows a request through several programs.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// An id that a proxy or a client gave the request.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The place of the request in a trace, as W3C Trace Context writes it.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Longest id that is taken over.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// The ids of a request, as far as they are well formed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TraceIds {
    request_id: Option<HeaderValue>,
    traceparent: Option<HeaderValue>,
}

impl TraceIds {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let taken = |name, is_well_formed: fn(&[u8]) -> bool| {
            headers.get(name).filter(|value| is_well_formed(value.as_bytes())).cloned()
        };
        Self {
            request_id: taken(X_REQUEST_ID, is_request_id),
            traceparent: taken(TRACEPARENT, is_traceparent),
        }
    }

    /// Says in an answer what was taken over.
    pub(super) fn give_back(&self, headers: &mut HeaderMap) {
        for (name, id) in [(X_REQUEST_ID, &self.request_id), (TRACEPARENT, &self.traceparent)] {
            if let Some(id) = id {
                headers.insert(name, id.clone());
            }
        }
    }

    /// What leads from the log to the request: its id, or else that of its trace.
    pub(super) fn text(&self) -> Option<&str> {
        let trace = || self.traceparent.as_ref()?.to_str().ok()?.get(3..35);
        self.request_id.as_ref().and_then(|id| id.to_str().ok()).or_else(trace)
    }
}

/// It goes into logs and back into a header, so that it is plain and short.
fn is_request_id(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~+/=:@".contains(byte);
    (1..=REQUEST_ID_BYTES_MAX).contains(&text.len()) && text.iter().all(is_plain)
}

/// `00-<32 hex digits>-<16>-<2>`, where neither of the long ones is zero.
fn is_traceparent(text: &[u8]) -> bool {
    let is_hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |part: &[u8], length| {
        part.len() == length && is_hex(part) && part.iter().any(|byte| *byte != b'0')
    };
    let parts: Vec<&[u8]> = text.split(|byte| *byte == b'-').collect();
    let [b"00", trace, parent, flags] = parts[..] else { return false };
    is_id(trace, 32) && is_id(parent, 16) && flags.len() == 2 && is_hex(flags)
}

#[cfg(test)]
mod tests;
