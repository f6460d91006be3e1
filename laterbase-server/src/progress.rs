//! How far one connection has come, and the stream that tells it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::below;
use crate::bounds::{Bounds, PRESSED_BYTES_PER_SECOND_MIN, PRESSED_LAG_TIME_MAX};
use crate::pace::Pace;

/// What one connection is at. Shared by its stream, its requests, and who watches over it.
#[derive(Debug)]
pub(crate) struct Progress {
    bounds: Bounds,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// A request is being answered: from when its head was read until its answer was handed over.
    is_busy: bool,
    /// An answer may not have been written to its end.
    is_owing: bool,
    /// When the connection had nothing to do.
    idle_since: Instant,
    /// When the first byte of a head came in.
    head_since: Option<Instant>,
    /// A write waits for the reader.
    writing: Option<Writing>,
}

#[derive(Clone, Copy, Debug)]
struct Writing {
    pace: Pace,
    /// The same where others wait for room.
    pressed: Pace,
}

impl Progress {
    pub(crate) fn new(bounds: Bounds) -> Arc<Self> {
        let state = State {
            is_busy: false,
            is_owing: false,
            idle_since: Instant::now(),
            head_since: None,
            writing: None,
        };
        Arc::new(Self { bounds, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is of one field, so a panic leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request's head was read. It is under way until what is returned is dropped.
    pub(crate) fn begin_request(self: &Arc<Self>) -> UnderWay {
        let mut state = self.state();
        (state.is_busy, state.is_owing, state.head_since) = (true, true, None);
        UnderWay(Arc::clone(self))
    }

    /// When the connection is to be closed, unless something happens before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        match (&state.writing, state.head_since) {
            (Some(writing), _) => Some(writing.pace.deadline()),
            _ if state.is_busy => None,
            (None, Some(since)) => Some(since + self.bounds.head_time_max),
            (None, None) => Some(state.idle_since + self.bounds.idle_time_max),
        }
    }

    /// Since when there is no request, nor an answer on its way.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        (!state.is_busy && state.writing.is_none()).then_some(state.idle_since)
    }

    /// Whether it may be closed without cutting off an answer.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state();
        !state.is_busy && !state.is_owing
    }

    /// Whether its reader is too slow where others wait for room.
    pub(crate) fn is_slow_reader(&self) -> bool {
        self.state().writing.is_some_and(|writing| writing.pressed.is_late())
    }

    fn was_read(&self) {
        let mut state = self.state();
        if !state.is_busy && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
        }
    }

    fn was_written(&self, bytes: usize) {
        if let Some(writing) = &mut self.state().writing {
            writing.pace.advance(bytes);
            writing.pressed.advance(bytes);
        }
    }

    fn waits_for_reader(&self) {
        let bounds = &self.bounds;
        let begin = || Writing {
            pace: Pace::new(bounds.lag_time_max, bounds.bytes_per_second_min),
            pressed: Pace::new(PRESSED_LAG_TIME_MAX, PRESSED_BYTES_PER_SECOND_MIN),
        };
        self.state().writing.get_or_insert_with(begin);
    }

    /// All that was to be written is with the system.
    fn was_flushed(&self) {
        let mut state = self.state();
        state.writing = None;
        if !state.is_busy && state.is_owing {
            (state.is_owing, state.idle_since) = (false, Instant::now());
        }
    }

    /// Whether what is written now is no answer to a request: the head could not be read.
    fn is_unasked(&self) -> bool {
        let state = self.state();
        !state.is_busy && !state.is_owing
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Progress>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.state();
        (state.is_busy, state.idle_since) = (false, Instant::now());
    }
}

/// A connection's stream, which tells of its progress.
#[derive(Debug)]
pub(crate) struct WatchedStream<S> {
    stream: S,
    progress: Arc<Progress>,
    /// What is written in place of an answer that is not ours.
    instead: Option<Instead>,
}

#[derive(Debug)]
struct Instead {
    bytes: Bytes,
    /// As long as what it stands for.
    claimed: usize,
}

impl<S> WatchedStream<S> {
    pub(crate) const fn new(stream: S, progress: Arc<Progress>) -> Self {
        Self { stream, progress, instead: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.progress.was_read();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> WatchedStream<S> {
    fn told(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Pending => self.progress.waits_for_reader(),
            Poll::Ready(Ok(bytes)) => self.progress.was_written(*bytes),
            Poll::Ready(Err(_)) => {}
        }
        written
    }

    /// Writes a problem document where the answer to be written is a bare one to a head that
    /// could not be read.
    fn poll_write_instead(
        &mut self,
        context: &mut Context<'_>,
        answer: &[u8],
    ) -> Option<Poll<io::Result<usize>>> {
        if self.instead.is_none() {
            if !self.progress.is_unasked() {
                return None;
            }
            let bytes = below::answer_instead(answer)?;
            self.instead = Some(Instead { bytes, claimed: answer.len() });
        }
        Some(self.poll_rest(context))
    }

    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while let Some(instead) = self.instead.as_mut().filter(|rest| !rest.bytes.is_empty()) {
            let written = Pin::new(&mut self.stream).poll_write(context, &instead.bytes);
            match written {
                Poll::Ready(Ok(count)) if count > 0 => {
                    instead.bytes = instead.bytes.split_off(count)
                }
                other => return self.told(other),
            }
        }
        let claimed = self.instead.take().map_or(0, |instead| instead.claimed);
        Poll::Ready(Ok(claimed))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(written) = self.poll_write_instead(context, bytes) {
            return written;
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.told(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = pieces
            && let Some(written) = self.poll_write_instead(context, only)
        {
            return written;
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.told(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.progress.was_flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
