//! What a replica's writer shows its readers.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::chain::ChainHash;
use crate::fold::Folds;
use crate::fork::Forks;
use crate::front::Front;
use crate::healing::Healing;
use crate::hlc::Hlc;
use crate::hot::HotStates;
use crate::id::{ReplicaId, RootName};
use crate::limits::RENEWALS_MAX;
use crate::reader::{DamageFound, SuspendedFeeds};
use crate::renewal::Renewal;
use crate::snapshot::Unstored;
use crate::store::{Snapshot, Store, StoreError};
use crate::turns::Turns;
use crate::version_vector::VersionVector;

/// The end of one origin's events in a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub seq: u64,
    pub chain: ChainHash,
    pub recorded: Hlc,
}

impl Head {
    /// Appends the head's form in `meta`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.recorded.to_bits().to_be_bytes());
        out.extend_from_slice(self.chain.as_bytes());
    }
}

/// The numbers that a store gave to roots and origins. They never change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    roots: Vec<RootName>,
    root_numbers: BTreeMap<RootName, u32>,
    origins: Vec<ReplicaId>,
    origin_numbers: BTreeMap<ReplicaId, u32>,
}

impl Names {
    pub(crate) fn root(&self, name: &RootName) -> Option<u32> {
        self.root_numbers.get(name).copied()
    }

    pub(crate) fn root_name(&self, number: u32) -> Option<&RootName> {
        self.roots.get(number as usize)
    }

    pub(crate) fn origin(&self, id: ReplicaId) -> Option<u32> {
        self.origin_numbers.get(&id).copied()
    }

    pub(crate) fn origin_id(&self, number: u32) -> Option<ReplicaId> {
        self.origins.get(number as usize).copied()
    }

    pub(crate) fn roots(&self) -> impl Iterator<Item = (u32, &RootName)> {
        (0..).zip(&self.roots)
    }

    /// The roots from a name on, in the order of their names.
    pub(crate) fn roots_from(
        &self,
        start: Bound<&RootName>,
    ) -> impl Iterator<Item = (&RootName, u32)> {
        let range = (start, Bound::Unbounded);
        self.root_numbers.range::<RootName, _>(range).map(|(name, number)| (name, *number))
    }

    pub(crate) fn next_root(&self) -> u32 {
        u32::try_from(self.roots.len()).expect("fewer than 2^32 roots")
    }

    pub(crate) fn next_origin(&self) -> u32 {
        u32::try_from(self.origins.len()).expect("fewer than 2^32 origins")
    }

    /// Takes the name of the root with the next number.
    pub(crate) fn add_root(&mut self, name: RootName) {
        self.root_numbers.insert(name.clone(), self.next_root());
        self.roots.push(name);
    }

    /// Takes the id of the origin with the next number.
    pub(crate) fn add_origin(&mut self, id: ReplicaId) {
        self.origin_numbers.insert(id, self.next_origin());
        self.origins.push(id);
    }
}

/// Events that were kept although something about them is odd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Merged events whose stamp was too far ahead to move the local clock.
    pub clock_suspect: u64,
    /// Events that claim to have happened, or to have been recorded, too far in the future.
    pub future: u64,
    /// Forks that were found.
    pub forks: u64,
}

/// Everything that has been committed, as readers see it.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// Who writes here now.
    pub replica: ReplicaId,
    /// Earlier ids of this store.
    pub former: Vec<ReplicaId>,
    /// The last changes of its id.
    pub renewals: Vec<Renewal>,
    /// Names this arrival log.
    pub epoch: u64,
    /// The last arrival position; 0 for none.
    pub head: u64,
    /// Digest of the log up to `head`.
    pub history: u64,
    /// The arrival time of the last entry.
    pub arrived: i64,
    /// Where the wall clock was set back along the log.
    pub turns: Turns,
    /// The greatest stamp given or accepted.
    pub clock: Hlc,
    pub names: Names,
    /// (root number, origin number) → the origin's last event there.
    pub heads: BTreeMap<(u32, u32), Head>,
    /// (root number, origin) → origin number, of all that is in `heads`: pages of heads are in the
    /// order of the ids, and begin anywhere.
    pub by_id: BTreeMap<(u32, ReplicaId), u32>,
    pub front: Front,
    pub counters: Counters,
    /// Root number → how many of its events have data that cannot be read, where there are any.
    pub unreadable: BTreeMap<u32, u64>,
    pub forks: Forks,
    /// How often events that were held back became takeable again.
    pub generation: u64,
    /// How often the log's end was written anew.
    pub rewrites: u64,
    /// Up to where tables and front together hold what is derived; `None` if they hold all of it.
    pub unbuilt: Option<u64>,
}

impl State {
    /// The heads of a root: origin number and head.
    pub(crate) fn heads_of(&self, root: u32) -> impl Iterator<Item = (u32, &Head)> {
        self.heads.range((root, 0)..=(root, u32::MAX)).map(|(&(_, origin), head)| (origin, head))
    }

    /// The heads of a root in the order of their origins' ids, behind one of them if any.
    pub(crate) fn heads_by_id(
        &self,
        root: u32,
        after: Option<ReplicaId>,
    ) -> impl Iterator<Item = (ReplicaId, &Head)> {
        let first = (root, ReplicaId::from_bytes([0; 16]));
        let start = after.map_or(Bound::Included(first), |after| Bound::Excluded((root, after)));
        let end = Bound::Included((root, ReplicaId::from_bytes([u8::MAX; 16])));
        let places = self.by_id.range((start, end));
        places.filter_map(|(&(root, id), &origin)| Some((id, self.heads.get(&(root, origin))?)))
    }

