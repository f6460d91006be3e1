//! How far a store and a peer are behind each other, without syncing.

use std::collections::BTreeMap;

use super::Place;
use super::compare::HeadsHeard;
use super::lacking::{Excluded, Lacking};
use super::message::{Heads, Question};
use super::peer_state::{PeerState, Phase};
use crate::heads::{HeadEntry, HeadsPage};
use crate::id::RootName;
use crate::limits::HEADS_ENTRIES_MAX;
use crate::reader::Reader;
use crate::selection::RootSelection;
use crate::store::StoreError;

/// Where a store stands with a peer as far as it remembers: nobody is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Events of the store that the peer has not said that it holds, in the roots of the last
    /// sync.
    pub server_lacks: u64,
    /// Whether the last sync fetched everything that the peer held by then. `false` where the
    /// two are still comparing what they hold, or are to compare it again.
    pub is_compared: bool,
}

/// How many events each side lacks of a root that the other side holds, by the origins' seqs.
/// Where an origin is forked, the two sides' events under one seq count as the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distance {
    /// Events that the peer holds and the store does not.
    pub here_lacks: u64,
    /// Events that the store holds and the peer does not.
    pub server_lacks: u64,
}

/// What a store remembers of a peer; `None` if it has never met it.
///
/// # Errors
/// [`StoreError`] if the store fails, or what it remembers makes no sense.
pub fn level(reader: &Reader, peer: &str) -> Result<Option<Level>, StoreError> {
    let Some(state) = PeerState::recall(reader, peer)? else { return Ok(None) };
    let Some((peer, selection)) = state.replica().zip(state.selection()) else { return Ok(None) };
    let fits = state.fits(reader, &selection);
    let is_level = fits && state.level == reader.head();
    let server_lacks = if is_level {
        0
    } else {
        Lacking::find(reader, peer, &selection, &Excluded::default(), None)?.event_count
    };
    Ok(Some(Level { server_lacks, is_compared: fits && state.phase == Phase::Settled }))
}

/// A comparison of what a peer holds with what a store holds, root by root. Roots in which neither
/// side lacks anything are listed too.
///
/// What the peer holds comes in pages, which are halved until the way there lets them through.
/// Nothing is stored on either side.
#[derive(Debug)]
pub struct Comparison {
    reader: Reader,
    roots: RootSelection,
    limit: usize,
    heard: HeadsHeard,
    /// The last head of the page before, and what to ask with for the next one.
    last: Option<(Place, String)>,
    distances: BTreeMap<RootName, Distance>,
}

impl Comparison {
    /// Begins one, of some roots.
    pub fn new(reader: Reader, roots: RootSelection) -> Self {
        Self {
            reader,
            roots,
            limit: HEADS_ENTRIES_MAX,
            heard: HeadsHeard::default(),
            last: None,
            distances: BTreeMap::new(),
        }
    }

    /// What to ask the peer.
    pub fn question(&self) -> Question {
        let after = self.last.as_ref().map(|(_, text)| text.clone());
        Question::Heads { roots: self.roots.clone(), after, limit: self.limit }
    }

    /// Takes in a page; whether it was the last one.
    ///
    /// # Errors
    /// What makes no sense about it.
    pub fn handle_answer(&mut self, heads: Heads) -> Result<bool, String> {
        let start = self.last.as_ref().map(|(place, _)| place);
        self.heard.take(start, &heads)?;
        compare(&self.reader, &self.roots, start, &heads.page, &mut self.distances);
        self.last = heads.page.next.zip(heads.next);
        Ok(self.last.is_none())
    }

    /// Makes pages smaller after one that did not get through; `false` where they are as small as
    /// they can be.
    pub const fn make_smaller(&mut self) -> bool {
        self.limit /= 2;
        self.limit > 0
    }

    /// How far the two are behind each other, as far as was compared.
    pub fn finish(self) -> BTreeMap<RootName, Distance> {
        self.distances
    }
}

/// Compares a page of what a peer holds with what is held here of the same places.
fn compare(
    reader: &Reader,
    selection: &RootSelection,
    start: Option<&Place>,
    page: &HeadsPage,
    distances: &mut BTreeMap<RootName, Distance>,
) {
    let ours = held_between(reader, selection, start, page.next.as_ref());
    let mut ours: BTreeMap<Place, u64> =
        ours.into_iter().map(|head| ((head.root, head.origin), head.seq)).collect();
    for theirs in &page.entries {
        let held = ours.remove(&(theirs.root.clone(), theirs.origin)).unwrap_or(0);
        let distance = distances.entry(theirs.root.clone()).or_default();
        distance.here_lacks += theirs.seq.saturating_sub(held);
        distance.server_lacks += held.saturating_sub(theirs.seq);
    }
    for ((root, _), held) in ours {
        distances.entry(root).or_default().server_lacks += held;
    }
}

/// What a store holds of the roots that are taken, behind one head and up to another.
pub(super) fn held_between(
    reader: &Reader,
    selection: &RootSelection,
    start: Option<&Place>,
    end: Option<&Place>,
) -> Vec<HeadEntry> {
    let mut held = Vec::new();
    let mut after = start.cloned();
    loop {
        let page = reader.heads_page(selection, after.as_ref(), HEADS_ENTRIES_MAX);
        let is_within =
            |head: &HeadEntry| end.is_none_or(|end| (&head.root, head.origin) <= (&end.0, end.1));
        let is_past = page.entries.last().is_some_and(|last| !is_within(last));
        held.extend(page.entries.into_iter().filter(is_within));
        after = page.next;
        if is_past || after.is_none() {
            return held;
        }
    }
}
