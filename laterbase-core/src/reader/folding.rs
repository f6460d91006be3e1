//! Folding an aggregate, from the best snapshot on.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::query::{Axes, places};
use super::{AggregateState, Covered, FoldFailure, ReadError, Reader};
use crate::event::Event;
use crate::fold::{Applied, Fold, FoldState, contain};
use crate::hlc::Hlc;
use crate::id::Dot;
use crate::keys::{self, Place};
use crate::maintenance::built;
use crate::snapshot::{Ladder, REASON_BYTES_MAX, Rung, Snapshot, ladder_prefix};
use crate::store::{Scan, StoreError, Table};
use crate::view::View;

/// Events whose places are looked up at once.
const PLACES_PAGE: usize = 512;

/// Refused events that a read lists; the rest is only counted.
const REFUSED_LISTED_MAX: usize = 100;

/// What is folded, how, and as of when.
pub(super) struct Subject<'s> {
    pub view: &'s View<'s>,
    pub root: u32,
    pub id: &'s str,
    pub axes: Axes,
    pub fold: &'s Arc<dyn Fold>,
}

impl Reader {
    /// Folds an aggregate. `None` if the axes admit none of its events.
    pub(super) fn fold_aggregate(
        &self,
        subject: &Subject<'_>,
    ) -> Result<Option<AggregateState>, ReadError> {
        let aggregate = keys::index_aggregate(subject.root, subject.id);
        let fold = subject.fold;
        let prefix = ladder_prefix(&aggregate, fold.name(), fold.version());
        let mut folding = match best_rung(subject, &aggregate, &prefix)? {
            Some((rung, snapshot)) => Folding::resume(&**fold, rung, snapshot),
            None => Folding::start(&**fold),
        };
        let mut ladder = self.ladder(subject, &aggregate, prefix, &folding)?;
        self.fold_on(subject, &aggregate, &mut folding, &mut ladder)?;
        if let Some(ladder) = ladder {
            self.shared.candidates.push(ladder);
        }
        folding.finish(subject.axes.position_max())
    }

    /// The etag of an aggregate, from the best snapshot of `fold` on.
    pub(super) fn hash_aggregate(
        &self,
        view: &View<'_>,
        root: u32,
        id: &str,
        fold: Option<&Arc<dyn Fold>>,
    ) -> Result<Option<String>, StoreError> {
        let aggregate = keys::index_aggregate(root, id);
        let axes = Axes::everything(view);
        let (mut place, mut digest) = (None, [0; 32]);
        if let Some(fold) = fold {
            let prefix = ladder_prefix(&aggregate, fold.name(), fold.version());
            let subject = Subject { view, root, id, axes, fold };
            if let Some((rung, snapshot)) = best_rung(&subject, &aggregate, &prefix)? {
                (place, digest) = (Some(rung.place), snapshot.digest);
            }
        }
        loop {
            let page = places(view, &aggregate, &axes, place, PLACES_PAGE)?;
            for &(at, position) in &page {
                digest =
                    view.entry(position, |entry| next_digest(&digest, entry.chain.as_bytes()))?;
                place = Some(at);
            }
            if page.len() < PLACES_PAGE {
                return Ok(place.map(|_| etag(&digest)));
            }
        }
    }

    /// Where the read leaves snapshots; nowhere if what it folds is not all there is up to a
    /// place.
    fn ladder(
        &self,
        subject: &Subject<'_>,
        aggregate: &[u8],
        prefix: Vec<u8>,
        folding: &Folding<'_>,
    ) -> Result<Option<Ladder>, StoreError> {
        if !subject.axes.is_whole_prefix(subject.view) {
            return Ok(None);
        }
        let built = (built(subject.view.snapshot())?, subject.view.rewrites());
        let policy = subject.fold.snapshots();
        let count = folding.come_to.event_count;
        Ok(Some(Ladder::new(prefix, aggregate.to_vec(), built, policy, count)))
    }

    fn fold_on(
        &self,
        subject: &Subject<'_>,
        aggregate: &[u8],
        folding: &mut Folding<'_>,
        ladder: &mut Option<Ladder>,
    ) -> Result<(), ReadError> {
        let Subject { view, axes, .. } = subject;
        loop {
            let page = places(view, aggregate, axes, folding.place, PLACES_PAGE)?;
            if !page.is_empty() && !folding.is_ready() {
                // The fold cannot read its own snapshot: folding all events is as good.
                *folding = Folding::start(folding.fold);
                *ladder = ladder.take().map(Ladder::restarted);
                continue;
            }
            let is_last_page = page.len() < PLACES_PAGE;
            for (index, &(place, position)) in page.iter().enumerate() {
                self.fold_event(subject, folding, place, position)?;
                let is_last = is_last_page && index + 1 == page.len();
                if let Some(ladder) = ladder
                    && ladder.is_due(folding.come_to.event_count, is_last)
                {
                    let (rung, snapshot) = folding.snapshot(place, view.head())?;
                    ladder.push(rung, snapshot);
                }
            }
            if is_last_page {
                return Ok(());
            }
        }
    }

    fn fold_event(
        &self,
        subject: &Subject<'_>,
        folding: &mut Folding<'_>,
        place: Place,
        position: u64,
    ) -> Result<(), ReadError> {
        let Subject { view, root, id, axes, .. } = subject;
        self.event_at(view, position, |found_root, event, chain| {
            if found_root != *root || event.record.aggregate_id != *id {
                let detail = format!("the fold index leads to another event at {position}");
                return Err(ReadError::Store(StoreError::corrupt(detail)));
            }
            let twin = is_later_twin(view, *root, &place, axes, event)?;
            folding.take(place, event, chain, twin)?;
            Ok(())
        })?
    }
}

