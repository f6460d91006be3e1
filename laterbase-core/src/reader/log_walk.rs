//! Walking along the arrival log, over what cannot be read.

use std::ops::ControlFlow;

use super::damaged::note_position;
use super::query::Order;
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

/// Offers the entries behind a position, or those before it from the last one back, up to the end of
/// the view or as many as a page looks at. Gives the last position that was looked at.
///
/// Entries that are missing or cannot be read are passed over, and so are those for which `take`
/// finds the store to contradict itself; `Reader::damaged` then names whose they are.
pub(super) fn walk(
    shared: &Shared,
    view: &View<'_>,
    (from, order): (u64, Order),
    take: &mut TakeEntry<'_>,
) -> Result<u64, StoreError> {
    let until = match order {
        Order::Ascending => view.head().min(from.saturating_add(SCANNED_ENTRIES_MAX)),
        Order::Descending => from.saturating_sub(SCANNED_ENTRIES_MAX).max(1),
    };
    let mut position = from;
    while is_before(position, until, order) {
        match walk_on(view, (until, order), &mut position, take) {
            Ok(ControlFlow::Break(())) => break,
            Ok(ControlFlow::Continue(())) => {}
            Err(StoreError::Corrupt { .. }) => {
                position = next(position, order);
                note_position(shared, view.snapshot(), position)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(position)
}

/// Offers the entries from the next one to the last, which `position` follows. Breaks if one is not
/// taken; fails at the first that is missing or cannot be read.
fn walk_on(
    view: &View<'_>,
    (until, order): (u64, Order),
    position: &mut u64,
    take: &mut TakeEntry<'_>,
) -> Result<ControlFlow<()>, StoreError> {
    let first = next(*position, order);
    let (start, end) = (keys::position(first.min(until)), keys::position(first.max(until) + 1));
    let mut step = Ok(ControlFlow::Continue(()));
    let scan = Scan { direction: order.direction(), ..Scan::range(Table::Log, &start, &end) };
    view.snapshot().scan(scan, &mut |key, value| {
        let at = next(*position, order);
        step = match keys::read_u64(key) {
            Some(found) if found == at => Entry::decode(value)
                .map_err(|error| damaged(at, error))
                .and_then(|entry| take(at, &entry)),
            _ => Err(missing(at)),
        };
        let flow = step.as_ref().map_or(ControlFlow::Break(()), |flow| *flow);
        if flow.is_continue() {
            *position = at;
        }
        flow
    })?;
    match step {
        Ok(ControlFlow::Continue(())) if is_before(*position, until, order) => {
            Err(missing(next(*position, order)))
        }
        step => step,
    }
}

const fn is_before(position: u64, until: u64, order: Order) -> bool {
    match order {
        Order::Ascending => position < until,
        Order::Descending => position > until,
    }
}

const fn next(position: u64, order: Order) -> u64 {
    match order {
        Order::Ascending => position + 1,
        Order::Descending => position - 1,
    }
}

fn missing(position: u64) -> StoreError {
    StoreError::corrupt(format!("log position {position} is missing"))
}
