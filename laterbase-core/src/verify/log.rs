//! A walk along the log that damage does not stop.

use std::ops::ControlFlow;

use crate::entry::Entry;
use crate::keys;
use crate::store::{Scan, Snapshot, StoreError, Table};

/// Positions in a row that may be missing or unreadable. A key further away is a damaged key, and
/// a table that stays unreadable for longer has ended.
const GAP_MAX: u64 = 1 << 20;

/// What lies at a log position.
pub(super) enum Found<'f> {
    Entry(Entry<'f>),
    /// Nothing that can be read, for this reason.
    Damage(String),
}

type VisitFound<'v> = dyn FnMut(u64, Found<'_>) -> ControlFlow<()> + 'v;

/// Visits the log's positions from 1 on.
///
/// What an engine finds damaged it does not read past in one scan, so the scan begins anew behind
/// every such position. A tail that is missing is not seen here: the heads tell.
///
/// # Errors
/// [`StoreError`] if the engine fails for another reason than damage.
pub(super) fn each(snapshot: &dyn Snapshot, visit: &mut VisitFound<'_>) -> Result<(), StoreError> {
    let mut walk = Walk { next: 1, visit, stopped: false };
    let mut failed_in_a_row = 0;
    loop {
        let begin = walk.next;
        let start = keys::position(begin);
        let scan = Scan { start: &start, ..Scan::all(Table::Log) };
        let scanned = snapshot.scan(scan, &mut |key, value| walk.take(key, value));
        let damage = match scanned {
            Err(StoreError::Corrupt { detail }) if !walk.stopped => detail,
            Ok(()) | Err(StoreError::Corrupt { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        failed_in_a_row = if walk.next == begin { failed_in_a_row + 1 } else { 0 };
        if walk.pass(damage).is_break() || failed_in_a_row == GAP_MAX {
            return Ok(());
        }
    }
}

struct Walk<'w, 'v> {
    next: u64,
    visit: &'w mut VisitFound<'v>,
    stopped: bool,
}

impl Walk<'_, '_> {
    fn take(&mut self, key: &[u8], value: &[u8]) -> ControlFlow<()> {
        let gap = keys::read_u64(key).and_then(|position| position.checked_sub(self.next));
        let Some(gap) = gap.filter(|gap| *gap <= GAP_MAX) else {
            // It stands where an entry of about this position is due, so the walk goes on there.
            return self.visit(Found::Damage("its key is damaged".to_owned()));
        };
        for _ in 0..gap {
            self.pass("it is missing".to_owned())?;
        }
        let found = Entry::decode(value)
            .map_or_else(|error| Found::Damage(error.to_string()), Found::Entry);
        self.visit(found)?;
        self.next += 1;
        ControlFlow::Continue(())
    }

    fn pass(&mut self, damage: String) -> ControlFlow<()> {
        self.visit(Found::Damage(damage))?;
        self.next += 1;
        ControlFlow::Continue(())
    }

    fn visit(&mut self, found: Found<'_>) -> ControlFlow<()> {
        let flow = (self.visit)(self.next, found);
        self.stopped = flow.is_break();
        flow
    }
}
