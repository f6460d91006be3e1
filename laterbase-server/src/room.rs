//! Room for bytes that requests hold: of bodies that come in, and of answers that go out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout};

/// Room is given out in pieces of so many bytes.
const PIECE_BYTES: usize = 1024;

/// While somebody waits for room, those who hold some are told so often.
const PRESSURE_PERIOD: Duration = Duration::from_millis(250);

/// Bytes that may be held at once.
#[derive(Debug)]
pub(crate) struct Room {
    pieces: Arc<Semaphore>,
    /// All that `pieces` gives out.
    all: usize,
    /// Counts up while somebody waits, so that who is slow gives way.
    pressure: watch::Sender<u64>,
}

/// Some of a [`Room`], until it is dropped.
#[derive(Debug)]
pub(crate) struct Held(OwnedSemaphorePermit);

impl Room {
    pub(crate) fn new(bytes: usize) -> Self {
        let all = (bytes / PIECE_BYTES).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { pieces: Arc::new(Semaphore::new(all)), all, pressure: watch::Sender::new(0) }
    }

    /// Changes while somebody waits for room.
    pub(crate) fn pressure(&self) -> watch::Receiver<u64> {
        self.pressure.subscribe()
    }

    /// Takes room if there is some and nobody waits for it. What is larger than all of it gets in
    /// when it is the only one.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<Held> {
        Arc::clone(&self.pieces).try_acquire_many_owned(self.pieces_of(bytes)).ok().map(Held)
    }

    /// Has those who are slow give way.
    pub(crate) fn press(&self) {
        self.pressure.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Takes room in one's turn, while those who are slow give way; `None` if that takes too long.
    pub(crate) async fn take(&self, bytes: usize, wait_time_max: Duration) -> Option<Held> {
        if let Some(held) = self.try_take(bytes) {
            return Some(held);
        }
        let deadline = Instant::now() + wait_time_max;
        let mut turn = Box::pin(Arc::clone(&self.pieces).acquire_many_owned(self.pieces_of(bytes)));
        while Instant::now() < deadline {
            self.press();
            let rest = deadline.saturating_duration_since(Instant::now());
            if let Ok(turn) = timeout(PRESSURE_PERIOD.min(rest), &mut turn).await {
                return turn.ok().map(Held);
            }
        }
        None
    }

    /// Takes a share of what there is, from `bytes_min` to `bytes_max`: the less there is, the
    /// less everybody gets. One half is kept for those who get the least, who may be many.
    pub(crate) async fn take_share(
        &self,
        bytes_min: usize,
        bytes_max: usize,
        wait_time_max: Duration,
    ) -> Option<Held> {
        let spare = self.pieces.available_permits().saturating_sub(self.all / 2);
        let share = spare * PIECE_BYTES / 2;
        self.take(share.clamp(bytes_min, bytes_max), wait_time_max).await
    }

    fn pieces_of(&self, bytes: usize) -> u32 {
        let pieces = bytes.div_ceil(PIECE_BYTES).min(self.all);
        u32::try_from(pieces).unwrap_or(u32::MAX)
    }
}

impl Held {
    /// Bytes that there is room for.
    pub(crate) fn bytes(&self) -> usize {
        self.0.num_permits() * PIECE_BYTES
    }

    /// Adds more of the same room.
    pub(crate) fn add(&mut self, more: Self) {
        self.0.merge(more.0);
    }

    /// Gives back what is not needed.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let surplus = self.0.num_permits().saturating_sub(bytes.div_ceil(PIECE_BYTES));
        drop(self.0.split(surplus));
    }
}

#[cfg(test)]
mod tests;
