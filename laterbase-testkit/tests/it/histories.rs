//! The law of aggregates on the memory store.
//!
//! Mutations that turn it red, each tried: leave out `ladders::invalidate` in a flush, or let it
//! pass over the first rung; fold the snapshot's own event again (`places` without the pushed
//! zero); `<` for `<=` in `Axes::admit` and in `last_arrived_until`; leave out any of the three
//! places where a flush or a read takes snapshots in memory away; let `Overtaking::hits` see
//! nothing; leave the version out of `ladder_prefix`; leave out `HotStates::touch`; let later twins
//! count; leave snapshots of filtered reads. `<` for `<=` in `hits` changes nothing: no two events
//! share a place.

use std::sync::Arc;

use laterbase_core::memory_store::MemoryStore;
use laterbase_testkit::histories::{self, Lateness, Steady};

#[test]
fn every_read_equals_a_fold_from_scratch() {
    for seed in 0..150 {
        let store = MemoryStore::new();
        histories::check_reads(&mut || Arc::new(store.reopen()), seed, 120);
    }
}

#[test]
fn reading_twice_changes_nothing() {
    histories::check_reads_change_nothing(Arc::new(MemoryStore::new()));
}

#[test]
fn a_snapshot_loses_the_race_against_a_late_event() {
    for flushes in [false, true] {
        histories::check_late_event_during_read(Arc::new(MemoryStore::new()), flushes);
    }
}

#[test]
fn a_snapshot_of_a_listing_loses_the_race_against_a_late_event() {
    histories::check_late_event_during_listing(Arc::new(MemoryStore::new()));
}

/// Snapshots waited in memory for a flush that did not come while there were writes, and were then
/// thrown away: with one late event a second, every read folded all. (Counted on 300,000 events.)
#[test]
fn reads_fold_little_anew_however_steadily_late_events_come() {
    for rate in [1, 10, 100] {
        let store = MemoryStore::new();
        let lateness = Lateness::Seconds(100);
        let steady = Steady { length: 50_000, rate, lateness, seconds: 25 };
        let folded = histories::count_folded(&mut || Arc::new(store.reopen()), steady);
        assert!(folded.most_permille() <= 20, "at {rate} a second: {folded:?}");
        assert!(folded.after_restart <= folded.event_count / 50, "at {rate} a second: {folded:?}");
    }
}

/// What lies behind a late event has to be folded again. The ladder bounds what lies before it, to
/// about a quarter of the way from there to the end.
#[test]
fn reads_fold_little_more_than_what_lies_behind_a_late_event() {
    for rate in [1, 10] {
        let store = MemoryStore::new();
        let steady = Steady { length: 10_000, rate, lateness: Lateness::Anywhere, seconds: 25 };
        let folded = histories::count_folded(&mut || Arc::new(store.reopen()), steady);
        for (count, least) in folded.counts.iter().zip(&folded.least) {
            let most = least + least / 2 + 400;
            assert!(*count <= most, "{count} of at least {least} at {rate} a second: {folded:?}");
        }
    }
}

/// Nothing helps the one read behind each such event. But it leaves snapshots that the next read
/// goes on from, which has to fold nothing that was there before.
#[test]
fn an_event_before_all_others_is_paid_for_once() {
    let store = MemoryStore::new();
    let steady = Steady { length: 10_000, rate: 1, lateness: Lateness::AtTheStart, seconds: 3 };
    let folded = histories::count_folded(&mut || Arc::new(store.reopen()), steady);
    assert!(folded.excess_max() < 5, "{folded:?}");
    let steady = Steady { lateness: Lateness::Seconds(100), ..steady };
    let folded = histories::count_folded(&mut || Arc::new(store.reopen()), steady);
    assert!(folded.counts[1..].iter().all(|count| *count < 400), "{folded:?}");
}
