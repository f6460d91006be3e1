//! Short ways to write to a store and to see what it holds.

use std::ops::ControlFlow;

use laterbase_core::store::{Batch, Scan, Snapshot, Store, Table};

/// Keys and values in the order in which they were visited.
pub(super) type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Keys that orders other than that of unsigned bytes, shorter first, get wrong.
pub(super) const TRICKY_KEYS: [&[u8]; 13] = [
    b"\x00",
    b"\x00\x00",
    b"\x00\xff",
    b"\x01",
    b"a",
    b"a\x00",
    b"a\xff",
    b"b",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\x00",
    b"\xff\xff",
];

/// Commits puts to one table.
#[track_caller]
pub(super) fn put(store: &impl Store, table: Table, entries: &[(&[u8], &[u8])]) {
    let mut batch = Batch::new(table.area());
    for (key, value) in entries {
        batch.put(table, key, value);
    }
    store.commit(&batch).expect("the commit succeeds");
}

/// Commits the putting of the same value under several keys.
#[track_caller]
pub(super) fn put_keys(store: &impl Store, table: Table, keys: &[&[u8]]) {
    let entries: Vec<(&[u8], &[u8])> = keys.iter().map(|key| (*key, *key)).collect();
    put(store, table, &entries);
}

/// Reads one value as the store is now.
#[track_caller]
pub(super) fn get(store: &impl Store, table: Table, key: &[u8]) -> Option<Vec<u8>> {
    let snapshot = store.snapshot().expect("a snapshot opens");
    value(&*snapshot, table, key)
}

/// Reads one value of a snapshot.
#[track_caller]
pub(super) fn value(snapshot: &dyn Snapshot, table: Table, key: &[u8]) -> Option<Vec<u8>> {
    snapshot.get(table, key).expect("the value can be read").map(|value| value.into_owned())
}

/// Everything that a scan visits.
#[track_caller]
pub(super) fn page(snapshot: &dyn Snapshot, scan: Scan<'_>) -> Entries {
    let mut entries = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        entries.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    snapshot.scan(scan, &mut visit).expect("the scan succeeds");
    entries
}

/// Everything that a table holds now.
#[track_caller]
pub(super) fn table(store: &impl Store, table: Table) -> Entries {
    page(&*store.snapshot().expect("a snapshot opens"), Scan::all(table))
}

/// The keys of a table now.
#[track_caller]
pub(super) fn keys(store: &impl Store, of: Table) -> Vec<Vec<u8>> {
    table(store, of).into_iter().map(|(key, _)| key).collect()
}
