//! Where a page of a feed begins: the look that it takes, and the events that wait in it.
//!
//! # Why a cursor is exact
//!
//! A reader's version vector says for each origin which events it holds. A [`FeedCursor`] says the
//! same of however many origins in three numbers and a place, because of what always holds here:
//!
//! - The arrival log only grows, and an origin's events are in it in the order of their seqs
//!   (invariants 1, 3, 12). So "arrived up to `base`" is a prefix of each origin's seqs, and so is
//!   "arrived up to `top`". Both are the same for ever, whatever arrives later.
//! - Stamps rise along an origin's seqs (invariant 4), so "up to `place` in feed order" cuts a
//!   prefix off each origin's seqs too.
//! - So a pass is, per origin, the seqs behind those that arrived up to `base` and up to those that
//!   arrived up to `top`: a stretch that nothing changes. Its pages deliver it in feed order, and
//!   behind any of its events what was delivered is those at places up to it: the cursor says
//!   exactly that. Nothing is lost and nothing comes twice, wherever a reader is cut off.
//! - What arrives during a pass has an arrival position behind `top`, however early its place in
//!   feed order is: backdated, synced late, or moved to another id. It is not part of the pass. At
//!   its end, all that arrived up to `top` was delivered, so `base` becomes `top`, and the next
//!   pass is over what arrived behind it. Each event is in one pass, as it has one position.
//! - A reader that begins with a vector of its own may hold more than feed order accounts for: its
//!   own events, say. These origins are in the cursor one by one, with their seqs, for as long as
//!   the rest of it does not speak of them (`feed/ahead.rs`).
//!
//! A log that was written anew has another epoch, and one that was set back and went on differently
//! has another history at `top`: the cursor does not fit, and the reader falls back to its vector.
//!
//! As in the arrival log, events that cannot be read, as their log entry is damaged, are passed
//! over, and all that follows them of the same origin; `Reader::damaged` then names it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::ahead::{Ahead, Held};
use super::look::{Look, Tip};
use super::{FeedFrom, FollowedPage, Heap};
use crate::cursor::{FEED_START, FeedCursor, FeedPlace, HeldAhead};
use crate::hlc::Hlc;
use crate::id::{ReplicaId, RootName};
use crate::shared::{Shared, State};
use crate::store::{Snapshot, StoreError};
use crate::version_vector::VersionVector;

/// Log entries up to which a pass is found by looking through the log; a longer one is found
/// origin by origin. Tests take both ways.
const PASS_ENTRIES_MAX: u64 = if cfg!(test) { 6 } else { 10_000 };

/// An origin's events that a page may take, by the next of them. Their order is feed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Waiting {
    pub recorded: Hlc,
    pub origin_id: ReplicaId,
    pub origin: u32,
    pub next_seq: u64,
    pub last_seq: u64,
}

impl Waiting {
    const fn place(&self) -> FeedPlace {
        (self.recorded, self.origin_id)
    }
}

/// What a cursor of a page says, but for the place.
#[derive(Debug)]
pub(super) struct Marks {
    root: RootName,
    epoch: u64,
    base: u64,
    top: u64,
    history: u64,
    /// `None` if no cursor is asked for, or none can be had.
    ahead: Option<Ahead>,
}

impl Marks {
    /// The cursor behind a place, or behind all of the pass.
    pub(super) fn cursor(&self, place: Option<FeedPlace>) -> Option<FeedCursor> {
        let held = self.ahead.as_ref()?.behind(place)?;
        let Self { epoch, top, history, .. } = *self;
        let (base, place) = place.map_or((top, FEED_START), |place| (self.base, place));
        let root = self.root.clone();
        let cursor = FeedCursor { root, epoch, base, top, history, place, held };
        cursor.is_short().then_some(cursor)
    }
}

/// One consistent look at a root, and what waits in it to be delivered.
pub(super) struct Opening<'s> {
    shared: &'s Shared,
    pub snapshot: Box<dyn Snapshot + 's>,
    /// The root's.
    pub number: u32,
    pub heap: Heap,
    pub marks: Marks,
    /// What the caller says that it holds.
    pub vv: Option<VersionVector>,
    /// The last position that is part of the look.
    head: u64,
    /// The place behind which the page begins.
    place: FeedPlace,
}

