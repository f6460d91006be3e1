//! Writing the end of the log anew, so that a branch moves to another id.
//!
//! Everything behind the branch's first event is written again in one commit: the branch's events
//! under their new id, all others as they were. Nothing is left out but what is there twice then.
//! The log gets a new epoch, as positions may have shifted, and the derived tables are built anew.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::landing::{Landing, Link};
use super::merge::from_there;
use super::quarantine::{branch_events, forget};
use super::resolve::take_in;
use super::staged::{Incoming, LastRun, Staged};
use super::{Replica, Resolved, WriteError, open};
use crate::chain::{ChainHash, RecordHash};
use crate::entry::Entry;
use crate::event::Record;
use crate::fork::{Branch, ForkState};
use crate::front::Front;
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId, RootName};
use crate::keys;
use crate::maintenance;
use crate::prepared::Indexed;
use crate::renewal::RenewalReason;
use crate::shared::{Head, State};
use crate::store::{Scan, Snapshot, StoreError, Table};
use crate::view::{damaged, find_run};

/// Moves the branch that is held here to the id that it derives, and takes another branch in from
/// quarantine: the one that is named by its id, if one is.
pub(super) fn move_tail(
    replica: &mut Replica,
    (root, origin): (&RootName, ReplicaId),
    place: (u32, u32),
    fork: &ForkState,
    named: Option<ReplicaId>,
    now_nanos: i64,
) -> Result<Resolved, WriteError> {
    let Some(into) = fork.ours else {
        return Err(WriteError::ForkNotLocated { root: root.clone(), origin, seq: fork.seq });
    };
    let taken = choose(&replica.shared.state(), place, fork, named)
        .map_err(|branch| WriteError::NoBranch { root: root.clone(), origin, branch })?;
    let shared = std::sync::Arc::clone(&replica.shared);
    let links = tail_links(&*shared.snapshot()?, place, fork.seq)?;
    let landing = Landing::of(&shared, (place.0, root), into, &links)?;
    // Nobody looks while the log and its tables do not fit together.
    let _nobody_looks = shared.close_for_rewriting();
    let flushing = shared.flushing();
    let snapshot = shared.snapshot()?;
    let mut rewriting = Rewriting::begin(replica, &*snapshot, place, fork.seq, landing)?;
    let moved = rewriting.write_again(&*snapshot, root)?;
    drop(snapshot);
    let Rewriting { staged, landing, .. } = rewriting;
    replica.staged = Some(staged);
    let rest = take_theirs(replica, (root, origin), place, (fork, taken), now_nanos)?;
    replica.staged().set_fork(place.0, place.1, rest);
    replica.staged().next_generation();
    give_up_id(replica, origin, &landing, (root, fork.seq));
    commit(replica)?;
    maintenance::rebuild(&shared, replica.options.front_events_flush, &flushing)
        .inspect_err(|_failure| shared.give_up())?;
    Ok(Resolved { moved, into: landing.ids().collect() })
}

/// The branch in quarantine that takes the place of the one held here; none if all of them part at
/// another event. Fails with the id that was named, if no branch has it.
///
/// Where events are held under the id that a branch moves to, somebody has moved it, and so has kept
/// another one. Without that, two replicas with three branches between them could each take, again
/// and again, the one that the other gives up.
fn choose<'f>(
    state: &State,
    place: (u32, u32),
    fork: &'f ForkState,
    named: Option<ReplicaId>,
) -> Result<Option<&'f Branch>, ReplicaId> {
    let here = fork.branches.iter().filter(|branch| branch.first_seq == fork.seq);
    if let Some(id) = named {
        let named = here.filter(|branch| branch.id == id);
        return named.max_by_key(|branch| branch.event_count).map(Some).ok_or(id);
    }
    let is_moved = |branch: &Branch| {
        let number = state.names.origin(branch.id);
        number.is_some_and(|number| state.heads.contains_key(&(place.0, number)))
    };
    Ok(here.max_by_key(|branch| (!is_moved(branch), branch.event_count)))
}

