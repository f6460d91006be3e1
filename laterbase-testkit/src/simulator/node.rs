//! A device: a disk, a clock, and most of the time a process that has the disk open.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use laterbase_core::chain::ChainHash;
use laterbase_core::fold::{Fold, Folds};
use laterbase_core::fork::Fork;
use laterbase_core::hlc::Hlc;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::Reader;
use laterbase_core::replica::{Random, Replica, ReplicaOptions};
use laterbase_core::store::{Durability, Store};
use laterbase_core::version_vector::VersionVector;

use super::checkers::{arrival, durability, fork, pending, rewrite};
use super::clock::WallClock;
use super::dice::Dice;
use super::disk::SimDisk;
use super::ledger::{Fact, Ledger};
use super::order_fold::OrderFold;
use super::outcome::{Verdict, ensure, no_reason};
use super::peers::{self, Notes};
use super::talks::Talk;
use crate::read_folds;

/// The wall clock's truth when a run begins, in nanoseconds since 1970.
pub(super) const START: i64 = 1_700_000_000_000_000_000;

/// An event as a device has stored it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Its number in the ledger.
    pub fact: usize,
    pub arrived: i64,
}

/// The end of one origin's events in a root.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tail {
    pub seq: u64,
    pub recorded: Option<Hlc>,
    /// What the history comes to.
    pub chain: Option<ChainHash>,
}

/// What is known of a store from having looked at it, and what it must therefore go on showing.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// The arrival log.
    pub arrivals: Vec<Arrival>,
    pub tails: BTreeMap<(RootName, ReplicaId), Tail>,
    /// The numbers of each origin's events in the ledger, from seq 1 on.
    pub histories: BTreeMap<(RootName, ReplicaId), Vec<usize>>,
    /// The forks that it knew of.
    pub forks: Vec<Fork>,
    /// What it was told to remember of its peers.
    pub notes: Notes,
    /// The ids that it wrote under.
    pub own_ids: BTreeSet<ReplicaId>,
}

impl Memory {
    pub(super) fn version_vector(&self, root: &RootName) -> VersionVector {
        let tails = self.tails.iter().filter(|((of, _), _)| of == root);
        tails.map(|((_, origin), tail)| (*origin, tail.seq)).collect()
    }

    pub(super) fn seq(&self, root: &RootName, origin: ReplicaId) -> u64 {
        self.tails.get(&(root.clone(), origin)).map_or(0, |tail| tail.seq)
    }

    /// What an origin's history comes to with an event; nothing if it is not held.
    pub(super) fn chain(
        &self,
        ledger: &Ledger,
        root: &RootName,
        origin: ReplicaId,
        seq: u64,
    ) -> Option<ChainHash> {
        let Some(index) = seq.checked_sub(1) else {
            return Some(ChainHash::genesis(root, origin));
        };
        let history = self.histories.get(&(root.clone(), origin))?;
        Some(ledger.fact(*history.get(usize::try_from(index).ok()?)?).chain)
    }

    /// What is known of an origin's fork.
    pub(super) fn fork(&self, root: &RootName, origin: ReplicaId) -> Option<&Fork> {
        self.forks.iter().find(|fork| fork.root == *root && fork.origin == origin)
    }

    /// The roots with events, in the order of their names.
    pub(super) fn roots(&self) -> BTreeSet<RootName> {
        self.tails.keys().map(|(root, _)| root.clone()).collect()
    }

    /// The events of a root among the first to arrive in any.
    pub(super) fn facts_among<'m>(
        &'m self,
        ledger: &'m Ledger,
        root: &'m RootName,
        count: usize,
    ) -> impl Iterator<Item = &'m Fact> {
        let facts = self.arrivals[..count].iter().map(|arrival| ledger.fact(arrival.fact));
        facts.filter(move |fact| fact.root == *root)
    }

    /// The events of a root, in the order in which they arrived.
    pub(super) fn facts<'m>(
        &'m self,
        ledger: &'m Ledger,
        root: &'m RootName,
    ) -> impl Iterator<Item = (&'m Fact, i64)> {
        self.arrivals
            .iter()
            .map(|arrival| (ledger.fact(arrival.fact), arrival.arrived))
            .filter(move |(fact, _)| fact.root == *root)
    }
}

/// A copy of a store that was put away.
#[derive(Clone, Debug)]
pub(super) struct Backup {
    pub image: MemoryStore,
    pub memory: Memory,
    pub id: ReplicaId,
}

