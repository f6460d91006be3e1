//! A store in memory that makes one mistake.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::{
    Area, Batch, Direction, Durability, Operation, Scan, Snapshot, Store, StoreError, Table, Visit,
    WriterSlot,
};

/// The mistakes. Each is one that a backend could really make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    None,
    ShorterKeysFirst,
    EndInclusive,
    StartExclusive,
    BackwardOneOff,
    LimitOneMore,
    BreakIgnored,
    TablesShared,
    VisibleLate,
    FirstWins,
    ClearFirst,
    AbsentDeleteFails,
    EmptyBatchFails,
    AppendDropsLateKeys,
    EmptyValueDeletes,
    KeysCut,
    ValuesCut,
    BatchLimited,
    SizeUnknown,
    LiveSnapshots,
    FewSnapshots,
    ScanLocksWriters,
    BatchInParts,
    AreasShareLock,
    ClearReachesOver,
    ReadersTakeLock,
    ForgetsOnReopening,
    SettingIgnored,
    PoisonForgotten,
    PoisonOfOneArea,
    FullKeepsPart,
    FullPoisons,
    BoundIgnored,
    DirectoryIgnored,
    WriterLentTwice,
}

#[derive(Debug)]
pub(crate) struct MutantStore {
    mistake: Mistake,
    inner: MemoryStore,
    /// Log entries that fit, if there is a bound.
    entries_max: Option<usize>,
    pub(crate) failing: AtomicU64,
    poisoned: Mutex<Vec<Area>>,
    pending: Mutex<Vec<Batch>>,
    lock: Mutex<()>,
    readers: AtomicU64,
    lent: AtomicU64,
    slots: [WriterSlot; 2],
}

impl MutantStore {
    pub(crate) fn new(mistake: Mistake, inner: MemoryStore) -> Self {
        Self {
            mistake,
            inner,
            entries_max: None,
            failing: AtomicU64::new(0),
            poisoned: Mutex::default(),
            pending: Mutex::default(),
            lock: Mutex::default(),
            readers: AtomicU64::new(0),
            lent: AtomicU64::new(0),
            slots: Default::default(),
        }
    }

    /// The same store, which is full when its log holds so many entries.
    pub(crate) fn bounded(self, entries_max: usize) -> Self {
        Self { entries_max: Some(entries_max), ..self }
    }

    fn has(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }

    fn fail_if_told(&self, area: Area) -> Result<(), StoreError> {
        let mut poisoned = self.poisoned.lock().unwrap();
        let refused = match self.mistake {
            Mistake::PoisonForgotten => false,
            Mistake::PoisonOfOneArea => poisoned.contains(&area),
            _ => !poisoned.is_empty(),
        };
        if refused {
            return Err(StoreError::Poisoned);
        }
        if self.failing.swap(0, Ordering::SeqCst) > 0 {
            poisoned.push(area);
            return Err(StoreError::engine("write", std::io::Error::other("broken")));
        }
        Ok(())
    }

    fn fail_if_full(&self, batch: &Batch) -> Result<(), StoreError> {
        let held = entries(&*self.inner.snapshot()?, Scan::all(Table::Log)).len();
        let full = self.entries_max.is_some_and(|most| held >= most);
        if !full || batch.len() < 2 || self.has(Mistake::BoundIgnored) {
            return Ok(());
        }
        if self.has(Mistake::FullKeepsPart) {
            self.inner.commit(&part(batch, 0..1))?;
        }
        if self.has(Mistake::FullPoisons) {
            self.poisoned.lock().unwrap().push(batch.area());
        }
        Err(StoreError::Full { detail: "as told".into() })
    }

