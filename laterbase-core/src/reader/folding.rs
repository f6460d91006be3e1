//! Folding an aggregate, from the best snapshot on.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::query::{Axes, Reach, Window, places};
use super::under_way::{Folding, Standing, etag, next_digest};
use super::voided::{Voided, void_entries};
use super::{AggregateState, FoldFailure, ReadError, Reader, guarded};
use crate::event::Event;
use crate::fold::Fold;
use crate::id::RootName;
use crate::keys::{self, Place};
use crate::shared::Shared;
use crate::snapshot::{Followed, Ladder, Overtaking, Rung, Snapshot};
use crate::store::{Scan, StoreError, Table};
use crate::target::Within;
use crate::view::View;

/// Events whose places are looked up at once.
const PLACES_PAGE: usize = 512;

/// What is folded, how, and as of when.
pub(super) struct Subject<'s> {
    pub view: &'s View<'s>,
    pub root: u32,
    pub name: &'s RootName,
    pub id: &'s str,
    pub axes: Axes,
    pub fold: &'s Arc<dyn Fold>,
    /// Whether anything of the root may be taken back.
    pub has_voids: bool,
}

/// What is folded, and what of it is left out.
struct On<'o> {
    subject: &'o Subject<'o>,
    /// The aggregate's fold index prefix.
    aggregate: &'o [u8],
    voided: &'o Voided,
}

impl<'s> Subject<'s> {
    fn within(&self, shared: &'s Shared) -> Within<'s> {
        let Subject { view, root, id, .. } = *self;
        Within { shared, view, root, id }
    }

    /// The unflushed events of the aggregate up to an arrival position.
    fn overtaking(&self, aggregate: &[u8], position_max: u64) -> Overtaking {
        let unflushed = self.view.unflushed(aggregate, &self.axes.end(aggregate));
        Overtaking::of(unflushed.into_iter().filter(|(_, position)| *position <= position_max))
    }
}

impl Reader {
    /// Folds an aggregate. `None` if the axes admit none of its events.
    pub(super) fn fold_aggregate(
        &self,
        subject: &Subject<'_>,
    ) -> Result<Option<AggregateState>, ReadError> {
        let aggregate = keys::index_aggregate(subject.root, subject.id);
        let fold = &**subject.fold;
        let prefix = guarded::prefix(fold, &aggregate).map_err(FoldFailure::code)?;
        let (head, position_max) = (subject.view.head(), subject.axes.position_max());
        // What the axes leave out may overtake the snapshot that the read goes on from. Then it is
        // right for this read, and whatever this read comes to is for no other.
        let all = subject.overtaking(&aggregate, head);
        let overtaking = if position_max == head {
            all.clone()
        } else {
            subject.overtaking(&aggregate, position_max)
        };
        let within = subject.within(&self.shared);
        let limit = if subject.has_voids { usize::MAX } else { 0 };
        let entries = void_entries(within, limit)?;
        self.spend(entries.len(), 0)?;
        let voided = Voided::of(within, &entries, &subject.axes)?;
        let mut sees_all = !voided.is_partial;
        let bytes_max = self.shared.folds.state_bytes_max();
        let mut folding =
            match self.best_rung(subject, &prefix, &voided, |rung| overtaking.hits(rung))? {
                Some((rung, snapshot)) => {
                    self.spend(0, snapshot.state.len())?;
                    sees_all &= !all.hits(&rung);
                    Folding::resume(fold, subject.name, bytes_max, rung, snapshot)
                }
                None => Folding::start(fold, subject.name, bytes_max)?,
            };
        let policy = guarded::policy(fold).map_err(FoldFailure::code)?;
        let leaves = sees_all && policy.events().is_some();
        let followed = if leaves { self.attend(subject, &aggregate) } else { None };
        let mut ladder = Ladder::new(policy, folding.come_to.event_count);
        let on = On { subject, aggregate: &aggregate, voided: &voided };
        let folded = self.fold_on(&on, &mut folding, &mut ladder, followed.as_ref());
        // Those of a read that got stuck are as good: the next one goes on from there.
        if let Some(followed) = followed {
            followed.leave(prefix, ladder, &all);
        }
        folded?;
        folding.finish(subject.axes.position_max())
    }

    /// The etag of an aggregate over what the axes admit, from the best snapshot of `fold` on.
    /// `None` if that is no event, or if more than `events_max` events would have to be hashed.
    pub(super) fn hash_aggregate(
        &self,
        view: &View<'_>,
        (root, name, id): (u32, &RootName, &str),
        axes: Axes,
        fold: Option<&Arc<dyn Fold>>,
        mut events_max: usize,
    ) -> Result<Option<String>, StoreError> {
        let aggregate = keys::index_aggregate(root, id);
        let (mut place, mut digest) = (None, [0; 32]);
        let within = Within { shared: &self.shared, view, root, id };
        let entries = void_entries(within, events_max.saturating_add(1))?;
        if entries.len() > events_max {
            return Ok(None);
        }
        let voided = Voided::of(within, &entries, &axes)?;
        if let Some(fold) = fold
            && let Ok(prefix) = guarded::prefix(&**fold, &aggregate)
        {
            let subject = Subject { view, root, name, id, axes, fold, has_voids: true };
            // A write asks, which must not cost more the more was written since the last flush.
            let is_overtaken = |rung: &Rung| view.overtakes(&aggregate, rung, axes.position_max());
            let best = self.best_rung(&subject, &prefix, &voided, is_overtaken)?;
            if let Some((rung, snapshot)) = best {
                (place, digest) = (Some(rung.place), snapshot.digest);
            }
        }
        loop {
            let limit = PLACES_PAGE.min(events_max.saturating_add(1));
            let (which, reach) = ((&axes, &Window::ALL), Reach::finding(limit));
            let page = places(view, &aggregate, which, place, reach, |_| Ok(()))?.found;
            let Some(left) = events_max.checked_sub(page.len()) else { return Ok(None) };
            events_max = left;
            for &(at, position) in &page {
                let standing =
                    if voided.contains(&at) { Standing::Voided } else { Standing::Counts };
                digest = view.entry(position, |entry| {
                    next_digest(&digest, entry.chain.as_bytes(), standing)
                })?;
                place = Some(at);
            }
            if page.len() < limit {
                return Ok(place.map(|_| etag(&digest)));
            }
        }
    }

