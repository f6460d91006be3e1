//! One aggregate's state.

use std::sync::Arc;

use super::folding::Subject;
use super::query::Axes;
use super::{FoldFailure, Query, ReadError, Reader, guarded};
use crate::fold::Fold;
use crate::id::{EventId, RootName};
use crate::keys;
use crate::store::StoreError;
use crate::view::View;

/// An aggregate as its fold sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateState {
    /// The state as JSON text.
    pub state: Vec<u8>,
    /// Equal on two replicas exactly when they know the same events of the aggregate, as far as
    /// the query looks at them, and the same of them are taken back. Opaque.
    pub etag: String,
    /// How many events the query looks at, folded or not.
    pub event_count: u64,
    /// How many of them were left out: their data cannot be read, or the validation hook would
    /// not have taken them.
    pub refused_count: u64,
    /// The first hundred of those, with the reasons.
    pub refused: Vec<(EventId, String)>,
    /// How many events this read folded; those before came out of a snapshot.
    pub folded_count: u64,
    /// What the state covers.
    pub covered: Covered,
}

/// What a state covers. Times are nanoseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// When the last event, in fold order, happened.
    pub occurred_last: i64,
    /// When the event recorded last was recorded.
    pub recorded_last: i64,
    /// The last arrival position that was looked at.
    pub position: u64,
}

impl Reader {
    /// Folds an aggregate. `None` if it has no events that the query looks at.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn aggregate(
        &self,
        root: &RootName,
        id: &str,
        query: &Query,
    ) -> Result<Option<AggregateState>, ReadError> {
        if let Some(hot) = self.hot_aggregate(root, id, query)? {
            return Ok(Some(hot));
        }
        let fold = self.fold_for(root, query)?;
        let Some(number) = self.shared.state().names.root(root) else { return Ok(None) };
        self.shared.with_index(|| {
            let view = View::open(&self.shared)?;
            let axes = Axes::resolve(query, &view)?;
            let subject =
                Subject { view: &view, root: number, name: root, id, axes, fold, has_voids: true };
            let folded = self.fold_aggregate(&subject)?;
            if let Some(state) = folded.as_ref().filter(|_| query.is_whole()) {
                let aggregate = keys::index_aggregate(number, id);
                let ladder = guarded::prefix(&**fold, &aggregate).map_err(FoldFailure::code)?;
                self.shared.hot.put(&ladder, state, view.head(), view.rewrites());
            }
            Ok(folded)
        })
    }

    /// An aggregate as it was read last, if nothing of it has arrived since and it is still in
    /// memory. Does not block.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn hot_aggregate(
        &self,
        root: &RootName,
        id: &str,
        query: &Query,
    ) -> Result<Option<AggregateState>, ReadError> {
        let fold = self.fold_for(root, query)?;
        let (number, head) = {
            let state = self.shared.state();
            let Some(number) = state.names.root(root) else { return Ok(None) };
            (number, state.head)
        };
        if !query.is_whole() {
            return Ok(None);
        }
        let aggregate = keys::index_aggregate(number, id);
        let ladder = guarded::prefix(&**fold, &aggregate).map_err(FoldFailure::code)?;
        let mut hot = self.shared.hot.get(&aggregate, &ladder);
        if let Some(hot) = &mut hot {
            // Nothing of the aggregate has arrived since, so it covers all there was just now.
            (hot.folded_count, hot.covered.position) = (0, head);
        }
        Ok(hot)
    }

    /// The etag of an aggregate over all its events, without folding them; `None` if it has none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn etag(&self, root: &RootName, id: &str) -> Result<Option<String>, StoreError> {
        let Some(number) = self.shared.state().names.root(root) else { return Ok(None) };
        self.shared.with_index(|| {
            let view = View::open(&self.shared)?;
            let fold = self.shared.folds.default_for(root);
            self.hash_aggregate(
                &view,
                (number, root, id),
                Axes::everything(&view),
                fold,
                usize::MAX,
            )
        })
    }

    /// The etag of an aggregate over those of its events that had arrived up to a position, as the
    /// answer to a write says it. `None` if there are none, if more than `events_max` of them would
    /// have to be hashed, or if the derived tables are not built just now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn etag_at(
        &self,
        root: &RootName,
        id: &str,
        position: u64,
        events_max: usize,
    ) -> Result<Option<String>, StoreError> {
        let Some(number) = self.shared.state().names.root(root) else { return Ok(None) };
        if self.shared.needs_building() {
            return Ok(None);
        }
        let view = View::open(&self.shared)?;
        let fold = self.shared.folds.default_for(root);
        let axes = Axes::arrived_until(&view, position);
        self.hash_aggregate(&view, (number, root, id), axes, fold, events_max)
    }

    pub(super) fn fold_for<'f>(
        &'f self,
        root: &RootName,
        query: &Query,
    ) -> Result<&'f Arc<dyn Fold>, ReadError> {
        let folds = &self.shared.folds;
        let fold = match &query.fold {
            Some(name) => folds.named(root, name),
            None => folds.default_for(root),
        };
        fold.ok_or(ReadError::UnknownFold)
    }
}
