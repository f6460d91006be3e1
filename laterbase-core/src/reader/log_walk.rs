//! Walking along the arrival log, over what cannot be read.

use std::ops::{ControlFlow, RangeInclusive};

use super::damaged::note_position;
use crate::entry::Entry;
use crate::keys;
use crate::shared::Shared;
use crate::store::{Scan, StoreError, Table};
use crate::view::{View, damaged};

/// Log entries that one page looks at, however few of them the caller takes.
pub(super) const SCANNED_ENTRIES_MAX: u64 = if cfg!(test) { 20 } else { 100_000 };

/// Takes the entry at a position; breaks if it does not, and the walk ends before it.
pub(super) type TakeEntry<'t> =
    dyn FnMut(u64, &Entry<'_>) -> Result<ControlFlow<()>, StoreError> + 't;

/// Offers the entries behind a position, in order, up to the end of the view or as many as a page
/// looks at. Gives the last position that was looked at.
///
/// Entries that are missing or cannot be read are passed over, and so are those for which `take`
/// finds the store to contradict itself; `Reader::damaged` then names whose they are.
pub(super) fn walk(
    shared: &Shared,
    view: &View<'_>,
    after: u64,
    take: &mut TakeEntry<'_>,
) -> Result<u64, StoreError> {
    let until = view.head().min(after.saturating_add(SCANNED_ENTRIES_MAX));
    let mut position = after;
    while position < until {
        match walk_on(view, position + 1..=until, &mut position, take) {
            Ok(ControlFlow::Break(())) => break,
            Ok(ControlFlow::Continue(())) => {}
            Err(StoreError::Corrupt { .. }) => {
                position += 1;
                note_position(shared, view.snapshot(), position)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(position)
}

/// Offers the entries at some positions, which `position` follows. Breaks if one is not taken;
/// fails at the first that is missing or cannot be read.
fn walk_on(
    view: &View<'_>,
    positions: RangeInclusive<u64>,
    position: &mut u64,
    take: &mut TakeEntry<'_>,
) -> Result<ControlFlow<()>, StoreError> {
    let (start, end) = (keys::position(*positions.start()), keys::position(*positions.end() + 1));
    let mut step = Ok(ControlFlow::Continue(()));
    view.snapshot().scan(Scan::range(Table::Log, &start, &end), &mut |key, value| {
        let next = *position + 1;
        step = match keys::read_u64(key) {
            Some(found) if found == next => Entry::decode(value)
                .map_err(|error| damaged(next, error))
                .and_then(|entry| take(next, &entry)),
            _ => Err(missing(next)),
        };
        let flow = step.as_ref().map_or(ControlFlow::Break(()), |flow| *flow);
        *position += u64::from(flow.is_continue());
        flow
    })?;
    match step {
        Ok(ControlFlow::Continue(())) if *position < *positions.end() => {
            Err(missing(*position + 1))
        }
        step => step,
    }
}

fn missing(position: u64) -> StoreError {
    StoreError::corrupt(format!("log position {position} is missing"))
}
