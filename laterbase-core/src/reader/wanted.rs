//! Events that a caller asked for by origin and seq.

use std::ops::ControlFlow;

use super::damaged::unless_damaged;
use super::feed::{LackingRun, chain_before};
use super::{ReadError, Reader};
use crate::delta::{DeltaBuilder, Outgoing};
use crate::store::{Snapshot, StoreError};
use crate::wants::{Want, Wants};

/// Log entries that are read ahead at most.
const READ_AHEAD_ENTRIES: usize = 256;

/// What was asked for, as far as it is held and fits, as a delta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedPage {
    /// The delta's bytes, which [`crate::delta::Delta::decode`] reads.
    pub bytes: Vec<u8>,
    /// How many events it holds.
    pub events: usize,
    /// Whether the page's limits left nothing out.
    pub complete: bool,
}

impl Reader {
    /// The wanted events that are held, one entry of the list after the other, each from the
    /// event after its `after` on without a hole, at most `limit` events and about `bytes_max`
    /// bytes. What is not held is left out, and so is what lies behind a damaged log entry. One
    /// event is always delivered, if there is any.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn wanted_delta(
        &self,
        wants: &Wants,
        limit: usize,
        bytes_max: usize,
    ) -> Result<WantedPage, ReadError> {
        let mut builder = DeltaBuilder::new();
        // Before the snapshot, which then holds all that the state speaks of.
        let held = self.held_parts(wants);
        let snapshot = self.shared.snapshot()?;
        let mut complete = true;
        let room = (limit.max(1), bytes_max);
        for (want, mut run) in held {
            let added = add_run(&mut builder, &*snapshot, want, &mut run, room);
            let flow = unless_damaged(&self.shared, run.place(), added)?;
            if flow.is_some_and(|flow| flow.is_break()) {
                complete = false;
                break;
            }
        }
        Ok(WantedPage { events: builder.event_count(), bytes: builder.finish(), complete })
    }

    /// The entries of which something is held, with those events.
    fn held_parts<'w>(&self, wants: &'w Wants) -> Vec<(&'w Want, LackingRun)> {
        let state = self.shared.state();
        let held_part = |want: &'w Want| {
            let numbers = (state.names.root(&want.root)?, state.names.origin(want.origin)?);
            let until = state.heads.get(&numbers)?.seq.min(want.until);
            let run = || LackingRun::new(numbers, want.after, until);
            (want.after < until).then(|| (want, run()))
        };
        wants.entries.iter().filter_map(held_part).collect()
    }
}

/// Adds a run's events to a page while they fit into `(events, bytes)`. Breaks if one does not.
fn add_run(
    builder: &mut DeltaBuilder,
    snapshot: &dyn Snapshot,
    want: &Want,
    run: &mut LackingRun,
    (limit, bytes_max): (usize, usize),
) -> Result<ControlFlow<()>, StoreError> {
    let origin = want.origin;
    let mut number = None;
    // Where the page is full already, it takes no reading to know it.
    if !builder.has_room(0, limit, bytes_max) {
        return Ok(ControlFlow::Break(()));
    }
    run.fill(snapshot, READ_AHEAD_ENTRIES.min(limit))?;
    loop {
        let entry = run.entry()?;
        if !builder.has_room(entry.record.len(), limit, bytes_max) {
            return Ok(ControlFlow::Break(()));
        }
        let number = match number {
            Some(number) => number,
            None => {
                let before = chain_before(snapshot, &want.root, origin, &entry)?;
                *number.insert(builder.start_run(&want.root, origin, entry.seq, before))
            }
        };
        let (seq, recorded, record) = (entry.seq, entry.recorded, entry.record);
        builder.push(number, Outgoing { origin, seq, recorded, record, chain: entry.chain });
        if !run.advance(snapshot, READ_AHEAD_ENTRIES.min(limit))? {
            return Ok(ControlFlow::Continue(()));
        }
    }
}
