//! Marking forks, and keeping what is learned of their other branches.

use super::Replica;
use super::landing::{Link, chain_under};
use super::merge::committed_chain;
use crate::chain::RecordHash;
use crate::delta::Run;
use crate::fork::{self, Branch, ForkState, Quarantined, branch_id, each_quarantined};
use crate::limits::{QUARANTINE_BYTES_MAX, QUARANTINE_EVENTS_MAX};
use crate::store::StoreError;

/// What is known of a run's origin, staged changes included.
pub(super) fn fork_of(replica: &Replica, run: &Run<'_>) -> Option<ForkState> {
    let (root, origin) = numbers(replica, run)?;
    let staged = replica.staged.as_ref().and_then(|staged| staged.fork(root, origin));
    match staged {
        Some(staged) => staged.clone(),
        None => replica.shared.state().forks.get(&(root, origin)).cloned(),
    }
}

/// Stages the mark of a fork that a run shows, and those of the run's events that are known to
/// follow on from where the branches part.
///
/// `seq` is the first event known to differ; `is_located` says that the one before it is the
/// same.
pub(super) fn stage(
    replica: &mut Replica,
    run: &Run<'_>,
    seq: u64,
    is_located: bool,
) -> Result<(), StoreError> {
    let Some((root, origin)) = numbers(replica, run) else { return Ok(()) };
    let known = fork_of(replica, run);
    let mut fork = match &known {
        Some(fork) if fork.ours.is_some() || !is_located => fork.clone(),
        _ => {
            let ours = if is_located { committed_chain(replica, run, seq)? } else { None };
            let ours = ours.map(|chain| branch_id(&run.root, run.origin, chain));
            let branches = known.as_ref().map(|fork| fork.branches.clone()).unwrap_or_default();
            ForkState { seq, ours, branches }
        }
    };
    for event in followers(run, &fork, seq, is_located) {
        let is_full = fork.event_count() >= QUARANTINE_EVENTS_MAX
            || fork.size_bytes() + event.size_bytes() > QUARANTINE_BYTES_MAX;
        if is_full {
            // The rest is with the peer, and stays there until the fork is resolved.
            break;
        }
        replica.staged().quarantine(&event.key(root, origin), |out| event.encode(out));
        fork::extend(&mut fork.branches, &run.root, run.origin, &event);
    }
    if known.is_none() {
        replica.staged().counters().forks += 1;
    }
    if known.as_ref() != Some(&fork) {
        replica.staged().set_fork(root, origin, Some(fork));
    }
    Ok(())
}

/// The events of a run that belong to another branch: those from where the branches part, or
/// those behind what is in quarantine already.
fn followers<'r>(
    run: &'r Run<'_>,
    fork: &ForkState,
    seq: u64,
    is_located: bool,
) -> Vec<Quarantined<'r>> {
    let befores = std::iter::once(run.chain_before).chain(run.events.iter().map(|e| e.chain));
    let events: Vec<Quarantined<'_>> = (run.first_seq..)
        .zip(befores.zip(&run.events))
        .map(|(seq, (before, event))| Quarantined {
            seq,
            recorded: event.recorded,
            before,
            chain: event.chain,
            record: event.record,
        })
        .collect();
    let tip = |branch: &Branch| {
        events
            .iter()
            .position(|event| event.seq == branch.last_seq() + 1 && event.before == branch.tip)
    };
    // A branch is known by its first event.
    let is_known = |first: &Quarantined<'_>| {
        let id = branch_id(&run.root, run.origin, first.chain);
        fork.branches.iter().any(|branch| branch.id == id)
    };
    let first = events.iter().position(|event| is_located && event.seq == seq);
    let start = match (fork.branches.iter().filter_map(tip).max(), first) {
        (Some(next), _) => next,
        (None, Some(first)) if !is_known(&events[first]) => first,
        (None, _) => usize::MAX,
    };
    events.into_iter().skip(start).collect()
}

