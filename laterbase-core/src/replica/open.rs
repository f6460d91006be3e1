//! Opening a store as a replica, and closing it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::staged::{LastRun, put_renewal};
use super::{OpenError, Random, Replica, ReplicaOptions};
use crate::chain::ChainHash;
use crate::codec;
use crate::entry::Entry;
use crate::fold::Folds;
use crate::fork::{ForkState, Forks, branch_id, read_branches};
use crate::front::Front;
use crate::hlc::{Clock, Hlc};
use crate::id::{ReplicaId, RootName};
use crate::keys;
use crate::maintenance::{self, Maintenance};
use crate::renewal::{Renewal, RenewalReason};
use crate::shared::{Counters, Head, Names, Shared, State};
use crate::store::{Area, Batch, Direction, Durability, Scan, Snapshot, Store, StoreError, Table};
use crate::turns::Turns;
use crate::view::{damaged, find_run};

/// The store format that this version writes.
const FORMAT: u64 = 4;

pub(super) fn open(
    store: Arc<dyn Store>,
    folds: Arc<Folds>,
    options: ReplicaOptions,
    mut random: Random,
) -> Result<Replica, OpenError> {
    let lease = Arc::new(store.writer().lend()?);
    check_format(&*store)?;
    renew_if_damaged(&*store)?;
    let (identity, unwritten) = settle_identity(&*store, &options, &mut random)?;
    let (state, clock, last_run) = load(&*store, identity)?;
    let clock = Clock::new(clock, options.drift_nanos_max);
    let renewals_before = state.renewal_count() - u64::from(identity.is_renewed);
    let front_events_max = options.front_events_flush.saturating_mul(super::FLUSHES_BEHIND_MAX);
    let mut shared = Shared::new(store, folds, state, options.hot_bytes_max, front_events_max);
    shared.renewals_before = renewals_before;
    let shared = Arc::new(shared);
    match maintenance::catch_up(&shared, options.front_events_flush) {
        // What is derived keeps no store from being opened: it is built from the log.
        Err(StoreError::Corrupt { .. }) if shared.needs_building() => shared.heal()?,
        caught_up => caught_up?,
    }
    Ok(Replica {
        maintenance: Maintenance::new(Arc::clone(&shared), options.front_events_flush, lease),
        shared,
        options,
        random,
        clock,
        last_run,
        staged: None,
        unwritten,
    })
}

pub(crate) fn check_format(store: &dyn Store) -> Result<(), OpenError> {
    let snapshot = store.snapshot()?;
    match snapshot.get(Table::Meta, keys::FORMAT)? {
        Some(bytes) => match keys::read_u64(&bytes) {
            Some(FORMAT) => Ok(()),
            Some(found) => Err(OpenError::OtherFormat { found, read: FORMAT }),
            None => Err(StoreError::corrupt("the store's format is no number").into()),
        },
        None => Ok(()),
    }
}

/// Begins the derived tables anew if not even what they say of themselves can be read.
fn renew_if_damaged(store: &dyn Store) -> Result<(), StoreError> {
    let read = || {
        let snapshot = store.snapshot()?;
        snapshot.get(Table::Progress, keys::BUILT)?;
        snapshot.get(Table::Progress, keys::REWRITES).map(drop)
    };
    match read() {
        Err(StoreError::Corrupt { detail }) => store.renew_derived(&detail),
        read => read,
    }
}

/// Who a store is.
#[derive(Clone, Copy)]
pub(super) struct Identity {
    pub replica: ReplicaId,
    pub epoch: u64,
    /// Whether another id was given up for it just now.
    pub is_renewed: bool,
}

/// Reads who the store is, or decides who it is from now on, and marks it as open. Where the disk is
/// full, a store that is somebody already can be read: gives what is to be written before anything
/// else is.
fn settle_identity(
    store: &dyn Store,
    options: &ReplicaOptions,
    random: &mut Random,
) -> Result<(Identity, Option<Batch>), StoreError> {
    let home = store.home()?;
    let (held, doubt) = {
        let snapshot = store.snapshot()?;
        let held = read_identity(&*snapshot)?;
        check_present(&*snapshot, held)?;
        (held, doubt(&*snapshot, options, &home)?)
    };
    let mut batch = Batch::new(Area::Truth);
    let identity = match (held, doubt) {
        (Some(identity), None) => identity,
        (held, doubt) => {
            let [a, b, c, d, e, f, g, h, ..] = random();
            let epoch = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            let replica = ReplicaId::from_bytes(random());
            let old = held.zip(doubt).filter(|(old, _)| old.replica != replica);
            if let Some((old, reason)) = old {
                give_up(&*store.snapshot()?, &mut batch, old.replica, replica, reason)?;
            }
            Identity { replica, epoch, is_renewed: old.is_some() }
        }
    };
    batch.put(Table::Meta, keys::FORMAT, &FORMAT.to_be_bytes());
    batch.put(Table::Meta, keys::REPLICA, identity.replica.as_bytes());
    batch.put(Table::Meta, keys::EPOCH, &identity.epoch.to_be_bytes());
    batch.put(Table::Meta, keys::HOME, &home);
    let relaxed = store.durability() == Durability::Relaxed;
    batch.put(Table::Meta, keys::OPEN, &[u8::from(relaxed)]);
    match store.commit(&batch).and_then(|()| store.sync()) {
        Err(StoreError::Full { .. }) if held.is_some() => Ok((identity, Some(batch))),
        written => written.map(|()| (identity, None)),
    }
}

