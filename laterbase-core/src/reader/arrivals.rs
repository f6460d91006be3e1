//! The arrival log, in the order in which this replica stored the events of all roots.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::damaged::{note_position, unless_damaged};
use super::feed::chain_before;
use super::log_walk::walk;
use super::query::Order;
use super::{ReadError, Reader};
use crate::cursor::Cursor;
use crate::delta::{DeltaBuilder, Outgoing};
use crate::entry::Entry;
use crate::event::Event;
use crate::id::{ReplicaId, RootName};
use crate::store::StoreError;
use crate::view::View;

/// What arrived after a cursor, as a delta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrivalsPage {
    /// The delta's bytes, which [`crate::delta::Delta::decode`] reads.
    pub bytes: Vec<u8>,
    /// How many events it holds.
    pub events: usize,
    /// Behind the last event that was delivered or passed over.
    pub cursor: Cursor,
    /// Whether there is more behind the cursor.
    pub more: bool,
}

/// Which arrivals a caller takes.
pub struct Taken<'t> {
    /// Whether the caller takes a root.
    pub root: &'t dyn Fn(&RootName) -> bool,
    /// Origins whose events the caller has, as they are its own.
    pub not_of: &'t [ReplicaId],
    /// Most events on the page.
    pub limit: usize,
    /// About how many bytes the page may have. One event is always delivered, if there is any.
    pub bytes_max: usize,
}

impl Reader {
    /// Behind everything that has arrived.
    pub fn cursor(&self) -> Cursor {
        let state = self.shared.state();
        Cursor { epoch: state.epoch, position: state.head, history: state.history }
    }

