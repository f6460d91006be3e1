#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::PreparedBatch;
use crate::event::Record;
use crate::fold::{Folds, MergePatch};
use crate::id::RootName;
use crate::keys;
use crate::memory_store::MemoryStore;
use crate::reader::Query;
use crate::replica::{Replica, ReplicaOptions};
use crate::verify::verify;
use crate::version_vector::VersionVector;

const NOW: i64 = 1_700_000_000_000_000_000;
const ROOTS: [&str; 3] = ["order", "shipment@a", "shipment@b"];

fn open(store: &MemoryStore, home: u8) -> Replica {
    let folds = Arc::new(Folds::new().fallback(Arc::new(MergePatch)));
    let mut dice = [home; 16];
    let random = Box::new(move || {
        dice[0] = dice[0].wrapping_add(1);
        dice
    });
    let store = Arc::new(store.reopen().at_home([home; 32]));
    Replica::open(store, folds, ReplicaOptions::default(), random).unwrap()
}

fn restored(store: &MemoryStore) -> MemoryStore {
    let copy = MemoryStore::new();
    let take = &mut |page: &[u8], events: u64| {
        let (batch, counted) = decode_page(page).unwrap();
        assert_eq!(counted, events);
        assert!(page.len() <= BACKUP_PAGE_BYTES_MAX);
        copy.commit(&batch).unwrap();
        ControlFlow::Continue(())
    };
    assert!(read_pages(store, take).unwrap());
    copy
}

#[track_caller]
fn check_sound(store: &MemoryStore) {
    let report = verify(&store.reopen(), &mut |_, _| {}).unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
}

/// The derived tables are still to be built.
#[track_caller]
fn check_truth(store: &MemoryStore) {
    let report = verify(&store.reopen(), &mut |_, _| {}).unwrap();
    assert!(report.is_truth_sound(), "{:?}", report.faults);
}

/// (root, id) → state and etag.
type States = BTreeMap<(String, String), (Vec<u8>, String)>;

fn states(replica: &Replica, query: &Query) -> States {
    let mut states = States::new();
    for root in ROOTS {
        let root = RootName::new(root).unwrap();
        let page = replica.reader().aggregates(&root, None, usize::MAX, query).unwrap();
        for (id, state) in page.aggregates {
            let state = state.unwrap();
            states.insert((root.to_string(), id), (state.state, state.etag));
        }
    }
    states
}

/// One thing that happens: an event of a root and an aggregate written here or elsewhere, how much
/// later, and whether what was written last is taken back.
type Step = (usize, u8, bool, i64, bool);

struct Played {
    store: MemoryStore,
    replica: Replica,
    /// The clock behind each step.
    times: Vec<i64>,
}

fn append(replica: &mut Replica, root: &RootName, record: &Record<'_>, now: i64) {
    let mut batch = PreparedBatch::new(root.clone(), Arc::clone(replica.reader().folds()), now);
    batch.push(record).unwrap();
    replica.append(&batch, now).unwrap();
}

fn play(steps: &[Step]) -> Played {
    let (store, other_store) = (MemoryStore::new(), MemoryStore::new());
    let (mut replica, mut other) = (open(&store, 1), open(&other_store, 101));
    let (mut now, mut times) = (NOW, Vec::new());
    for (number, &(root, id, is_elsewhere, later, is_flushed)) in steps.iter().enumerate() {
        now += later;
        let root = RootName::new(ROOTS[root]).unwrap();
        let (id, data) = (format!("a{id}"), format!("{{\"n{}\":{number}}}", number % 3));
        let record = Record::json(&id, "T", &data);
        if is_elsewhere {
            append(&mut other, &root, &record, now);
            let held = replica.reader().version_vector(&root);
            let page = other.reader().delta(&root, &held, 1_000, usize::MAX).unwrap();
            let delta = crate::delta::Delta::decode(&page.bytes).unwrap();
            replica.merge(&delta, now).unwrap();
        } else {
            append(&mut replica, &root, &record, now);
        }
        if is_flushed {
            replica.maintenance().flush().unwrap();
        }
        times.push(now);
    }
    Played { store, replica, times }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // The clock is set back now and then.
    let later = prop_oneof![3 => 0_i64..5, 1 => -4_i64..0];
    let step = (0_usize..3, 0_u8..4, any::<bool>(), later, prop::bool::weighted(0.2));
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_restored_store_is_what_was_backed_up_under_another_id(steps in steps()) {
        let Played { store, replica, .. } = play(&steps);
        let copy = restored(&store);
        let again = open(&copy, 2);
        prop_assert_ne!(again.id(), replica.id());
        let query = Query::default();
        prop_assert_eq!(states(&again, &query), states(&replica, &query));
        drop(again);
        check_sound(&copy);
    }

    /// Mutations: a run that keeps its length; a head that stays; turns that stay; entries of the log
    /// that stay.
    #[test]
    fn a_store_restored_to_a_moment_is_what_was_known_then(
        steps in steps(),
        at in any::<prop::sample::Index>(),
        offset in -1_i64..2,
    ) {
        let Played { store, replica, times } = play(&steps);
        let known_at = times[at.index(times.len())] + offset;
        let copy = restored(&store);
        let left = cut_to(&copy, known_at).unwrap();
        check_truth(&copy);
        let query = Query { known_at: Some(known_at), ..Query::default() };
        let expected = states(&replica, &query);
        {
            let mut again = open(&copy, 2);
            prop_assert_eq!(states(&again, &Query::default()), expected.clone());
            prop_assert_eq!(again.cursor().position(), left);
            prop_assert_eq!(again.reader().roots().len(), {
                let mut roots: Vec<_> = expected.keys().map(|(root, _)| root.clone()).collect();
                roots.dedup();
                roots.len()
            });
            // It goes on like any other, and takes back what it was cut by.
            let root = RootName::new(ROOTS[0]).unwrap();
            append(&mut again, &root, &Record::json("new", "T", "1"), NOW + 1_000);
            for root in ROOTS {
                let root = RootName::new(root).unwrap();
                let held = again.reader().version_vector(&root);
                let page = replica.reader().delta(&root, &held, 1_000, usize::MAX).unwrap();
                again.merge(&crate::delta::Delta::decode(&page.bytes).unwrap(), NOW + 1_000).unwrap();
                let all = again.reader().version_vector(&root);
                prop_assert!(all.covers(&replica.reader().version_vector(&root)));
            }
        }
        check_sound(&copy);
    }
}

