//! Two histories under one id, from where they are found to where they are resolved.
//!
//! Mutations tried, each red: `followers` from the run's start instead of the difference; no
//! `renew_if_own` on a fork; `take_theirs` left out; `release` without its event count; the
//! duplicate check in `write_again` left out; `delete_runs` left out; the log's end not deleted;
//! `REWRITES` not compared on open; the branch id without the chain; `fork_of` not asked for
//! events that go on with the held branch; `Uncommitted` taken for "known"; no `follow`.

use super::*;
use crate::fork::{Doubt, Fork};
use crate::store::Area;
use crate::verify::verify;

mod voids;

const OTHER: &str = "order";

/// A store, a copy of it that writes under the same id, and a peer. Before the copy was made,
/// each had synced four events.
struct Cast {
    original: Replica,
    copy: Replica,
    copy_store: MemoryStore,
    peer: Replica,
    peer_store: MemoryStore,
}

fn cast() -> Cast {
    let (store, peer_store) = (MemoryStore::new(), MemoryStore::new());
    let mut original = open(&store, 1);
    let mut peer = open(&peer_store, 2);
    for index in 0..4 {
        write(&mut original, &format!("s{index}"), &format!("{{\"n\":{index}}}"), NOW + index);
    }
    sync(&original, &mut peer, NOW + 10);
    write(&mut peer, "s1", r#"{"peer":1}"#, NOW + 11);
    sync(&peer, &mut original, NOW + 12);
    let copy_store = store.after_power_loss();
    let copy = open(&copy_store, 3);
    assert_eq!(copy.id(), original.id(), "the copy does not know that it is one");
    Cast { original, copy, copy_store, peer, peer_store }
}

/// Both go on, each in its own way, the copy with more.
fn parted() -> Cast {
    let mut cast = cast();
    for index in 0..2 {
        write(&mut cast.original, "s1", &format!("{{\"original\":{index}}}"), NOW + 20 + index);
    }
    for index in 0..3 {
        write(&mut cast.copy, "s1", &format!("{{\"copy\":{index}}}"), NOW + 30 + index);
    }
    cast
}

/// The events of an origin behind a seq, as a page.
fn page(from: &Replica, origin: ReplicaId, after: u64) -> Vec<u8> {
    let mut vv = from.reader().version_vector(&root());
    vv.set(origin, after);
    from.reader().delta(&root(), &vv, 100, usize::MAX).unwrap().bytes
}

/// Merges the first event of an origin.
fn merge_first(to: &mut Replica, from: &Replica, origin: ReplicaId, now: i64) {
    let mut vv = from.reader().version_vector(&root());
    vv.set(origin, 0);
    let page = from.reader().delta(&root(), &vv, 1, usize::MAX).unwrap();
    assert_eq!(merge_page(to, &page.bytes, now).merged.stored, 1);
}

fn merge_page(to: &mut Replica, page: &[u8], now: i64) -> MergedPage {
    let merged = to.stage_merge_page(&Delta::decode(page).unwrap(), now).unwrap();
    to.commit().unwrap();
    merged
}

fn sync_page(from: &Replica, to: &mut Replica, now: i64) -> MergedPage {
    let held = to.reader().version_vector(&root());
    let page = from.reader().delta(&root(), &held, 1_000, usize::MAX).unwrap();
    merge_page(to, &page.bytes, now)
}

fn assert_sound(store: &MemoryStore) {
    let report = verify(&store.reopen(), &mut |_, _| {}).unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
}

fn texts(replica: &Replica) -> Vec<String> {
    let mut texts = Vec::new();
    let vv = VersionVector::new();
    replica
        .reader()
        .feed(&root(), &vv, 1_000, &mut |event| {
            texts.push(String::from_utf8(event.record.data.to_vec()).unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
    texts.sort();
    texts
}

/// Everything that anybody wrote in [`parted`], each once.
fn all_texts() -> Vec<String> {
    let mut texts: Vec<String> = (0..4).map(|n| format!("{{\"n\":{n}}}")).collect();
    texts.push(r#"{"peer":1}"#.to_owned());
    texts.extend((0..2).map(|n| format!("{{\"original\":{n}}}")));
    texts.extend((0..3).map(|n| format!("{{\"copy\":{n}}}")));
    texts.sort();
    texts
}

#[test]
fn a_fork_is_refused_marked_and_kept_in_quarantine_on_the_receiving_side() {
    let Cast { original, copy, mut peer, peer_store, .. } = parted();
    let id = original.id();
    sync(&original, &mut peer, NOW + 40);
    let before = digest(&peer);
    let push = page(&copy, id, 4);
    let refused = peer.merge(&Delta::decode(&push).unwrap(), NOW + 41);
    assert!(matches!(refused, Err(WriteError::Fork { seq: 5, origin, .. }) if origin == id));
    assert_eq!(digest(&peer), before, "nothing of it is in the event set");
    let fork = Fork { root: root(), origin: id, seq: 5, is_located: true, ours: 2, theirs: 3 };
    assert_eq!(peer.reader().forks(), std::slice::from_ref(&fork));
    assert_eq!(peer.reader().status().unwrap().counters.forks, 1);
    // The same again changes nothing, also after a crash.
    let mut peer = open(&peer_store.after_power_loss(), 9);
    assert_eq!(peer.reader().forks(), std::slice::from_ref(&fork));
    peer.merge(&Delta::decode(&push).unwrap(), NOW + 42).unwrap_err();
    peer.merge(&Delta::decode(&page(&copy, id, 3)).unwrap(), NOW + 42).unwrap_err();
    assert_eq!(peer.reader().forks(), [fork]);
    assert_eq!(peer.reader().status().unwrap().counters.forks, 1);
}

#[test]
fn further_events_of_a_forked_origin_are_held_back_and_others_go_on() {
    let Cast { mut original, copy, mut peer, .. } = parted();
    let id = original.id();
    sync(&original, &mut peer, NOW + 40);
    peer.merge(&Delta::decode(&page(&copy, id, 4)).unwrap(), NOW + 41).unwrap_err();
    write(&mut original, "s1", r#"{"original":2}"#, NOW + 50);
    let mut third = fresh(4);
    sync(&original, &mut third, NOW + 51);
    write(&mut third, "s3", r#"{"third":0}"#, NOW + 52);
    let generation = peer.reader().generation();
    let merged = sync_page(&third, &mut peer, NOW + 53);
    assert_eq!(merged.merged.stored, 1, "the other origin's event is there");
    let [held] = merged.held_back.as_slice() else { panic!("{merged:?}") };
    assert_eq!((held.origin, held.seq), (id, 7));
    assert!(matches!(held.reason, Doubt::Fork { seq: 5, .. }));
    assert_eq!(peer.reader().version_vector(&root()).get(&id), 6);
    // Once decided, what was held back is to be had.
    let resolved = peer.resolve(&root(), id, Keep::Ours, NOW + 54).unwrap();
    assert_eq!(resolved.moved, 3);
    assert_ne!(peer.reader().generation(), generation);
    assert_eq!(peer.reader().forks(), []);
    assert_eq!(sync_page(&third, &mut peer, NOW + 55).merged.stored, 1);
}

#[test]
fn a_copy_moves_its_own_tail_and_every_event_of_both_is_everywhere() {
    let Cast { original, mut copy, copy_store, mut peer, peer_store } = parted();
    let id = original.id();
    sync(&original, &mut peer, NOW + 40);
    peer.merge(&Delta::decode(&page(&copy, id, 4)).unwrap(), NOW + 41).unwrap_err();
    let merged = merge_page(&mut copy, &page(&peer, id, 4), NOW + 42);
    assert!(matches!(merged.held_back[0].reason, Doubt::Fork { seq: 5, is_located: true }));
    assert_ne!(copy.id(), id, "nobody writes on under a forked id");
    let epoch = copy.reader().epoch();
    let cursor = copy.reader().cursor();
    assert!(state(&copy, "s1").contains("copy"), "read, and so kept in memory");
    let resolved = copy.resolve(&root(), id, Keep::Theirs, NOW + 43).unwrap();
    assert_eq!((resolved.moved, resolved.into.len()), (3, 1));
    assert_ne!(copy.reader().epoch(), epoch);
    assert!(!copy.reader().fits(&cursor).unwrap());
    assert_eq!(texts(&copy), all_texts(), "the other branch came out of quarantine");
    assert!(copy.reader().own_ids().contains(&resolved.into[0]), "what moved is still its own");
    assert_sound(&copy_store);
    let moved = page(&copy, resolved.into[0], 0);
    merge_first(&mut peer, &copy, resolved.into[0], NOW + 44);
    assert_eq!(peer.reader().forks().len(), 1, "only the first event of the branch is in the set");
    merge_page(&mut peer, &moved, NOW + 44);
    sync(&copy, &mut peer, NOW + 44);
    assert_eq!(digest(&peer), digest(&copy));
    assert_eq!(texts(&peer), all_texts());
    assert_eq!(peer.reader().forks(), [], "the branch is in the set, so the fork is no more");
    assert_sound(&peer_store);
    let reopened = open(&peer_store.after_power_loss(), 9);
    assert_eq!(reopened.reader().forks(), []);
    let snapshot_holds_none = verify(&peer_store.reopen(), &mut |_, _| {}).unwrap();
    assert!(snapshot_holds_none.is_sound());
    assert_eq!(state(&peer, "s1"), state(&copy, "s1"));
}

#[test]
fn whoever_moves_a_branch_makes_the_same_events_of_it() {
    let Cast { original, mut copy, copy_store, mut peer, .. } = parted();
    let id = original.id();
    let mut twin = open(&copy_store.after_power_loss(), 7);
    sync(&original, &mut peer, NOW + 40);
    for replica in [&mut copy, &mut twin] {
        merge_page(replica, &page(&peer, id, 4), NOW + 42);
        replica.resolve(&root(), id, Keep::Theirs, NOW + 43).unwrap();
    }
    // The operator of the peer decides the same way, from what is in quarantine there.
    assert_eq!(digest(&copy), digest(&twin));
    let untouched = parted().copy;
    peer.merge(&Delta::decode(&page(&untouched, id, 4)).unwrap(), NOW + 44).unwrap_err();
    peer.resolve(&root(), id, Keep::Ours, NOW + 45).unwrap();
    assert_eq!(digest(&peer), digest(&copy));
    assert_eq!(feed(&peer), feed(&copy));
    assert_ne!(copy.id(), twin.id(), "they write on under ids of their own");
}

#[test]
fn a_branch_that_was_moved_elsewhere_is_moved_here_when_that_is_heard_of() {
    let Cast { original, mut copy, copy_store, mut peer, .. } = parted();
    let id = original.id();
    sync(&original, &mut peer, NOW + 40);
    peer.merge(&Delta::decode(&page(&copy, id, 4)).unwrap(), NOW + 41).unwrap_err();
    merge_page(&mut copy, &page(&peer, id, 4), NOW + 42);
    write(&mut copy, "s2", r#"{"meanwhile":1}"#, NOW + 43);
    peer.resolve(&root(), id, Keep::Ours, NOW + 44).unwrap();
    // The copy hears the decision from the peer, in the events themselves.
    sync_page(&peer, &mut copy, NOW + 45);
    assert_eq!(copy.reader().forks(), []);
    sync_page(&peer, &mut copy, NOW + 46);
    sync(&copy, &mut peer, NOW + 47);
    assert_eq!(digest(&copy), digest(&peer));
    assert_sound(&copy_store);
}

#[test]
fn a_branch_that_came_in_under_its_new_id_before_it_is_moved_is_there_once() {
    let Cast { original, mut copy, copy_store, mut peer, .. } = parted();
    let id = original.id();
    sync(&original, &mut peer, NOW + 40);
    peer.merge(&Delta::decode(&page(&copy, id, 4)).unwrap(), NOW + 41).unwrap_err();
    peer.resolve(&root(), id, Keep::Ours, NOW + 42).unwrap();
    // The copy knows of no fork yet, and takes the moved events as a stranger's.
    let held = peer.reader().version_vector(&root());
    let moved: Vec<ReplicaId> = held
        .iter()
        .map(|(origin, _)| origin)
        .filter(|origin| *origin != id && *origin != peer.id())
        .collect();
    merge_page(&mut copy, &page(&peer, moved[0], 0), NOW + 43);
    assert_eq!(texts(&copy).len(), 11, "for now they are there twice");
    write(&mut copy, "s3", r#"{"n":9}"#, NOW + 44);
    merge_page(&mut copy, &page(&peer, id, 4), NOW + 45);
    copy.resolve(&root(), id, Keep::Theirs, NOW + 46).unwrap();
    // Written under the old id when nobody knew better, it moved along.
    let mut expected = all_texts();
    expected.push(r#"{"n":9}"#.to_owned());
    expected.sort();
    assert_eq!(texts(&copy), expected);
    assert_sound(&copy_store);
    sync(&copy, &mut peer, NOW + 47);
    assert_eq!(digest(&copy), digest(&peer));
}

#[test]
fn a_page_from_the_middle_of_the_other_branch_does_not_say_where_they_part() {
    let Cast { original, copy, mut peer, .. } = parted();
    let id = original.id();
    sync(&original, &mut peer, NOW + 40);
    let refused = peer.merge(&Delta::decode(&page(&copy, id, 6)).unwrap(), NOW + 41);
    assert!(matches!(refused, Err(WriteError::Fork { seq: 6, .. })));
    let [fork] = peer.reader().forks().try_into().unwrap();
    assert_eq!((fork.is_located, fork.theirs), (false, 0));
    let refused = peer.resolve(&root(), id, Keep::Theirs, NOW + 42);
    assert!(matches!(refused, Err(WriteError::ForkNotLocated { seq: 6, .. })));
    // Nor does one that begins with another event than the one held here.
    let refused = peer.merge(&Delta::decode(&page(&copy, id, 5)).unwrap(), NOW + 42);
    assert!(matches!(refused, Err(WriteError::Fork { seq: 6, .. })));
    let [fork] = peer.reader().forks().try_into().unwrap();
    assert_eq!((fork.is_located, fork.theirs), (false, 0));
    // A page from further back says it.
    peer.merge(&Delta::decode(&page(&copy, id, 2)).unwrap(), NOW + 43).unwrap_err();
    let [fork] = peer.reader().forks().try_into().unwrap();
    assert_eq!((fork.seq, fork.is_located, fork.theirs), (5, true, 3));
}

#[test]
fn moving_a_tail_leaves_other_roots_and_origins_as_they_are() {
    let Cast { original, mut copy, copy_store, mut peer, .. } = parted();
    let (id, other) = (original.id(), RootName::new(OTHER).unwrap());
    let mut elsewhere = PreparedBatch::new(other.clone(), folds(), NOW + 50);
    elsewhere.push(&Record::json("o", "t", r#"{"kept":true}"#)).unwrap();
    copy.append(&elsewhere, NOW + 50).unwrap();
    let mut stranger = fresh(8);
    for index in 0..20 {
        write(&mut stranger, &format!("s{}", index % 5), r#"{"stranger":1}"#, NOW + 60 + index);
        sync(&stranger, &mut copy, NOW + 60 + index);
        write(&mut copy, "s1", &format!("{{\"late\":{index}}}"), NOW + 60 + index);
    }
    sync(&original, &mut peer, NOW + 90);
    merge_page(&mut copy, &page(&peer, id, 4), NOW + 91);
    let arrivals = copy.reader().head();
    let others = copy.reader().version_vector(&other);
    copy.resolve(&root(), id, Keep::Theirs, NOW + 92).unwrap();
    assert_eq!(copy.reader().head(), arrivals + 2, "and the two of the other branch");
    assert_eq!(copy.reader().version_vector(&other), others);
    assert_eq!(copy.reader().version_vector(&root()).get(&stranger.id()), 20);
    assert_sound(&copy_store);
    let folded = state(&copy, "s1");
    let reopened = open(&copy_store.after_power_loss(), 9);
    assert_eq!(state(&reopened, "s1"), folded);
    assert_eq!(digest(&reopened), digest(&copy));
    write(&mut copy, "s1", r#"{"after":1}"#, NOW + 93);
    sync(&copy, &mut peer, NOW + 94);
    assert_eq!(digest(&copy)[1], digest(&peer)[0]);
    assert_sound(&copy_store);
}

#[test]
fn derived_tables_of_a_log_that_was_written_anew_since_are_not_believed() {
    let store = MemoryStore::new();
    let mut replica = open(&store, 1);
    for index in 0..30 {
        write(&mut replica, "s1", &format!("{{\"n\":{index}}}"), NOW + index);
    }
    replica.close().unwrap();
    // As if power had failed after the log was written anew, and before the tables were.
    let mut batch = crate::store::Batch::new(Area::Derived);
    batch.clear(crate::store::Table::FoldIndex);
    batch.clear(crate::store::Table::Snapshots);
    store.commit(&batch).unwrap();
    let mut batch = crate::store::Batch::new(Area::Truth);
    batch.put(crate::store::Table::Meta, crate::keys::REWRITES, &1_u64.to_be_bytes());
    store.commit(&batch).unwrap();
    store.sync().unwrap();
    let mut replica = open(&store.after_power_loss(), 2);
    assert_eq!(state(&replica, "s1"), r#"{"n":29}"#);
    replica.maintenance().flush().unwrap();
    write(&mut replica, "s1", r#"{"n":30}"#, NOW + 31);
    assert_eq!(state(&replica, "s1"), r#"{"n":30}"#);
}

#[test]
fn a_branch_that_meets_another_in_one_group_is_asked_to_come_again() {
    let Cast { original, copy, mut peer, .. } = parted();
    let id = original.id();
    let (first, second) = (page(&original, id, 4), page(&copy, id, 4));
    peer.stage_merge(&Delta::decode(&first).unwrap(), NOW + 40).unwrap();
    let staged = peer.stage_merge(&Delta::decode(&second).unwrap(), NOW + 41);
    assert!(matches!(staged, Err(WriteError::Uncommitted)));
    peer.commit().unwrap();
    let staged = peer.stage_merge(&Delta::decode(&second).unwrap(), NOW + 41);
    assert!(matches!(staged, Err(WriteError::Fork { seq: 5, .. })));
}

#[test]
fn a_page_with_a_hole_is_taken_but_for_the_origin_that_has_it() {
    let mut a = fresh(1);
    let mut b = fresh(2);
    for index in 0..3 {
        write(&mut a, "s", &format!("{{\"a\":{index}}}"), NOW + index);
    }
    write(&mut b, "s", r#"{"b":0}"#, NOW + 5);
    sync(&b, &mut a, NOW + 6);
    let mut c = fresh(3);
    let id = a.id();
    let mut vv = VersionVector::new();
    vv.raise(id, 2);
    let bytes = a.reader().delta(&root(), &vv, 100, usize::MAX).unwrap().bytes;
    let merged = merge_page(&mut c, &bytes, NOW + 7);
    assert_eq!(merged.merged.stored, 1);
    assert_eq!(merged.held_back[0].reason, Doubt::Hole { held_seq: 0 });
}