/// Takes a branch out of quarantine if the events of a run, under the id that the branch moves
/// to, hold all of it: somebody has moved it. The mark goes with the last branch.
pub(super) fn release(replica: &mut Replica, run: &Run<'_>) -> Result<(), StoreError> {
    let found = {
        let state = replica.shared.state();
        let Some(root) = state.names.root(&run.root).filter(|_| !state.forks.is_empty()) else {
            return Ok(());
        };
        let mut forks = state.forks.range((root, 0)..=(root, u32::MAX));
        forks.find_map(|(&(root, origin), fork)| {
            let committed = fork.branches.iter().find(|branch| branch.id == run.origin)?;
            // Another branch may have been released already by what is staged.
            let staged = replica.staged.as_ref().and_then(|staged| staged.fork(root, origin));
            let fork = staged.map_or(Some(fork), Option::as_ref)?;
            // One of which more is staged is not all there yet to be taken out.
            let branch = fork.branches.iter().find(|branch| *branch == committed)?;
            let is_held = run.last_seq() >= branch.event_count;
            is_held.then(|| (root, origin, branch.clone(), fork.clone()))
        })
    };
    let Some((root, origin, branch, mut fork)) = found else { return Ok(()) };
    let events = branch_events(replica, (root, origin), &branch)?;
    let links: Vec<Link> = events.iter().map(Kept::link).collect();
    let chain = match branch.event_count.checked_sub(run.first_seq) {
        Some(index) => {
            run.events.get(usize::try_from(index).unwrap_or(usize::MAX)).map(|e| e.chain)
        }
        None => committed_chain(replica, run, branch.event_count)?,
    };
    if chain != Some(chain_under(&run.root, branch.id, &links)) {
        // Another branch that begins in the same way.
        return Ok(());
    }
    forget(replica, (root, origin), &branch)?;
    fork.branches.retain(|other| other.id != branch.id);
    let rest = (!fork.branches.is_empty()).then_some(fork);
    if rest.is_none() {
        // What was held back is to be had again.
        replica.staged().next_generation();
    }
    replica.staged().set_fork(root, origin, rest);
    Ok(())
}

/// Stages the removal of a branch from quarantine.
pub(super) fn forget(
    replica: &mut Replica,
    (root, origin): (u32, u32),
    branch: &Branch,
) -> Result<(), StoreError> {
    for event in branch_events(replica, (root, origin), branch)? {
        replica.staged().release(&event.key(root, origin));
    }
    Ok(())
}

/// An event in quarantine, with a record of its own.
pub(super) struct Kept {
    pub seq: u64,
    head: Quarantined<'static>,
    pub record: Vec<u8>,
}

impl Kept {
    fn key(&self, root: u32, origin: u32) -> Vec<u8> {
        self.head.key(root, origin)
    }

    /// What the event adds to a chain.
    pub(super) fn link(&self) -> Link {
        (self.head.recorded, RecordHash::of(&self.record))
    }

    pub(super) fn event(&self) -> Quarantined<'_> {
        Quarantined { record: &self.record, ..self.head }
    }
}

/// The events of a branch in quarantine, in order.
pub(super) fn branch_events(
    replica: &Replica,
    (root, origin): (u32, u32),
    branch: &Branch,
) -> Result<Vec<Kept>, StoreError> {
    let snapshot = replica.shared.snapshot()?;
    let mut found: Vec<Kept> = Vec::new();
    each_quarantined(&*snapshot, root, origin, &mut |event| {
        let follows = match found.last() {
            Some(last) => event.seq == last.seq + 1 && event.before == last.head.chain,
            None => {
                event.seq == branch.first_seq
                    && event.before.next(event.recorded, RecordHash::of(event.record))
                        == event.chain
                    && branch_matches(replica, (root, origin), branch, event)
            }
        };
        if follows {
            let head = Quarantined { record: &[], ..*event };
            found.push(Kept { seq: event.seq, head, record: event.record.to_vec() });
        }
    })?;
    Ok(found)
}

fn branch_matches(
    replica: &Replica,
    (root, origin): (u32, u32),
    branch: &Branch,
    event: &Quarantined<'_>,
) -> bool {
    let state = replica.shared.state();
    let names = state.names.root_name(root).zip(state.names.origin_id(origin));
    names.is_some_and(|(root, origin)| branch_id(root, origin, event.chain) == branch.id)
}

fn numbers(replica: &Replica, run: &Run<'_>) -> Option<(u32, u32)> {
    // A fork needs events that are held, and therefore names.
    let state = replica.shared.state();
    state.names.root(&run.root).zip(state.names.origin(run.origin))
}