pub(super) struct Node {
    pub disk: Arc<SimDisk>,
    pub replica: Option<Replica>,
    pub clock: WallClock,
    pub home: u8,
    pub fold: OrderFold,
    pub memory: Memory,
    pub backups: Vec<Backup>,
    pub dice: Dice,
    front_events_flush: usize,
    /// The id under which it last wrote.
    pub id: Option<ReplicaId>,
    /// The power was cut since its process last ran.
    pub lost_power: bool,
    /// Its process does nothing before this time: it waits for the disk.
    pub busy_until: i64,
    /// It reaches nobody before this time.
    pub offline_until: i64,
    /// It never comes back.
    pub is_retired: bool,
    /// No stamp that it gives may be above this, but for counting on. See the clock checker.
    pub stamp_bound: Hlc,
    /// The sessions of its process, by the device that they are with.
    pub talks: BTreeMap<usize, Talk>,
    /// The name of its arrival log, which changes when the log's end is written anew.
    epoch: u64,
    /// A commit failed since it last started, and may be on the disk all the same.
    in_doubt: bool,
    /// The fork whose resolution may have written the log's end anew, as far as is known.
    pub rewriting: Option<Fork>,
    /// The highest seqs that it was ever seen to hold.
    reached: BTreeMap<(RootName, ReplicaId), u64>,
}

impl Node {
    pub(super) fn new(
        disk: SimDisk,
        clock: WallClock,
        home: u8,
        front_events_flush: usize,
        dice: Dice,
    ) -> Self {
        Self {
            disk: Arc::new(disk),
            replica: None,
            clock,
            home,
            fold: OrderFold { version: 1 },
            memory: Memory::default(),
            backups: Vec::new(),
            dice,
            front_events_flush,
            id: None,
            lost_power: false,
            busy_until: 0,
            offline_until: 0,
            is_retired: false,
            stamp_bound: Hlc::ZERO,
            talks: BTreeMap::new(),
            epoch: 0,
            rewriting: None,
            in_doubt: false,
            reached: BTreeMap::new(),
        }
    }

    pub(super) fn wall(&self, now: i64) -> i64 {
        self.clock.read(now, now - START)
    }

    pub(super) fn reader(&self) -> Option<Reader> {
        self.replica.as_ref().map(Replica::reader)
    }

    pub(super) const fn is_up(&self) -> bool {
        self.replica.is_some() && !self.is_retired
    }

    /// The highest seq of an origin that it was ever seen to hold.
    pub(super) fn reached(&self, root: &RootName, origin: ReplicaId) -> u64 {
        self.reached.get(&(root.clone(), origin)).copied().unwrap_or(0)
    }

    pub(super) fn folds(&self) -> Arc<Folds> {
        let order: Arc<dyn Fold> = Arc::new(self.fold);
        read_folds::beside(&order, &["shipment", "order"])
    }

    /// Takes down what is known of a store that was just put in, which nobody was writing to.
    pub(super) fn know(&mut self, memory: Memory) {
        (self.memory, self.rewriting, self.in_doubt) = (memory, None, false);
    }

    /// Puts another store in the place of the one there was.
    pub(super) fn replace_disk(&mut self, store: MemoryStore, commit_nanos_max: i64) {
        self.replica = None;
        self.in_doubt |= self.disk.is_poisoned() || self.disk.is_crashed();
        let dice = self.dice.split();
        self.disk = Arc::new(SimDisk::new(store, commit_nanos_max, dice));
    }

    /// Starts a process on the disk as the last one left it, and checks that everything is still
    /// there. False if the disk's faults kept it from starting.
    pub(super) fn start(&mut self, ledger: &mut Ledger) -> Verdict<bool> {
        self.replica = None;
        // The last commit may be there although nobody heard so.
        let in_doubt = self.disk.is_poisoned() || self.disk.is_crashed();
        self.in_doubt |= in_doubt;
        self.disk = Arc::new(self.disk.reopen().in_place(self.home));
        self.open(ledger)
    }

    /// As [`Self::start`], on a disk that was just put in or whose faults are set already.
    pub(super) fn open(&mut self, ledger: &mut Ledger) -> Verdict<bool> {
        let mut own = self.dice.split();
        let random: Random = Box::new(move || own.bytes());
        let options = ReplicaOptions {
            front_events_flush: self.front_events_flush,
            ..ReplicaOptions::default()
        };
        let store: Arc<dyn Store> = Arc::clone(&self.disk) as _;
        self.talks.clear();
        self.disk.take_faults();
        let in_doubt = self.in_doubt;
        let opened = Replica::open(store, self.folds(), options, random);
        let faults = self.disk.take_faults();
        match opened {
            Ok(replica) => {
                self.id = Some(replica.id());
                self.in_doubt = false;
                self.replica = Some(replica);
                self.recall(ledger, in_doubt)?;
                Ok(true)
            }
            Err(_) if faults > 0 => Ok(false),
            Err(error) => Err(no_reason("open", "opening a store", &error)),
        }
    }

