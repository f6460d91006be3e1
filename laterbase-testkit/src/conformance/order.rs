//! Clauses about the order of keys and about scans.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use laterbase_core::store::{Direction, Scan, Snapshot, Store as _, Table};

use super::Harness;
use super::contents::{Entries, TRICKY_KEYS, keys, page, put_keys};

/// Bounds between, before and after the tricky keys.
const MORE_BOUNDS: [&[u8]; 5] = [b"", b"\x00\x01", b"aa", b"\x7f\xff", b"\xff\xff\xff"];

/// Keys come in the order of their unsigned bytes, a prefix before what it begins.
///
/// Catches: keys compared as signed bytes, by length first, or as numbers of the host's order.
pub fn keys_sort_by_their_bytes<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    let mut expected = TRICKY_KEYS;
    expected.sort_unstable();
    for table in Table::ALL {
        let mut shuffled = TRICKY_KEYS;
        shuffled.rotate_left(5);
        put_keys(&store, table, &shuffled);
        assert_eq!(keys(&store, table), expected, "{table:?}");
    }
}

/// A scan visits the keys from its start, inclusive, to its end, exclusive, in its direction, and
/// no more than its limit; upside-down and empty ranges have none.
///
/// Catches: a bound taken in or left out by mistake, a backward scan that starts one off, a limit
/// that is one off, a range that panics.
pub fn every_range_is_that_of_a_sorted_map<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    put_keys(&store, Table::Runs, &TRICKY_KEYS);
    let snapshot = store.snapshot().expect("a snapshot opens");
    let model: BTreeMap<&[u8], &[u8]> = TRICKY_KEYS.iter().map(|key| (*key, *key)).collect();
    let bounds = || TRICKY_KEYS.into_iter().chain(MORE_BOUNDS);
    for start in bounds() {
        for end in bounds().map(Some).chain([None]) {
            for limit in [0, 1, 2, 5, usize::MAX] {
                let scan = Scan { end, start, ..Scan::all(Table::Runs) }.limit(limit);
                check_page(&*snapshot, &model, scan);
                check_page(&*snapshot, &model, scan.backward());
            }
        }
    }
}

#[track_caller]
fn check_page(snapshot: &dyn Snapshot, model: &BTreeMap<&[u8], &[u8]>, scan: Scan<'_>) {
    let inside = |key: &[u8]| key >= scan.start && scan.end.is_none_or(|end| key < end);
    let mut expected: Entries = Vec::new();
    expected.extend(
        model
            .iter()
            .filter(|(key, _)| inside(key))
            .map(|(key, value)| (key.to_vec(), value.to_vec())),
    );
    if scan.direction == Direction::Backward {
        expected.reverse();
    }
    expected.truncate(scan.limit);
    assert_eq!(page(snapshot, scan), expected, "{scan:?}");
}

/// A visitor that breaks is not called again, and a scan that was cut short is no error.
///
/// Catches: a visitor's break that is not heeded.
pub fn a_scan_stops_when_told<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    put_keys(&store, Table::Keys, &TRICKY_KEYS);
    let snapshot = store.snapshot().expect("a snapshot opens");
    for scan in [Scan::all(Table::Keys), Scan::all(Table::Keys).backward()] {
        for stop_after in 1..=TRICKY_KEYS.len() {
            let mut visited = 0;
            let mut visit = |_: &[u8], _: &[u8]| {
                visited += 1;
                if visited == stop_after {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            snapshot.scan(scan, &mut visit).expect("the scan succeeds");
            assert_eq!(visited, stop_after, "{:?}", scan.direction);
        }
    }
}

/// Every table has its own keys, and a scan does not run on into the next table.
///
/// Catches: tables that share one key space, with a prefix that is missing or not closed.
pub fn a_table_is_not_seen_through_another<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    for table in Table::ALL {
        let others = Table::ALL.into_iter().filter(|other| (*other as usize) > table as usize);
        put_keys(&store, table, &[b"shared", table.name().as_bytes(), b"\xff\xff\xff\xff"]);
        for other in others {
            assert!(keys(&store, other).is_empty(), "{other:?} after a put to {table:?}");
        }
    }
    for table in Table::ALL {
        let mut expected = [&b"shared"[..], table.name().as_bytes(), b"\xff\xff\xff\xff"];
        expected.sort_unstable();
        assert_eq!(keys(&store, table), expected, "{table:?}");
    }
}
