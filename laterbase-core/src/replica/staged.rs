//! What the next commit will write.

use std::collections::{BTreeMap, BTreeSet};

use crate::chain::{ChainHash, RecordHash};
use crate::entry::{Entry, next_history};
use crate::event::Record;
use crate::fork::ForkState;
use crate::front::Layer;
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId, RootName};
use crate::keys::{self, Place};
use crate::prepared::Indexed;
use crate::renewal::{Renewal, RenewalReason};
use crate::shared::{Counters, Head, Shared, State};
use crate::store::{Area, Batch, Table};
use crate::turns::Turn;

/// The last entry of the `runs` table, as far as the next event is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastRun {
    pub root: u32,
    pub origin: u32,
    pub first_seq: u64,
    pub position: u64,
    pub length: u64,
}

/// A key that a staged event has taken.
#[derive(Clone, Debug)]
pub(super) struct StagedKey {
    pub dot: Dot,
    pub said: RecordHash,
    pub aggregate_id: String,
}

/// Changes that are not committed yet, and the state that they lead to.
#[derive(Debug)]
pub(super) struct Staged {
    batch: Batch,
    pub replica: ReplicaId,
    former: Vec<ReplicaId>,
    renewals: Vec<Renewal>,
    renewals_before: u64,
    head: u64,
    history: u64,
    arrived: i64,
    turns: Vec<Turn>,
    new_roots: Vec<RootName>,
    new_origins: Vec<ReplicaId>,
    /// Where they are in `new_roots`.
    root_indexes: BTreeMap<RootName, usize>,
    /// Where they are in `new_origins`: a page may bring thousands.
    origin_indexes: BTreeMap<ReplicaId, usize>,
    roots_before: u32,
    origins_before: u32,
    heads: BTreeMap<(u32, u32), Head>,
    last_run: Option<LastRun>,
    layer: Layer,
    keys: BTreeMap<(u32, String), Vec<StagedKey>>,
    counters: Counters,
    counters_before: Counters,
    /// Root number → how many of its events have data that cannot be read.
    unreadable: BTreeMap<u32, u64>,
    /// Roots for which that changes.
    unreadable_changed: BTreeSet<u32>,
    /// Forks that change; `None` for those that are gone.
    forks: BTreeMap<(u32, u32), Option<ForkState>>,
    generation: u64,
    generation_before: u64,
    clock: Hlc,
}

/// An event that is about to be staged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming<'a> {
    pub root: u32,
    pub origin: u32,
    pub dot: Dot,
    pub recorded: Hlc,
    pub chain: ChainHash,
    pub bytes: &'a [u8],
    pub indexed: Indexed<'a>,
}

impl Staged {
    pub(super) fn new(state: &State, last_run: Option<LastRun>) -> Self {
        Self {
            batch: Batch::new(Area::Truth),
            replica: state.replica,
            former: Vec::new(),
            renewals: Vec::new(),
            renewals_before: state.renewal_count(),
            head: state.head,
            history: state.history,
            arrived: state.arrived,
            turns: Vec::new(),
            new_roots: Vec::new(),
            new_origins: Vec::new(),
            root_indexes: BTreeMap::new(),
            origin_indexes: BTreeMap::new(),
            roots_before: state.names.next_root(),
            origins_before: state.names.next_origin(),
            heads: BTreeMap::new(),
            last_run,
            layer: Layer::default(),
            keys: BTreeMap::new(),
            counters: state.counters,
            counters_before: state.counters,
            unreadable: state.unreadable.clone(),
            unreadable_changed: BTreeSet::new(),
            forks: BTreeMap::new(),
            generation: state.generation,
            generation_before: state.generation,
            clock: state.clock,
        }
    }

