//! Clauses about isolation.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use laterbase_core::store::{Area, Batch, Scan, Snapshot, Store, StoreError, Table};

use super::Harness;
use super::contents::{TRICKY_KEYS, keys, page, put_keys, value};

/// Snapshots that must fit side by side.
const SNAPSHOTS: u8 = 200;

const WRITERS: u8 = 4;
const BATCHES_PER_WRITER: u8 = 25;

/// A snapshot shows the same for as long as it lives, whatever is put, deleted or cleared
/// meanwhile, also to a scan that begins only then.
///
/// Catches: a snapshot that reads the present, or whose scans do.
pub fn a_snapshot_never_changes<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    for table in Table::ALL {
        put_keys(&store, table, &TRICKY_KEYS);
        let snapshot = store.snapshot().expect("a snapshot opens");
        let before = page(&*snapshot, Scan::all(table));
        let mut batch = Batch::new(table.area());
        batch.put(table, b"a", b"changed");
        batch.put(table, b"new", b"");
        batch.delete(table, b"b");
        store.commit(&batch).expect("the commit succeeds");
        assert_eq!(page(&*snapshot, Scan::all(table)), before, "{table:?}");
        batch.clear(table);
        store.commit(&batch).expect("the commit succeeds");
        assert_eq!(page(&*snapshot, Scan::all(table)), before, "{table:?}");
        assert_eq!(value(&*snapshot, table, b"b").as_deref(), Some(&b"b"[..]), "{table:?}");
        assert_eq!(value(&*snapshot, table, b"new"), None, "{table:?}");
        assert!(keys(&store, table).is_empty(), "{table:?}");
    }
}

/// Hundreds of snapshots can be open at once, on one thread and between commits, and each keeps
/// its own moment.
///
/// Catches: one reader per thread, a small table of readers, snapshots that share a moment.
pub fn many_snapshots_can_be_open<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    let mut snapshots = Vec::new();
    for number in 0..SNAPSHOTS {
        put_keys(&store, Table::Progress, &[&[number]]);
        snapshots.push(store.snapshot().expect("another snapshot opens"));
    }
    for (number, snapshot) in (0..SNAPSHOTS).zip(&snapshots) {
        let last = page(&**snapshot, Scan::all(Table::Progress).backward().limit(1));
        assert_eq!(last, [(vec![number], vec![number])]);
    }
}

/// A visitor may commit to the table that it is being shown, and is not shown what it wrote.
///
/// Catches: a lock that is held while a visitor runs, and a scan that runs after its own tail.
pub fn a_reader_can_write_while_it_scans<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    put_keys(&store, Table::Peers, &[b"a", b"b", b"c"]);
    let snapshot = store.snapshot().expect("a snapshot opens");
    let mut visited = Vec::new();
    let mut visit = |key: &[u8], _: &[u8]| {
        visited.push(key.to_vec());
        put_keys(&store, Table::Peers, &[&[key, b"+"].concat()]);
        ControlFlow::Continue(())
    };
    snapshot.scan(Scan::all(Table::Peers), &mut visit).expect("the scan succeeds");
    assert_eq!(visited, [b"a", b"b", b"c"]);
    assert_eq!(keys(&store, Table::Peers), [&b"a"[..], b"a+", b"b", b"b+", b"c", b"c+"]);
}

/// Many threads may commit and read at once: no batch is lost, and none is seen in part.
///
/// Every batch of a writer raises its counter and adds a key, so what one snapshot shows of both
/// must agree.
///
/// Catches: a batch applied piece by piece, writers that overwrite each other's version, a
/// snapshot that takes the tables of an area one after the other.
pub fn concurrent_batches_are_seen_whole<H: Harness>()
where
    H::Store: Sync,
{
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    check_whole(&*store.snapshot().expect("a snapshot opens"));
                }
            });
        }
        let write = |writer| {
            for number in 1..=BATCHES_PER_WRITER {
                count_up(&store, writer, number).expect("the commit succeeds");
            }
        };
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
        let ended: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::Release);
        assert!(ended.iter().all(Result::is_ok), "a writer panicked");
    });
    check_whole(&*store.snapshot().expect("a snapshot opens"));
    let entries = usize::from(WRITERS) * usize::from(BATCHES_PER_WRITER);
    assert_eq!(keys(&store, Table::Runs).len(), entries);
}

/// Writes the number as far apart as one area goes: to its last table, and to its first.
fn count_up(store: &impl Store, writer: u8, number: u8) -> Result<(), StoreError> {
    let mut batch = Batch::new(Area::Truth);
    batch.put(Table::Runs, &[writer, number], &[]);
    for padding in 0..50 {
        batch.put(Table::Quarantine, &[writer, padding], &[number]);
    }
    batch.put(Table::Meta, &[writer], &[number]);
    store.commit(&batch)
}

#[track_caller]
fn check_whole(snapshot: &dyn Snapshot) {
    // Backwards from the order of the writes, so that a batch seen in part is caught halfway.
    let counters = page(snapshot, Scan::all(Table::Meta));
    let padding = page(snapshot, Scan::all(Table::Quarantine));
    let runs = page(snapshot, Scan::all(Table::Runs));
    for (writer, number) in counters {
        let own = runs.iter().filter(|(key, _)| key[0] == writer[0]).count();
        assert_eq!(own, usize::from(number[0]), "keys and counter of writer {writer:?}");
        let own = padding.iter().filter(|(key, _)| key[0] == writer[0]);
        assert!(own.into_iter().all(|(_, value)| *value == number), "padding of {writer:?}");
    }
}
