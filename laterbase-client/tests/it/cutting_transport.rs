//! A link into a router that breaks at random bytes, of the request or of the response.

use std::sync::Mutex;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use laterbase_client::transport::{ResponseBody, Transport, TransportError};
use tower::ServiceExt;

use crate::dice::Dice;
use crate::one_cut::{broken, cut_short, whole};

/// How often each kind of cut has happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cuts {
    pub(crate) before: u32,
    pub(crate) in_request: u32,
    pub(crate) reply_lost: u32,
    pub(crate) in_response: u32,
}

/// Lets a request through whole one time in three.
pub(crate) struct CuttingTransport {
    router: Router,
    state: Mutex<(Dice, Cuts)>,
}

#[derive(Clone, Copy)]
enum Fate {
    Whole,
    Before,
    InRequest(usize),
    ReplyLost,
    InResponse(u64),
}

impl CuttingTransport {
    pub(crate) fn new(router: Router, seed: u64) -> Self {
        Self { router, state: Mutex::new((Dice::new(seed), Cuts::default())) }
    }

    pub(crate) fn cuts(&self) -> Cuts {
        self.state.lock().unwrap().1
    }

    fn fate(&self, body_bytes: usize) -> Fate {
        let mut state = self.state.lock().unwrap();
        let (dice, cuts) = &mut *state;
        match dice.below(6) {
            0 => {
                cuts.before += 1;
                Fate::Before
            }
            1 if body_bytes > 0 => {
                cuts.in_request += 1;
                Fate::InRequest(dice.below(body_bytes))
            }
            2 => {
                cuts.reply_lost += 1;
                Fate::ReplyLost
            }
            3 => {
                cuts.in_response += 1;
                Fate::InResponse(dice.roll())
            }
            _ => Fate::Whole,
        }
    }

    async fn call(&self, request: Request<Body>) -> Result<Response<Bytes>, TransportError> {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|_ended| broken())?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

impl Transport for CuttingTransport {
    async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<ResponseBody>, TransportError> {
        let fate = self.fate(request.body().len());
        let request = match fate {
            Fate::Before => return Err(TransportError::Connect { source: "cut".into() }),
            Fate::InRequest(length) => {
                request.map(|body| Body::new(cut_short(body.slice(..length))))
            }
            _ => request.map(Body::from),
        };
        let response = self.call(request).await?;
        match fate {
            Fate::ReplyLost | Fate::InRequest(_) => Err(broken()),
            Fate::InResponse(random) => Ok(response.map(|body| {
                let length = usize::try_from(random % (body.len() as u64 + 1)).unwrap();
                cut_short(body.slice(..length))
            })),
            _ => Ok(response.map(whole)),
        }
    }
}