    /// Whether a cursor is of this log, as it is now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn fits(&self, cursor: &Cursor) -> Result<bool, StoreError> {
        let view = View::open(&self.shared)?;
        self.fits_view(&view, cursor)
    }

    pub(super) fn fits_view(&self, view: &View<'_>, cursor: &Cursor) -> Result<bool, StoreError> {
        if cursor.epoch != self.shared.state().epoch || cursor.position > view.head() {
            return Ok(false);
        }
        match history_at(view, cursor.position) {
            Ok(history) => Ok(history == cursor.history),
            // What cannot be compared cannot be trusted; there are ways to go on without.
            Err(StoreError::Corrupt { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What arrived after a cursor; `None` if it is not of this log, as it is now. Damaged entries
    /// are passed over, and all that follows them of the same origins; [`Self::damaged`] then
    /// names those.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn arrivals_delta(
        &self,
        cursor: &Cursor,
        taken: &Taken<'_>,
    ) -> Result<Option<ArrivalsPage>, ReadError> {
        let view = View::open(&self.shared)?;
        if !self.fits_view(&view, cursor)? {
            return Ok(None);
        }
        let mut page = OpenPage {
            reader: self,
            view: &view,
            taken,
            builder: DeltaBuilder::new(),
            lanes: BTreeMap::new(),
            cursor: *cursor,
        };
        let scanned = page.scan()?;
        let OpenPage { builder, cursor: reached, .. } = page;
        Ok(Some(ArrivalsPage {
            events: builder.event_count(),
            bytes: builder.finish(),
            cursor: reached,
            // A tail of which nothing can be read is no reason to ask for it again at once.
            more: scanned < view.head() && reached != *cursor,
        }))
    }

    /// Visits what arrived after a position, at most `limit` events. Gives the last position
    /// that was visited, or `after`. Damaged entries are passed over, and [`Self::damaged`] then
    /// names whose they are.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn arrivals(
        &self,
        after: u64,
        limit: usize,
        visit: &mut dyn FnMut(&RootName, &Event<'_>) -> ControlFlow<()>,
    ) -> Result<u64, ReadError> {
        let view = View::open(&self.shared)?;
        let mut last = after;
        while last < view.head() && last - after < limit as u64 {
            let position = last + 1;
            let flow = self.event_at(&view, position, |root, event, _| {
                let root = self.shared.state().names.root_name(root).cloned();
                root.map(|root| visit(&root, event))
            });
            last = position;
            let flow = match flow {
                Ok(flow) => flow,
                Err(StoreError::Corrupt { .. }) => {
                    note_position(&self.shared, view.snapshot(), position)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match flow {
                Some(ControlFlow::Continue(())) => {}
                Some(ControlFlow::Break(())) => break,
                None => return Err(nameless(position).into()),
            }
        }
        Ok(last)
    }

    pub(super) fn names_of(
        &self,
        root: u32,
        origin: u32,
        position: u64,
    ) -> Result<(RootName, ReplicaId), StoreError> {
        let state = self.shared.state();
        let root = state.names.root_name(root).cloned();
        root.zip(state.names.origin_id(origin)).ok_or_else(|| nameless(position))
    }
}

/// What becomes of the events of one root and origin.
enum Lane {
    /// The caller does not take them.
    Passed,
    /// They go into a run of the page.
    Taken { run: usize, origin: ReplicaId, next_seq: u64 },
}

/// A page of arrivals that is being filled.
struct OpenPage<'p> {
    reader: &'p Reader,
    view: &'p View<'p>,
    taken: &'p Taken<'p>,
    builder: DeltaBuilder,
    /// By the numbers of root and origin.
    lanes: BTreeMap<(u32, u32), Lane>,
    cursor: Cursor,
}

impl OpenPage<'_> {
    /// Looks at the entries behind the cursor, while they fit. Gives the last position that was
    /// looked at.
    fn scan(&mut self) -> Result<u64, StoreError> {
        let (shared, view, after) = (&self.reader.shared, self.view, self.cursor.position);
        walk(shared, view, (after, Order::Ascending), &mut |position, entry| {
            self.take(position, entry)
        })
    }

    /// Offers an entry to the page. Breaks if it does not fit.
    fn take(&mut self, position: u64, entry: &Entry<'_>) -> Result<ControlFlow<()>, StoreError> {
        let shared = &self.reader.shared;
        let is_held_back = shared.damage.holds_back(entry.root, entry.origin, entry.seq);
        if !is_held_back && self.is_wanted(position, entry)? {
            let Taken { limit, bytes_max, .. } = *self.taken;
            if !self.builder.has_room(entry.record.len(), limit, bytes_max) {
                return Ok(ControlFlow::Break(()));
            }
            self.push(position, entry)?;
        }
        self.cursor = Cursor { position, history: entry.history, ..self.cursor };
        Ok(ControlFlow::Continue(()))
    }

    /// Whether the caller takes events of the entry's root and origin.
    fn is_wanted(&mut self, position: u64, entry: &Entry<'_>) -> Result<bool, StoreError> {
        if let Some(lane) = self.lanes.get(&(entry.root, entry.origin)) {
            return Ok(matches!(lane, Lane::Taken { .. }));
        }
        let (root, origin) = self.reader.names_of(entry.root, entry.origin, position)?;
        let wanted = !self.taken.not_of.contains(&origin) && (self.taken.root)(&root);
        if !wanted {
            self.lanes.insert((entry.root, entry.origin), Lane::Passed);
        }
        Ok(wanted)
    }

    /// Adds an event to its origin's run, which begins with it if there is none.
    fn push(&mut self, position: u64, entry: &Entry<'_>) -> Result<(), StoreError> {
        let numbers = (entry.root, entry.origin);
        if !self.lanes.contains_key(&numbers) && !self.start_run(position, entry)? {
            return Ok(());
        }
        let Some(Lane::Taken { run, origin, next_seq }) = self.lanes.get_mut(&numbers) else {
            return Ok(());
        };
        if *next_seq != entry.seq {
            return Err(StoreError::corrupt(format!(
                "log position {position} holds event {} of an origin whose next is {next_seq}",
                entry.seq
            )));
        }
        *next_seq += 1;
        let (seq, recorded, record) = (entry.seq, entry.recorded, entry.record);
        let event = Outgoing { origin: *origin, seq, recorded, record, chain: entry.chain };
        self.builder.push(*run, event);
        Ok(())
    }

    /// Begins an origin's run with an event. Says no if what stands before it is damaged.
    fn start_run(&mut self, position: u64, entry: &Entry<'_>) -> Result<bool, StoreError> {
        let (root, origin) = self.reader.names_of(entry.root, entry.origin, position)?;
        let before = chain_before(self.view.snapshot(), &root, origin, entry);
        let place = (entry.root, entry.origin, entry.seq);
        let Some(before) = unless_damaged(&self.reader.shared, place, before)? else {
            return Ok(false);
        };
        let run = self.builder.start_run(&root, origin, entry.seq, before);
        let lane = Lane::Taken { run, origin, next_seq: entry.seq };
        self.lanes.insert((entry.root, entry.origin), lane);
        Ok(true)
    }
}

fn nameless(position: u64) -> StoreError {
    StoreError::corrupt(format!("log position {position}: its root or origin has no name"))
}

/// The digest of the log up to a position.
pub(super) fn history_at(view: &View<'_>, position: u64) -> Result<u64, StoreError> {
    if position == 0 { Ok(0) } else { view.entry(position, |entry| entry.history) }
}
