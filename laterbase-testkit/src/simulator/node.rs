//! A device: a disk, a clock, and most of the time a process that has the disk open.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use laterbase_core::fold::Folds;
use laterbase_core::hlc::Hlc;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::Reader;
use laterbase_core::replica::{Random, Replica, ReplicaOptions};
use laterbase_core::store::{Durability, Store};
use laterbase_core::version_vector::VersionVector;

use super::checkers::arrival;
use super::clock::WallClock;
use super::dice::Dice;
use super::disk::SimDisk;
use super::ledger::{Fact, Ledger};
use super::order_fold::OrderFold;
use super::outcome::{Verdict, no_reason};

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
}

/// What is known of a store from having looked at it, and what it must therefore go on showing.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// The arrival log.
    pub arrivals: Vec<Arrival>,
    pub tails: BTreeMap<(RootName, ReplicaId), Tail>,
}

impl Memory {
    pub(super) fn version_vector(&self, root: &RootName) -> VersionVector {
        let tails = self.tails.iter().filter(|((of, _), _)| of == root);
        tails.map(|((_, origin), tail)| (*origin, tail.seq)).collect()
    }

    pub(super) fn seq(&self, root: &RootName, origin: ReplicaId) -> u64 {
        self.tails.get(&(root.clone(), origin)).map_or(0, |tail| tail.seq)
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

    pub(super) fn folds(&self) -> Arc<Folds> {
        Arc::new(Folds::new().fallback(Arc::new(self.fold)))
    }

    /// Puts another store in the place of the one there was.
    pub(super) fn replace_disk(&mut self, store: MemoryStore, commit_nanos_max: i64) {
        self.replica = None;
        let dice = self.dice.split();
        self.disk = Arc::new(SimDisk::new(store, commit_nanos_max, dice));
    }

    /// Starts a process on the disk as the last one left it, and checks that everything is still
    /// there. False if the disk's faults kept it from starting.
    pub(super) fn start(&mut self, ledger: &mut Ledger, now: i64) -> Verdict<bool> {
        self.replica = None;
        self.disk = Arc::new(self.disk.reopen());
        self.open(ledger, now)
    }

    /// As [`Self::start`], on a disk that was just put in or whose faults are set already.
    pub(super) fn open(&mut self, ledger: &mut Ledger, now: i64) -> Verdict<bool> {
        let mut own = self.dice.split();
        let random: Random = Box::new(move || own.bytes());
        let mut home = [0; 32];
        home[0] = self.home;
        let options = ReplicaOptions {
            front_events_flush: self.front_events_flush,
            home,
            ..ReplicaOptions::default()
        };
        let store: Arc<dyn Store> = Arc::clone(&self.disk) as _;
        self.disk.take_faults();
        let opened = Replica::open(store, self.folds(), options, self.wall(now), random);
        let faults = self.disk.take_faults();
        match opened {
            Ok(replica) => {
                self.id = Some(replica.id());
                self.replica = Some(replica);
                self.recall(ledger)?;
                Ok(true)
            }
            Err(_) if faults > 0 => Ok(false),
            Err(error) => Err(no_reason("open", "opening a store", &error)),
        }
    }

    /// Reads the whole arrival log after a start, and compares it with what was seen before.
    fn recall(&mut self, ledger: &mut Ledger) -> Verdict {
        let before = std::mem::take(&mut self.memory);
        self.observe(ledger)?;
        let may_lose_tail =
            std::mem::take(&mut self.lost_power) && self.disk.durability() == Durability::Relaxed;
        super::checkers::durability::check(&before, &self.memory, !may_lose_tail)
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
        Ok(self.memory.arrivals.len() - seen)
    }

    /// Writes down how long the process is waiting for its disk.
    pub(super) fn wait_for_disk(&mut self, now: i64) {
        self.busy_until = now.saturating_add(self.disk.take_delay_nanos());
    }
}