/// The events of the branch that is taken from quarantine go where those that moved were.
fn take_theirs(
    replica: &mut Replica,
    (root, origin): (&RootName, ReplicaId),
    place: (u32, u32),
    (fork, taken): (&ForkState, Option<&Branch>),
    now_nanos: i64,
) -> Result<Option<ForkState>, WriteError> {
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        fork.branches.iter().partition(|branch| branch.first_seq == fork.seq);
    // Those that part from ours at another event cannot take its place. Each moves to an id of its
    // own, as if ours had been kept.
    for branch in elsewhere {
        take_in(replica, root, place, branch, now_nanos)?;
        forget(replica, place, branch)?;
    }
    let Some(branch) = taken else { return Ok(None) };
    let events = branch_events(replica, place, branch)?;
    for kept in &events {
        let event = kept.event();
        let record = Record::decode(event.record)?;
        let incoming = Incoming {
            root: place.0,
            origin: place.1,
            dot: Dot { origin, seq: event.seq },
            recorded: event.recorded,
            chain: event.chain,
            bytes: event.record,
            indexed: Indexed::of(&record, RecordHash::of(event.record)),
        };
        replica.staged().push(incoming, now_nanos);
        let head = Head { seq: event.seq, chain: event.chain, recorded: event.recorded };
        replica.staged().set_head(place.0, place.1, head);
    }
    forget(replica, place, branch)?;
    let branches: Vec<_> =
        here.iter().filter(|other| other.id != branch.id).map(|other| (*other).clone()).collect();
    if branches.is_empty() {
        return Ok(None);
    }
    // A third branch: the fork goes on, and what was taken is ours now.
    let first = events.first().map(|kept| kept.event().chain);
    let ours = first.map(|chain| crate::fork::branch_id(root, origin, chain));
    Ok(Some(ForkState { seq: fork.seq, ours, branches }))
}

/// Whoever wrote under the id writes under it no more; what moved is still the store's own.
fn give_up_id(
    replica: &mut Replica,
    origin: ReplicaId,
    landing: &Landing,
    parted: (&RootName, u64),
) {
    let (is_own, is_present, former_count, ends) = {
        let state = replica.shared.state();
        let is_present = state.replica == origin;
        let is_own = is_present || state.former.contains(&origin);
        (is_own, is_present, state.former.len(), state.ends_of(origin))
    };
    if is_present {
        let fresh = ReplicaId::from_bytes((replica.random)());
        let (from, reason) = (from_there(ends, parted), RenewalReason::BranchMoved);
        replica.staged().renew(fresh, former_count, from, reason);
    }
    for into in landing.ids().filter(|_| is_own) {
        replica.staged().add_former(into, former_count);
    }
}

/// Commits what is staged on the shortened log, and loads the state that it leads to.
fn commit(replica: &mut Replica) -> Result<(), WriteError> {
    let [a, b, c, d, e, f, g, h, ..] = (replica.random)();
    let epoch = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let rewrites = replica.shared.state().rewrites + 1;
    let clock = replica.clock.last();
    let staged = replica.staged();
    staged.batch().put(Table::Meta, keys::EPOCH, &epoch.to_be_bytes());
    staged.batch().put(Table::Meta, keys::REWRITES, &rewrites.to_be_bytes());
    let identity = open::Identity { replica: staged.replica, epoch, is_renewed: false };
    let Some(staged) = replica.staged.take() else { return Ok(()) };
    let committed = staged.finish(clock);
    replica.write_identity()?;
    replica.shared.store.commit(&committed.batch)?;
    let store = &*replica.shared.store;
    let loaded = store.sync().and_then(|()| open::load(store, identity));
    let (state, _clock, last_run) = loaded.inspect_err(|_failure| replica.shared.give_up())?;
    replica.last_run = last_run;
    replica.shared.replace(state);
    Ok(())
}