/// The last snapshot that is exact for what the subject's axes admit.
fn best_rung(
    subject: &Subject<'_>,
    aggregate: &[u8],
    prefix: &[u8],
) -> Result<Option<(Rung, Snapshot)>, StoreError> {
    let axes = &subject.axes;
    let end = axes.end(prefix);
    let aggregate_end = axes.end(aggregate);
    let unflushed = subject.view.unflushed(aggregate, &aggregate_end);
    let unseen = |rung: &Rung| {
        unflushed.iter().any(|&(place, position)| {
            place <= rung.place && position > rung.position && position <= axes.position_max()
        })
    };
    let mut found = None;
    let scan = Scan::range(Table::Snapshots, prefix, &end).backward();
    subject.view.snapshot().scan(scan, &mut |key, value| {
        let rung =
            Rung::of_key(key).filter(|rung| rung.position <= axes.position_max() && !unseen(rung));
        // A damaged snapshot is passed over: folding more events gives the same answer.
        let snapshot = rung.and_then(|_| Snapshot::decode(value).ok());
        let exact = snapshot.filter(|snapshot| axes.admit_recorded(snapshot.recorded_max));
        found = rung.zip(exact);
        if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
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

/// The digest of a fold's events, with one more.
fn next_digest(digest: &[u8; 32], chain: &[u8; 32]) -> [u8; 32] {
    let mut input = [0; 64];
    input[..32].copy_from_slice(digest);
    input[32..].copy_from_slice(chain);
    *blake3::hash(&input).as_bytes()
}

fn etag(digest: &[u8; 32]) -> String {
    digest[..16].iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A fold that is under way.
struct Folding<'f> {
    fold: &'f dyn Fold,
    /// `None` while nothing was folded behind the snapshot that it started from.
    state: Option<Box<dyn FoldState>>,
    /// The place of the last event.
    place: Option<Place>,
    /// All but the state, which is that of the snapshot it started from.
    come_to: Snapshot,
    folded_count: u64,
    last: Option<Dot>,
}

impl<'f> Folding<'f> {
    fn start(fold: &'f dyn Fold) -> Self {
        let come_to = Snapshot {
            recorded_max: Hlc::ZERO,
            digest: [0; 32],
            event_count: 0,
            refused_count: 0,
            refused: Vec::new(),
            state: Vec::new(),
        };
        let state = Some(fold.start());
        Self { fold, state, place: None, come_to, folded_count: 0, last: None }
    }

    /// Goes on from a snapshot, whose state is read once there is something to fold into it.
    fn resume(fold: &'f dyn Fold, rung: Rung, snapshot: Snapshot) -> Self {
        let place = Some(rung.place);
        Self { fold, state: None, place, come_to: snapshot, folded_count: 0, last: None }
    }

    /// Reads the state of the snapshot that the fold goes on from, if it was not read yet. Says
    /// whether that is possible.
    fn is_ready(&mut self) -> bool {
        if self.state.is_none() {
            let resumed = contain(|| self.fold.resume(&self.come_to.state));
            self.state = resumed.ok().and_then(Result::ok);
        }
        self.state.is_some()
    }

    fn take(
        &mut self,
        place: Place,
        event: &Event<'_>,
        chain: &[u8; 32],
        is_twin: bool,
    ) -> Result<(), FoldFailure> {
        self.come_to.digest = next_digest(&self.come_to.digest, chain);
        self.come_to.event_count += 1;
        self.come_to.recorded_max = self.come_to.recorded_max.max(event.recorded);
        self.place = Some(place);
        self.last = Some(event.dot);
        self.folded_count += 1;
        if is_twin {
            return Ok(());
        }
        let failure = |reason: String| FoldFailure { dot: event.dot, reason };
        let state = self.state.as_mut().expect("the fold is ready");
        let applied =
            contain(|| state.apply(event)).map_err(failure)?.map_err(|error| failure(error.0))?;
        if let Applied::Refused(refusal) = applied {
            self.come_to.refused_count += 1;
            if self.come_to.refused.len() < REFUSED_LISTED_MAX {
                let mut reason = refusal.0;
                reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
                self.come_to.refused.push((event.dot, reason));
            }
        }
        Ok(())
    }

    fn state_json(&self) -> Result<Vec<u8>, FoldFailure> {
        let Some(state) = &self.state else { return Ok(self.come_to.state.clone()) };
        let dot =
            self.last.unwrap_or(Dot { origin: crate::id::ReplicaId::from_bytes([0; 16]), seq: 0 });
        let failure = |reason: String| FoldFailure { dot, reason };
        contain(|| state.to_json()).map_err(failure)?.map_err(|error| failure(error.0))
    }

    fn snapshot(&self, place: Place, position: u64) -> Result<(Rung, Snapshot), FoldFailure> {
        let state = self.state_json()?;
        let event_count = self.come_to.event_count;
        let rung = Rung { place, event_count, position };
        Ok((rung, Snapshot { state, ..self.come_to.clone() }))
    }

    fn finish(self, position: u64) -> Result<Option<AggregateState>, ReadError> {
        let Some(place) = self.place else { return Ok(None) };
        let state = self.state_json()?;
        let come_to = self.come_to;
        Ok(Some(AggregateState {
            state,
            etag: etag(&come_to.digest),
            event_count: come_to.event_count,
            refused_count: come_to.refused_count,
            refused: come_to.refused,
            folded_count: self.folded_count,
            covered: Covered {
                occurred_last: place.occurred(),
                recorded_last: come_to.recorded_max.to_unix_nanos(),
                position,
            },
        }))
    }
}