/// What is taken from the state in one moment.
struct Moment {
    /// The root's; no event has the one that it gets if it has none.
    number: u32,
    head: u64,
    history: u64,
    epoch: u64,
    /// Of all origins in the root; none if they are not needed.
    tips: Vec<Tip>,
    /// What a cursor names one by one; `None` if it names an origin that there is not.
    held: Option<Vec<Held>>,
}

impl Moment {
    fn of(
        state: &State,
        root: &RootName,
        held: &HeldAhead,
        needs_tips: impl FnOnce(u64) -> bool,
    ) -> Self {
        let number = state.names.root(root).unwrap_or(u32::MAX);
        let mut tips = Vec::new();
        if needs_tips(state.head) {
            tips.extend(state.heads_of(number).filter_map(|(origin, head)| {
                let origin_id = state.names.origin_id(origin)?;
                Some(Tip { origin, origin_id, seq: head.seq, recorded: head.recorded })
            }));
        }
        let held = held.resolve(state, number);
        let State { head, history, epoch, .. } = *state;
        Self { number, head, history, epoch, tips, held }
    }
}

impl<'s> Opening<'s> {
    /// The look for a caller, if its cursor fits.
    pub(super) fn of(
        shared: &'s Shared,
        root: &RootName,
        from: FeedFrom<'_>,
    ) -> Result<Option<Self>, StoreError> {
        match from {
            FeedFrom::Holding(vv) => {
                let (mut opening, tips) = Self::begin(shared, root, vv)?;
                let first = opening.heap.peek().map(|next| next.0.place());
                opening.marks.ahead = Ahead::of_vv(&opening.look(), &tips, vv, first)?;
                Ok(Some(opening))
            }
            FeedFrom::After(cursor) if cursor.root == *root => Self::go_on(shared, cursor),
            FeedFrom::After(_of_another_root) => Ok(None),
        }
    }

    /// The look for a caller that holds `vv` and asks for no cursor.
    pub(super) fn holding(
        shared: &'s Shared,
        root: &RootName,
        vv: &VersionVector,
    ) -> Result<Self, StoreError> {
        Self::begin(shared, root, vv).map(|(opening, _)| opening)
    }

    fn begin(
        shared: &'s Shared,
        root: &RootName,
        vv: &VersionVector,
    ) -> Result<(Self, Vec<Tip>), StoreError> {
        let (moment, snapshot) = {
            let _steady = shared.steady();
            let nothing = HeldAhead::default();
            let moment = Moment::of(&shared.state(), root, &nothing, |_| true);
            (moment, shared.snapshot()?)
        };
        let mut opening = Self::new(shared, snapshot, root, &moment);
        let mut waiting = Vec::new();
        for tip in &moment.tips {
            let held = vv.get(&tip.origin_id);
            if held < tip.seq
                && let Some(recorded) = opening.look().stamp(tip, held + 1)?
            {
                waiting.push(Reverse(tip.waiting(recorded, held + 1, tip.seq)));
            }
        }
        opening.heap = waiting.into();
        opening.vv = Some(vv.clone());
        Ok((opening, moment.tips))
    }