    /// Lets the read leave snapshots, unless an event that it does not see was flushed since it
    /// looked.
    fn attend(&self, subject: &Subject<'_>, aggregate: &[u8]) -> Option<Followed<'_>> {
        let moment = subject.view.moment();
        let is_untouched = || self.shared.hot.is_untouched(aggregate, moment.head);
        self.shared.unstored.follow(aggregate, moment, is_untouched)
    }

    fn fold_on(
        &self,
        on: &On<'_>,
        folding: &mut Folding<'_>,
        ladder: &mut Ladder,
        followed: Option<&Followed<'_>>,
    ) -> Result<(), ReadError> {
        let Subject { view, axes, .. } = on.subject;
        loop {
            let spend = |events| self.spend(events, 0);
            let (which, reach) = ((axes, &Window::ALL), Reach::finding(PLACES_PAGE));
            let page = places(view, on.aggregate, which, folding.place, reach, spend)?;
            ladder.end = ladder.end.or(page.excluded);
            let found = page.found;
            if !found.is_empty() && !folding.is_ready() {
                // The fold cannot read its own snapshot: folding all events is as good.
                *folding = Folding::start(folding.fold, folding.root, folding.bytes_max)?;
                ladder.restart();
                continue;
            }
            let is_last_page = found.len() < PLACES_PAGE;
            for (index, &(place, position)) in found.iter().enumerate() {
                self.fold_event(on, folding, place, position)?;
                let is_last = is_last_page && index + 1 == found.len();
                let count = folding.come_to.event_count;
                if followed.is_some() && ladder.is_due(count, &place, is_last) {
                    // Everything up to there was looked at, and nothing left out.
                    let rung = Rung { place, event_count: count, position: view.head() };
                    match folding.snapshot()? {
                        Some(snapshot) => ladder.push(rung, snapshot).map_err(FoldFailure::code)?,
                        None => ladder.pass(count),
                    }
                }
            }
            if is_last_page {
                return Ok(());
            }
        }
    }

    fn fold_event(
        &self,
        on: &On<'_>,
        folding: &mut Folding<'_>,
        place: Place,
        position: u64,
    ) -> Result<(), ReadError> {
        let Subject { view, root, id, axes, .. } = on.subject;
        self.event_at(view, position, |found_root, event, chain| {
            if found_root != *root || event.record.aggregate_id != *id {
                let detail = format!("the fold index leads to another event at {position}");
                return Err(ReadError::Store(StoreError::corrupt(detail)));
            }
            self.spend(0, event.record.data.len())?;
            let standing = if on.voided.contains(&place) {
                Standing::Voided
            } else if is_later_twin(view, *root, &place, axes, event)? {
                Standing::Twin
            } else {
                Standing::Counts
            };
            folding.take(place, event, chain, standing)?;
            Ok(())
        })?
    }

    /// The last snapshot that is exact for what the subject's axes admit: of the stored ones, and
    /// of those that are still in memory.
    fn best_rung(
        &self,
        subject: &Subject<'_>,
        prefix: &[u8],
        voided: &Voided,
        is_overtaken: impl Fn(&Rung) -> bool,
    ) -> Result<Option<(Rung, Snapshot)>, StoreError> {
        let Subject { view, axes, .. } = subject;
        // A snapshot that has seen more than the axes admit is as good, as long as none of its
        // events lies beyond them.
        let is_exact = |rung: &Rung, snapshot: &Snapshot| {
            snapshot.arrived_max <= axes.position_max()
                && axes.admit_recorded(snapshot.recorded_max)
                && axes.admit_occurred(&rung.place)
                && snapshot.voided == voided.mark_up_to(&rung.place)
                && !is_overtaken(rung)
        };
        let held = self
            .shared
            .unstored
            .last(prefix, view.rewrites(), |held| is_exact(&held.rung, &held.snapshot));
        let mut found = held.map(|held| (held.rung, held.snapshot));
        let mut start = prefix.to_vec();
        if let Some((rung, _)) = &found {
            start.extend_from_slice(rung.place.as_bytes());
            start.push(0xff);
        }
        let end = axes.end(prefix);
        if start >= end {
            return Ok(found);
        }
        let scan = Scan::range(Table::Snapshots, &start, &end).backward();
        view.snapshot().scan(scan, &mut |key, value| {
            let rung = Rung::of_key(key).filter(|rung| !is_overtaken(rung));
            // A damaged snapshot is passed over: folding more events gives the same answer.
            let read = rung.and_then(|rung| Some((rung, Snapshot::decode(value).ok()?)));
            match read.filter(|(rung, snapshot)| is_exact(rung, snapshot)) {
                Some(read) => {
                    found = Some(read);
                    ControlFlow::Break(())
                }
                None => ControlFlow::Continue(()),
            }
        })?;
        Ok(found)
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
    let earlier = view.indexed(Scan::range(Table::Keys, &start, &end))?;
    Ok(earlier.iter().any(|(key, position)| {
        keys::place_of(key).is_some_and(|place| axes.admit(&place, *position))
    }))
}

#[cfg(test)]
mod tests;
