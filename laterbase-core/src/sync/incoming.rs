//! A page of a peer's on its way into the store, with what is to be remembered with it.

use std::collections::BTreeSet;
use std::fmt;

use super::Place;
use super::acknowledged::{acknowledged_seq, entry};
use super::page::Page;
use super::peer_state::{PeerState, Phase};
use crate::delta::{Delta, Run};
use crate::fork::{Doubt, HeldBack};
use crate::id::ReplicaId;
use crate::reader::{Reader, Remembered};
use crate::replica::{MergedPage, Replica, WriteError};
use crate::store::StoreError;

/// A page of a peer's on its way into a store: it travels to the writer, and what came of it travels
/// back as [`Taken`].
pub struct Incoming {
    pub(super) page: Page,
    pub(super) reader: Reader,
    pub(super) peer: ReplicaId,
    /// Under which name the state is remembered.
    pub(super) name: String,
    /// As it was before the page.
    pub(super) state: PeerState,
    pub(super) after: After,
}

/// Where the session is behind a page.
#[derive(Clone, Debug)]
pub(super) enum After {
    /// Where it was before.
    Same,
    /// At another place of the peer's log.
    Cursor {
        to: String,
        /// Whether the log ends there.
        is_end: bool,
        /// Origins of which asking by name brings no more.
        beyond_asking: BTreeSet<Place>,
    },
}

/// What came of a page.
#[derive(Clone)]
pub struct Taken {
    /// What was taken of it, and what was not.
    pub merged: MergedPage,
    /// What is remembered with it.
    pub remembered: Vec<Remembered>,
    /// What is remembered of the peer with the page.
    pub(super) state: PeerState,
}

impl Incoming {
    /// What is on the page, of the roots that are taken.
    pub fn delta(&self) -> &Delta<'_> {
        self.page.delta()
    }

    /// Whose page it is.
    pub const fn peer(&self) -> ReplicaId {
        self.peer
    }

    /// How long the page is.
    pub fn size_bytes(&self) -> usize {
        self.page.size_bytes()
    }

    /// Stages the page, which has been checked, with what is to be remembered.
    ///
    /// `after_position` is the arrival position that the next event to be staged follows on, if
    /// nothing else is staged; `None` otherwise. It may be called again after
    /// [`WriteError::Uncommitted`].
    ///
    /// # Errors
    /// [`WriteError`]; what else is staged stays staged.
    pub fn stage(
        &self,
        replica: &mut Replica,
        now_nanos: i64,
        after_position: Option<u64>,
    ) -> Result<Taken, WriteError> {
        let delta = self.page.delta();
        // Whatever may fail comes first: behind it, the page's events are staged.
        let known = self.acknowledged(delta)?;
        let merged = replica.stage_merge_page(delta, now_nanos)?;
        let mut state = self.state.clone();
        state.merged(after_position, merged.merged.stored);
        if let After::Cursor { to, is_end, beyond_asking } = &self.after {
            state.advance(to, *is_end);
            if has_hole(&merged.held_back, beyond_asking) {
                state.phase = Phase::Learning { after: None };
            }
        }
        let mut remembered = self.news(delta, &known, &merged);
        remembered.push(state.entry(&self.name));
        for (key, value) in &remembered {
            replica.remember(key, value);
        }
        Ok(Taken { merged, remembered, state })
    }

    /// What the peer is known to hold of each run's origin.
    fn acknowledged(&self, delta: &Delta<'_>) -> Result<Vec<u64>, StoreError> {
        let seq =
            |run: &Run<'_>| acknowledged_seq(&self.reader, self.peer, (&run.root, run.origin));
        delta.runs.iter().map(seq).collect()
    }

    /// What the page proves that the peer holds, as far as that is news.
    fn news(&self, delta: &Delta<'_>, known: &[u64], merged: &MergedPage) -> Vec<Remembered> {
        let held_back = merged.held_back.iter();
        let held_back: BTreeSet<_> =
            held_back.map(|held| (&held.root, held.origin, held.seq)).collect();
        let runs = delta.runs.iter().zip(known);
        let news = runs.filter(|(run, known)| {
            let is_held_back = held_back.contains(&(&run.root, run.origin, run.first_seq));
            !is_held_back && **known < run.last_seq()
        });
        news.map(|(run, _)| entry(self.peer, (&run.root, run.origin), run.last_seq())).collect()
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("size_bytes", &self.size_bytes()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taken").field("merged", &self.merged).finish_non_exhaustive()
    }
}

/// Whether events before those of a run are missing, and not held back for a fork: asking for them
/// by name may bring them.
fn has_hole(held_back: &[HeldBack], beyond_asking: &BTreeSet<Place>) -> bool {
    let in_doubt = |held: &&HeldBack| matches!(held.reason, Doubt::Fork { .. });
    let place = |held: &HeldBack| (held.root.clone(), held.origin);
    let met: BTreeSet<Place> = held_back.iter().filter(in_doubt).map(place).collect();
    let mut holes = held_back.iter().filter(|held| matches!(held.reason, Doubt::Hole { .. }));
    holes.any(|hole| !beyond_asking.contains(&place(hole)) && !met.contains(&place(hole)))
}