    /// The number of a root, new ones included. `known` is its number in the committed state.
    pub(super) fn root_number(&mut self, known: Option<u32>, name: &RootName) -> u32 {
        known.unwrap_or_else(|| {
            if let Some(number) = self.find_root(None, name) {
                return number;
            }
            let index = self.new_roots.len();
            self.new_roots.push(name.clone());
            self.root_indexes.insert(name.clone(), index);
            let number = self.roots_before + u32::try_from(index).expect("few new roots");
            let key = keys::numbered(keys::ROOT, &[number]);
            self.batch.put(Table::Meta, &key, name.as_str().as_bytes());
            number
        })
    }

    /// The number of an origin, new ones included.
    pub(super) fn origin_number(&mut self, known: Option<u32>, id: ReplicaId) -> u32 {
        known.unwrap_or_else(|| {
            if let Some(number) = self.find_origin(None, id) {
                return number;
            }
            let index = self.new_origins.len();
            self.new_origins.push(id);
            self.origin_indexes.insert(id, index);
            let number = self.origins_before + u32::try_from(index).expect("few new origins");
            let key = keys::numbered(keys::ORIGIN, &[number]);
            self.batch.put(Table::Meta, &key, id.as_bytes());
            number
        })
    }

    /// The number of a root if it has one, new ones included.
    pub(super) fn find_root(&self, known: Option<u32>, name: &RootName) -> Option<u32> {
        known.or_else(|| {
            let index = self.root_indexes.get(name)?;
            Some(self.roots_before + u32::try_from(*index).ok()?)
        })
    }

    /// The number of an origin if it has one, new ones included.
    pub(super) fn find_origin(&self, known: Option<u32>, id: ReplicaId) -> Option<u32> {
        known.or_else(|| {
            let index = self.origin_indexes.get(&id)?;
            Some(self.origins_before + u32::try_from(*index).ok()?)
        })
    }

    /// The last arrival position, staged events included, and the digest of the log up to there.
    pub(super) const fn end(&self) -> (u64, u64) {
        (self.head, self.history)
    }

    /// The staged head of an origin, if this commit changes it.
    pub(super) fn head(&self, root: u32, origin: u32) -> Option<Head> {
        self.heads.get(&(root, origin)).copied()
    }

