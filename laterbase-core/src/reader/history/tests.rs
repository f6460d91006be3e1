#![allow(clippy::unwrap_used, reason = "tests")]

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::PreparedBatch;
use crate::event::Record;
use crate::fold::{Folds, MergePatch};
use crate::memory_store::MemoryStore;
use crate::reader::Order;
use crate::reader::feed::tests::{NOW, root};
use crate::replica::{Replica, ReplicaOptions};
use crate::store::{
    Batch, Durability, Scan, Snapshot, Store, StoreError, Table, Visit, WriterSlot,
};

/// A store that counts the scans it is asked for.
#[derive(Debug)]
struct Counted {
    store: MemoryStore,
    scans: Arc<AtomicUsize>,
}

struct CountedSnapshot<'s>(Box<dyn Snapshot + 's>, &'s AtomicUsize);

impl Store for Counted {
    fn engine(&self) -> &'static str {
        self.store.engine()
    }

    fn durability(&self) -> Durability {
        self.store.durability()
    }

    fn home(&self) -> Result<[u8; 32], StoreError> {
        self.store.home()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        Ok(Box::new(CountedSnapshot(self.store.snapshot()?, &self.scans)))
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.store.commit(batch)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.store.sync()
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        self.store.size_bytes()
    }

    fn writer(&self) -> &WriterSlot {
        self.store.writer()
    }
}

impl Snapshot for CountedSnapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        self.0.get(table, key)
    }

    fn scan(&self, scan: Scan<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.scan(scan, visit)
    }
}

const EVENTS: i64 = 300;

/// A replica with one aggregate of [`EVENTS`] events, a nanosecond apart, and the scans of its store.
fn long_history() -> (Replica, Arc<AtomicUsize>) {
    let scans = Arc::new(AtomicUsize::new(0));
    let store = Counted { store: MemoryStore::new(), scans: Arc::clone(&scans) };
    let folds = Arc::new(Folds::new().fallback(Arc::new(MergePatch)));
    let random = Box::new(|| [0xee; 16]);
    let options = ReplicaOptions::default();
    let mut replica = Replica::open(Arc::new(store), Arc::clone(&folds), options, random).unwrap();
    for number in 0..EVENTS {
        let mut batch = PreparedBatch::new(root(), Arc::clone(&folds), NOW);
        let record = Record { occurred: Some(number), ..Record::json("a", "T", "1") };
        batch.push(&record).unwrap();
        replica.append(&batch, NOW + number).unwrap();
    }
    (replica, scans)
}

/// What pages of `limit` give, and how many of them there are.
fn read_all(replica: &Replica, query: Query, window: Window, limit: usize) -> (Vec<i64>, usize) {
    let (mut found, mut pages) = (Vec::new(), 0);
    let mut history = History { query, window, after: None, limit };
    loop {
        let before = found.len();
        let page = replica.reader().history(&root(), "a", &history, &mut |event| {
            found.push(event.occurred());
            ControlFlow::Continue(())
        });
        let page = page.unwrap();
        assert_eq!(page.events, found.len() - before);
        assert!(page.events <= limit);
        pages += 1;
        match page.next {
            Some(next) => history.after = Some(next),
            None => return (found, pages),
        }
    }
}

/// A page for which nothing counted looked at the whole aggregate, two rows a scan: a million events
/// took 500,000 scans, and one request held a reader's slot for as long.
#[test]
fn what_is_left_out_takes_few_scans_and_many_short_pages() {
    let (replica, scans) = long_history();
    let query = Query { recorded_until: Some(0), ..Query::default() };
    let recorded_from = Window { recorded_from: Some(i64::MAX), ..Window::default() };
    for (query, window) in [(query, Window::default()), (Query::default(), recorded_from)] {
        for order in [Order::Ascending, Order::Descending] {
            let window = Window { order, ..window };
            let before = scans.load(Ordering::Relaxed);
            let (found, pages) = read_all(&replica, query.clone(), window, 1);
            assert!(found.is_empty());
            let most = SCANNED_ENTRIES_MAX as i64;
            assert!(pages as i64 > EVENTS / (2 * most), "a page passes over so many: {pages}");
            assert!(pages as i64 <= EVENTS / most + 1, "and not fewer: {pages}");
            let scanned = scans.load(Ordering::Relaxed) - before;
            assert!(scanned <= 8 * pages, "{scanned} scans for {pages} pages");
        }
    }
}

/// Mutation: a page that is cut goes on behind the last event it found, and never gets on; or
/// before the last place it looked at, and gives an event twice.
#[test]
fn pages_of_any_size_give_what_counts_once_and_in_order() {
    let (replica, _) = long_history();
    // Of 300 events that were recorded one after the other, the last 50 of the first 150.
    let query = Query { recorded_until: Some(NOW + 149), ..Query::default() };
    let window = Window { recorded_from: Some(NOW + 100), ..Window::default() };
    for limit in [1, 2, 7, 49, 50, 51, 1_000] {
        for order in [Order::Ascending, Order::Descending] {
            let (found, _) = read_all(&replica, query.clone(), Window { order, ..window }, limit);
            let mut expected: Vec<i64> = (100..150).collect();
            if order == Order::Descending {
                expected.reverse();
            }
            assert_eq!(found, expected, "limit {limit}, {order:?}");
        }
    }
}
