//! Clauses about who must not wait for whom.

use std::thread;
use std::time::Instant;

use laterbase_core::store::{Area, Batch, Scan, Store, Table};

use super::Harness;
use super::contents::{get, keys, page, put_keys};

/// Entries of a commit that takes long enough for others to be done meanwhile.
const SLOW_ENTRIES: u64 = 20_000;

/// Times that something quick is tried during a slow commit, at most.
const TRIES: u64 = 40;

/// How many more of them must succeed than have to wait.
const OVERLAPS: u64 = 4;

/// A commit to one area leaves the other as it was, and each is written without the other.
///
/// Catches: areas that are mixed up, and a clear that reaches over.
pub fn the_areas_are_written_apart<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    put_keys(&store, Table::Meta, &[b"truth"]);
    put_keys(&store, Table::Progress, &[b"derived"]);
    for area in [Area::Truth, Area::Derived] {
        let mut batch = Batch::new(area);
        for table in Table::ALL.into_iter().filter(|table| table.area() == area) {
            batch.clear(table);
        }
        store.commit(&batch).expect("the commit succeeds");
        let derived: &[&[u8]] = if area == Area::Derived { &[] } else { &[b"derived"] };
        assert!(keys(&store, Table::Meta).is_empty());
        assert_eq!(keys(&store, Table::Progress), derived);
    }
}

/// A commit to the truth begins and ends while a large one to the derived area is under way.
///
/// Catches: one lock, or one engine's writer, for both areas.
pub fn an_area_does_not_wait_for_the_other<H: Harness>()
where
    H::Store: Sync,
{
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    let slow = slow_batch(Table::FoldIndex);
    check_overlap(
        || store.commit(&slow).expect("the slow commit succeeds"),
        || put_keys(&store, Table::Meta, &[b"quick"]),
    );
}

/// A snapshot is taken, read and scanned while a large commit is under way.
///
/// Catches: a lock that a writer holds while it writes and a reader needs.
pub fn a_reader_does_not_wait_for_a_writer<H: Harness>()
where
    H::Store: Sync,
{
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    put_keys(&store, Table::Meta, &[b"key"]);
    let slow = slow_batch(Table::Runs);
    check_overlap(
        || store.commit(&slow).expect("the slow commit succeeds"),
        || {
            assert!(get(&store, Table::Meta, b"key").is_some());
            let snapshot = store.snapshot().expect("a snapshot opens");
            page(&*snapshot, Scan::all(Table::Runs).limit(10));
        },
    );
}

/// Keys that are spread over the table, which makes the commit as slow as it can be.
fn slow_batch(table: Table) -> Batch {
    let mut batch = Batch::new(table.area());
    for number in 0..SLOW_ENTRIES {
        let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        batch.put(table, &key, &[7; 200]);
    }
    batch
}

/// Checks that `quick` can run, from beginning to end, while one and the same `slow` does.
///
/// It is tried once in each slow call, when a quarter of the time is over that the one before has
/// taken: by then the call has whatever lock it takes, unless its thread was not given a processor.
/// Chance therefore works both ways on a busy machine, and what counts is what happens more often.
#[track_caller]
fn check_overlap(slow: impl Fn() + Sync, quick: impl Fn()) {
    let begin = Instant::now();
    slow();
    let mut head_start = begin.elapsed() / 4;
    let (mut overlaps, mut waits) = (0, 0);
    while overlaps < waits + OVERLAPS && overlaps + waits < TRIES {
        thread::scope(|scope| {
            let begin = Instant::now();
            let slow = &slow;
            let slow_call = scope.spawn(move || {
                slow();
                begin.elapsed()
            });
            while begin.elapsed() < head_start && !slow_call.is_finished() {
                thread::yield_now();
            }
            quick();
            let quick_end = begin.elapsed();
            let slow_end = slow_call.join().expect("the slow call does not panic");
            // What waits for a lock ends a moment before whoever gave it up.
            *if quick_end < slow_end - slow_end / 8 { &mut overlaps } else { &mut waits } += 1;
            head_start = slow_end / 4;
        });
    }
    assert!(
        overlaps >= waits + OVERLAPS,
        "something quick had to wait for a slow commit {waits} times, and {overlaps} times not"
    );
}
