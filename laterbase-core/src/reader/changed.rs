//! Which aggregates changed since a cursor, for those who keep what they make of states.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::query::Window;
use super::{AggregateState, FoldFailure, Following, Query, ReadError, Reader};
use crate::cursor::Cursor;
use crate::event::Event;
use crate::id::RootName;
use crate::limits::BATCH_BYTES_MAX;

/// What a page of changed aggregates came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangedPage {
    /// Where to go on: behind all arrivals that the page covers.
    pub cursor: Cursor,
    /// Whether there is another page. This one may be empty all the same.
    pub more: bool,
    /// How many events could not be read and were passed over. What they changed is not known.
    pub unreadable: u64,
}

/// Which changes a caller asks for.
pub struct Changes<'c> {
    /// Of these roots.
    pub root: &'c dyn Fn(&RootName) -> bool,
    /// Most aggregates on the page. It ends early at 16 MiB of states.
    pub limit: usize,
    /// How they are folded.
    pub query: &'c Query,
}

/// Takes an aggregate's root, id and state.
pub type VisitChanged<'v> = dyn FnMut(&RootName, &str, Result<AggregateState, FoldFailure>) + 'v;

impl Reader {
    /// Visits the aggregates of which any event arrived behind a cursor, each once a page, in the
    /// order of those arrivals, with their states as they are now; `None` if the cursor is not of
    /// this log, as it is now.
    ///
    /// A caller that goes on by the page's cursor misses no change: the cursor is behind the
    /// arrivals that the page looked at, and each state holds all of them. An aggregate that changes
    /// on while it is read may come again with the state that the caller has; its etag says so.
    /// What no event of the query's times is of is left out, and so are roots without the query's
    /// fold.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn changed(
        &self,
        since: &Cursor,
        changes: &Changes<'_>,
        visit: &mut VisitChanged<'_>,
    ) -> Result<Option<ChangedPage>, ReadError> {
        let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
        let following = Following {
            // A root that nothing is known of to fold it by would hold up all others.
            root: &|root| (changes.root)(root) && self.fold_for(root, changes.query).is_ok(),
            record: &|_| true,
            window: Window::default(),
            // Any number of events may be of few aggregates; the log's pages are bounded anyhow.
            limit: usize::MAX,
        };
        let page = self.arrived(Some(since), &following, &mut |root, event, cursor| {
            let aggregate = (root.clone(), event.record.aggregate_id.to_owned());
            if seen.insert(aggregate.clone()) {
                found.push((aggregate, cursor));
            }
            if found.len() < changes.limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        let Some(page) = page else { return Ok(None) };
        let mut done =
            ChangedPage { cursor: page.cursor, more: page.more, unreadable: page.unreadable };
        let mut bytes = 0;
        for (index, ((root, id), cursor)) in found.iter().enumerate() {
            let folded = match self.aggregate(root, id, changes.query) {
                Ok(None) => continue,
                Ok(Some(state)) => Ok(state),
                Err(ReadError::FoldFailed(failure)) => Err(failure),
                Err(error) => return Err(error),
            };
            bytes += folded.as_ref().map_or(0, |state| state.state.len());
            visit(root, id, folded);
            if bytes >= BATCH_BYTES_MAX && index + 1 < found.len() {
                // Up to here, every arrival is of an aggregate that was given.
                let until = &mut |_: &RootName, _: &Event<'_>, at: Cursor| {
                    if at == *cursor { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                };
                let Some(part) = self.arrived(Some(since), &following, until)? else {
                    return Ok(None);
                };
                done = ChangedPage { cursor: *cursor, more: true, unreadable: part.unreadable };
                break;
            }
        }
        Ok(Some(done))
    }
}

#[cfg(test)]
mod tests;