    /// How many changes of the id there were.
    pub(crate) fn renewal_count(&self) -> u64 {
        self.renewals.last().map_or(0, |last| last.number + 1)
    }

    /// Remembers a change of the id.
    pub(crate) fn add_renewal(&mut self, renewal: Renewal) {
        self.renewals.push(renewal);
        if self.renewals.len() > RENEWALS_MAX {
            self.renewals.remove(0);
        }
    }

    /// Per root, the first seq of an origin that is not held.
    pub(crate) fn ends_of(&self, id: ReplicaId) -> Vec<(RootName, u64)> {
        let Some(origin) = self.names.origin(id) else { return Vec::new() };
        let heads = self.names.roots().filter_map(|(root, name)| {
            Some((name.clone(), self.heads.get(&(root, origin))?.seq + 1))
        });
        heads.collect()
    }

    /// Takes in an origin's last event.
    pub(crate) fn set_head(&mut self, (root, origin): (u32, u32), head: Head) {
        if self.heads.insert((root, origin), head).is_none()
            && let Some(id) = self.names.origin_id(origin)
        {
            self.by_id.insert((root, id), origin);
        }
    }

    pub(crate) fn version_vector(&self, root: &RootName) -> VersionVector {
        let Some(root) = self.names.root(root) else { return VersionVector::new() };
        self.heads_by_id(root, None).map(|(origin, head)| (origin, head.seq)).collect()
    }
}

/// What the writer, the readers and the maintenance of one replica have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub store: Arc<dyn Store>,
    pub folds: Arc<Folds>,
    /// Events that the front may hold before no more are taken.
    pub front_events_max: usize,
    /// Aggregates that were read lately.
    pub hot: HotStates,
    /// Snapshots that reads have left.
    pub unstored: Unstored,
    /// Whether the derived tables are sound.
    pub healing: Healing,
    /// Log entries that readers have found damaged.
    pub damage: DamageFound,
    /// Feeds between two pages.
    pub feeds: SuspendedFeeds,
    /// How many changes of the id there were before the store was opened.
    pub renewals_before: u64,
    state: RwLock<State>,
    sweep: Mutex<Option<Vec<u8>>>,
    flush: Mutex<()>,
    snapshots_stored: AtomicU64,
    rewriting: RwLock<()>,
    /// Memory, log and derived tables do not fit together any more.
    is_unfit: AtomicBool,
}

impl Shared {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        folds: Arc<Folds>,
        state: State,
        hot_bytes_max: usize,
        front_events_max: usize,
    ) -> Self {
        let unstored = Unstored::default();
        unstored.restart(state.rewrites);
        Self {
            store,
            folds,
            front_events_max,
            hot: HotStates::new(hot_bytes_max),
            unstored,
            healing: Healing::default(),
            damage: DamageFound::default(),
            feeds: SuspendedFeeds::default(),
            renewals_before: 0,
            state: RwLock::new(state),
            sweep: Mutex::new(Some(Vec::new())),
            flush: Mutex::new(()),
            snapshots_stored: AtomicU64::new(0),
            rewriting: RwLock::new(()),
            is_unfit: AtomicBool::new(false),
        }
    }

    /// The state as it is now. Held for moments only, and never during a commit.
    pub(crate) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, to change it after a commit.
    pub(crate) fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the sweep of snapshots goes on; `None` once it has been through all of them.
    pub(crate) fn sweep(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.sweep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held for the moment in which a look is taken: the store and the state fit together.
    pub(crate) fn steady(&self) -> RwLockReadGuard<'_, ()> {
        self.rewriting.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held while the log's end is written anew: nobody takes a look meanwhile.
    pub(crate) fn close_for_rewriting(&self) -> RwLockWriteGuard<'_, ()> {
        self.rewriting.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that the log was written anew and what goes with it was not: whoever looks or writes is
    /// refused until the store is opened anew, which builds the rest from the log.
    pub(crate) fn give_up(&self) {
        self.is_unfit.store(true, Ordering::Release);
    }

    /// Refuses if [`Self::give_up`] was called.
    pub(crate) fn check_fit(&self) -> Result<(), StoreError> {
        if self.is_unfit.load(Ordering::Acquire) { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    /// What the store holds now, if memory fits it, whether or not all that is derived is there.
    pub(crate) fn raw_snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        self.check_fit()?;
        self.store.snapshot()
    }

    /// Shows another state, of a log that was written anew, and forgets what was derived.
    pub(crate) fn replace(&self, state: State) {
        let (head, rewrites) = (state.head, state.rewrites);
        *self.state_mut() = state;
        self.hot.restart(head, rewrites);
        self.unstored.restart(rewrites);
        *self.sweep() = Some(Vec::new());
    }

    /// Snapshots of folds that were stored since the store was opened.
    pub(crate) fn snapshots_stored(&self) -> u64 {
        self.snapshots_stored.load(Ordering::Relaxed)
    }

    /// Says that so many more were stored.
    pub(crate) fn note_snapshots(&self, count: u64) {
        self.snapshots_stored.fetch_add(count, Ordering::Relaxed);
    }

    /// Held while the front is being flushed: one flush at a time.
    pub(crate) fn flushing(&self) -> MutexGuard<'_, ()> {
        self.flush.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
