//! What a read may take, and whether anybody still waits for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::ReadError;

/// What a read may take. A shell that has other readers to think of gives one to
/// [`super::Reader::within`]: the read stops between two events once it is used up, or once
/// [`Self::stop`] says that nobody waits any more.
///
/// A read that is stopped leaves the snapshots that it has made, so that the next one goes on
/// from there.
#[derive(Debug)]
pub struct Allowance {
    is_stopped: AtomicBool,
    events: u64,
    events_left: AtomicU64,
    bytes_left: AtomicU64,
}

impl Allowance {
    /// As much as it takes, until it is stopped.
    pub const fn unlimited() -> Self {
        Self::of(u64::MAX, u64::MAX)
    }

    /// So many events looked at, and so many bytes of states and events' data.
    pub const fn of(events: u64, bytes: u64) -> Self {
        Self {
            is_stopped: AtomicBool::new(false),
            events,
            events_left: AtomicU64::new(events),
            bytes_left: AtomicU64::new(bytes),
        }
    }

    /// Stops the read before its next event.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
    }

    /// Whether [`Self::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    /// How many events were looked at.
    pub fn events_taken(&self) -> u64 {
        self.events - self.events_left.load(Ordering::Relaxed)
    }

    /// Takes from what is left, or says why the read goes no further. One thread at a time reads.
    pub(super) fn take(&self, events: usize, bytes: usize) -> Result<(), ReadError> {
        if self.is_stopped() {
            return Err(ReadError::Stopped);
        }
        let taken = |left: &AtomicU64, count: usize| {
            let rest = left.load(Ordering::Relaxed).checked_sub(count as u64);
            rest.map(|rest| left.store(rest, Ordering::Relaxed))
        };
        let both = taken(&self.events_left, events).and(taken(&self.bytes_left, bytes));
        both.ok_or(ReadError::AllowanceSpent)
    }
}
