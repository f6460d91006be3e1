//! A disk that is slow, full, broken, or loses what it was not told to keep.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::{
    Area, Batch, Durability, Scan, Snapshot, Store, StoreError, Table, Visit, WriterSlot,
};

use super::dice::Dice;

/// What becomes of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommitFault {
    /// The disk is full: nothing is written, and the store stays open to writers.
    Full,
    /// Fails before anything is written. Poisons.
    Before,
    /// Fails after all is written. Poisons.
    After,
    /// The process ends before anything is written.
    CrashBefore,
    /// The process ends after all is written, before anybody hears of it.
    CrashAfter,
}

/// A store as one process has it open.
///
/// It keeps the storage contract. What it does beyond that is what the contract allows.
#[derive(Debug)]
pub(super) struct SimDisk {
    memory: MemoryStore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    dice: Dice,
    commit_nanos_max: i64,
    /// What is to become of the next commits to an area, and of how many of them.
    commit_fault: Option<(Area, CommitFault, u64)>,
    /// How many reads go well until one fails.
    reads_until_error: Option<u64>,
    /// Nothing fails while this is set.
    is_suspended: bool,
    is_poisoned: bool,
    is_crashed: bool,
    /// Errors that were given since somebody asked.
    faults: u64,
    /// Time that commits took since somebody asked.
    delay_nanos: i64,
    /// Commits that a power loss may take, in order.
    unsynced: BTreeMap<Area, Vec<Batch>>,
}

impl SimDisk {
    pub(super) fn new(memory: MemoryStore, commit_nanos_max: i64, dice: Dice) -> Self {
        let state = State {
            dice,
            commit_nanos_max,
            commit_fault: None,
            reads_until_error: None,
            is_suspended: false,
            is_poisoned: false,
            is_crashed: false,
            faults: 0,
            delay_nanos: 0,
            unsynced: BTreeMap::new(),
        };
        Self { memory, state: Mutex::new(state) }
    }

    /// The next process's view of the same disk: nothing is lost, and nothing is poisoned.
    pub(super) fn reopen(&self) -> Self {
        let mut state = self.state();
        let dice = state.dice.split();
        let unsynced = std::mem::take(&mut state.unsynced);
        let next = Self::new(self.memory.reopen(), state.commit_nanos_max, dice);
        next.state().unsynced = unsynced;
        next
    }

    /// The disk in a place, of which there is one with this number.
    pub(super) fn in_place(self, number: u8) -> Self {
        let mut home = [0; 32];
        home[0] = number;
        Self { memory: self.memory.at_home(home), ..self }
    }

    /// What is on the disk after the power was cut now: everything that was promised to survive,
    /// and of the rest, for each area, any part that was once current.
    pub(super) fn image(&self) -> MemoryStore {
        let mut state = self.state();
        let image = self.memory.after_power_loss();
        let State { unsynced, dice, .. } = &mut *state;
        for batches in unsynced.values() {
            for batch in &batches[..dice.count(0, batches.len())] {
                image.commit(batch).expect("memory does not fail");
            }
        }
        image.sync().expect("memory does not fail");
        image
    }

    /// Makes the next commits to an area fail, so many of them.
    pub(super) fn fail_commits(&self, area: Area, fault: CommitFault, times: u64) {
        self.state().commit_fault = Some((area, fault, times));
    }

    /// Makes a read fail, after so many that do not.
    pub(super) fn fail_read(&self, after: u64) {
        self.state().reads_until_error = Some(after);
    }

    /// Takes back what was set to fail.
    pub(super) fn cancel_faults(&self) {
        let mut state = self.state();
        (state.commit_fault, state.reads_until_error) = (None, None);
    }

    /// Lets somebody look without meeting, or using up, what is set to fail.
    pub(super) fn suspend_faults(&self, is_suspended: bool) {
        self.state().is_suspended = is_suspended;
    }

