//! How far behind somebody is who goes on from a cursor.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::log_walk::walk;
use super::query::Order;
use super::{ReadError, Reader};
use crate::cursor::Cursor;
use crate::id::{ReplicaId, RootName};
use crate::view::View;

/// What lies behind a cursor for somebody, as far as the log was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// How many events.
    pub events: u64,
    /// When the first of them was stored here, in nanoseconds since 1970 UTC.
    pub since: Option<i64>,
    /// Behind the last log entry that was looked at: where to go on.
    pub looked_to: Cursor,
    /// How many log entries lie behind that.
    pub rest: u64,
}

impl Reader {
    /// Counts the events behind a cursor that somebody takes, of at most `looks_max` log entries;
    /// `None` if the cursor is not of this log, as it is now. Damaged entries are passed over.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn lag(
        &self,
        cursor: &Cursor,
        takes: &dyn Fn(&RootName, ReplicaId) -> bool,
        looks_max: u64,
    ) -> Result<Option<Lag>, ReadError> {
        let view = View::open(&self.shared)?;
        if !self.fits_view(&view, cursor)? {
            return Ok(None);
        }
        let mut lag = Lag { events: 0, since: None, looked_to: *cursor, rest: 0 };
        // By the numbers of root and origin.
        let mut lanes: BTreeMap<(u32, u32), bool> = BTreeMap::new();
        let last = cursor.position.saturating_add(looks_max);
        walk(&self.shared, &view, (cursor.position, Order::Ascending), &mut |position, entry| {
            if position > last {
                return Ok(ControlFlow::Break(()));
            }
            let is_taken = match lanes.get(&(entry.root, entry.origin)) {
                Some(is_taken) => *is_taken,
                None => {
                    let (root, origin) = self.names_of(entry.root, entry.origin, position)?;
                    let is_taken = takes(&root, origin);
                    lanes.insert((entry.root, entry.origin), is_taken);
                    is_taken
                }
            };
            if is_taken {
                lag.events += 1;
                lag.since.get_or_insert(entry.arrived);
            }
            lag.looked_to = Cursor { position, history: entry.history, ..*cursor };
            Ok(ControlFlow::Continue(()))
        })?;
        lag.rest = view.head() - lag.looked_to.position;
        Ok(Some(lag))
    }
}

#[cfg(test)]
mod tests;
