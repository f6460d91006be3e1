#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::event::Record;
use crate::fold::{Folds, MergePatch};
use crate::id::RootName;
use crate::memory_store::MemoryStore;
use crate::prepared::PreparedBatch;
use crate::reader::{Query, ReadError};
use crate::replica::{OpenError, Replica, ReplicaOptions, WriteError};
use crate::store::{Batch, Durability, Refusal, Store, WriterSlot};

const NOW: i64 = 1_700_000_000_000_000_000;

/// A store in memory whose derived tables are damaged, or whose disk for them is full, at will.
#[derive(Debug, Default)]
struct Sick {
    inner: MemoryStore,
    is_damaged: AtomicBool,
    is_full: AtomicBool,
    renewals: AtomicU64,
}

impl Store for Sick {
    fn engine(&self) -> &'static str {
        "sick"
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn home(&self) -> Result<[u8; 32], StoreError> {
        self.inner.home()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        Ok(Box::new(SickSnapshot { inner: self.inner.snapshot()?, store: self }))
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        match self.refusal(batch.area()) {
            Some(refusal) => Err(refusal.into_error()),
            None => self.inner.commit(batch),
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.inner.sync()
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        self.inner.size_bytes()
    }

    fn writer(&self) -> &WriterSlot {
        self.inner.writer()
    }

    fn renew_derived(&self, reason: &str) -> Result<(), StoreError> {
        assert!(reason.contains("as told"), "{reason}");
        self.is_damaged.store(false, Ordering::SeqCst);
        self.renewals.fetch_add(1, Ordering::SeqCst);
        self.inner.renew_derived(reason)
    }

    fn refusal(&self, area: Area) -> Option<Refusal> {
        let is_full = area == Area::Derived && self.is_full.load(Ordering::SeqCst);
        is_full.then(|| Refusal::Full { detail: "as told".to_owned() })
    }
}

struct SickSnapshot<'s> {
    inner: Box<dyn Snapshot + 's>,
    store: &'s Sick,
}

impl SickSnapshot<'_> {
    fn check(&self, table: Table) -> Result<(), StoreError> {
        let is_damaged = self.store.is_damaged.load(Ordering::SeqCst);
        if is_damaged && matches!(table, Table::FoldIndex | Table::Keys | Table::Snapshots) {
            return Err(StoreError::corrupt("as told"));
        }
        Ok(())
    }
}

impl Snapshot for SickSnapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        self.check(table)?;
        self.inner.get(table, key)
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.check(scan.table)?;
        self.inner.scan(scan, visit)
    }
}

fn root() -> RootName {
    RootName::new("pallet").unwrap()
}

fn folds() -> Arc<Folds> {
    Arc::new(Folds::new().fallback(Arc::new(MergePatch)))
}

fn open(store: &Arc<Sick>) -> Result<Replica, OpenError> {
    let options =
        ReplicaOptions { front_events_flush: 8, hot_bytes_max: 0, ..ReplicaOptions::default() };
    Replica::open(Arc::clone(store) as Arc<dyn Store>, folds(), options, Box::new(|| [7; 16]))
}

fn append(replica: &mut Replica, number: u64, key: Option<&str>) -> Result<bool, WriteError> {
    let mut batch = PreparedBatch::new(root(), folds(), NOW);
    let data = format!("{{\"n\":{number}}}");
    let id = format!("P{}", number % 3);
    let record = Record { idempotency_key: key, ..Record::json(&id, "Packed", &data) };
    batch.push(&record).unwrap();
    replica.append(&batch, NOW).map(|appended| appended.replayed)
}

fn filled(events: u64) -> (Arc<Sick>, Replica) {
    let store = Arc::new(Sick::default());
    let mut replica = open(&store).unwrap();
    for number in 0..events {
        append(&mut replica, number, Some(&format!("key {number}"))).unwrap();
    }
    replica.maintenance().flush().unwrap();
    (store, replica)
}

#[track_caller]
fn check_state(replica: &Replica, id: &str, expected: u64) {
    let read = replica.reader().aggregate(&root(), id, &Query::default()).unwrap().unwrap();
    assert_eq!(read.state, format!("{{\"n\":{expected}}}").into_bytes());
}