    /// Staged events that have taken an idempotency key.
    pub(super) fn keys(&self, root: u32, key: &str) -> &[StagedKey] {
        self.keys.get(&(root, key.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Whether an event of the aggregate is staged.
    pub(super) fn holds_aggregate(&self, root: u32, id: &str) -> bool {
        self.layer.has_prefix(Table::FoldIndex, &keys::index_aggregate(root, id))
    }

    pub(super) const fn counters(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// Says that an event which is counted is about to be staged again, or no more.
    pub(super) fn uncount(&mut self, root: u32, record: &Record<'_>) {
        if !record.is_readable()
            && let Some(count) = self.unreadable.get_mut(&root)
        {
            *count = count.saturating_sub(1);
            self.unreadable_changed.insert(root);
        }
    }

    pub(super) fn remember(&mut self, key: &[u8], value: &[u8]) {
        self.batch.put(Table::Peers, key, value);
    }

    /// Gives up the replica id for a fresh one. `from` is where, per root, and `reason` why.
    pub(super) fn renew(
        &mut self,
        fresh: ReplicaId,
        former_count: usize,
        from: Vec<(RootName, u64)>,
        reason: RenewalReason,
    ) {
        let number = self.renewals_before + self.renewals.len() as u64;
        let renewal = Renewal { number, old: self.replica, new: fresh, from, reason }.bounded();
        put_renewal(&mut self.batch, &renewal);
        self.renewals.push(renewal);
        self.add_former(self.replica, former_count);
        self.batch.put(Table::Meta, keys::REPLICA, fresh.as_bytes());
        self.replica = fresh;
    }

    /// Counts an id among those that the store wrote under. `former_count` is how many there are
    /// in the committed state.
    pub(super) fn add_former(&mut self, id: ReplicaId, former_count: usize) {
        let number = u32::try_from(former_count + self.former.len()).expect("few former ids");
        let key = keys::numbered(keys::FORMER, &[number]);
        self.batch.put(Table::Meta, &key, id.as_bytes());
        self.former.push(id);
    }

    /// The fork of an origin, if this commit changes it.
    pub(super) fn fork(&self, root: u32, origin: u32) -> Option<&Option<ForkState>> {
        self.forks.get(&(root, origin))
    }

    /// Marks a fork, or takes its mark away.
    pub(super) fn set_fork(&mut self, root: u32, origin: u32, fork: Option<ForkState>) {
        let key = keys::numbered(keys::FORK, &[root, origin]);
        match &fork {
            Some(fork) => self.batch.put_with(Table::Meta, &key, |out| {
                out.extend_from_slice(&fork.seq.to_be_bytes());
                out.push(u8::from(fork.ours.is_some()));
            }),
            None => self.batch.delete(Table::Meta, &key),
        }
        self.forks.insert((root, origin), fork);
    }

    /// Puts an event into quarantine.
    pub(super) fn quarantine(&mut self, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        self.batch.put_with(Table::Quarantine, key, write);
    }

    /// Takes an event out of quarantine.
    pub(super) fn release(&mut self, key: &[u8]) {
        self.batch.delete(Table::Quarantine, key);
    }

    /// Says that events which were held back are to be had again.
    pub(super) fn next_generation(&mut self) {
        self.generation = self.generation_before + 1;
        self.batch.put(Table::Meta, keys::GENERATION, &self.generation.to_be_bytes());
    }

    /// Stages any other change of the truth.
    pub(super) const fn batch(&mut self) -> &mut Batch {
        &mut self.batch
    }

    /// Says where an origin's events end, behind all that were pushed.
    pub(super) fn set_head(&mut self, root: u32, origin: u32, head: Head) {
        self.heads.insert((root, origin), head);
    }

    /// Says that nothing of an origin's events is left.
    pub(super) fn forget_head(&mut self, root: u32, origin: u32) {
        self.heads.remove(&(root, origin));
    }

    /// Adds an event to log, runs and the front. [`Self::set_head`] must follow.
    pub(super) fn push(&mut self, event: Incoming<'_>, now_nanos: i64) {
        self.head += 1;
        // Invariant: where arrival times fall along the log, there is a turn, so that `known_at`
        // is a position.
        if now_nanos < self.arrived {
            self.turns.push(Turn { position: self.head, arrived: now_nanos });
            self.batch.put(Table::Meta, &keys::turn(self.head), &now_nanos.to_be_bytes());
        }
        self.arrived = now_nanos;
        self.history = next_history(self.history, event.chain);
        let entry = Entry {
            root: event.root,
            origin: event.origin,
            seq: event.dot.seq,
            recorded: event.recorded,
            arrived: self.arrived,
            history: self.history,
            chain: event.chain,
            record: event.bytes,
        };
        self.batch.put_with(Table::Log, &keys::position(self.head), |out| entry.encode(out));
        self.extend_run(&event);
        self.index(&event);
        if !event.indexed.is_readable {
            *self.unreadable.entry(event.root).or_default() += 1;
            self.unreadable_changed.insert(event.root);
        }
    }

    fn extend_run(&mut self, event: &Incoming<'_>) {
        if let Some(run) = &mut self.last_run
            && (run.root, run.origin) == (event.root, event.origin)
            && run.first_seq + run.length == event.dot.seq
            && run.position + run.length == self.head
        {
            run.length += 1;
            return;
        }
        self.put_run();
        self.last_run = Some(LastRun {
            root: event.root,
            origin: event.origin,
            first_seq: event.dot.seq,
            position: self.head,
            length: 1,
        });
    }

    fn put_run(&mut self) {
        if let Some(run) = self.last_run {
            let mut value = [0; 16];
            value[..8].copy_from_slice(&run.position.to_be_bytes());
            value[8..].copy_from_slice(&run.length.to_be_bytes());
            let key = keys::run(run.root, run.origin, run.first_seq);
            self.batch.put(Table::Runs, &key, &value);
        }
    }

    fn index(&mut self, event: &Incoming<'_>) {
        let record = event.indexed;
        let place = Place::new(record.occurred, event.recorded, event.dot.origin);
        self.layer.push_with(Table::FoldIndex, self.head, |key| {
            keys::write_index(key, event.root, record.aggregate_id, &place);
        });
        if let Some(name) = record.idempotency_key {
            let key = keys::keyed(event.root, name, record.aggregate_id, &place);
            self.layer.push(Table::Keys, &key, self.head);
            let aggregate_id = record.aggregate_id.to_owned();
            let taken = StagedKey { dot: event.dot, said: record.said, aggregate_id };
            self.keys.entry((event.root, name.to_owned())).or_default().push(taken);
        }
        for void in record.voids.iter() {
            self.layer.push_with(Table::Voids, self.head, |key| {
                keys::write_void(key, event.root, record.aggregate_id, &void, &place);
            });
        }
    }

    /// The batch to commit, and what to show readers afterwards.
    pub(super) fn finish(mut self, clock: Hlc) -> Committed {
        if !self.heads.is_empty() {
            self.put_run();
        }
        for (&(root, origin), head) in &self.heads {
            let key = keys::numbered(keys::HEAD, &[root, origin]);
            self.batch.put_with(Table::Meta, &key, |out| head.encode(out));
        }
        if !self.heads.is_empty() {
            self.batch.put(Table::Meta, keys::CLOCK, &clock.to_bits().to_be_bytes());
        }
        if self.counters != self.counters_before {
            let mut value = [0; 24];
            value[..8].copy_from_slice(&self.counters.clock_suspect.to_be_bytes());
            value[8..16].copy_from_slice(&self.counters.future.to_be_bytes());
            value[16..].copy_from_slice(&self.counters.forks.to_be_bytes());
            self.batch.put(Table::Meta, keys::COUNTERS, &value);
        }
        for root in &self.unreadable_changed {
            let count = self.unreadable.get(root).copied().unwrap_or(0);
            let key = keys::numbered(keys::UNREADABLE, &[*root]);
            self.batch.put(Table::Meta, &key, &count.to_be_bytes());
        }
        self.clock = clock;
        let batch = std::mem::replace(&mut self.batch, Batch::new(Area::Truth));
        Committed { batch, last_run: self.last_run, staged: self }
    }
}

/// Writes down a change of the id, and forgets the one that is too long ago.
pub(super) fn put_renewal(batch: &mut Batch, renewal: &Renewal) {
    let key = |number: u64| [keys::RENEWED, &number.to_be_bytes()].concat();
    batch.put(Table::Meta, &key(renewal.number), &renewal.encode());
    if let Some(number) = renewal.replaces() {
        batch.delete(Table::Meta, &key(number));
    }
}

/// A finished [`Staged`].
pub(super) struct Committed {
    pub batch: Batch,
    pub last_run: Option<LastRun>,
    staged: Staged,
}

impl Committed {
    /// Shows the commit to readers. Gives how many events the front holds now.
    pub(super) fn publish(self, shared: &Shared) -> usize {
        let staged = self.staged;
        // Before anybody can see the events.
        for (aggregate, position) in staged.layer.touched() {
            shared.hot.touch(aggregate, position);
        }
        let mut state = shared.state_mut();
        for root in staged.new_roots {
            state.names.add_root(root);
        }
        for origin in staged.new_origins {
            state.names.add_origin(origin);
        }
        for (place, head) in staged.heads {
            state.set_head(place, head);
        }
        state.replica = staged.replica;
        state.former.extend(staged.former);
        for renewal in staged.renewals {
            state.add_renewal(renewal);
        }
        state.head = staged.head;
        state.history = staged.history;
        state.arrived = staged.arrived;
        state.turns.extend(staged.turns);
        state.clock = staged.clock;
        state.counters = staged.counters;
        state.unreadable = staged.unreadable;
        state.generation = staged.generation;
        for (place, fork) in staged.forks {
            match fork {
                Some(fork) => drop(state.forks.insert(place, fork)),
                None => drop(state.forks.remove(&place)),
            }
        }
        state.front.push(staged.layer);
        state.front.event_count()
    }
}
