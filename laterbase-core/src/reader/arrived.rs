//! The events of all roots in the order in which they arrived here, for those who follow them.
//!
//! # Why a reader that goes on by a cursor loses nothing and gets nothing twice
//!
//! - Arrival positions become visible in order and without holes (invariant 12), and an event has
//!   one of them. What arrives later, however early it happened or was recorded, stands behind all
//!   that had arrived. So "arrived up to here" never grows at its inner end.
//! - What is held back in quarantine has no position. Where a fork is decided, what is taken in
//!   arrives then, at the end of the log, as if it had come that day.
//! - Where a branch moves to another id, the end of the log is written anew: positions shift, and
//!   moved events are known by other ids. The log gets a new epoch, and with it every cursor is
//!   gone, also one from before the part that was written: what a reader made of moved events
//!   under their old ids is to be made anew. So it is with a store that was restored.
//! - A log that was set back, and went on differently under the same epoch, has another digest at
//!   the cursor.
//!
//! An event that was taken back is marked as far as is known when it is read. Whoever read it before
//! learns of it by the event that takes it back, which arrived later.
//!
//! The log may be read from its end as well. A page then goes on before the place of the page before,
//! so the same holds, but for what arrives meanwhile: it stands before all that is still to come,
//! and a reader that wants it begins anew.
//!
//! A log entry that cannot be read is passed over and counted, and nothing else is: other than in
//! a feed, where each event of an origin follows the one before, here each stands for itself.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::arrivals::history_at;
use super::log_walk::walk;
use super::query::{Order, Window};
use super::voided_across::VoidedAcross;
use super::{ReadError, Reader};
use crate::cursor::Cursor;
use crate::entry::Entry;
use crate::event::{Event, Record};
use crate::id::{ReplicaId, RootName};
use crate::keys::Place;
use crate::store::StoreError;
use crate::view::View;

/// Bytes of records after which a page has looked at enough, however few of them were taken.
const SCANNED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Which arrivals a reader follows, and how many at once.
pub struct Following<'f> {
    /// Whether the reader takes a root.
    pub root: &'f dyn Fn(&RootName) -> bool,
    /// Whether the reader takes an event of such a root.
    pub record: &'f dyn Fn(&Record<'_>) -> bool,
    /// Which of those are given, and from which end of the log.
    pub window: Window,
    /// Most events on a page.
    pub limit: usize,
}

/// Takes one event, its root and the cursor behind it, and says whether to go on.
pub type VisitArrived<'v> = dyn FnMut(&RootName, &Event<'_>, Cursor) -> ControlFlow<()> + 'v;

/// What a page of arrivals came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrivedPage {
    /// How many events were visited.
    pub events: usize,
    /// Behind all that was visited or passed over; before it, where the log is read from its end.
    pub cursor: Cursor,
    /// Whether the log goes on there. A page may end before it has met anything that
    /// the reader takes.
    pub more: bool,
    /// How many log entries could not be read and were passed over.
    pub unreadable: u64,
}

