#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use super::*;
use crate::front::Layer;
use crate::hlc::Hlc;
use crate::id::ReplicaId;
use crate::snapshot::{Rung, Snapshot, SnapshotPolicy};
use crate::store::Table;

const MOMENT: Moment = Moment { head: 10, flushes: 0, rewrites: 0 };

fn place(second: i64) -> Place {
    Place::new(second, Hlc::from_bits(1), ReplicaId::from_bytes([1; 16]))
}

/// Leaves one snapshot of an aggregate.
fn leave(unstored: &Unstored, id: &str, second: i64, state_bytes: usize) {
    let followed = unstored.follow(&aggregate(id), MOMENT, || false).unwrap();
    followed.leave(id.as_bytes().to_vec(), ladder(second, state_bytes), &Overtaking::default());
}

fn aggregate(id: &str) -> Vec<u8> {
    crate::keys::index_aggregate(1, id)
}

fn ladder(second: i64, state_bytes: usize) -> Ladder {
    let mut ladder = Ladder::new(SnapshotPolicy::Events(1), 0);
    let snapshot = Snapshot {
        recorded_max: Hlc::from_bits(1),
        arrived_max: 10,
        digest: [0; 32],
        event_count: 1,
        voided: crate::snapshot::VoidedMark::default(),
        refused_count: 0,
        refused: Vec::new(),
        state: Arc::new(vec![b' '; state_bytes]),
    };
    ladder.push(Rung { place: place(second), event_count: 1, position: 10 }, snapshot).unwrap();
    ladder
}

fn layer(id: &str, second: i64, position: u64) -> Flushed {
    let mut layer = Layer::default();
    layer.push(Table::FoldIndex, &crate::keys::index(1, id, &place(second)), position);
    layer.into()
}

fn is_held(unstored: &Unstored, id: &str) -> bool {
    unstored.last(id.as_bytes(), 0, |_| true).is_some()
}

#[test]
fn memory_is_bounded_however_much_is_left() {
    let unstored = Unstored::default();
    for number in 0..100 {
        leave(&unstored, &format!("a{number}"), 5, 1024 * 1024);
    }
    assert!(unstored.lock().size_bytes <= UNSTORED_BYTES_MAX);
    assert!(unstored.is_large());
    let stored = unstored.begin_flush(&Flushed::default(), 10);
    assert!(stored.len() > 10, "{}", stored.len());
    unstored.forget(&stored);
    assert_eq!(unstored.lock().size_bytes, 0);
    assert!(unstored.lock().ladders.is_empty());
}

#[test]
fn a_flush_takes_away_what_it_overtakes_and_nothing_else() {
    let unstored = Unstored::default();
    for id in ["a", "b", "c"] {
        leave(&unstored, id, 5, 1);
    }
    unstored.begin_flush(&layer("a", 4, 11), 11);
    unstored.begin_flush(&layer("b", 6, 12), 12);
    unstored.begin_flush(&layer("c", 4, 9), 12);
    let held = ["a", "b", "c"].map(|id| is_held(&unstored, id));
    assert_eq!(held, [false, true, true], "late; behind it; seen");
}

#[test]
fn what_a_read_leaves_is_cut_off_where_a_flush_overtook_it() {
    let unstored = Unstored::default();
    let followed = unstored.follow(&aggregate("a"), MOMENT, || false).unwrap();
    unstored.begin_flush(&layer("a", 5, 11), 11);
    unstored.begin_flush(&layer("a", 7, 12), 12);
    followed.leave(b"a".to_vec(), ladder(5, 1), &Overtaking::default());
    assert!(!is_held(&unstored, "a"));
    let now = Moment { flushes: 2, ..MOMENT };
    let followed = unstored.follow(&aggregate("a"), now, || false).unwrap();
    unstored.begin_flush(&layer("a", 6, 13), 13);
    followed.leave(b"a".to_vec(), ladder(5, 1), &Overtaking::default());
    assert!(is_held(&unstored, "a"));
}

#[test]
fn a_read_that_looked_before_a_flush_leaves_nothing_unless_nothing_came() {
    let unstored = Unstored::default();
    unstored.begin_flush(&layer("a", 5, 11), 11);
    assert!(unstored.follow(&aggregate("a"), MOMENT, || false).is_none());
    assert!(unstored.follow(&aggregate("a"), MOMENT, || true).is_some());
    assert!(unstored.lock().reads.is_empty(), "who is gone is followed no more");
}

#[test]
fn what_is_of_another_log_is_neither_taken_nor_given() {
    let unstored = Unstored::default();
    let followed = unstored.follow(&aggregate("a"), MOMENT, || false).unwrap();
    leave(&unstored, "b", 5, 1);
    unstored.restart(1);
    followed.leave(b"a".to_vec(), ladder(5, 1), &Overtaking::default());
    assert!(unstored.follow(&aggregate("a"), MOMENT, || true).is_none());
    for rewrites in [0, 1] {
        assert!(unstored.last(b"a", rewrites, |_| true).is_none());
        assert!(unstored.last(b"b", rewrites, |_| true).is_none());
    }
}

/// Else a crash of a relaxed store, which loses the end of its log, would leave a snapshot of
/// events that are gone.
#[test]
fn a_flush_stores_nothing_that_has_seen_more_than_it_does() {
    let unstored = Unstored::default();
    leave(&unstored, "a", 5, 1);
    assert!(unstored.begin_flush(&Flushed::default(), 9).is_empty());
    assert_eq!(unstored.begin_flush(&Flushed::default(), 10).len(), 1);
    assert!(is_held(&unstored, "a"), "until it is stored");
}
