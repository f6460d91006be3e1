//! Answers on their way out: admitted by size, as bodies are on their way in.
//!
//! An answer counts for as long as its bytes are in memory, which is until the last of them was
//! handed to the system. Where room gets scarce, pages get smaller: a page may end anywhere, and
//! its reader goes on from there.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt, Collected};
use laterbase_core::reader::Reader;

use crate::app::App;
use crate::problem::{Kind, Problem, Result};
use crate::room::Held;

/// The smallest share of the room that a page gets. An event that is larger is a page of its own.
const PAGE_BYTES_MIN: usize = 32 * 1024;

/// Answers up to this size are not counted: a connection takes as much by itself.
const UNCOUNTED_BYTES_MAX: usize = 16 * 1024;

/// An answer that cannot be cut, such as an aggregate's state, waits for room up to this size.
const WAITING_BYTES_MAX: usize = 1024 * 1024;

impl App {
    /// Reads a page that may end anywhere. The read gets the bytes after which it is to end.
    pub(crate) async fn read_page(
        &self,
        bytes_max: usize,
        read: impl FnOnce(&Reader, usize) -> Result<Response> + Send + 'static,
    ) -> Result<Response> {
        let room = self.page_room(bytes_max).await?;
        let bytes_max = room.bytes().min(bytes_max);
        let mut response = self.read(move |reader| read(reader, bytes_max)).await?;
        response.extensions_mut().insert(Share::of(room));
        Ok(response)
    }

    /// Room for a page of a live answer.
    pub(crate) async fn page_room(&self, bytes_max: usize) -> Result<Held> {
        let bytes_min = PAGE_BYTES_MIN.min(bytes_max);
        let room = self.answers.take_share(bytes_min, bytes_max, self.bounds().lag_time_max).await;
        room.ok_or_else(no_room)
    }

    /// Binds bytes and the room for them together, until they have been sent.
    pub(crate) async fn settled(&self, bytes: Bytes, room: Option<Held>) -> Result<Bytes> {
        let wait_time_max = self.bounds().lag_time_max;
        let mut room = match room {
            Some(room) => room,
            // Those who wait hold their answer meanwhile, so that only small ones do.
            None if bytes.len() <= WAITING_BYTES_MAX => {
                self.answers.take(bytes.len(), wait_time_max).await.ok_or_else(no_room)?
            }
            None => self.answers.try_take(bytes.len()).ok_or_else(|| {
                self.answers.press();
                no_room()
            })?,
        };
        if let Some(lacking) = bytes.len().checked_sub(room.bytes()).filter(|lacking| *lacking > 0)
        {
            room.add(self.answers.take(lacking, wait_time_max).await.ok_or_else(no_room)?);
        }
        room.shrink(bytes.len());
        Ok(Bytes::from_owner(Settled { bytes, _room: room }))
    }
}

fn no_room() -> Problem {
    Problem::new(Kind::Busy).detail("too many answers are on their way")
}

fn size_of(response: &Response) -> usize {
    let size = response.body().size_hint().exact().unwrap_or(0);
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// Bytes of an answer, with the room for them.
struct Settled {
    bytes: Bytes,
    _room: Held,
}

impl AsRef<[u8]> for Settled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Room that goes along with an answer until it has its final form.
#[derive(Clone, Debug)]
struct Share(Arc<Mutex<Option<Held>>>);

impl Share {
    fn of(room: Held) -> Self {
        Self(Arc::new(Mutex::new(Some(room))))
    }

    fn take(&self) -> Option<Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Counts every answer that is in memory, in the form in which it is sent.
pub(crate) async fn count(app: &App, mut response: Response) -> Response {
    let room = response.extensions_mut().remove::<Share>().and_then(|share| share.take());
    // One that has no size is a live one, which counts its pieces itself.
    if size_of(&response) <= UNCOUNTED_BYTES_MAX {
        return response;
    }
    let (head, body) = response.into_parts();
    // An answer that has a size is in memory, so there is nothing to wait for or to fail.
    let bytes = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    match app.settled(bytes, room).await {
        Ok(bytes) => Response::from_parts(head, Body::from(bytes)),
        Err(problem) => problem.into_response(),
    }
}