/// Stages that the store gives up an id for another one.
fn give_up(
    snapshot: &dyn Snapshot,
    batch: &mut Batch,
    old: ReplicaId,
    new: ReplicaId,
    reason: RenewalReason,
) -> Result<(), StoreError> {
    let former_count = read_former(snapshot)?.len();
    let number = u32::try_from(former_count).expect("few former ids");
    batch.put(Table::Meta, &keys::numbered(keys::FORMER, &[number]), old.as_bytes());
    let names = read_names(snapshot)?;
    let heads = read_heads(snapshot)?;
    let origin = names.origin(old);
    let ends = names
        .roots()
        .filter_map(|(root, name)| Some((name.clone(), heads.get(&(root, origin?))?.seq + 1)));
    let number = read_renewals(snapshot)?.last().map_or(0, |last| last.number + 1);
    let renewal = Renewal { number, old, new, from: ends.collect(), reason }.bounded();
    put_renewal(batch, &renewal);
    Ok(())
}

pub(super) fn read_identity(snapshot: &dyn Snapshot) -> Result<Option<Identity>, StoreError> {
    let replica = snapshot.get(Table::Meta, keys::REPLICA)?;
    let epoch = snapshot.get(Table::Meta, keys::EPOCH)?;
    let (Some(replica), Some(epoch)) = (replica, epoch) else { return Ok(None) };
    let replica: Option<[u8; 16]> = replica.as_ref().try_into().ok();
    match (replica, keys::read_u64(&epoch)) {
        (Some(replica), Some(epoch)) => {
            Ok(Some(Identity { replica: ReplicaId::from_bytes(replica), epoch, is_renewed: false }))
        }
        _ => Err(StoreError::corrupt("the store's identity has the wrong length")),
    }
}

/// The identity is on disk before anything is derived, in any durability: without one, the truth
/// was lost as a whole.
fn check_present(snapshot: &dyn Snapshot, held: Option<Identity>) -> Result<(), StoreError> {
    if held.is_none() && snapshot.get(Table::Progress, keys::BUILT)?.is_some() {
        return Err(StoreError::corrupt("the truth is empty, and the derived tables are not"));
    }
    Ok(())
}

/// Why dots may have been given out that this store does not know of: it was copied or restored, or
/// its newest commits may have been lost. Nothing if there is no doubt.
fn doubt(
    snapshot: &dyn Snapshot,
    options: &ReplicaOptions,
    home: &[u8; 32],
) -> Result<Option<RenewalReason>, StoreError> {
    let elsewhere = snapshot
        .get(Table::Meta, keys::HOME)?
        .is_some_and(|before| before.as_ref() != home.as_slice());
    let unclean = snapshot.get(Table::Meta, keys::OPEN)?.is_some_and(|mark| mark.as_ref() == [1]);
    Ok(if options.new_identity {
        Some(RenewalReason::Requested)
    } else if elsewhere {
        Some(RenewalReason::Elsewhere)
    } else if unclean {
        Some(RenewalReason::UncleanStop)
    } else {
        has_lost_its_end(snapshot)?.then_some(RenewalReason::LostEnd)
    })
}

/// Whether the derived tables know of events that the log has lost. No crash does that to a
/// durable store, but a disk that lies, or damage where an engine looks for its end.
fn has_lost_its_end(snapshot: &dyn Snapshot) -> Result<bool, StoreError> {
    let of = snapshot.get(Table::Progress, keys::REWRITES)?;
    let of = of.and_then(|bytes| keys::read_u64(&bytes)).unwrap_or(0);
    let built = maintenance::built(snapshot)?;
    Ok(built > read_head(snapshot)? && of == read_number(snapshot, keys::REWRITES)?)
}

/// The last position of the log; 0 for none.
pub(super) fn read_head(snapshot: &dyn Snapshot) -> Result<u64, StoreError> {
    let mut head = 0;
    snapshot.scan(Scan::all(Table::Log).backward().limit(1), &mut |key, _| {
        head = keys::read_u64(key).unwrap_or(0);
        ControlFlow::Break(())
    })?;
    Ok(head)
}