impl Reader {
    /// Visits what arrived after a cursor, or all of it, in the order of arrival, at most as many
    /// events as are asked for; `None` if the cursor is not of this log, as it is now. In
    /// descending order it visits what arrived before the event of the cursor, the latest first.
    ///
    /// It looks at 100,000 log entries or 64 MiB of records at most, so that what is rarely met
    /// takes many short reads. A visitor that breaks has taken the event it was given.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn arrived(
        &self,
        after: Option<&Cursor>,
        following: &Following<'_>,
        visit: &mut VisitArrived<'_>,
    ) -> Result<Option<ArrivedPage>, ReadError> {
        let view = View::open(&self.shared)?;
        let order = following.window.order;
        let start = match (after, order) {
            (Some(cursor), _) if self.fits_view(&view, cursor)? => *cursor,
            (Some(_), _) => return Ok(None),
            (None, Order::Ascending) => Cursor { epoch: self.epoch(), position: 0, history: 0 },
            (None, Order::Descending) => self.end_of(&view)?,
        };
        // Read back, the last entry is one to be read, unless a caller has it already.
        let has_end = after.is_none() && order == Order::Descending;
        let from = if has_end { start.position + 1 } else { start.position };
        let mut page = OpenPage {
            reader: self,
            following,
            lanes: BTreeMap::new(),
            view: &view,
            voided: VoidedAcross::default(),
            cursor: start,
            events: 0,
            read: 0,
            bytes: 0,
            is_full: false,
        };
        let reached = walk(&self.shared, &view, (from, order), &mut |position, entry| {
            page.take(position, entry, visit)
        })?;
        let OpenPage { cursor, events, read, is_full, .. } = page;
        // What lies behind a full page is passed over by the next one, and told of there.
        let told = if is_full { cursor.position } else { reached };
        let goes_on = match order {
            Order::Ascending => reached < view.head(),
            Order::Descending => reached > 1,
        };
        Ok(Some(ArrivedPage {
            events,
            cursor,
            // A tail of which nothing can be read is no reason to ask for it again at once.
            more: goes_on && read > 0,
            unreadable: told.abs_diff(from) - read,
        }))
    }

    /// The end of the log. Where its last entry cannot be read, no cursor is of it.
    fn end_of(&self, view: &View<'_>) -> Result<Cursor, StoreError> {
        let (epoch, position) = (self.epoch(), view.head());
        match history_at(view, position) {
            Ok(history) => Ok(Cursor { epoch, position, history }),
            Err(StoreError::Corrupt { .. }) => Ok(Cursor { epoch, position, history: 0 }),
            Err(error) => Err(error),
        }
    }
}

/// Root and origin of events that the reader takes; `None` for others.
type Lane = Option<(RootName, ReplicaId)>;

/// A page that is being filled.
struct OpenPage<'p> {
    reader: &'p Reader,
    following: &'p Following<'p>,
    /// By the numbers of root and origin.
    lanes: BTreeMap<(u32, u32), Lane>,
    view: &'p View<'p>,
    voided: VoidedAcross,
    cursor: Cursor,
    events: usize,
    /// Entries that could be read.
    read: u64,
    bytes: usize,
    is_full: bool,
}

impl OpenPage<'_> {
    /// Takes the next entry. Breaks if the page is full.
    fn take(
        &mut self,
        position: u64,
        entry: &Entry<'_>,
        visit: &mut VisitArrived<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        if self.is_full {
            return Ok(ControlFlow::Break(()));
        }
        self.cursor = Cursor { position, history: entry.history, ..self.cursor };
        self.bytes += entry.record.len();
        self.is_full = self.bytes >= SCANNED_BYTES_MAX;
        let following = self.following;
        if let Some((root, origin)) = self.lane(position, entry)?.clone() {
            let event = entry.event(position, origin)?;
            let occurred = event.record.kept_occurred();
            let is_within = following.window.admits(occurred, event.recorded);
            if is_within && (following.record)(&event.record) {
                let place = Place::new(occurred, event.recorded, origin);
                let id = event.record.aggregate_id;
                let seen = (&*self.reader.shared, self.view);
                let voided_by = self.voided.by(seen, entry.root, id, &place);
                let event = Event { voided_by, ..event };
                self.events += 1;
                let is_last = visit(&root, &event, self.cursor).is_break();
                self.is_full |= is_last || self.events >= following.limit;
            }
        }
        self.read += 1;
        Ok(ControlFlow::Continue(()))
    }

    fn lane(&mut self, position: u64, entry: &Entry<'_>) -> Result<&Lane, StoreError> {
        let numbers = (entry.root, entry.origin);
        if !self.lanes.contains_key(&numbers) {
            let (root, origin) = self.reader.names_of(entry.root, entry.origin, position)?;
            let lane = (self.following.root)(&root).then_some((root, origin));
            self.lanes.insert(numbers, lane);
        }
        Ok(&self.lanes[&numbers])
    }
}

#[cfg(test)]
mod tests;
