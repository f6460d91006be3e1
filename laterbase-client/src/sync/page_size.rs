//! How large a page is: small enough to get through, large enough to be worth a round trip.

use laterbase_core::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, PAGE_EVENTS_DEFAULT};

const EVENTS_MIN: usize = 16;
const BYTES_PER_EVENT: usize = 1024;
/// About 100 KB.
const HEADS_MAX_DEFAULT: usize = 4_000;
const BYTES_MIN: usize = 64 * 1024;

/// How large pages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageOptions {
    /// Events on the first page. Later ones are larger, or smaller where pages do not get through.
    pub events_start: usize,
    /// Most events on a page, at most 10,000.
    pub events_max: usize,
    /// Most heads on a page, at most 50,000, where both sides say what they hold.
    pub heads_max: usize,
}

impl Default for PageOptions {
    fn default() -> Self {
        Self {
            events_start: PAGE_EVENTS_DEFAULT,
            events_max: BATCH_EVENTS_MAX,
            heads_max: HEADS_MAX_DEFAULT,
        }
    }
}

/// Doubles with every page that got through and halves with every one that did not.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageSize {
    events: usize,
    events_max: usize,
}

impl PageSize {
    pub(super) fn new(options: PageOptions) -> Self {
        let events_max = options.events_max.clamp(1, BATCH_EVENTS_MAX);
        Self { events: options.events_start.clamp(1, events_max), events_max }
    }

    pub(super) const fn events(self) -> usize {
        self.events
    }

    /// Most bytes on a page, unless a single event is larger.
    pub(super) fn bytes(self) -> usize {
        (self.events * BYTES_PER_EVENT).clamp(BYTES_MIN, BATCH_BYTES_MAX / 2)
    }

    pub(super) fn grow(&mut self) {
        self.events = (self.events * 2).min(self.events_max);
    }

    pub(super) fn shrink(&mut self) {
        self.events = (self.events / 2).max(EVENTS_MIN).min(self.events_max);
    }
}

#[cfg(test)]
mod tests;