    fn fail_for_nothing(&self, batch: &Batch) -> Result<(), StoreError> {
        let snapshot = self.inner.snapshot()?;
        let absent = batch.operations().any(|operation| match operation {
            Operation::Delete { table, key } => snapshot.get(table, key).unwrap().is_none(),
            _ => false,
        });
        let fails = match self.mistake {
            Mistake::AbsentDeleteFails => absent,
            Mistake::EmptyBatchFails => batch.is_empty(),
            Mistake::BatchLimited => batch.len() > 10_000,
            Mistake::ScanLocksWriters => self.readers.load(Ordering::SeqCst) > 0,
            _ => false,
        };
        if fails { Err(StoreError::corrupt("refused for nothing")) } else { Ok(()) }
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        match self.mistake {
            Mistake::VisibleLate => {
                let late = std::mem::replace(&mut *self.pending.lock().unwrap(), vec![batch]);
                late.iter().try_for_each(|batch| self.inner.commit(batch))
            }
            Mistake::BatchInParts => {
                let half = batch.len() / 2;
                self.inner.commit(&part(&batch, 0..half))?;
                std::thread::yield_now();
                self.inner.commit(&part(&batch, half..batch.len()))
            }
            Mistake::ClearReachesOver => {
                let clears = |operation| matches!(operation, Operation::Clear { .. });
                if batch.area() == Area::Truth && batch.operations().any(clears) {
                    let mut over = Batch::new(Area::Derived);
                    over.clear(Table::Progress);
                    self.inner.commit(&over)?;
                }
                self.inner.commit(&batch)
            }
            _ => self.inner.commit(&batch),
        }
    }
}

impl Store for MutantStore {
    fn engine(&self) -> &'static str {
        "mutant"
    }

    fn durability(&self) -> Durability {
        if self.has(Mistake::SettingIgnored) {
            return Durability::Durable;
        }
        self.inner.durability()
    }

    fn home(&self) -> Result<[u8; 32], StoreError> {
        self.inner.home()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        let _lock = self.has(Mistake::ReadersTakeLock).then(|| self.lock.lock().unwrap());
        let readers = self.readers.load(Ordering::SeqCst);
        if self.has(Mistake::FewSnapshots) && readers >= 126 {
            return Err(StoreError::corrupt("too many readers"));
        }
        self.readers.fetch_add(u64::from(self.has(Mistake::FewSnapshots)), Ordering::SeqCst);
        Ok(Box::new(MutantSnapshot { store: self, inner: self.inner.snapshot()? }))
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let locked = matches!(self.mistake, Mistake::AreasShareLock | Mistake::ReadersTakeLock);
        let _lock = locked.then(|| self.lock.lock().unwrap());
        self.fail_if_told(batch.area())?;
        self.fail_if_full(batch)?;
        self.fail_for_nothing(batch)?;
        self.write(mistaken(self.mistake, &*self.inner.snapshot()?, batch))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.fail_if_told(Area::Truth)?;
        self.inner.sync()
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        if self.has(Mistake::SizeUnknown) { Ok(0) } else { self.inner.size_bytes() }
    }

    fn writer(&self) -> &WriterSlot {
        let lent = self.lent.fetch_add(1, Ordering::SeqCst);
        if self.has(Mistake::WriterLentTwice) && lent < 2 {
            return &self.slots[usize::try_from(lent).unwrap()];
        }
        self.inner.writer()
    }
}

/// The batch as the mistake has it.
fn mistaken(mistake: Mistake, before: &dyn Snapshot, batch: &Batch) -> Batch {
    let mut out = Batch::new(batch.area());
    let mut operations: Vec<_> = batch.operations().collect();
    match mistake {
        Mistake::FirstWins => operations.reverse(),
        Mistake::ClearFirst => {
            operations.sort_by_key(|operation| !matches!(operation, Operation::Clear { .. }));
        }
        _ => {}
    }
    for operation in operations {
        match operation {
            Operation::Clear { table } => out.clear(table),
            Operation::Delete { table, key } => out.delete(shared(mistake, table), key),
            Operation::Put { table, key, value } => match mistake {
                Mistake::EmptyValueDeletes if value.is_empty() => out.delete(table, key),
                Mistake::KeysCut => out.put(table, &key[..key.len().min(511)], value),
                Mistake::ValuesCut => out.put(table, key, &value[..value.len().min(1 << 24)]),
                Mistake::AppendDropsLateKeys if table.is_append_only() => {
                    let scan = Scan { start: key, ..Scan::all(table) }.limit(1);
                    if entries(before, scan).is_empty() {
                        out.put(table, key, value);
                    }
                }
                _ => out.put(shared(mistake, table), key, value),
            },
        }
    }
    out
}

