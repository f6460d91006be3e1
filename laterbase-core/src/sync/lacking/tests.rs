#![allow(clippy::unwrap_used, reason = "tests")]

use super::super::acknowledged::entry;
use super::super::test_store::TestStore;
use super::*;

const DEPOT: ReplicaId = ReplicaId::from_bytes([1; 16]);

fn store(roots: &[&str]) -> TestStore {
    let mut store = TestStore::new();
    for root in roots {
        store.record(&root.parse().unwrap(), 5);
    }
    store
}

fn say(store: &mut TestStore, root: &str, seq: u64) {
    let entry = entry(DEPOT, (&root.parse().unwrap(), store.id()), seq);
    store.remember(vec![entry]);
}

#[track_caller]
fn check(store: &TestStore, selection: &str, excluded: &Excluded, expected: &[(&str, u64)]) {
    let selection = selection.parse().unwrap();
    let lacking = Lacking::find(store.reader(), DEPOT, &selection, excluded, None).unwrap();
    let found: Vec<(&str, u64)> =
        lacking.stretches.iter().map(|want| (want.root.as_str(), want.after)).collect();
    assert_eq!(found, expected);
    assert!(lacking.stretches.iter().all(|want| want.until == 5));
    assert_eq!(lacking.event_count, expected.iter().map(|(_, after)| 5 - after).sum::<u64>());
    assert_eq!(lacking.next, None);
}

#[test]
fn what_is_acknowledged_not_selected_or_in_doubt_is_not_lacking() {
    let mut store = store(&["pallet", "pallet@east", "truck"]);
    let none = Excluded::default();
    check(&store, "", &none, &[("pallet", 0), ("pallet@east", 0), ("truck", 0)]);
    say(&mut store, "pallet", 3);
    say(&mut store, "truck", 5);
    check(&store, "", &none, &[("pallet", 3), ("pallet@east", 0)]);
    check(&store, "pallet@*", &none, &[("pallet@east", 0)]);
    let roots = ["pallet".parse().unwrap()].into();
    let refused = Excluded { roots, ..Excluded::default() };
    check(&store, "", &refused, &[("pallet@east", 0)]);
    let places = [("pallet".parse().unwrap(), store.id())].into();
    let in_doubt = Excluded { places, ..Excluded::default() };
    check(&store, "", &in_doubt, &[("pallet@east", 0)]);
    say(&mut store, "pallet", 0);
    check(&store, "pallet", &none, &[("pallet", 0)]);
}

#[test]
fn more_stretches_than_are_looked_at_together_are_found_in_the_next_step() {
    let mut lacking = Lacking::default();
    for number in 0..STRETCHES_MAX as u64 + 2 {
        let origin = ReplicaId::from_bytes(u128::from(number).to_be_bytes());
        lacking.add(("pallet".parse().unwrap(), origin), 1, 3);
    }
    assert_eq!(lacking.stretches.len(), STRETCHES_MAX);
    assert_eq!(lacking.event_count, 2 * (STRETCHES_MAX as u64 + 2));
    let last = ReplicaId::from_bytes((STRETCHES_MAX as u128 - 1).to_be_bytes());
    assert_eq!(lacking.next, Some(("pallet".parse().unwrap(), last)));
}
