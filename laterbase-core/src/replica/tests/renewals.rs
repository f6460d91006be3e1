//! Changes of a replica's own id: each is remembered, with where it begins and why.
//!
//! The story: a device whose next seq was forged moved to another id without a word, and nobody
//! could tell afterwards which events were its own.

use super::*;
use crate::limits::RENEWALS_MAX;
use crate::renewal::{Renewal, RenewalReason};

/// A store in which a replica wrote three events, and was not closed.
fn written() -> (MemoryStore, ReplicaId) {
    let store = MemoryStore::new();
    let mut replica = open(&store, 1);
    for index in 0..3 {
        write(&mut replica, "s1", "{}", NOW + index);
    }
    assert_eq!(replica.reader().renewals(), []);
    (store, replica.id())
}

#[track_caller]
fn check(replica: &Replica, old: ReplicaId, seq: u64, reason: RenewalReason) {
    let from = vec![(root(), seq)];
    let expected = Renewal { number: 0, old, new: replica.id(), from, reason };
    assert_ne!(replica.id(), old);
    assert_eq!(replica.reader().renewals(), std::slice::from_ref(&expected));
    assert_eq!(replica.reader().renewals_since_open(), [expected]);
}

#[test]
fn a_store_that_gives_up_its_id_as_it_is_opened_says_why() {
    let asked = ReplicaOptions { new_identity: true, ..ReplicaOptions::default() };
    let options = ReplicaOptions::default();
    let there = |store: MemoryStore| store.at_home([1; 32]);
    check_opened(asked, |store| store, RenewalReason::Requested);
    check_opened(options, there, RenewalReason::Elsewhere);
}

fn check_opened(
    options: ReplicaOptions,
    put: impl Fn(MemoryStore) -> MemoryStore,
    reason: RenewalReason,
) {
    let (store, old) = written();
    let store = put(store);
    let replica = open_with(&store, 2, options);
    check(&replica, old, 4, reason);
    let renewals = replica.reader().renewals();
    drop(replica);
    let replica = open_with(&store, 3, ReplicaOptions::default());
    assert_eq!(replica.reader().renewals(), renewals, "it is remembered");
    assert_eq!(replica.reader().renewals_since_open(), [], "and told of once");
}

#[test]
fn a_relaxed_store_that_was_not_closed_says_so() {
    let store = MemoryStore::new().reopen_with(Durability::Relaxed);
    let open = |seed| {
        let store = Arc::new(store.reopen_with(Durability::Relaxed));
        Replica::open(store, folds(), ReplicaOptions::default(), random(seed)).unwrap()
    };
    let mut replica = open(1);
    write(&mut replica, "s1", "{}", NOW);
    let old = replica.id();
    drop(replica);
    check(&open(2), old, 2, RenewalReason::UncleanStop);
}

#[test]
fn a_store_that_was_set_back_says_from_where_on_its_peer_has_more() {
    let (store, old) = written();
    let backup = store.after_power_loss();
    let (mut original, mut peer) = (open(&store, 1), fresh(2));
    write(&mut original, "s1", "{}", NOW + 9);
    sync(&original, &mut peer, NOW + 10);
    let mut replica = open(&backup, 3);
    assert_eq!(replica.id(), old);
    sync(&peer, &mut replica, NOW + 11);
    check(&replica, old, 4, RenewalReason::PeerHasMore);
}

#[test]
fn a_store_that_meets_another_history_under_its_id_says_from_where_on() {
    let (store, old) = written();
    let (mut original, mut copy) = (open(&store, 1), open(&store.after_power_loss(), 2));
    write(&mut original, "s1", r#"{"by":"original"}"#, NOW + 9);
    write(&mut copy, "s1", r#"{"by":"copy"}"#, NOW + 10);
    let mut held = VersionVector::new();
    held.set(old, 3);
    let page = original.reader().delta(&root(), &held, 9, usize::MAX).unwrap();
    copy.stage_merge_page(&Delta::decode(&page.bytes).unwrap(), NOW + 11).unwrap();
    copy.commit().unwrap();
    check(&copy, old, 4, RenewalReason::Forked);
}

#[test]
fn the_last_of_many_changes_are_kept() {
    let store = MemoryStore::new();
    let count = RENEWALS_MAX as u64 + 8;
    for number in 0..=count {
        let options = ReplicaOptions { new_identity: number > 0, ..ReplicaOptions::default() };
        let seed = u8::try_from(number + 1).unwrap();
        write(&mut open_with(&store, seed, options), "s1", "{}", NOW);
    }
    let replica = open(&store, 99);
    let numbers: Vec<u64> = replica.reader().renewals().iter().map(|it| it.number).collect();
    assert_eq!(numbers, (8..count).collect::<Vec<_>>());
    let report = crate::verify::verify(&store.reopen(), &mut |_, _| {}).unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
}
