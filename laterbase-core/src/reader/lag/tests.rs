#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::memory_store::MemoryStore;
use crate::reader::feed::tests::{NOW, hear, open, origin, root};

/// Counts what a caller lacks who has its own events, those of the origin 7.
#[track_caller]
fn check(reader: &Reader, cursor: &Cursor, looks: u64, events: u64, rest: u64) -> Lag {
    let takes = |_: &RootName, id: ReplicaId| id != origin(7);
    let lag = reader.lag(cursor, &takes, looks).unwrap().unwrap();
    assert_eq!((lag.events, lag.rest), (events, rest));
    assert_eq!(lag.since.is_some(), events > 0);
    lag
}

#[test]
fn what_a_caller_lacks_is_counted_from_where_the_last_look_ended() {
    let store = MemoryStore::new();
    let mut replica = open(&store);
    let reader = replica.reader();
    let other = RootName::new("order").unwrap();
    let start = reader.cursor();
    check(&reader, &start, 100, 0, 0);
    hear(&mut replica, &root(), 7, 3);
    hear(&mut replica, &root(), 1, 4);
    hear(&mut replica, &other, 2, 2);
    let lag = check(&reader, &start, 100, 6, 0);
    assert_eq!((lag.since, lag.looked_to), (Some(NOW), reader.cursor()));
    // A look that was cut short says how much it has not seen, and where to go on.
    let lag = check(&reader, &start, 4, 1, 5);
    let lag = check(&reader, &lag.looked_to, 4, 4, 1);
    check(&reader, &lag.looked_to, 4, 1, 0);
    let orders = |name: &RootName, _: ReplicaId| *name == other;
    assert_eq!(reader.lag(&start, &orders, 100).unwrap().unwrap().events, 2);
}

#[test]
fn nobody_lacks_anything_behind_a_cursor_of_another_log() {
    let (store, other) = (MemoryStore::new(), MemoryStore::new());
    let (mut replica, mut of_another) = (open(&store), open(&other));
    hear(&mut replica, &root(), 1, 2);
    hear(&mut of_another, &root(), 2, 2);
    let cursor = of_another.reader().cursor();
    assert_eq!(replica.reader().lag(&cursor, &|_, _| true, 100).unwrap(), None);
}
