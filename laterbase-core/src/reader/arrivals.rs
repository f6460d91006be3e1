//! The arrival log, in the order in which this replica stored the events of all roots.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::feed::chain_before;
use super::{ReadError, Reader};
use crate::cursor::Cursor;
use crate::delta::{DeltaBuilder, Outgoing};
use crate::event::Event;
use crate::id::{ReplicaId, RootName};
use crate::store::StoreError;
use crate::view::View;

/// Log entries that one page looks at, however few of them the caller takes.
const SCANNED_ENTRIES_MAX: u64 = 100_000;

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
        if cursor.epoch != self.shared.state().epoch || cursor.position > view.head() {
            return Ok(false);
        }
        Ok(history_at(&view, cursor.position)? == cursor.history)
    }

    /// What arrived after a cursor that [`Self::fits`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn arrivals_delta(
        &self,
        cursor: &Cursor,
        taken: &Taken<'_>,
    ) -> Result<ArrivalsPage, ReadError> {
        let view = View::open(&self.shared)?;
        let mut builder = DeltaBuilder::new();
        let mut runs: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        let mut position = cursor.position.min(view.head());
        let until = view.head().min(position.saturating_add(SCANNED_ENTRIES_MAX));
        while position < until {
            let step = view.entry(position + 1, |entry| {
                let (root, origin) = self.names_of(entry.root, entry.origin, position + 1)?;
                if taken.not_of.contains(&origin) || !(taken.root)(&root) {
                    return Ok(true);
                }
                if !builder.has_room(entry.record.len(), taken.limit, taken.bytes_max) {
                    return Ok(false);
                }
                let run = match runs.get(&(entry.root, entry.origin)) {
                    Some(run) => *run,
                    None => {
                        let before = chain_before(view.snapshot(), &root, origin, entry)?;
                        let run = builder.start_run(&root, origin, entry.seq, before);
                        runs.insert((entry.root, entry.origin), run);
                        run
                    }
                };
                let (seq, recorded, record) = (entry.seq, entry.recorded, entry.record);
                builder.push(run, Outgoing { origin, seq, recorded, record, chain: entry.chain });
                Ok::<bool, StoreError>(true)
            })??;
            if !step {
                break;
            }
            position += 1;
        }
        let history = history_at(&view, position)?;
        Ok(ArrivalsPage {
            events: builder.event_count(),
            bytes: builder.finish(),
            cursor: Cursor { epoch: self.shared.state().epoch, position, history },
            more: position < view.head(),
        })
    }

    /// Visits what arrived after a position, at most `limit` events. Gives the last position
    /// that was visited, or `after`.
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
            })?;
            last = position;
            match flow {
                Some(ControlFlow::Continue(())) => {}
                Some(ControlFlow::Break(())) => break,
                None => return Err(nameless(position).into()),
            }
        }
        Ok(last)
    }

    fn names_of(
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

fn nameless(position: u64) -> StoreError {
    StoreError::corrupt(format!("log position {position}: its root or origin has no name"))
}

/// The digest of the log up to a position.
fn history_at(view: &View<'_>, position: u64) -> Result<u64, StoreError> {
    if position == 0 { Ok(0) } else { view.entry(position, |entry| entry.history) }
}