/// Marks a clean stop. Where every commit was durable, the mark means nothing, and a disk that has
/// no room for it is no failure.
pub(super) fn mark_closed(shared: &Shared) -> Result<(), StoreError> {
    match mark(shared) {
        Err(StoreError::Full { .. }) if shared.store.durability() == Durability::Durable => Ok(()),
        marked => marked,
    }
}

fn mark(shared: &Shared) -> Result<(), StoreError> {
    shared.store.sync()?;
    let mut batch = Batch::new(Area::Truth);
    batch.delete(Table::Meta, keys::OPEN);
    shared.store.commit(&batch)?;
    shared.store.sync()
}

/// Reads the committed state, the clock and the run that the log ends with.
pub(super) fn load(
    store: &dyn Store,
    identity: Identity,
) -> Result<(State, Hlc, Option<LastRun>), StoreError> {
    let snapshot = store.snapshot()?;
    let snapshot = &*snapshot;
    let mut state = State {
        replica: identity.replica,
        former: read_former(snapshot)?,
        renewals: read_renewals(snapshot)?,
        epoch: identity.epoch,
        head: 0,
        history: 0,
        arrived: i64::MIN,
        turns: Turns::read(snapshot)?,
        clock: Hlc::ZERO,
        names: read_names(snapshot)?,
        heads: read_heads(snapshot)?,
        by_id: BTreeMap::new(),
        front: Front::default(),
        counters: read_counters(snapshot)?,
        unreadable: read_unreadable(snapshot)?,
        forks: Forks::new(),
        generation: read_number(snapshot, keys::GENERATION)?,
        rewrites: read_number(snapshot, keys::REWRITES)?,
        unbuilt: None,
    };
    let by_id = state
        .heads
        .keys()
        .filter_map(|&(root, origin)| Some(((root, state.names.origin_id(origin)?), origin)));
    state.by_id = by_id.collect();
    read_forks(snapshot, &mut state)?;
    let clock = snapshot.get(Table::Meta, keys::CLOCK)?;
    let clock = clock.and_then(|bytes| keys::read_u64(&bytes)).map_or(Hlc::ZERO, Hlc::from_bits);
    let own = state.names.origin(identity.replica);
    let newest = state.heads.iter().filter(|((_, origin), _)| Some(*origin) == own);
    let clock = newest.map(|(_, head)| head.recorded).fold(clock, Hlc::max);
    state.clock = clock;
    let last_run = read_end(snapshot, &mut state)?;
    Ok((state, clock, last_run))
}

/// Reads the log's last entry into the state, and finds its run.
fn read_end(snapshot: &dyn Snapshot, state: &mut State) -> Result<Option<LastRun>, StoreError> {
    let mut last = None;
    let scan = Scan { direction: Direction::Backward, limit: 1, ..Scan::all(Table::Log) };
    snapshot.scan(scan, &mut |key, value| {
        last = Some((keys::read_u64(key), value.to_vec()));
        ControlFlow::Break(())
    })?;
    let Some((position, bytes)) = last else { return Ok(None) };
    let position = position.ok_or_else(|| StoreError::corrupt("a log key is no position"))?;
    let entry = Entry::decode(&bytes).map_err(|error| damaged(position, error))?;
    (state.head, state.history, state.arrived) = (position, entry.history, entry.arrived);
    run_up_to(snapshot, &entry).map(Some)
}

/// The run of an entry, up to and with the entry.
pub(super) fn run_up_to(snapshot: &dyn Snapshot, entry: &Entry<'_>) -> Result<LastRun, StoreError> {
    let run = find_run(snapshot, entry.root, entry.origin, entry.seq)?;
    let length = entry.seq - run.first_seq + 1;
    Ok(LastRun {
        root: entry.root,
        origin: entry.origin,
        first_seq: run.first_seq,
        position: run.position + 1 - length,
        length,
    })
}

/// Visits the meta values under a prefix, in order.
fn each_with_prefix(
    snapshot: &dyn Snapshot,
    prefix: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Option<()>,
) -> Result<(), StoreError> {
    let end = keys::after_prefix(prefix).expect("prefixes are text");
    let mut damaged = false;
    snapshot.scan(Scan::range(Table::Meta, prefix, &end), &mut |key, value| {
        damaged |= visit(&key[prefix.len()..], value).is_none();
        ControlFlow::Continue(())
    })?;
    if damaged {
        let prefix = String::from_utf8_lossy(prefix);
        return Err(StoreError::corrupt(format!("a value under {prefix} has the wrong form")));
    }
    Ok(())
}