    fn go_on(shared: &'s Shared, cursor: &FeedCursor) -> Result<Option<Self>, StoreError> {
        let suspended = shared.feeds.take(cursor);
        let is_long = |head: u64| {
            let is_cold = suspended.is_none() && cursor.top - cursor.base > PASS_ENTRIES_MAX;
            is_cold || head.saturating_sub(cursor.top) > PASS_ENTRIES_MAX
        };
        let (moment, snapshot) = {
            let _steady = shared.steady();
            let moment = Moment::of(&shared.state(), &cursor.root, &cursor.held, is_long);
            (moment, shared.snapshot()?)
        };
        let mut opening = Self::new(shared, snapshot, &cursor.root, &moment);
        let history = opening.look().history(cursor.top, (moment.head, moment.history))?;
        let Some(held) =
            moment.held.filter(|_| moment.epoch == cursor.epoch && history == Some(cursor.history))
        else {
            return Ok(None);
        };
        (opening.marks.base, opening.marks.top) = (cursor.base, cursor.top);
        (opening.marks.history, opening.place) = (cursor.history, cursor.place);
        opening.heap = match suspended {
            Some(heap) => heap,
            None => opening.pass(&moment.tips, &held)?,
        };
        if opening.heap.is_empty() && cursor.top < moment.head {
            // The pass is over, so all that arrived up to its top was delivered.
            (opening.marks.base, opening.marks.top) = (cursor.top, moment.head);
            (opening.marks.history, opening.place) = (moment.history, FEED_START);
            opening.heap = opening.pass(&moment.tips, &held)?;
        }
        let Marks { base, top, .. } = opening.marks;
        opening.marks.ahead = Some(Ahead::of_held(&opening.look(), held, base, top)?);
        Ok(Some(opening))
    }

    fn new(
        shared: &'s Shared,
        snapshot: Box<dyn Snapshot + 's>,
        root: &RootName,
        moment: &Moment,
    ) -> Self {
        let Moment { number, head, history, epoch, .. } = *moment;
        let marks = Marks { root: root.clone(), epoch, base: 0, top: head, history, ahead: None };
        let (heap, place) = (Heap::new(), FEED_START);
        Self { shared, snapshot, number, heap, marks, vv: None, head, place }
    }

    fn look(&self) -> Look<'_> {
        Look { shared: self.shared, snapshot: &*self.snapshot, root: self.number, head: self.head }
    }

    /// The events of the pass that are behind the place, but for those that the caller held.
    fn pass(&self, tips: &[Tip], held: &[Held]) -> Result<Heap, StoreError> {
        let Marks { base, top, .. } = self.marks;
        let held: BTreeMap<u32, u64> =
            held.iter().filter_map(|held| Some((held.number?, held.seq))).collect();
        let had = |origin: u32| held.get(&origin).copied().unwrap_or(0);
        if top - base <= PASS_ENTRIES_MAX {
            return self.look().short_pass((base, top), self.place, &had);
        }
        let look = self.look();
        let (at_base, at_top) = (look.held_at(base)?, look.held_at(top)?);
        let mut waiting = Vec::new();
        // The rest is behind what the caller has taken in.
        for tip in tips.iter().filter(|tip| tip.place() > self.place) {
            let (Some(from), Some(to)) = (at_base.of(&look, tip)?, at_top.of(&look, tip)?) else {
                continue;
            };
            let from = from.max(had(tip.origin));
            if from < to
                && let Some((recorded, next)) = look.first_behind(self.place, tip, from + 1, to)?
            {
                waiting.push(Reverse(tip.waiting(recorded, next, to)));
            }
        }
        Ok(waiting.into())
    }

    /// Says where a page ends: behind `place`, or where it began if it took nothing.
    pub(super) fn end(
        &mut self,
        place: Option<FeedPlace>,
        page: &mut FollowedPage,
    ) -> Result<(), StoreError> {
        if self.heap.is_empty() {
            page.more = self.has_next_pass()?;
            page.after = self.marks.cursor(None);
            return Ok(());
        }
        page.more = true;
        page.after = self.marks.cursor(Some(place.unwrap_or(self.place)));
        if let Some(after) = &page.after {
            self.shared.feeds.put(after, std::mem::take(&mut self.heap));
        }
        Ok(())
    }

    /// Whether something of the root arrived behind the pass that the caller did not hold.
    fn has_next_pass(&self) -> Result<bool, StoreError> {
        let top = self.marks.top;
        if self.head - top > PASS_ENTRIES_MAX {
            // Some of it, most likely. The next page tells.
            return Ok(true);
        }
        let mut found = false;
        self.look().each_entry(top, self.head, &mut |entry| {
            let held = self.marks.ahead.as_ref().map_or(0, |ahead| ahead.seq_of(entry.origin));
            found = entry.root == self.number && entry.seq > held;
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(found)
    }
}