#[test]
fn pages_are_bounded_and_tell_how_many_events_they_hold() {
    let store = MemoryStore::new();
    let mut replica = open(&store, 1);
    let data = format!("\"{}\"", "x".repeat(700_000));
    let root = RootName::new("order").unwrap();
    for _ in 0..5 {
        append(&mut replica, &root, &Record::json("a", "T", &data), NOW);
    }
    let (mut pages, mut events) = (0, 0);
    let all = read_pages(&store, &mut |page, count| {
        assert!(page.len() <= BACKUP_PAGE_BYTES_MAX);
        pages += 1;
        events += count;
        ControlFlow::Continue(())
    });
    assert!(all.unwrap());
    assert_eq!((pages >= 5, events), (true, 5));
    let stopped = read_pages(&store, &mut |_, _| ControlFlow::Break(()));
    assert!(!stopped.unwrap(), "and it says that it was not read to its end");
    assert_eq!(replica.reader().version_vector(&root), {
        let mut vv = VersionVector::new();
        vv.set(replica.id(), 5);
        vv
    });
}

#[test]
fn what_is_no_page_is_refused() {
    let good = [0, 1, b'k', 1, b'v'];
    assert_eq!(decode_page(&good).unwrap().0.len(), 1);
    for bad in [
        &[][..],
        &[5, 1, b'k', 1, b'v'],
        &[99],
        &[0, 0, 1, b'v'],
        &[0, 1, b'k'],
        &[0, 1, b'k', 2, b'v'],
        &[0, 251, 255, 255],
    ] {
        assert!(decode_page(bad).is_err(), "{bad:?}");
    }
    let long = [&[0, 251][..], &600_u16.to_le_bytes(), &[7; 600], &[0]].concat();
    assert!(KEY_BYTES_MAX > 600 || decode_page(&long).is_err());
}

#[test]
fn the_bytes_are_those_of_the_format_document() {
    let store = MemoryStore::new();
    let mut batch = Batch::new(Area::Truth);
    batch.put(Table::Meta, b"epoch", &7_u64.to_be_bytes());
    store.commit(&batch).unwrap();
    let mut page = Vec::new();
    read_pages(&store, &mut |bytes, _| {
        page = bytes.to_vec();
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(page, b"\x00\x05epoch\x08\0\0\0\0\0\0\0\x07");
}

/// What is not kept by time would speak of events that are no more.
#[test]
fn what_is_remembered_of_others_goes_with_what_came_later() {
    let Played { store, replica, .. } = play(&[(0, 0, false, 1, false), (0, 0, false, 1, false)]);
    let copy = restored(&store);
    let origin = 0;
    let mut batch = Batch::new(Area::Truth);
    batch.put(Table::Peers, b"peer", b"acknowledged everything");
    batch.put(Table::Quarantine, &keys::quarantined(0, origin, 2, &[1; 32]), b"a branch");
    let fork = keys::numbered(keys::FORK, &[0, origin]);
    batch.put(Table::Meta, &fork, &[0, 0, 0, 0, 0, 0, 0, 2, 1]);
    copy.commit(&batch).unwrap();
    assert_eq!(cut_to(&copy, NOW + 1).unwrap(), 1);
    let snapshot = copy.snapshot().unwrap();
    assert_eq!(snapshot.get(Table::Peers, b"peer").unwrap(), None);
    assert_eq!(snapshot.get(Table::Meta, &fork).unwrap(), None);
    let mut quarantined = 0;
    let count = &mut |_: &[u8], _: &[u8]| {
        quarantined += 1;
        ControlFlow::Continue(())
    };
    snapshot.scan(Scan::all(Table::Quarantine), count).unwrap();
    assert_eq!(quarantined, 0);
    assert_eq!(replica.reader().cursor().position(), 2);
}
