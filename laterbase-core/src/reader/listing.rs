//! The aggregates of a root, a page at a time.

use std::ops::ControlFlow;

use super::folding::Subject;
use super::query::Axes;
use super::voided::has_voids;
use super::{AggregateState, FoldFailure, Query, ReadError, Reader};
use crate::id::RootName;
use crate::keys;
use crate::limits::BATCH_BYTES_MAX;
use crate::store::{Scan, StoreError, Table};
use crate::view::View;

/// A page of aggregates, in the order of their ids' bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregatePage {
    /// Ids and states. A fold that failed spoils its own aggregate only.
    pub aggregates: Vec<(String, Result<AggregateState, FoldFailure>)>,
    /// The last arrival position that was looked at.
    pub position: u64,
    /// The id after which the next page starts; `None` if there are no more.
    pub next: Option<String>,
}

/// Where a visit to the aggregates of a root ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregatesVisited {
    /// The last arrival position that was looked at.
    pub position: u64,
    /// The id after which the next visit starts; `None` if there are no more.
    pub next: Option<String>,
}

/// Takes one aggregate's id and state, and says whether to go on.
pub type VisitAggregate<'v> =
    dyn FnMut(&str, Result<AggregateState, FoldFailure>) -> ControlFlow<()> + 'v;

impl Reader {
    /// Folds the aggregates of a root, from after an id on. A page ends early at 16 MiB.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn aggregates(
        &self,
        root: &RootName,
        after: Option<&str>,
        limit: usize,
        query: &Query,
    ) -> Result<AggregatePage, ReadError> {
        let mut aggregates = Vec::new();
        let end = self.visit_aggregates(root, after, limit, query, &mut |id, folded| {
            aggregates.push((id.to_owned(), folded));
            ControlFlow::Continue(())
        })?;
        Ok(AggregatePage { aggregates, position: end.position, next: end.next })
    }

    /// The same, one by one: only the state that is visited is in memory. A visitor that breaks has
    /// taken the aggregate it was given.
    ///
    /// # Errors
    /// [`ReadError`]; some may have been visited.
    pub fn visit_aggregates(
        &self,
        root: &RootName,
        after: Option<&str>,
        limit: usize,
        query: &Query,
        visit: &mut VisitAggregate<'_>,
    ) -> Result<AggregatesVisited, ReadError> {
        let fold = self.fold_for(root, query)?;
        let mut end = AggregatesVisited { position: 0, next: None };
        let Some(number) = self.shared.state().names.root(root) else { return Ok(end) };
        let (mut count, mut bytes, mut is_full) = (0, 0, limit == 0);
        let mut last = None;
        let mut after = after.map(str::to_owned);
        // Where the index is built anew meanwhile, the visit goes on behind what it has given.
        self.shared.with_index(|| {
            let view = View::open(&self.shared)?;
            let axes = Axes::resolve(query, &view)?;
            if count == 0 {
                end.position = axes.position_max();
            }
            let has_voids = has_voids(&view, number)?;
            while let Some(id) = next_aggregate(&view, number, after.as_deref())? {
                self.spend(1, 0)?;
                if is_full {
                    end.next = last.take();
                    break;
                }
                let subject = Subject {
                    view: &view,
                    root: number,
                    name: root,
                    id: &id,
                    axes,
                    fold,
                    has_voids,
                };
                let folded = match self.fold_aggregate(&subject) {
                    Ok(Some(state)) => Some(Ok(state)),
                    Ok(None) => None,
                    Err(ReadError::FoldFailed(failure)) => Some(Err(failure)),
                    Err(error) => return Err(error),
                };
                if let Some(folded) = folded {
                    bytes += folded.as_ref().map_or(0, |state| state.state.len());
                    count += 1;
                    let flow = visit(&id, folded);
                    is_full = flow.is_break() || count == limit || bytes >= BATCH_BYTES_MAX;
                    last = Some(id.clone());
                }
                after = Some(id);
            }
            Ok(())
        })?;
        Ok(end)
    }
}

/// The first aggregate of a root after an id: one seek.
fn next_aggregate(
    view: &View<'_>,
    root: u32,
    after: Option<&str>,
) -> Result<Option<String>, StoreError> {
    let prefix = keys::index_root(root);
    let start = match after {
        None => prefix.to_vec(),
        Some(id) => keys::after_prefix(&keys::index_aggregate(root, id))
            .expect("the end mark of a text is no 0xff"),
    };
    let end = keys::after_prefix(&prefix).unwrap_or_else(|| vec![0xff; 5]);
    let found = view.indexed(Scan::range(Table::FoldIndex, &start, &end).limit(1))?;
    let Some((key, position)) = found.first() else { return Ok(None) };
    keys::take_text(&key[prefix.len()..]).map(|(id, _)| Some(id)).ok_or_else(|| {
        StoreError::corrupt(format!("the fold index key of position {position} has no aggregate"))
    })
}
