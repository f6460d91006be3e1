//! What a reader held of a feed, when it began, beyond the place that it has come to.

use super::look::{Look, Tip};
use crate::cursor::{FeedCursor, FeedPlace, HeldAhead};
use crate::id::ReplicaId;
use crate::shared::State;
use crate::store::StoreError;
use crate::version_vector::VersionVector;

/// Origins that are kept for one page. With more there is no cursor, whose text has no room for
/// as many by far.
const ORIGINS_MAX: usize = 1_000;

/// Origins that a cursor may name: each takes two bytes at least.
const NAMED_MAX: usize = FeedCursor::TEXT_BYTES_MAX / 4 * 3 / 2;

/// An origin of which a reader holds events that the rest of its cursor does not speak of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub origin_id: ReplicaId,
    /// The store's number of it, if it has one.
    pub number: Option<u32>,
    /// Up to which seq.
    pub seq: u64,
    /// The last of them that this store holds in the root.
    pub held_seq: u64,
}

/// Such origins, each with the place of its last event that the reader holds; `None` if that had
/// not arrived by the top of the pass, so that no place in the pass accounts for it.
#[derive(Debug)]
pub(super) struct Ahead {
    origins: Vec<(Held, Option<FeedPlace>)>,
}

impl Ahead {
    /// Of a vector, at the first event that is delivered to its holder, if there is any. `None`
    /// if there are too many.
    pub(super) fn of_vv(
        look: &Look<'_>,
        tips: &[Tip],
        vv: &VersionVector,
        first: Option<FeedPlace>,
    ) -> Result<Option<Self>, StoreError> {
        let mut origins = Vec::new();
        let mut known = 0;
        for tip in tips {
            let seq = vv.get(&tip.origin_id);
            known += usize::from(seq > 0);
            let is_behind = first.is_none_or(|first| tip.place() < first);
            if seq == 0 || (seq <= tip.seq && is_behind) {
                continue;
            }
            let place = if seq > tip.seq { None } else { look.stamp(tip, seq)? };
            let place = place.map(|recorded| (recorded, tip.origin_id));
            if place.zip(first).is_some_and(|(place, first)| place < first) {
                continue;
            }
            let (origin_id, number) = (tip.origin_id, Some(tip.origin));
            origins.push((Held { origin_id, number, seq, held_seq: tip.seq }, place));
            if origins.len() > ORIGINS_MAX {
                return Ok(None);
            }
        }
        if known < vv.len() && !Self::add_strangers(&mut origins, look, tips, vv) {
            return Ok(None);
        }
        Ok(Some(Self { origins }))
    }

    /// Adds the origins of which nothing is held in the root. Says no if there are too many.
    fn add_strangers(
        origins: &mut Vec<(Held, Option<FeedPlace>)>,
        look: &Look<'_>,
        tips: &[Tip],
        vv: &VersionVector,
    ) -> bool {
        let mut known: Vec<ReplicaId> = tips.iter().map(|tip| tip.origin_id).collect();
        known.sort_unstable();
        for (origin_id, seq) in vv.iter() {
            if known.binary_search(&origin_id).is_err() {
                let number = look.shared.state().names.origin(origin_id);
                origins.push((Held { origin_id, number, seq, held_seq: 0 }, None));
            }
            if origins.len() > ORIGINS_MAX {
                return false;
            }
        }
        true
    }

    /// Of a cursor, in the pass behind `base` up to `top`.
    pub(super) fn of_held(
        look: &Look<'_>,
        held: Vec<Held>,
        base: u64,
        top: u64,
    ) -> Result<Self, StoreError> {
        let mut origins = Vec::new();
        for held in held {
            let number = held.number.filter(|_| held.seq <= held.held_seq);
            let at = match number {
                Some(number) => look.run(number, held.seq)?,
                None => None,
            };
            match at.map(|at| at.position) {
                // All of it arrived before the pass, which is over what arrived since.
                Some(position) if position <= base => {}
                Some(position) if position <= top => {
                    let recorded = look.recorded_at(position, held.seq)?;
                    origins.push((held, recorded.map(|recorded| (recorded, held.origin_id))));
                }
                _ => origins.push((held, None)),
            }
        }
        Ok(Self { origins })
    }

    /// The origins that a cursor at a place has to name, or one at the end of the pass. `None` if
    /// there are too many.
    pub(super) fn behind(&self, place: Option<FeedPlace>) -> Option<HeldAhead> {
        let mut ahead = HeldAhead::default();
        let is_ahead = |at: Option<FeedPlace>| match (at, place) {
            (None, _) => true,
            (Some(at), Some(place)) => at > place,
            (Some(_), None) => false,
        };
        for (held, _) in self.origins.iter().filter(|(_, at)| is_ahead(*at)) {
            match held.number {
                Some(number) => ahead.numbered.push((number, held.seq)),
                None => ahead.named.push((held.origin_id, held.seq)),
            }
            if ahead.numbered.len() + ahead.named.len() > NAMED_MAX {
                return None;
            }
        }
        Some(ahead)
    }

    /// What the reader held of an origin, as far as it is named; 0 for nothing.
    pub(super) fn seq_of(&self, origin: u32) -> u64 {
        let named = self.origins.iter().find(|(held, _)| held.number == Some(origin));
        named.map_or(0, |(held, _)| held.seq)
    }
}

impl HeldAhead {
    /// What a cursor names, as this store knows it; `None` if it does not.
    pub(super) fn resolve(&self, state: &State, root: u32) -> Option<Vec<Held>> {
        let resolve = |origin_id: ReplicaId, number: Option<u32>, seq: u64| {
            let head = number.and_then(|number| state.heads.get(&(root, number)));
            Held { origin_id, number, seq, held_seq: head.map_or(0, |head| head.seq) }
        };
        let mut held = Vec::new();
        for &(number, seq) in &self.numbered {
            held.push(resolve(state.names.origin_id(number)?, Some(number), seq));
        }
        for &(origin_id, seq) in &self.named {
            held.push(resolve(origin_id, state.names.origin(origin_id), seq));
        }
        Some(held)
    }
}
