#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::memory_store::MemoryStore;
use crate::reader::Query;
use crate::reader::feed::tests::{hear, open, root};

#[test]
fn a_tally_says_what_the_status_says() {
    let store = MemoryStore::new();
    let mut replica = open(&store);
    let reader = replica.reader();
    assert_eq!(reader.tally().roots, []);
    hear(&mut replica, &root(), 1, 600);
    hear(&mut replica, &RootName::new("order").unwrap(), 2, 2);
    let (tally, status) = (reader.tally(), reader.status().unwrap());
    let roots: Vec<_> = tally.roots.iter().map(|it| (&it.name, it.events, it.unreadable)).collect();
    let told: Vec<_> = status.roots.iter().map(|it| (&it.name, it.events, it.unreadable)).collect();
    assert_eq!(roots, told);
    assert_eq!((tally.counters, tally.clock), (status.counters, status.clock));
    assert_eq!((tally.front_events, tally.snapshots_stored), (602, 0));
    // A read of many events leaves snapshots, which the next flush stores.
    reader.aggregate(&root(), "a", &Query::default()).unwrap();
    replica.maintenance().flush().unwrap();
    let tally = reader.tally();
    assert_eq!(tally.front_events, 0);
    assert!(tally.snapshots_stored > 0);
}