/// A log whose end is being written again.
struct Rewriting {
    staged: Staged,
    /// What is held before the part that is written again.
    before: State,
    place: (u32, u32),
    /// The first seq that moves.
    seq: u64,
    /// The position of the event with that seq.
    first: u64,
    landing: Landing,
}

impl Rewriting {
    fn begin(
        replica: &Replica,
        snapshot: &dyn Snapshot,
        place: (u32, u32),
        seq: u64,
        landing: Landing,
    ) -> Result<Self, StoreError> {
        let first = find_run(snapshot, place.0, place.1, seq)?.position;
        let mut before = replica.shared.state().clone();
        (before.front, before.head, before.history) = (Front::default(), 0, 0);
        before.arrived = i64::MIN;
        let mut last_run = None;
        if let Some(last) = first.checked_sub(1).filter(|last| *last > 0) {
            last_run = Some(end_at(snapshot, &mut before, last)?);
        }
        let mut stale = BTreeSet::new();
        each_entry(snapshot, first, &mut |_, entry| {
            let key = (entry.root, entry.origin);
            if stale.insert(key) {
                set_head_before(snapshot, &mut before, entry)?;
            }
            Ok(())
        })?;
        let last = replica.shared.state().head;
        let mut staged = Staged::new(&before, last_run);
        for &(root, origin) in &stale {
            let from = before.heads.get(&(root, origin)).map_or(1, |head| head.seq + 1);
            delete_runs(snapshot, staged.batch(), (root, origin), from)?;
            if from == 1 {
                let key = keys::numbered(keys::HEAD, &[root, origin]);
                staged.batch().delete(Table::Meta, &key);
            }
        }
        let turns = before.turns.iter().map(|turn| turn.position);
        for position in turns.filter(|position| *position >= first) {
            staged.batch().delete(Table::Meta, &keys::turn(position));
        }
        for position in first..=last {
            staged.batch().delete(Table::Log, &keys::position(position));
        }
        Ok(Self { staged, before, place, seq, first, landing })
    }

    /// Writes every entry again. Gives how many moved.
    fn write_again(&mut self, snapshot: &dyn Snapshot, root: &RootName) -> Result<u64, StoreError> {
        let mut moved = 0;
        let first = self.first;
        each_entry(snapshot, first, &mut |position, entry| {
            let record = Record::decode(entry.record).map_err(|error| damaged(position, error))?;
            self.staged.uncount(entry.root, &record);
            let place = (entry.root, entry.origin);
            let moves = place == self.place && entry.seq >= self.seq;
            let (target, id, seq) = if moves {
                let (into, seq) = self.landing.place(moved);
                let known = self.before.names.origin(into);
                ((entry.root, self.staged.origin_number(known, into)), into, seq)
            } else {
                let id = self.before.names.origin_id(entry.origin);
                (place, id.ok_or_else(|| StoreError::corrupt("an origin has no id"))?, entry.seq)
            };
            let head = self.head(target, (root, id));
            moved += usize::from(moves);
            if seq <= head.seq {
                // A branch that had come in under its new id already: it is there once.
                return Ok(());
            }
            let hash = RecordHash::of(entry.record);
            let chain = if moves { head.chain.next(entry.recorded, hash) } else { entry.chain };
            let incoming = Incoming {
                root: target.0,
                origin: target.1,
                dot: Dot { origin: id, seq },
                recorded: entry.recorded,
                chain,
                bytes: entry.record,
                indexed: Indexed::of(&record, hash),
            };
            self.staged.push(incoming, entry.arrived);
            self.staged.set_head(target.0, target.1, Head { seq, chain, recorded: entry.recorded });
            Ok(())
        })?;
        // The origin's own head is the one before, whatever follows.
        match self.before.heads.get(&self.place).copied() {
            Some(head) => self.staged.set_head(self.place.0, self.place.1, head),
            None => self.staged.forget_head(self.place.0, self.place.1),
        }
        Ok(moved as u64)
    }