    /// Reads the whole arrival log after a start, and compares it with what was seen before.
    fn recall(&mut self, ledger: &mut Ledger, in_doubt: bool) -> Verdict {
        let before = std::mem::take(&mut self.memory);
        let known = ledger.len();
        self.observe(ledger)?;
        let may_lose_tail =
            std::mem::take(&mut self.lost_power) && self.disk.durability() == Durability::Relaxed;
        self.memory.own_ids.clone_from(&before.own_ids);
        self.memory.forks = self.reader().map(|reader| reader.forks()).unwrap_or_default();
        let is_kept = durability::check(&before, &self.memory, !may_lose_tail);
        let is_rewritten = match (is_kept, self.rewriting.take()) {
            (Ok(()), _) => false,
            (Err(_), Some(fork)) => {
                rewrite::check(&before, &mut self.memory, ledger, known, &fork)?;
                true
            }
            (Err(violation), None) => return Err(violation),
        };
        let Some(reader) = self.reader() else { return Ok(()) };
        self.epoch = reader.epoch();
        if !may_lose_tail && !in_doubt {
            fork::check_start(&before, &self.memory)?;
        }
        self.disk.suspend_faults(true);
        let remembered = peers::recall_all(&reader);
        self.disk.suspend_faults(false);
        let mut notes = before.notes.clone();
        if is_rewritten {
            notes.rebase();
        }
        self.memory.notes = notes;
        pending::check_start(&mut self.memory, &remembered?, may_lose_tail)?;
        self.memory.own_ids.extend(self.id);
        Ok(())
    }

    /// Reads what has arrived since the last look, and checks each event on its own. Gives how
    /// many there were.
    pub(super) fn observe(&mut self, ledger: &mut Ledger) -> Verdict<usize> {
        let Some(reader) = self.reader() else { return Ok(0) };
        let seen = self.memory.arrivals.len();
        if reader.head() == seen as u64 {
            return Ok(0);
        }
        self.disk.suspend_faults(true);
        let mut verdict = Ok(());
        let memory = &mut self.memory;
        let read = reader.arrivals(seen as u64, usize::MAX, &mut |root, event| {
            verdict = arrival::check(memory, ledger, root, event);
            if verdict.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        self.disk.suspend_faults(false);
        verdict?;
        read.map_err(|error| no_reason("arrival", "reading the arrival log", &error))?;
        for (origin, tail) in &self.memory.tails {
            let reached = self.reached.entry(origin.clone()).or_default();
            *reached = tail.seq.max(*reached);
        }
        Ok(self.memory.arrivals.len() - seen)
    }

    /// Takes down that a branch moved, and who the device is since: somebody else if the branch was
    /// of its own id, and only then.
    pub(super) fn gave_up(&mut self, origin: Option<ReplicaId>, id: Option<ReplicaId>) -> Verdict {
        let gives_up = origin.is_some() && origin == self.id;
        ensure((id != self.id) == gives_up, "an id in doubt is given up", || {
            format!("{:?} gave up {origin:?}; it is {id:?} now", self.id)
        })?;
        self.id = id;
        self.memory.own_ids.extend(id);
        Ok(())
    }

    /// Ends the process after a failure behind which only the next start says what is on the disk.
    pub(super) fn end_in_doubt(&mut self) {
        (self.replica, self.in_doubt) = (None, true);
    }

    /// Takes the log down anew if a fork's resolution has written its end again, and checks that
    /// this was all it did. False if the log is as it was.
    pub(super) fn observe_rewriting(&mut self, ledger: &mut Ledger, fork: &Fork) -> Verdict<bool> {
        let Some(reader) = self.reader().filter(|reader| reader.epoch() != self.epoch) else {
            return Ok(false);
        };
        let mut before = std::mem::take(&mut self.memory);
        self.memory.own_ids.clone_from(&before.own_ids);
        self.memory.notes = std::mem::take(&mut before.notes);
        // The log was synced with it, so that nothing before it can be lost any more.
        self.memory.notes.rebase();
        let known = ledger.len();
        self.observe(ledger)?;
        self.memory.forks = reader.forks();
        rewrite::check(&before, &mut self.memory, ledger, known, fork)?;
        self.epoch = reader.epoch();
        self.rewriting = None;
        Ok(true)
    }

    /// Writes down how long the process is waiting for its disk.
    pub(super) fn wait_for_disk(&mut self, now: i64) {
        self.busy_until = now.saturating_add(self.disk.take_delay_nanos());
    }
}
