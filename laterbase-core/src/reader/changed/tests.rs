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
use crate::reader::feed::tests::{NOW, hear, open};
use crate::replica::{Replica, ReplicaOptions};
use crate::store::{Area, Batch, Store as _, Table};

const ROOTS: [&str; 3] = ["order", "shipment@depot-1", "shipment@depot-2"];

fn takes_partitions(root: &RootName) -> bool {
    root.as_str().contains('@')
}

fn write(replica: &mut Replica, root: &str, id: &str, data: &str) {
    let root = RootName::new(root).unwrap();
    let mut batch = PreparedBatch::new(root, Arc::clone(replica.reader().folds()), NOW);
    batch.push(&Record::json(id, "T", data)).unwrap();
    replica.append(&batch, NOW).unwrap();
}

/// States by root and id, kept by what changed.
#[derive(Default)]
struct Mirror {
    cursor: Option<Cursor>,
    states: BTreeMap<(String, String), String>,
}

impl Mirror {
    /// Takes a page in, and gives what it came to, and how many aggregates it had.
    fn read(&mut self, reader: &Reader, limit: usize) -> (ChangedPage, usize) {
        let start = Cursor { epoch: reader.epoch(), position: 0, history: 0 };
        let (since, query) = (self.cursor.unwrap_or(start), Query::default());
        let changes = Changes { root: &takes_partitions, limit, query: &query };
        let mut given = Vec::new();
        let page = reader.changed(&since, &changes, &mut |root, id, folded| {
            let state = folded.unwrap();
            let state = String::from_utf8(state.state).unwrap();
            given.push(((root.to_string(), id.to_owned()), state));
        });
        let (page, count) = (page.unwrap().unwrap(), given.len());
        assert!(count <= limit);
        let once: BTreeSet<_> = given.iter().map(|(key, _)| key.clone()).collect();
        assert_eq!(once.len(), count, "each once a page");
        self.states.extend(given);
        self.cursor = Some(page.cursor);
        (page, count)
    }
}

fn listed(reader: &Reader) -> BTreeMap<(String, String), String> {
    let mut states = BTreeMap::new();
    for name in ROOTS.iter().filter(|name| name.contains('@')) {
        let root = RootName::new(name).unwrap();
        let mut after = None;
        loop {
            let query = Query::default();
            let page = reader.aggregates(&root, after.as_deref(), usize::MAX, &query).unwrap();
            for (id, state) in page.aggregates {
                let state = String::from_utf8(state.unwrap().state).unwrap();
                states.insert(((*name).to_owned(), id), state);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    states
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Mutation: with the cursor of the log's end, instead of the one behind what the page looked at,
    /// a change is missed.
    #[test]
    fn who_goes_on_by_the_cursor_has_what_a_listing_has(
        // A write of root and id, or a page of so many aggregates.
        steps in prop::collection::vec((any::<bool>(), 0_usize..3, 0_usize..6), 0..80),
    ) {
        let mut replica = open(&MemoryStore::new());
        let mut mirror = Mirror::default();
        for (number, (writes, root, other)) in steps.into_iter().enumerate() {
            if writes {
                write(&mut replica, ROOTS[root], &format!("a{other}"), &number.to_string());
            } else {
                mirror.read(&replica.reader(), other + 1);
            }
        }
        let reader = replica.reader();
        let mut pages = 0;
        while mirror.read(&reader, 2).0.more {
            pages += 1;
            prop_assert!(pages < 1_000, "the log has an end");
        }
        prop_assert_eq!(mirror.states.clone(), listed(&reader));
        let (page, count) = mirror.read(&reader, 9);
        prop_assert_eq!((page.cursor, page.more, count), (reader.cursor(), false, 0));
    }
}

/// Mutation: with the cursor behind all that the page looked at, instead of the one behind the last
/// aggregate that it gives, three changes are missed.
#[test]
fn a_page_of_large_states_ends_early_and_the_next_one_goes_on() {
    let mut replica = open(&MemoryStore::new());
    let large = format!("\"{}\"", "x".repeat(1_000_000));
    for number in 0..20 {
        write(&mut replica, ROOTS[1], &format!("a{number:02}"), &large);
    }
    let reader = replica.reader();
    let mut mirror = Mirror::default();
    let (page, count) = mirror.read(&reader, 1_000);
    assert!(page.more);
    assert_eq!(count, 17, "what reaches 16 MiB is the last one");
    let (page, count) = mirror.read(&reader, 1_000);
    assert_eq!((page.more, count, page.cursor), (false, 3, reader.cursor()));
    assert!(mirror.states == listed(&reader));
}

/// An entry that could not be read, before a page that its states cut, was told of by no page.
#[test]
fn what_cannot_be_read_is_told_of_once_also_where_a_page_ends_early() {
    let store = MemoryStore::new();
    let mut replica = open(&store);
    let large = format!("\"{}\"", "x".repeat(1_000_000));
    for number in 0..20 {
        write(&mut replica, ROOTS[1], &format!("a{number:02}"), &large);
    }
    let mut damage = Batch::new(Area::Truth);
    for position in [1, 19] {
        damage.put(Table::Log, &keys::position(position), b"no entry");
    }
    store.reopen().commit(&damage).unwrap();
    let reader = replica.reader();
    let mut mirror = Mirror::default();
    let (page, count) = mirror.read(&reader, 1_000);
    assert_eq!((page.more, page.unreadable, count), (true, 1, 17));
    let (page, count) = mirror.read(&reader, 1_000);
    assert_eq!((page.more, page.unreadable, count), (false, 1, 1));
}

/// A root that a replica passes on and has no fold for kept the changes of all others back.
#[test]
fn a_root_without_the_fold_is_passed_over() {
    let folds = Folds::new().fold("order", Arc::new(MergePatch)).unwrap();
    let random = Box::new(|| [0xee; 16]);
    let store = Arc::new(MemoryStore::new());
    let mut replica =
        Replica::open(store, Arc::new(folds), ReplicaOptions::default(), random).unwrap();
    hear(&mut replica, &RootName::new("relayed").unwrap(), 1, 3);
    write(&mut replica, "order", "o1", "7");
    let reader = replica.reader();
    let query = Query::default();
    let changes = Changes { root: &|_| true, limit: 5, query: &query };
    let start = Cursor { epoch: reader.epoch(), position: 0, history: 0 };
    let mut found = Vec::new();
    let page = reader.changed(&start, &changes, &mut |root, id, folded| {
        found.push((root.to_string(), id.to_owned(), folded.unwrap().state));
    });
    assert_eq!(page.unwrap().unwrap().cursor, reader.cursor());
    assert_eq!(found, [("order".to_owned(), "o1".to_owned(), b"7".to_vec())]);
}

#[test]
fn a_cursor_of_another_log_gives_nothing() {
    let mut replica = open(&MemoryStore::new());
    write(&mut replica, ROOTS[1], "a", "1");
    let reader = replica.reader();
    let query = Query::default();
    let changes = Changes { root: &takes_partitions, limit: 5, query: &query };
    let other = Cursor { epoch: reader.epoch() + 1, ..reader.cursor() };
    assert_eq!(reader.changed(&other, &changes, &mut |_, _, _| panic!("none")).unwrap(), None);
}