    fn head(&self, (root, origin): (u32, u32), (name, id): (&RootName, ReplicaId)) -> Head {
        self.staged
            .head(root, origin)
            .or_else(|| self.before.heads.get(&(root, origin)).copied())
            .unwrap_or_else(|| Head {
                seq: 0,
                // Only a branch that moves begins in the middle of nothing, and it is of `name`.
                chain: ChainHash::genesis(name, id),
                recorded: Hlc::ZERO,
            })
    }
}

/// What the events of an origin from a seq on add to its chain.
fn tail_links(
    snapshot: &dyn Snapshot,
    place: (u32, u32),
    seq: u64,
) -> Result<Vec<Link>, StoreError> {
    let mut links = Vec::new();
    let first = find_run(snapshot, place.0, place.1, seq)?.position;
    each_entry(snapshot, first, &mut |_, entry| {
        if (entry.root, entry.origin) == place {
            links.push((entry.recorded, RecordHash::of(entry.record)));
        }
        Ok(())
    })?;
    Ok(links)
}

/// Lets a state end at a position. Gives the part of its run that lies before.
fn end_at(
    snapshot: &dyn Snapshot,
    state: &mut State,
    position: u64,
) -> Result<LastRun, StoreError> {
    let missing = || StoreError::corrupt(format!("log position {position} is missing"));
    let bytes = snapshot.get(Table::Log, &keys::position(position))?.ok_or_else(missing)?;
    let entry = Entry::decode(&bytes).map_err(|error| damaged(position, error))?;
    (state.head, state.history, state.arrived) = (position, entry.history, entry.arrived);
    open::run_up_to(snapshot, &entry)
}

/// Sets the head of an entry's origin to the event before it.
fn set_head_before(
    snapshot: &dyn Snapshot,
    state: &mut State,
    entry: &Entry<'_>,
) -> Result<(), StoreError> {
    let place = (entry.root, entry.origin);
    if entry.seq == 1 {
        state.heads.remove(&place);
        return Ok(());
    }
    let at = find_run(snapshot, entry.root, entry.origin, entry.seq - 1)?.position;
    let bytes = snapshot.get(Table::Log, &keys::position(at))?;
    let bytes =
        bytes.ok_or_else(|| StoreError::corrupt(format!("log position {at} is missing")))?;
    let before = Entry::decode(&bytes).map_err(|error| damaged(at, error))?;
    let head = Head { seq: before.seq, chain: before.chain, recorded: before.recorded };
    state.heads.insert(place, head);
    Ok(())
}

/// Stages the removal of an origin's runs that begin at a seq or behind it.
fn delete_runs(
    snapshot: &dyn Snapshot,
    batch: &mut crate::store::Batch,
    (root, origin): (u32, u32),
    from: u64,
) -> Result<(), StoreError> {
    let (start, end) = (keys::run(root, origin, from), keys::run(root, origin, u64::MAX));
    snapshot.scan(Scan::range(Table::Runs, &start, &end), &mut |key, _| {
        batch.delete(Table::Runs, key);
        ControlFlow::Continue(())
    })
}

/// Visits the log's entries from a position on.
fn each_entry(
    snapshot: &dyn Snapshot,
    from: u64,
    visit: &mut dyn FnMut(u64, &Entry<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let start = keys::position(from);
    let mut failure = None;
    let scan = Scan { start: &start, ..Scan::all(Table::Log) };
    snapshot.scan(scan, &mut |key, value| {
        let position = keys::read_u64(key).unwrap_or(0);
        let visited = Entry::decode(value)
            .map_err(|error| damaged(position, error))
            .and_then(|entry| visit(position, &entry));
        match visited {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    failure.map_or(Ok(()), Err)
}
