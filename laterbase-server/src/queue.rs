//! The bounded queue before the one writer, which hands it out in groups.

use std::collections::VecDeque;
use std::sync::PoisonError;

use crate::locks::{Condvar, Mutex, MutexGuard};

/// Something that waits to be written.
pub(crate) trait Weigh {
    /// How many events it is.
    fn event_count(&self) -> usize;
    /// How many bytes it is.
    fn size_bytes(&self) -> usize;
}

/// How much one group takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupBounds {
    pub events_max: usize,
    pub bytes_max: usize,
}

impl GroupBounds {
    /// About 8 ms of work where nobody minds, and 2 ms where a single event waits for it.
    pub(crate) const DEFAULT: Self = Self { events_max: 4_000, bytes_max: 2 * 1024 * 1024 };

    /// The same for a group that small writes are part of: they wait for all of it.
    const fn with_small(self) -> Self {
        Self { events_max: self.events_max / 4, bytes_max: self.bytes_max / 4 }
    }
}

/// Writes of at most so many events are served before larger ones.
const SMALL_EVENTS_MAX: usize = 16;
const SMALL_BYTES_MAX: usize = 64 * 1024;

/// Two lines of waiting writes, so that single events do not stand behind bulk loads.
///
/// A group takes small ones first, and at least one large one if any waits: neither line starves.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    lines: Mutex<Lines<T>>,
    filled: Condvar,
    length_max: usize,
}

#[derive(Debug)]
struct Lines<T> {
    small: VecDeque<T>,
    large: VecDeque<T>,
    is_closed: bool,
}

/// Why something did not get into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// There is no room at the moment.
    Full,
    /// Nothing is taken any more.
    Closed,
}

impl<T: Weigh> Queue<T> {
    pub(crate) const fn new(length_max: usize) -> Self {
        let lines = Lines { small: VecDeque::new(), large: VecDeque::new(), is_closed: false };
        Self { lines: Mutex::new(lines), filled: Condvar::new(), length_max }
    }

    /// Puts something at the end of its line.
    pub(crate) fn push(&self, item: T) -> Result<(), Turned> {
        let mut lines = self.lock();
        if lines.is_closed {
            return Err(Turned::Closed);
        }
        if lines.small.len() + lines.large.len() >= self.length_max {
            return Err(Turned::Full);
        }
        let is_small =
            item.event_count() <= SMALL_EVENTS_MAX && item.size_bytes() <= SMALL_BYTES_MAX;
        if is_small {
            lines.small.push_back(item)
        } else {
            lines.large.push_back(item)
        }
        drop(lines);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits until there is something, and takes a group. `None` once the queue is closed and
    /// everything has been taken.
    pub(crate) fn take_group(&self, bounds: GroupBounds) -> Option<Vec<T>> {
        let mut lines = self.lock();
        loop {
            let group = lines.take(bounds);
            if !group.is_empty() {
                return Some(group);
            }
            if lines.is_closed {
                return None;
            }
            lines = self.filled.wait(lines).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes nothing more in. What waits is still handed out.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
    }

    /// Takes nothing more in, and drops what waits: nobody will come for it.
    pub(crate) fn abandon(&self) {
        self.close();
        while self.take_group(GroupBounds::DEFAULT).is_some() {}
    }

    /// How many wait.
    #[cfg(feature = "metrics")]
    pub(crate) fn len(&self) -> usize {
        let lines = self.lock();
        lines.small.len() + lines.large.len()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    fn lock(&self) -> MutexGuard<'_, Lines<T>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Weigh> Lines<T> {
    fn take(&mut self, bounds: GroupBounds) -> Vec<T> {
        let mut group = Group { items: Vec::new(), events: 0, bytes: 0 };
        group.take_from(&mut self.small, bounds);
        if group.items.is_empty() {
            group.take_from(&mut self.large, bounds);
        } else {
            group.take_from(&mut self.large, bounds.with_small());
        }
        group.items
    }
}

/// What goes to the writer together.
struct Group<T> {
    items: Vec<T>,
    events: usize,
    bytes: usize,
}

impl<T: Weigh> Group<T> {
    /// Takes at least one from a line, and more until a bound is met.
    fn take_from(&mut self, line: &mut VecDeque<T>, bounds: GroupBounds) {
        while let Some(item) = line.pop_front() {
            self.events += item.event_count();
            self.bytes += item.size_bytes();
            self.items.push(item);
            if self.events >= bounds.events_max || self.bytes >= bounds.bytes_max {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests;
