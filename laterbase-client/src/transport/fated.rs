//! A server of event streams whose answers are known beforehand.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{iter, pending};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};

use super::{ResponseBody, Transport, TransportError};

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// A stream that says this and goes silent.
    Silent(&'static str),
    /// A stream that says this and ends.
    Ends(&'static str),
    /// No stream, but this status.
    Refused(StatusCode),
    /// No answer at all.
    Unreachable,
}

/// What becomes of the requests, in order, and the queries that came.
pub(crate) struct Fated(Mutex<(VecDeque<Fate>, Vec<String>)>);

impl Fated {
    pub(crate) fn new(fates: impl IntoIterator<Item = Fate>) -> Self {
        Self(Mutex::new((fates.into_iter().collect(), Vec::new())))
    }

    /// The queries that came.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().1.clone()
    }

    fn next(&self, query: &str) -> Fate {
        let (fates, asked) = &mut *self.0.lock().unwrap();
        asked.push(query.to_owned());
        fates.pop_front().expect("one request more than expected")
    }
}

impl Transport for Fated {
    async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<ResponseBody>, TransportError> {
        let (status, body) = match self.next(request.uri().query().unwrap_or_default()) {
            Fate::Silent(text) => (StatusCode::OK, stream(text)),
            Fate::Ends(text) => (StatusCode::OK, whole(text)),
            Fate::Refused(status) => (status, whole("")),
            Fate::Unreachable => return Err(TransportError::Connect { source: "no".into() }),
        };
        let response =
            Response::builder().status(status).header("content-type", "text/event-stream");
        Ok(response.body(body).unwrap())
    }
}

fn whole(text: &'static str) -> ResponseBody {
    Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {}).boxed_unsync()
}

/// A body that never ends.
fn stream(text: &'static str) -> ResponseBody {
    let frame = Frame::data(Bytes::from_static(text.as_bytes()));
    let frames = iter([Ok::<_, TransportError>(frame)]).chain(pending());
    StreamBody::new(frames).boxed_unsync()
}
