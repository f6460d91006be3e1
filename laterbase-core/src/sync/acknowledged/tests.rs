#![allow(clippy::unwrap_used, reason = "tests")]

use super::super::test_store::TestStore;
use super::*;

fn root() -> RootName {
    RootName::new("pallet").unwrap()
}

fn say(store: &mut TestStore, peer: ReplicaId, seq: u64) {
    let entry = entry(peer, (&root(), store.id()), seq);
    store.remember(vec![entry]);
}

#[track_caller]
fn check_pending(store: &TestStore, expected: u64) {
    assert_eq!(pending(store.reader()).unwrap(), BTreeMap::from([(root(), expected)]));
}

#[test]
fn own_events_are_pending_until_some_peer_holds_them() {
    let (mut store, depot, port) =
        (TestStore::new(), ReplicaId::from_bytes([1; 16]), ReplicaId::from_bytes([2; 16]));
    store.record(&root(), 5);
    check_pending(&store, 5);
    say(&mut store, depot, 3);
    check_pending(&store, 2);
    say(&mut store, port, 1);
    check_pending(&store, 2);
    store.record(&root(), 1);
    check_pending(&store, 3);
    say(&mut store, port, 6);
    check_pending(&store, 0);
}

#[test]
fn a_peer_that_lost_what_it_had_acknowledged_is_believed() {
    let (mut store, depot) = (TestStore::new(), ReplicaId::from_bytes([1; 16]));
    store.record(&root(), 5);
    say(&mut store, depot, 5);
    say(&mut store, depot, 2);
    check_pending(&store, 3);
}

#[test]
fn events_of_others_are_never_pending() {
    let (mut store, mut other) = (TestStore::new(), TestStore::of(7));
    other.record(&root(), 4);
    let page = other.reader().delta(&root(), &VersionVector::new(), 10, 1 << 20).unwrap();
    assert_eq!(store.merge(&page.bytes), 4);
    check_pending(&store, 0);
}

#[test]
fn each_origin_of_each_root_is_acknowledged_by_itself() {
    let (mut store, depot) = (TestStore::new(), ReplicaId::from_bytes([1; 16]));
    let (pallets, all) = (root(), RootName::new("pallet@east").unwrap());
    let origins = [ReplicaId::from_bytes([0; 16]), ReplicaId::from_bytes([255; 16])];
    for (seq, root) in (1..).zip([&pallets, &all]) {
        for origin in origins {
            store.remember(vec![entry(depot, (root, origin), seq)]);
        }
    }
    let of_pallets = acknowledged(store.reader(), depot, &pallets).unwrap();
    assert_eq!(of_pallets, origins.into_iter().map(|origin| (origin, 1)).collect());
    let of_all = acknowledged_between(store.reader(), depot, None, None).unwrap();
    assert_eq!(of_all.len(), 4);
    assert_eq!(acknowledged_seq(store.reader(), depot, (&all, origins[1])).unwrap(), 2);
    let somebody = ReplicaId::from_bytes([2; 16]);
    let of_none = acknowledged_between(store.reader(), somebody, None, None).unwrap();
    assert!(of_none.is_empty());
    assert_eq!(last_seen(store.reader(), &(all, origins[0])).unwrap(), 2);
}
