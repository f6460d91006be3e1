//! One aggregate: its state, and its events in fold order.

use std::sync::Arc;

use super::folding::Subject;
use super::query::{Axes, places};
use super::voided::{Voided, void_entries};
use super::{FoldFailure, Query, ReadError, Reader, VisitEvent, guarded};
use crate::event::Event;
use crate::fold::Fold;
use crate::id::{EventId, RootName};
use crate::keys::{self, Place};
use crate::limits::BATCH_BYTES_MAX;
use crate::store::StoreError;
use crate::target::Within;
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

/// What a page of an aggregate's events came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventsPage {
    /// How many events were visited.
    pub events: usize,
    /// The last arrival position that was looked at.
    pub position: u64,
    /// Where the next page starts after; `None` if there are no more.
    pub next: Option<Place>,
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

    /// Visits an aggregate's events in fold order, from after a place on.
    ///
    /// A visitor that breaks has taken the event it was given.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn aggregate_events(
        &self,
        root: &RootName,
        id: &str,
        after: Option<Place>,
        limit: usize,
        query: &Query,
        visit: &mut VisitEvent<'_>,
    ) -> Result<EventsPage, ReadError> {
        let mut page = EventsPage { events: 0, position: 0, next: None };
        let Some(number) = self.shared.state().names.root(root) else { return Ok(page) };
        let prefix = keys::index_aggregate(number, id);
        let (view, found, voided) = self.shared.with_index(|| {
            let view = View::open(&self.shared)?;
            let axes = Axes::resolve(query, &view)?;
            page.position = axes.position_max();
            let spend = |events| self.spend(events, 0);
            let found = places(&view, &prefix, &axes, after, limit.saturating_add(1), spend)?.found;
            let within = Within { shared: &self.shared, view: &view, root: number, id };
            let entries = void_entries(within, usize::MAX)?;
            self.spend(entries.len(), 0)?;
            let voided = Voided::of(within, &entries, &axes)?;
            Ok::<_, ReadError>((view, found, voided))
        })?;
        let mut bytes = 0;
        for (index, &(place, position)) in found.iter().enumerate() {
            let voided_by = voided.by(&view, &place)?;
            let flow = self.event_at(&view, position, |_, event, _| {
                bytes += event.record.data.len();
                visit(&Event { voided_by: &voided_by, ..*event })
            })?;
            page.events += 1;
            let full = page.events == limit || bytes >= BATCH_BYTES_MAX;
            if flow.is_break() || full {
                page.next = (index + 1 < found.len()).then_some(place);
                break;
            }
        }
        Ok(page)
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
