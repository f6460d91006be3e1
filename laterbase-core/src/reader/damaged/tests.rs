#![allow(clippy::unwrap_used, reason = "tests")]

use std::ops::ControlFlow;
use std::sync::Arc;

use super::*;
use crate::PreparedBatch;
use crate::cursor::Cursor;
use crate::delta::Delta;
use crate::event::Record;
use crate::fold::Folds;
use crate::memory_store::MemoryStore;
use crate::reader::{ArrivalsPage, Taken};
use crate::replica::{Replica, ReplicaOptions};
use crate::store::{Area, Batch, Store};
use crate::version_vector::VersionVector;
use crate::wants::{Want, Wants};

const EVENTS_EACH: u64 = 6;

fn root() -> RootName {
    RootName::new("r").unwrap()
}

fn replica(store: &MemoryStore, id: u8) -> Replica {
    let shared: Arc<dyn Store> = Arc::new(store.reopen());
    let options = ReplicaOptions::default();
    Replica::open(shared, Arc::new(Folds::new()), options, Box::new(move || [id; 16])).unwrap()
}

fn write(replica: &mut Replica, now: i64) {
    let mut batch = PreparedBatch::new(root(), Arc::new(Folds::new()), now);
    batch.push(&Record::json("a", "t", "{}")).unwrap();
    replica.append(&batch, now).unwrap();
}

/// A store with events of two origins in turn: the odd positions are those of the store itself.
fn mixed() -> (MemoryStore, Replica, ReplicaId) {
    let store = MemoryStore::new();
    let mut here = replica(&store, 1);
    let mut there = replica(&MemoryStore::new(), 2);
    for now in 0..i64::try_from(EVENTS_EACH).unwrap() {
        write(&mut here, 1_000 * now);
        write(&mut there, 1_000 * now + 500);
        let held = here.reader().version_vector(&root());
        let page = there.reader().delta(&root(), &held, 10, 1 << 20).unwrap();
        here.merge(&Delta::decode(&page.bytes).unwrap(), 1_000 * now + 600).unwrap();
    }
    (store, here, there.id())
}

/// Turns a bit of a stored value.
fn damage(store: &MemoryStore, position: u64, byte: usize) {
    let key = keys::position(position);
    let mut value = store.snapshot().unwrap().get(Table::Log, &key).unwrap().unwrap().into_owned();
    value[byte] ^= 0x10;
    let mut batch = Batch::new(Area::Truth);
    batch.put(Table::Log, &key, &value);
    store.commit(&batch).unwrap();
}

fn arrivals(reader: &Reader, cursor: &Cursor, limit: usize) -> ArrivalsPage {
    let taken = Taken { root: &|_| true, not_of: &[], limit, bytes_max: 1 << 20 };
    reader.arrivals_delta(cursor, &taken).unwrap().expect("the cursor is of this log")
}

/// (own events, others) on a page, which a replica without any takes in.
fn taken_in(bytes: &[u8], other: ReplicaId) -> (u64, u64) {
    let mut receiver = replica(&MemoryStore::new(), 9);
    receiver.merge(&Delta::decode(bytes).unwrap(), 0).unwrap();
    let held = receiver.reader().version_vector(&root());
    (held.event_count() - held.get(&other), held.get(&other))
}

#[test]
fn a_damaged_entry_ends_its_origins_run_in_a_feed_and_no_other() {
    let (store, here, other) = mixed();
    let reader = here.reader();
    damage(&store, 5, 20);
    for limit in [1, 3, 100] {
        let (mut vv, mut seen) = (VersionVector::new(), Vec::new());
        loop {
            let page = reader.feed(&root(), &vv, limit, &mut |event| {
                seen.push(event.dot);
                ControlFlow::Continue(())
            });
            let page = page.unwrap();
            vv = page.vv;
            if !page.more {
                break;
            }
        }
        assert_eq!((vv.get(&here.id()), vv.get(&other)), (2, EVENTS_EACH));
        assert_eq!(seen.len() as u64, 2 + EVENTS_EACH);
    }
    let page = reader.delta(&root(), &VersionVector::new(), 100, 1 << 20).unwrap();
    assert!(!page.more);
    assert_eq!(taken_in(&page.bytes, other), (2, EVENTS_EACH));
    let found = reader.damaged();
    assert_eq!(found, [Damaged { root: root(), origin: here.id(), seq: 3 }]);
}

#[test]
fn a_damaged_entry_holds_back_its_origin_among_the_arrivals_on_this_page_and_later_ones() {
    let (store, mut here, other) = mixed();
    let reader = here.reader();
    let start = Cursor { epoch: reader.epoch(), position: 0, history: 0 };
    damage(&store, 5, 20);
    let page = arrivals(&reader, &start, 100);
    assert_eq!(taken_in(&page.bytes, other), (2, EVENTS_EACH));
    assert!(!page.more);
    assert_eq!(reader.damaged(), [Damaged { root: root(), origin: here.id(), seq: 3 }]);
    // A cursor behind the damage, and new events of the origin.
    write(&mut here, 100_000);
    let later = arrivals(&reader, &page.cursor, 100);
    assert_eq!(later.events, 0);
    assert!(!later.more);
    // Page by page it comes to the same.
    let (mut cursor, mut events) = (start, 0);
    loop {
        let page = arrivals(&reader, &cursor, 1);
        events += page.events;
        cursor = page.cursor;
        if !page.more {
            break;
        }
    }
    assert_eq!(events as u64, 2 + EVENTS_EACH);
}

#[test]
fn a_log_whose_end_cannot_be_read_is_read_up_to_there() {
    let (store, here, other) = mixed();
    let start = Cursor { epoch: here.reader().epoch(), position: 0, history: 0 };
    for position in 10..=12 {
        damage(&store, position, 60);
    }
    let page = arrivals(&here.reader(), &start, 100);
    assert_eq!(taken_in(&page.bytes, other), (5, 4));
    let again = arrivals(&here.reader(), &page.cursor, 100);
    assert!(!again.more && again.events == 0);
    assert_eq!(here.reader().damaged().len(), 2);
}

#[test]
fn wanted_events_are_given_up_to_the_damage() {
    let (store, here, other) = mixed();
    damage(&store, 5, 20);
    let want = |origin| Want { root: root(), origin, after: 0, until: EVENTS_EACH };
    let wants = Wants { entries: vec![want(here.id()), want(other)] };
    let page = here.reader().wanted_delta(&wants, 100, 1 << 20).unwrap();
    assert!(page.complete);
    assert_eq!(taken_in(&page.bytes, other), (2, EVENTS_EACH));
    assert_eq!(here.reader().damaged().len(), 1);
}

#[test]
fn whoever_holds_the_damaged_event_gets_those_behind_it() {
    let (store, here, _) = mixed();
    let held: VersionVector = [(here.id(), 3)].into_iter().collect();
    // In the record: the chain stands, and the event behind it proves that.
    damage(&store, 5, 80);
    let page = here.reader().delta(&root(), &held, 100, 1 << 20).unwrap();
    let delta = Delta::decode(&page.bytes).unwrap();
    let own = delta.runs.iter().find(|run| run.origin == here.id()).unwrap();
    assert_eq!((own.first_seq, own.last_seq()), (4, EVENTS_EACH));
    // In the chain: nothing can be passed on as what follows it.
    damage(&store, 5, 80);
    damage(&store, 5, 50);
    let page = here.reader().delta(&root(), &held, 100, 1 << 20).unwrap();
    let delta = Delta::decode(&page.bytes).unwrap();
    assert!(delta.runs.iter().all(|run| run.origin != here.id()));
}