    /// How many errors there were since the last call.
    pub(super) fn take_faults(&self) -> u64 {
        std::mem::take(&mut self.state().faults)
    }

    /// Whether there was an error since the last call of [`Self::take_faults`].
    pub(super) fn has_faulted(&self) -> bool {
        self.state().faults > 0
    }

    /// How long commits took since the last call.
    pub(super) fn take_delay_nanos(&self) -> i64 {
        std::mem::take(&mut self.state().delay_nanos)
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.state().is_poisoned
    }

    /// Whether the process that has the disk open ended within a call.
    pub(super) fn is_crashed(&self) -> bool {
        self.state().is_crashed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an area's commits are kept through a power loss at once.
    fn is_durable(&self, area: Area) -> bool {
        area == Area::Truth && self.memory.durability() == Durability::Durable
    }

    fn before_read(&self) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.is_suspended {
            return Ok(());
        }
        state.check_alive()?;
        match &mut state.reads_until_error {
            Some(0) => {
                state.reads_until_error = None;
                Err(state.fault("read"))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl State {
    fn fault(&mut self, action: &'static str) -> StoreError {
        self.faults += 1;
        StoreError::engine(action, io::Error::other("simulated"))
    }

    fn check_alive(&mut self) -> Result<(), StoreError> {
        if self.is_crashed { Err(self.fault("go on after its process ended")) } else { Ok(()) }
    }

    fn check_writable(&mut self) -> Result<(), StoreError> {
        self.check_alive()?;
        if self.is_poisoned {
            self.faults += 1;
            return Err(StoreError::Poisoned);
        }
        Ok(())
    }

    /// What is to become of a commit that begins now.
    fn next_fault(&mut self, area: Area) -> Option<CommitFault> {
        let (_, fault, times) =
            self.commit_fault.filter(|(wanted, _, _)| *wanted == area && !self.is_suspended)?;
        self.commit_fault = (times > 1).then_some((area, fault, times - 1));
        match fault {
            CommitFault::Full => {}
            CommitFault::Before | CommitFault::After => self.is_poisoned = true,
            CommitFault::CrashBefore | CommitFault::CrashAfter => self.is_crashed = true,
        }
        Some(fault)
    }
}

impl Store for SimDisk {
    fn engine(&self) -> &'static str {
        "simulated"
    }

    fn durability(&self) -> Durability {
        self.memory.durability()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        self.before_read()?;
        Ok(Box::new(SimSnapshot { inner: self.memory.snapshot()?, disk: self }))
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut state = self.state();
        state.check_writable()?;
        let commit_nanos_max = state.commit_nanos_max;
        state.delay_nanos += state.dice.around(commit_nanos_max).abs();
        let fault = state.next_fault(batch.area());
        if fault == Some(CommitFault::Full) {
            state.faults += 1;
            return Err(StoreError::Full { detail: "simulated".to_owned() });
        }
        if matches!(fault, Some(CommitFault::Before | CommitFault::CrashBefore)) {
            return Err(state.fault("write a batch"));
        }
        self.memory.commit(batch)?;
        if !self.is_durable(batch.area()) {
            state.unsynced.entry(batch.area()).or_default().push(batch.clone());
        }
        if fault.is_some() { Err(state.fault("write a batch")) } else { Ok(()) }
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut state = self.state();
        state.check_writable()?;
        self.memory.sync()?;
        state.unsynced.clear();
        Ok(())
    }

    fn home(&self) -> Result<[u8; 32], StoreError> {
        self.memory.home()
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        self.memory.size_bytes()
    }

    fn writer(&self) -> &WriterSlot {
        self.memory.writer()
    }
}

struct SimSnapshot<'d> {
    inner: Box<dyn Snapshot + 'd>,
    disk: &'d SimDisk,
}

impl Snapshot for SimSnapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        self.disk.before_read()?;
        self.inner.get(table, key)
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.disk.before_read()?;
        self.inner.scan(scan, visit)
    }
}
