//! The events of one aggregate, a page at a time.

use super::log_walk::SCANNED_ENTRIES_MAX;
use super::query::{Axes, PlacesPage, Reach, Window, places};
use super::voided::{Voided, void_entries};
use super::{Query, ReadError, Reader, VisitEvent};
use crate::event::Event;
use crate::id::RootName;
use crate::keys::{self, Place};
use crate::limits::BATCH_BYTES_MAX;
use crate::target::Within;
use crate::view::View;

/// Which page of an aggregate's events is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Which events are known, and up to when. Its fold plays no part.
    pub query: Query,
    /// Which of those are listed, and in which order.
    pub window: Window,
    /// The place behind which the page starts: `next` of the page before, in the same order.
    pub after: Option<Place>,
    /// Most events on the page. It ends early at 16 MiB.
    pub limit: usize,
}

/// What a page of an aggregate's events came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventsPage {
    /// How many events were visited.
    pub events: usize,
    /// The last arrival position that was looked at.
    pub position: u64,
    /// Where the next page starts after; `None` if there are no more. This one may be empty all
    /// the same: a page also ends where about 100,000 events were passed over.
    pub next: Option<Place>,
}

impl Reader {
    /// Visits all of an aggregate's events in fold order, from after a place on: [`Self::history`]
    /// without a window.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn aggregate_events(
        &self,
        root: &RootName,
        id: &str,
        after: Option<Place>,
        limit: usize,
        query: &Query,
        visit: &mut VisitEvent<'_>,
    ) -> Result<EventsPage, ReadError> {
        let history = History { query: query.clone(), window: Window::ALL, after, limit };
        self.history(root, id, &history, visit)
    }

    /// Visits an aggregate's events in fold order, or from its end.
    ///
    /// A visitor that breaks has taken the event it was given.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn history(
        &self,
        root: &RootName,
        id: &str,
        history: &History,
        visit: &mut VisitEvent<'_>,
    ) -> Result<EventsPage, ReadError> {
        let mut page = EventsPage { events: 0, position: 0, next: None };
        let Some(number) = self.shared.state().names.root(root) else { return Ok(page) };
        let prefix = keys::index_aggregate(number, id);
        let History { query, window, after, limit } = history;
        let (view, found, voided) = self.shared.with_index(|| {
            let view = View::open(&self.shared)?;
            let axes = Axes::resolve(query, &view)?;
            page.position = axes.position_max();
            let spend = |events| self.spend(events, 0);
            let reach = Reach {
                found_max: limit.saturating_add(1),
                passed_over_max: usize::try_from(SCANNED_ENTRIES_MAX).unwrap_or(usize::MAX),
            };
            let PlacesPage { found, cut, .. } =
                places(&view, &prefix, (&axes, window), *after, reach, spend)?;
            page.next = cut;
            let within = Within { shared: &self.shared, view: &view, root: number, id };
            let entries = void_entries(within, usize::MAX)?;
            self.spend(entries.len(), 0)?;
            let voided = Voided::of(within, &entries, &axes)?;
            Ok::<_, ReadError>((view, found, voided))
        })?;
        let mut bytes = 0;
        for (index, &(place, position)) in found.iter().enumerate() {
            let voided_by = voided.by(&view, &place)?;
            let flow = self.event_at(&view, position, |_, event, _| {
                bytes += event.record.data.len();
                visit(&Event { voided_by: &voided_by, ..*event })
            })?;
            page.events += 1;
            let full = page.events == *limit || bytes >= BATCH_BYTES_MAX;
            if flow.is_break() || full {
                let is_last = index + 1 == found.len() && page.next.is_none();
                page.next = (!is_last).then_some(place);
                break;
            }
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests;