pub(crate) fn read_names(snapshot: &dyn Snapshot) -> Result<Names, StoreError> {
    let mut names = Names::default();
    each_with_prefix(snapshot, keys::ROOT, |key, value| {
        let name = RootName::new(std::str::from_utf8(value).ok()?).ok()?;
        (keys::number_at(key, 0)? == names.next_root()).then(|| names.add_root(name))
    })?;
    each_with_prefix(snapshot, keys::ORIGIN, |key, value| {
        let id = ReplicaId::from_bytes(value.try_into().ok()?);
        (keys::number_at(key, 0)? == names.next_origin()).then(|| names.add_origin(id))
    })?;
    Ok(names)
}

pub(crate) fn read_heads(
    snapshot: &dyn Snapshot,
) -> Result<BTreeMap<(u32, u32), Head>, StoreError> {
    let mut heads = BTreeMap::new();
    each_with_prefix(snapshot, keys::HEAD, |key, value| {
        let mut input = value;
        let seq = u64::from_be_bytes(codec::take_array(&mut input).ok()?);
        let recorded = u64::from_be_bytes(codec::take_array(&mut input).ok()?);
        let chain = ChainHash::from_bytes(codec::take_array(&mut input).ok()?);
        let head = Head { seq, chain, recorded: Hlc::from_bits(recorded) };
        heads.insert((keys::number_at(key, 0)?, keys::number_at(key, 4)?), head);
        Some(())
    })?;
    Ok(heads)
}

/// Root number → how many of its events have data that cannot be read.
pub(crate) fn read_unreadable(snapshot: &dyn Snapshot) -> Result<BTreeMap<u32, u64>, StoreError> {
    let mut counts = BTreeMap::new();
    each_with_prefix(snapshot, keys::UNREADABLE, |key, value| {
        counts.insert(keys::number_at(key, 0)?, keys::read_u64(value)?);
        Some(())
    })?;
    Ok(counts)
}

fn read_former(snapshot: &dyn Snapshot) -> Result<Vec<ReplicaId>, StoreError> {
    let mut former = Vec::new();
    each_with_prefix(snapshot, keys::FORMER, |_, value| {
        former.push(ReplicaId::from_bytes(value.try_into().ok()?));
        Some(())
    })?;
    Ok(former)
}

fn read_renewals(snapshot: &dyn Snapshot) -> Result<Vec<Renewal>, StoreError> {
    let mut renewals = Vec::new();
    each_with_prefix(snapshot, keys::RENEWED, |key, value| {
        renewals.push(Renewal::decode(keys::read_u64(key)?, value).ok()?);
        Some(())
    })?;
    Ok(renewals)
}

/// A number among the meta values; 0 if it was never written.
pub(super) fn read_number(snapshot: &dyn Snapshot, key: &[u8]) -> Result<u64, StoreError> {
    let value = snapshot.get(Table::Meta, key)?;
    Ok(value.and_then(|bytes| keys::read_u64(&bytes)).unwrap_or(0))
}

/// Reads the marks of forks, and what is in quarantine, into the state.
fn read_forks(snapshot: &dyn Snapshot, state: &mut State) -> Result<(), StoreError> {
    let mut marks = Vec::new();
    each_with_prefix(snapshot, keys::FORK, |key, value| {
        let seq = keys::read_u64(value.get(..8)?)?;
        let is_located = *value.get(8)? == 1;
        marks.push((keys::number_at(key, 0)?, keys::number_at(key, 4)?, seq, is_located));
        Some(())
    })?;
    for (root, origin, seq, is_located) in marks {
        let names = state.names.root_name(root).zip(state.names.origin_id(origin));
        let Some((name, id)) = names else {
            return Err(StoreError::corrupt("the mark of a fork is of no root or origin"));
        };
        let mut ours = None;
        if is_located {
            let at = find_run(snapshot, root, origin, seq)?;
            let bytes = snapshot.get(Table::Log, &keys::position(at.position))?.unwrap_or_default();
            // A damaged entry keeps the fork from being resolved, and nothing else.
            ours = Entry::decode(&bytes).ok().map(|entry| branch_id(name, id, entry.chain));
        }
        let branches = read_branches(snapshot, (root, name), (origin, id))?;
        state.forks.insert((root, origin), ForkState { seq, ours, branches });
    }
    Ok(())
}

fn read_counters(snapshot: &dyn Snapshot) -> Result<Counters, StoreError> {
    let Some(bytes) = snapshot.get(Table::Meta, keys::COUNTERS)? else {
        return Ok(Counters::default());
    };
    let number = |range| bytes.get(range).and_then(keys::read_u64);
    match (number(0..8), number(8..16)) {
        (Some(clock_suspect), Some(future)) => {
            // Stores that never met a fork may lack the third.
            Ok(Counters { clock_suspect, future, forks: number(16..24).unwrap_or(0) })
        }
        _ => Err(StoreError::corrupt("the counters have the wrong length")),
    }
}
