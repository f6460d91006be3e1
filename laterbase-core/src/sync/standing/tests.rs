#![allow(clippy::unwrap_used, reason = "tests")]

use super::super::test_store::TestStore;
use super::*;
use crate::id::ReplicaId;

fn held(root: &str, seq: u64, reason: Doubt) -> HeldBack {
    let origin = ReplicaId::from_bytes([7; 16]);
    HeldBack { root: root.parse().unwrap(), origin, seq, reason }
}

fn report(held_back: Vec<HeldBack>, skipped: &[&str]) -> SyncReport {
    let skipped = skipped.iter().map(|name| name.parse().unwrap()).collect();
    SyncReport { held_back, skipped, ..SyncReport::default() }
}

#[test]
fn what_a_sync_left_is_read_again_as_it_was_but_for_what_the_store_knows_better() {
    let mut store = TestStore::new();
    let (depot, yard) = ("http://depot", "http://yard:80/x");
    let too_large = |is_ours| Doubt::TooLarge { size_bytes: 9, passed_bytes: Some(8), is_ours };
    let all = vec![
        held("a", 1, Doubt::ForkAtPeer { seq: 1 }),
        held("b", 2, Doubt::Hole { held_seq: 1 }),
        held("c", 3, Doubt::Stamps),
        held("d", 4, too_large(true)),
        held("e", 5, too_large(false)),
        held("f", 6, Doubt::Damaged),
    ];
    let mut with_fork = all.clone();
    // The store has no such fork, so it has been decided since.
    with_fork.push(held("g", 7, Doubt::Fork { seq: 7, is_located: true }));
    let left = Standing::of(depot, &report(with_fork, &["order"]));
    store.remember(vec![left.entry()]);
    let nothing = Standing::of(yard, &report(Vec::new(), &[]));
    store.remember(vec![nothing.entry()]);

    let standing = Standing::recall(store.reader(), depot).unwrap();
    assert_eq!((&standing.held_back, standing.skipped.len()), (&all, 1));
    assert_eq!(standings(store.reader()).unwrap(), [standing]);
    assert_eq!(Standing::recall(store.reader(), yard).unwrap(), nothing);
}

#[test]
fn what_cannot_be_read_is_nothing() {
    let mut store = TestStore::new();
    let key = [STANDING, b"http://depot"].concat();
    for value in [&b"{"[..], b"[]", br#"{"held_back":[{"root":"","origin":"x"}]}"#] {
        store.remember(vec![(key.clone(), value.to_vec())]);
        assert!(standings(store.reader()).unwrap().is_empty());
    }
}

#[test]
fn what_stays_held_back_is_told_once_and_what_came_after_all_too() {
    let mut news = HeldBackNews::default();
    let fork = held("a", 1, Doubt::ForkAtPeer { seq: 1 });
    let first = news.take(&report(vec![fork.clone()], &[]));
    assert_eq!((first.begun.len(), first.over.len()), (1, 0));
    assert_eq!(news.take(&report(vec![fork.clone()], &[])), HeldBackChange::default());
    let more = news.take(&report(vec![fork], &["order"]));
    assert_eq!(more.begun, ["the server does not take order, so it was left out"]);
    assert_eq!(news.take(&report(Vec::new(), &["order"])).over, first.begun);
}
