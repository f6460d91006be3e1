//! What is in doubt.

use super::Reader;
use crate::chain::ChainHash;
use crate::fork::{Fork, ForkState};
use crate::id::{ReplicaId, RootName};
use crate::shared::State;
use crate::store::StoreError;
use crate::view::View;

/// A fork, and what deciding it would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkDetail {
    /// Where it is.
    pub fork: Fork,
    /// The id that the branch held here would move to; `None` if it is not known where the
    /// branches part, so that it cannot.
    pub ours_into: Option<ReplicaId>,
    /// The branches in quarantine.
    pub branches: Vec<BranchDetail>,
}

/// A branch in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchDetail {
    /// The id that it would move to.
    pub into: ReplicaId,
    /// Its first event's seq.
    pub first_seq: u64,
    /// How many of its events are there.
    pub events: u64,
}

/// A page of forks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForksPage {
    /// In the order of root and origin.
    pub forks: Vec<ForkDetail>,
    /// Behind which one the next page starts; `None` if this is the last page.
    pub next: Option<(RootName, ReplicaId)>,
}

impl Reader {
    /// The forks behind `after` in the roots that the caller takes, at most `limit` of them.
    /// Reads memory only.
    pub fn forks_page(
        &self,
        takes: &dyn Fn(&RootName) -> bool,
        after: Option<&(RootName, ReplicaId)>,
        limit: usize,
    ) -> ForksPage {
        let state = self.shared.state();
        let named = state.forks.iter().filter_map(|(&(root, origin), fork)| {
            let place = (state.names.root_name(root)?, state.names.origin_id(origin)?);
            let is_behind = after.is_none_or(|(root, origin)| (root, *origin) < place);
            (is_behind && takes(place.0)).then_some((place, (root, origin), fork))
        });
        let mut named: Vec<_> = named.collect();
        named.sort_unstable_by_key(|(place, ..)| *place);
        let more = named.len() > limit;
        named.truncate(limit);
        let forks: Vec<ForkDetail> = named
            .iter()
            .filter_map(|(_, numbers, fork)| {
                let branches = fork.branches.iter().map(|branch| BranchDetail {
                    into: branch.id,
                    first_seq: branch.first_seq,
                    events: branch.event_count,
                });
                let branches = branches.collect();
                Some(ForkDetail {
                    fork: describe(&state, *numbers, fork)?,
                    ours_into: fork.ours,
                    branches,
                })
            })
            .collect();
        let last = forks.last().map(|last| (last.fork.root.clone(), last.fork.origin));
        ForksPage { forks, next: last.filter(|_| more) }
    }

    /// How many forks there are in the roots that the caller takes. Reads memory only.
    pub fn fork_count(&self, takes: &dyn Fn(&RootName) -> bool) -> usize {
        let state = self.shared.state();
        let is_taken = |root: u32| state.names.root_name(root).is_some_and(takes);
        state.forks.keys().filter(|(root, _)| is_taken(*root)).count()
    }

    /// The forks that are known and not resolved, in the order of their roots and origins as this
    /// store met them.
    pub fn forks(&self) -> Vec<Fork> {
        let state = self.shared.state();
        state.forks.iter().filter_map(|(place, fork)| describe(&state, *place, fork)).collect()
    }

    /// The fork of an origin in a root, if one is known.
    pub fn fork(&self, root: &RootName, origin: ReplicaId) -> Option<Fork> {
        let state = self.shared.state();
        let place = state.names.root(root).zip(state.names.origin(origin))?;
        describe(&state, place, state.forks.get(&place)?)
    }

    /// A number that changes when events which were held back are to be had again: a cursor into
    /// a peer's log that was remembered under another number has passed them by.
    pub fn generation(&self) -> u64 {
        self.shared.state().generation
    }

    /// The chain behind an event that is held; `None` if it is not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn chain_at(
        &self,
        root: &RootName,
        origin: ReplicaId,
        seq: u64,
    ) -> Result<Option<ChainHash>, StoreError> {
        let view = View::open(&self.shared)?;
        let (root, origin, held) = {
            let state = self.shared.state();
            let numbers = state.names.root(root).zip(state.names.origin(origin));
            let Some((root, origin)) = numbers else { return Ok(None) };
            (root, origin, state.heads.get(&(root, origin)).map_or(0, |head| head.seq))
        };
        if seq == 0 || seq > held {
            return Ok(None);
        }
        let at = view.run_of(root, origin, seq)?;
        Ok(Some(view.entry(at.position, |entry| entry.chain)?))
    }
}

fn describe(state: &State, (root, origin): (u32, u32), fork: &ForkState) -> Option<Fork> {
    let head = state.heads.get(&(root, origin)).map_or(0, |head| head.seq);
    Some(Fork {
        root: state.names.root_name(root)?.clone(),
        origin: state.names.origin_id(origin)?,
        seq: fork.seq,
        is_located: fork.ours.is_some(),
        ours: (head + 1).saturating_sub(fork.seq),
        theirs: fork.event_count(),
    })
}