fn shared(mistake: Mistake, table: Table) -> Table {
    match table {
        Table::Keys if mistake == Mistake::TablesShared => Table::FoldIndex,
        table => table,
    }
}

fn part(batch: &Batch, range: std::ops::Range<usize>) -> Batch {
    let mut out = Batch::new(batch.area());
    for operation in batch.operations().skip(range.start).take(range.len()) {
        match operation {
            Operation::Clear { table } => out.clear(table),
            Operation::Delete { table, key } => out.delete(table, key),
            Operation::Put { table, key, value } => out.put(table, key, value),
        }
    }
    out
}

fn entries(snapshot: &dyn Snapshot, scan: Scan<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        entries.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    snapshot.scan(scan, &mut visit).unwrap();
    entries
}

struct MutantSnapshot<'s> {
    store: &'s MutantStore,
    inner: Box<dyn Snapshot + 's>,
}

impl Drop for MutantSnapshot<'_> {
    fn drop(&mut self) {
        let counted = u64::from(self.store.has(Mistake::FewSnapshots));
        self.store.readers.fetch_sub(counted, Ordering::SeqCst);
    }
}

impl Snapshot for MutantSnapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        let table = shared(self.store.mistake, table);
        if self.store.has(Mistake::LiveSnapshots) {
            let now = self.store.inner.snapshot()?;
            return Ok(now.get(table, key)?.map(|value| Cow::Owned(value.into_owned())));
        }
        self.inner.get(table, key)
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mistake = self.store.mistake;
        let page = match mistake {
            Mistake::LiveSnapshots => entries(&*self.store.inner.snapshot()?, scan),
            Mistake::ShorterKeysFirst
            | Mistake::StartExclusive
            | Mistake::EndInclusive
            | Mistake::BackwardOneOff
            | Mistake::LimitOneMore => {
                page(mistake, entries(&*self.inner, Scan::all(scan.table)), scan)
            }
            _ => entries(&*self.inner, Scan { table: shared(mistake, scan.table), ..scan }),
        };
        self.store.readers.fetch_add(1, Ordering::SeqCst);
        for (key, value) in page {
            let told = visit(&key, &value);
            if told.is_break() && mistake != Mistake::BreakIgnored {
                break;
            }
        }
        self.store.readers.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// The part of a table that a scan is to see, as the mistake has it.
fn page(mistake: Mistake, all: Entries, scan: Scan<'_>) -> Entries {
    let inside = |key: &[u8]| {
        let from = match mistake {
            Mistake::StartExclusive => key > scan.start,
            _ => key >= scan.start,
        };
        let to = scan.end.is_none_or(|end| match mistake {
            Mistake::EndInclusive => key <= end,
            _ => key < end,
        });
        from && to
    };
    let mut page: Entries = all.into_iter().filter(|(key, _)| inside(key)).collect();
    if mistake == Mistake::ShorterKeysFirst {
        page.sort_by_key(|(key, _)| (key.len(), key.clone()));
    }
    if scan.direction == Direction::Backward {
        page.reverse();
        if mistake == Mistake::BackwardOneOff && scan.end.is_some() && !page.is_empty() {
            page.remove(0);
        }
    }
    page.truncate(scan.limit.saturating_add(usize::from(mistake == Mistake::LimitOneMore)));
    page
}
