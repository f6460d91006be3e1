//! One aggregate: its state, and its events in fold order.

use std::sync::Arc;

use super::query::{Axes, places};
use super::{FoldFailure, Query, ReadError, Reader, VisitEvent};
use crate::event::Event;
use crate::fold::{Applied, Fold, FoldState, contain};
use crate::id::{Dot, RootName};
use crate::keys::{self, Place};
use crate::limits::BATCH_BYTES_MAX;
use crate::store::{StoreError, Table};
use crate::view::View;

/// Events whose places are looked up at once.
const PLACES_PAGE: usize = 512;

/// Refused events that a read lists; the rest is only counted.
const REFUSED_LISTED_MAX: usize = 100;

/// An aggregate as its fold sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateState {
    /// The state as JSON text.
    pub state: Vec<u8>,
    /// Equal on two replicas exactly when they know the same events of the aggregate, as far as
    /// the query looks at them. Opaque.
    pub etag: String,
    /// How many events the query looks at, folded or not.
    pub event_count: u64,
    /// How many of them the validation hook would not have taken.
    pub refused_count: u64,
    /// The first hundred of those, with the reasons.
    pub refused: Vec<(Dot, String)>,
}

/// What a page of an aggregate's events came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventsPage {
    /// How many events were visited.
    pub events: usize,
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
        let fold = self.fold_for(root, query)?;
        let Some(number) = self.shared.state().names.root(root) else { return Ok(None) };
        let view = View::open(&self.shared)?;
        let axes = Axes::resolve(query, &view)?;
        self.fold_aggregate(&view, number, id, &axes, fold)
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
        let mut page = EventsPage { events: 0, next: None };
        let Some(number) = self.shared.state().names.root(root) else { return Ok(page) };
        let view = View::open(&self.shared)?;
        let axes = Axes::resolve(query, &view)?;
        let prefix = keys::index_aggregate(number, id);
        let found = places(&view, &prefix, &axes, after, limit.saturating_add(1))?;
        let mut bytes = 0;
        for (index, &(place, position)) in found.iter().enumerate() {
            let flow = self.event_at(&view, position, |_, event, _| {
                bytes += event.record.data.len();
                visit(event)
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

    pub(super) fn fold_aggregate(
        &self,
        view: &View<'_>,
        root: u32,
        id: &str,
        axes: &Axes,
        fold: &Arc<dyn Fold>,
    ) -> Result<Option<AggregateState>, ReadError> {
        let prefix = keys::index_aggregate(root, id);
        let mut folding = Folding::new(&**fold);
        loop {
            let page = places(view, &prefix, axes, folding.place, PLACES_PAGE)?;
            for &(place, position) in &page {
                let twin = self.event_at(view, position, |found_root, event, chain| {
                    if found_root != root || event.record.aggregate_id != id {
                        return Err(ReadError::Store(StoreError::corrupt(format!(
                            "the fold index leads to another aggregate at position {position}"
                        ))));
                    }
                    let twin = is_later_twin(view, root, &place, axes, event)?;
                    folding.take(place, event, chain, twin)?;
                    Ok(())
                })?;
                twin?;
            }
            if page.len() < PLACES_PAGE {
                return folding.finish().map_err(ReadError::from);
            }
        }
    }
}

/// Whether an earlier event of the aggregate, in fold order, has the same idempotency key.
/// Replicas apart from each other may both have taken it; only the first counts.
fn is_later_twin(
    view: &View<'_>,
    root: u32,
    place: &Place,
    axes: &Axes,
    event: &Event<'_>,
) -> Result<bool, StoreError> {
    let Some(key) = event.record.idempotency_key else { return Ok(false) };
    let mut start = keys::key_prefix(root, key);
    keys::push_text(&mut start, event.record.aggregate_id);
    let mut end = start.clone();
    end.extend_from_slice(place.as_bytes());
    let earlier = view.indexed(Table::Keys, &start, &end, usize::MAX)?;
    Ok(earlier.iter().any(|(key, position)| {
        keys::place_of(key).is_some_and(|place| axes.admit(&place, *position))
    }))
}

/// A fold that is under way.
struct Folding {
    state: Box<dyn FoldState>,
    place: Option<Place>,
    digest: [u8; 32],
    event_count: u64,
    refused_count: u64,
    refused: Vec<(Dot, String)>,
    last: Option<Dot>,
}

impl Folding {
    fn new(fold: &dyn Fold) -> Self {
        Self {
            state: fold.start(),
            place: None,
            digest: [0; 32],
            event_count: 0,
            refused_count: 0,
            refused: Vec::new(),
            last: None,
        }
    }

    fn take(
        &mut self,
        place: Place,
        event: &Event<'_>,
        chain: &[u8; 32],
        is_twin: bool,
    ) -> Result<(), FoldFailure> {
        let mut input = [0; 64];
        input[..32].copy_from_slice(&self.digest);
        input[32..].copy_from_slice(chain);
        self.digest = *blake3::hash(&input).as_bytes();
        self.place = Some(place);
        self.event_count += 1;
        self.last = Some(event.dot);
        if is_twin {
            return Ok(());
        }
        let failure = |reason: String| FoldFailure { dot: event.dot, reason };
        let state = &mut self.state;
        let applied =
            contain(|| state.apply(event)).map_err(failure)?.map_err(|error| failure(error.0))?;
        if let Applied::Refused(refusal) = applied {
            self.refused_count += 1;
            if self.refused.len() < REFUSED_LISTED_MAX {
                self.refused.push((event.dot, refusal.0));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Option<AggregateState>, FoldFailure> {
        let Some(dot) = self.last else { return Ok(None) };
        let failure = |reason: String| FoldFailure { dot, reason };
        let state = &self.state;
        let state =
            contain(|| state.to_json()).map_err(failure)?.map_err(|error| failure(error.0))?;
        let etag = self.digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(AggregateState {
            state,
            etag,
            event_count: self.event_count,
            refused_count: self.refused_count,
            refused: self.refused,
        }))
    }
}