/// A damaged page of the derived tables ended the process, and again after each restart, although
/// all of it can be built anew.
#[test]
fn every_read_builds_damaged_tables_anew_and_answers() {
    let reads: [fn(&Replica); 4] = [
        |replica| check_state(replica, "P1", 28),
        |replica| {
            let page = replica.reader().aggregates(&root(), None, 10, &Query::default()).unwrap();
            assert_eq!(page.aggregates.len(), 3);
        },
        |replica| {
            let mut seen = 0;
            let mut visit = |_: &crate::event::Event<'_>| {
                seen += 1;
                std::ops::ControlFlow::Continue(())
            };
            let query = Query::default();
            replica.reader().aggregate_events(&root(), "P0", None, 99, &query, &mut visit).unwrap();
            assert_eq!(seen, 10);
        },
        |replica| assert_eq!(replica.reader().status().unwrap().roots[0].aggregates, 3),
    ];
    for read in reads {
        let (store, replica) = filled(30);
        store.is_damaged.store(true, Ordering::SeqCst);
        read(&replica);
        assert!(!store.is_damaged.load(Ordering::SeqCst) || read_needs_no_tables(&store));
        check_state(&replica, "P2", 29);
    }
}

/// The count of aggregates is in a table of its own.
fn read_needs_no_tables(store: &Sick) -> bool {
    store.renewals.load(Ordering::SeqCst) == 0
}

#[test]
fn a_key_is_found_again_after_the_tables_were_damaged() {
    let (store, mut replica) = filled(30);
    store.is_damaged.store(true, Ordering::SeqCst);
    assert!(append(&mut replica, 12, Some("key 12")).unwrap());
    assert!(!append(&mut replica, 30, Some("key 30")).unwrap());
    assert_eq!(store.renewals.load(Ordering::SeqCst), 1);
    check_state(&replica, "P0", 30);
}

#[test]
fn reads_of_the_truth_do_not_wait_for_the_tables() {
    let (store, replica) = filled(30);
    store.is_damaged.store(true, Ordering::SeqCst);
    let mut seen = 0;
    let reader = replica.reader();
    reader
        .arrivals(0, 100, &mut |_, _| {
            seen += 1;
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((seen, store.renewals.load(Ordering::SeqCst)), (30, 0));
}

#[test]
fn what_arrives_while_the_tables_are_built_is_seen() {
    let (store, mut replica) = filled(30);
    store.is_damaged.store(true, Ordering::SeqCst);
    let reader = replica.reader();
    let mut maintenance = replica.maintenance();
    append(&mut replica, 30, None).unwrap();
    assert!(reader.aggregate(&root(), "P0", &Query::default()).unwrap().is_some());
    append(&mut replica, 33, None).unwrap();
    maintenance.flush().unwrap();
    check_state(&replica, "P0", 33);
    let report = crate::verify::verify(&*store, &mut |_, _| {}).unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
}

/// Opening a store whose tables are gone read all of its log before it answered anything.
#[test]
fn a_store_that_lacks_much_opens_at_once_and_answers_right() {
    let (store, replica) = filled(200);
    replica.close().unwrap();
    store.inner.renew_derived("").unwrap();
    let replica = open(&store).unwrap();
    assert_eq!(replica.reader().front_events(), 0, "nothing was read from the log yet");
    check_state(&replica, "P1", 199);
}

#[test]
fn a_replica_that_is_closed_before_its_tables_were_built_is_whole_the_next_time() {
    let (store, replica) = filled(200);
    replica.close().unwrap();
    store.inner.renew_derived("").unwrap();
    let mut replica = open(&store).unwrap();
    append(&mut replica, 200, None).unwrap();
    replica.close().unwrap();
    check_state(&open(&store).unwrap(), "P2", 200);
}

#[test]
fn no_more_than_sixteen_wait_for_the_tables() {
    let (store, replica) = filled(30);
    store.is_damaged.store(true, Ordering::SeqCst);
    let shared = replica.reader();
    shared.shared_for_tests().healing.waiting.store(WAITING_MAX, Ordering::SeqCst);
    let read = shared.aggregate(&root(), "P0", &Query::default());
    assert!(matches!(read, Err(ReadError::Store(StoreError::Rebuilding))), "{read:?}");
    shared.shared_for_tests().healing.waiting.store(0, Ordering::SeqCst);
    check_state(&replica, "P0", 27);
}

/// With a full disk under the derived tables only, memory grew with every event, and each write
/// sorted all that was behind once more.
#[test]
fn writes_are_refused_once_what_the_tables_lack_fills_the_memory() {
    let (store, mut replica) = filled(30);
    store.is_full.store(true, Ordering::SeqCst);
    let mut taken = 30;
    let refused = loop {
        match append(&mut replica, taken, None) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1_000, "nothing bounds the front");
    };
    assert!(matches!(refused, WriteError::Store(StoreError::Full { .. })), "{refused}");
    assert!(taken >= 30 + 64, "{taken}");
    check_state(&replica, "P0", (taken - 1) / 3 * 3);
    store.is_full.store(false, Ordering::SeqCst);
    append(&mut replica, taken, None).unwrap();
    store.is_full.store(true, Ordering::SeqCst);
    replica.close().unwrap();
}
