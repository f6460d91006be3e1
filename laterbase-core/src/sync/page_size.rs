//! How large a page is: small enough to get through, large enough to be worth a round trip.

use std::time::Duration;

use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, PAGE_EVENTS_DEFAULT};

/// Below what any proxy takes.
const BYTES_START: usize = 256 * 1024;
const BYTES_MAX: usize = BATCH_BYTES_MAX / 2;
/// About 100 KB.
const HEADS_MAX_DEFAULT: usize = 4_000;

/// Pages of fewer bytes are not suspected of being too large where the link breaks.
const BROKEN_BYTES_MIN: usize = 64 * 1024;

/// Pages that take longer than this grow no more: a cut would cost too much.
const GROWING_MAX: Duration = Duration::from_secs(10);

/// How large pages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageOptions {
    /// Events on the first page. Later ones are larger, or smaller where pages do not get through.
    pub events_start: usize,
    /// Most events on a page, at most 10,000.
    pub events_max: usize,
    /// Most bytes on the first page that is pushed, unless its first event is larger. Later ones
    /// are larger, or smaller where pages do not get through.
    pub bytes_start: usize,
    /// Most heads on a page, at most 50,000, where both sides say what they hold.
    pub heads_max: usize,
}

impl Default for PageOptions {
    fn default() -> Self {
        Self {
            events_start: PAGE_EVENTS_DEFAULT,
            events_max: BATCH_EVENTS_MAX,
            bytes_start: BYTES_START,
            heads_max: HEADS_MAX_DEFAULT,
        }
    }
}

/// Doubles with every page that got through and halves with every one that did not.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageSize {
    events: usize,
    events_max: usize,
    bytes: usize,
    bytes_max: usize,
    /// The bound on bytes that a refusal has shown.
    found: Option<usize>,
    /// Most bytes of a page that got through.
    passed: Option<usize>,
}

impl PageSize {
    /// `found` is what got through before, where a larger page was refused.
    pub(super) fn new(options: PageOptions, found: Option<usize>) -> Self {
        let events_max = options.events_max.clamp(1, BATCH_EVENTS_MAX);
        let bytes_max = found.unwrap_or(BYTES_MAX).clamp(1, BYTES_MAX);
        Self {
            events: options.events_start.clamp(1, events_max),
            events_max,
            bytes: options.bytes_start.clamp(1, bytes_max),
            bytes_max,
            found,
            passed: None,
        }
    }

    pub(super) const fn events(self) -> usize {
        self.events
    }

    /// Most bytes on a page, unless a single event is larger.
    pub(super) const fn bytes(self) -> usize {
        self.bytes
    }

    /// Most bytes of a page that got through, if any did.
    pub(super) const fn passed(self) -> Option<usize> {
        self.passed
    }

    /// The bound on bytes that a refusal has shown, if there was one.
    pub(super) const fn found(self) -> Option<usize> {
        self.found
    }

    /// A page has got through, after so long.
    pub(super) fn grow(&mut self, took: Duration) {
        if took <= GROWING_MAX {
            self.events = (self.events * 2).min(self.events_max);
            self.bytes = (self.bytes * 2).min(self.bytes_max);
        }
    }

    /// A pushed page of so many bytes has got through.
    pub(super) fn passes(&mut self, bytes: usize) {
        self.passed = self.passed.max(Some(bytes));
    }

    /// A page has not got through.
    pub(super) fn shrink(&mut self) {
        self.fewer();
        self.bytes = (self.bytes / 2).max(1);
    }

    /// A page has not got through, for what was on it.
    pub(super) fn fewer(&mut self) {
        self.events = (self.events / 2).max(1);
    }

    /// The link broke under a page of so many bytes. It may have been too large, so none of this
    /// session will be as large.
    pub(super) fn broke(&mut self, bytes: usize) {
        self.bytes_max = (bytes / 2).max(BROKEN_BYTES_MIN).min(self.bytes_max);
        self.bytes = self.bytes.min(self.bytes_max);
    }

    /// A page of so many bytes was too large to get through: none of this session will be as large.
    pub(super) fn refuse(&mut self, bytes: usize) {
        self.bytes_max = (bytes / 2).clamp(1, self.bytes_max);
        self.bytes = self.bytes.min(self.bytes_max);
        self.found = Some(self.bytes_max);
    }

    /// Nothing was refused for a whole session: the way may let more through by now.
    pub(super) fn relax(&mut self) {
        self.found = self.found.map(|found| found * 2).filter(|found| *found < BYTES_MAX);
    }
}

#[cfg(test)]
mod tests;
