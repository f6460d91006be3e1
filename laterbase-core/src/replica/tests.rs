#![allow(clippy::unwrap_used, reason = "tests")]

use std::ops::ControlFlow;

use super::*;
use crate::cursor::Cursor;
use crate::event::Record;
use crate::fold::MergePatch;
use crate::hlc::Hlc;
use crate::memory_store::MemoryStore;
use crate::prepared::{EventError, Precondition};
use crate::reader::{Query, Taken};
use crate::store::Durability;
use crate::version_vector::VersionVector;

mod clocks;
mod forks;
mod renewals;
mod unfaithful;
mod unreadable;
mod voids;

const NOW: i64 = 1_700_000_000_000_000_000;
const HOUR: i64 = 3_600_000_000_000;
const YEAR: i64 = 365 * 24 * HOUR;

fn folds() -> Arc<Folds> {
    Arc::new(Folds::new().fallback(Arc::new(MergePatch)))
}

fn random(seed: u8) -> Random {
    let mut count = 0_u8;
    Box::new(move || {
        count += 1;
        let mut bytes = [seed; 16];
        bytes[15] = count;
        bytes
    })
}

fn open_with(store: &MemoryStore, seed: u8, options: ReplicaOptions) -> Replica {
    let store = Arc::new(store.reopen());
    Replica::open(store, folds(), options, random(seed)).unwrap()
}

fn open(store: &MemoryStore, seed: u8) -> Replica {
    open_with(store, seed, ReplicaOptions { front_events_flush: 8, ..ReplicaOptions::default() })
}

fn fresh(seed: u8) -> Replica {
    open(&MemoryStore::new(), seed)
}

fn root() -> RootName {
    RootName::new("shipment").unwrap()
}

fn batch(records: &[Record<'_>]) -> PreparedBatch {
    batch_at(NOW, records)
}

fn batch_at(now: i64, records: &[Record<'_>]) -> PreparedBatch {
    let mut batch = PreparedBatch::new(root(), folds(), now);
    for record in records {
        batch.push(record).unwrap();
    }
    batch
}

fn write(replica: &mut Replica, id: &str, data: &str, now: i64) -> Dot {
    replica.append(&batch_at(now, &[Record::json(id, "t", data)]), now).unwrap().dots[0]
}

fn sync(from: &Replica, to: &mut Replica, now: i64) {
    loop {
        let held = to.reader().version_vector(&root());
        let page = from.reader().delta(&root(), &held, 3, usize::MAX).unwrap();
        if page.events == 0 {
            return;
        }
        to.merge(&Delta::decode(&page.bytes).unwrap(), now).unwrap();
    }
}

fn digest(replica: &Replica) -> Vec<String> {
    replica.reader().status().unwrap().roots.into_iter().map(|root| root.digest).collect()
}

fn state(replica: &Replica, id: &str) -> String {
    let read = replica.reader().aggregate(&root(), id, &Query::default()).unwrap().unwrap();
    String::from_utf8(read.state).unwrap()
}

fn feed(replica: &Replica) -> Vec<(Dot, Hlc)> {
    let mut events = Vec::new();
    let mut vv = VersionVector::new();
    loop {
        let page = replica
            .reader()
            .feed(&root(), &vv, 4, &mut |event| {
                events.push((event.dot, event.recorded));
                ControlFlow::Continue(())
            })
            .unwrap();
        vv = page.vv;
        if !page.more {
            return events;
        }
    }
}

#[test]
fn what_is_written_is_read_at_once_and_after_a_crash() {
    let store = MemoryStore::new();
    let mut replica = open(&store, 1);
    for index in 0..30 {
        write(&mut replica, &format!("s{}", index % 4), &format!("{{\"n\":{index}}}"), NOW + index);
    }
    let before = (digest(&replica), feed(&replica), state(&replica, "s1"));
    assert_eq!(before.2, r#"{"n":29}"#);
    assert_eq!(replica.reader().status().unwrap().roots[0].aggregates, 4);
    drop(replica);
    let replica = open(&store.after_power_loss(), 9);
    assert_eq!((digest(&replica), feed(&replica), state(&replica, "s1")), before);
    assert_eq!(replica.reader().status().unwrap().roots[0].aggregates, 4);
    assert_eq!(replica.id().as_bytes()[0], 1, "the identity is kept");
}

#[test]
fn replicas_that_have_the_same_events_are_in_the_same_state() {
    let mut replicas = [fresh(1), fresh(2), fresh(3)];
    for step in 0..40_i64 {
        let index = usize::try_from(step % 3).unwrap();
        let data = format!("{{\"k{}\":{step}}}", step % 5);
        write(&mut replicas[index], "s", &data, NOW + step * 1_000 * (step % 3 - 1));
    }
    for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 1), (2, 1), (2, 1)] {
        let [a, b] = replicas.get_disjoint_mut([from, to]).unwrap();
        sync(a, b, NOW + HOUR);
    }
    let [a, b, c] = &replicas;
    assert_eq!(digest(a), digest(b));
    assert_eq!(digest(a), digest(c));
    assert_eq!(feed(a), feed(b));
    assert!(feed(a).is_sorted_by(|x, y| (x.1, x.0.origin) < (y.1, y.0.origin)));
    assert_eq!(state(a, "s"), state(c, "s"));
    let etag = |replica: &Replica| {
        replica.reader().aggregate(&root(), "s", &Query::default()).unwrap().unwrap().etag
    };
    assert_eq!(etag(a), etag(b));
}

#[test]
fn stamps_rise_across_restarts_with_the_clock_set_back() {
    let store = MemoryStore::new();
    let mut dots = Vec::new();
    for now in [NOW, NOW - HOUR, NOW - 50 * YEAR, -YEAR, i64::MIN, i64::MAX, 0] {
        let mut replica = open(&store, 1);
        dots.push(write(&mut replica, "s", "{}", now));
        replica.close().unwrap();
    }
    let events = feed(&open(&store, 1));
    assert_eq!(events.iter().map(|(dot, _)| *dot).collect::<Vec<_>>(), dots);
    assert!(events.is_sorted_by(|a, b| a.1 < b.1));
}

#[test]
fn a_stamp_ten_years_ahead_is_kept_counted_and_not_followed() {
    let (mut ahead, mut right) = (fresh(1), fresh(2));
    write(&mut ahead, "s", "{}", NOW + 10 * YEAR);
    sync(&ahead, &mut right, NOW);
    write(&mut right, "s", "{}", NOW);
    assert_eq!(right.reader().status().unwrap().counters.clock_suspect, 1);
    let events = feed(&right);
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].0.origin, right.id(), "the right clock's event sorts first");
}

#[test]
fn a_delta_with_a_hole_is_refused_whole() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    for index in 0..5 {
        write(&mut a, "s", &format!("{index}"), NOW);
    }
    let mut held = VersionVector::new();
    held.set(a.id(), 2);
    let page = a.reader().delta(&root(), &held, 10, usize::MAX).unwrap();
    let before = digest(&b);
    let error = b.merge(&Delta::decode(&page.bytes).unwrap(), NOW).unwrap_err();
    assert!(matches!(error, WriteError::Hole { held_seq: 0, ref held, .. } if held.is_empty()));
    assert_eq!(digest(&b), before);
}

#[test]
fn a_merge_of_what_is_held_changes_nothing() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    for index in 0..5 {
        write(&mut a, "s", &format!("{index}"), NOW);
    }
    let page = a.reader().delta(&root(), &VersionVector::new(), 10, usize::MAX).unwrap();
    let delta = Delta::decode(&page.bytes).unwrap();
    assert_eq!(b.merge(&delta, NOW).unwrap(), Merged { stored: 5, known: 0 });
    let before = (digest(&b), b.reader().head());
    assert_eq!(b.merge(&delta, NOW).unwrap(), Merged { stored: 0, known: 5 });
    assert_eq!((digest(&b), b.reader().head()), before);
}

#[test]
fn two_histories_of_one_origin_are_a_fork() {
    let store = MemoryStore::new();
    let mut original = open(&store, 1);
    write(&mut original, "s", "0", NOW);
    let mut receiver = fresh(2);
    let copy = store.after_power_loss();
    write(&mut original, "s", "1", NOW);
    sync(&original, &mut receiver, NOW);
    // A copy that does not notice: it has the same home.
    let mut copy = open(&copy, 1);
    write(&mut copy, "s", "2", NOW);
    write(&mut copy, "s", "3", NOW);
    let page = copy.reader().delta(&root(), &VersionVector::new(), 10, usize::MAX).unwrap();
    let error = receiver.merge(&Delta::decode(&page.bytes).unwrap(), NOW).unwrap_err();
    assert!(matches!(error, WriteError::Fork { seq: 2, .. }), "{error}");
}

#[test]
fn a_store_that_finds_itself_elsewhere_takes_a_new_id() {
    let store = MemoryStore::new();
    let mut replica = open(&store, 1);
    let first = replica.id();
    write(&mut replica, "s", "0", NOW);
    replica.close().unwrap();
    let moved = store.clone().at_home([7; 32]);
    let mut replica = open(&moved, 2);
    assert_ne!(replica.id(), first);
    assert_eq!(write(&mut replica, "s", "1", NOW).seq, 1);
    assert_eq!(replica.reader().own_ids(), [first, replica.id()]);
    let second = replica.id();
    drop(replica);
    assert_eq!(open(&moved, 3).id(), second, "and keeps it there");
}

#[test]
fn a_relaxed_store_that_was_not_closed_takes_a_new_id() {
    let store = MemoryStore::with_durability(Durability::Relaxed);
    let first = open(&store, 1);
    let id = first.id();
    first.close().unwrap();
    let second = open(&store, 2);
    assert_eq!(second.id(), id, "a clean stop leaves no doubt");
    drop(second);
    assert_ne!(open(&store, 3).id(), id);
}

#[test]
fn a_replica_that_was_set_back_takes_a_new_id_and_its_events_back() {
    let store = MemoryStore::new();
    let mut device = open(&store, 1);
    let first = device.id();
    write(&mut device, "s", r#"{"a":1}"#, NOW);
    let backup = store.after_power_loss();
    write(&mut device, "s", r#"{"b":2}"#, NOW);
    let mut server = fresh(2);
    sync(&device, &mut server, NOW);
    let mut restored = open(&backup, 1);
    assert_eq!(restored.id(), first);
    sync(&server, &mut restored, NOW);
    assert_ne!(restored.id(), first);
    assert_eq!(digest(&restored), digest(&server));
    write(&mut restored, "s", r#"{"c":3}"#, NOW);
    sync(&restored, &mut server, NOW);
    assert_eq!(state(&server, "s"), r#"{"a":1,"b":2,"c":3}"#);
}

#[test]
fn an_idempotency_key_is_replayed_also_after_a_restart() {
    let store = MemoryStore::new();
    let keyed = Record { idempotency_key: Some("k"), ..Record::json("s", "t", "1") };
    let mut replica = open(&store, 1);
    let first = replica.append(&batch(&[keyed]), NOW).unwrap();
    assert!(!first.replayed);
    let again = Appended { replayed: true, ..first.clone() };
    assert_eq!(replica.append(&batch(&[keyed]), NOW + 1).unwrap(), again);
    drop(replica);
    let mut replica = open(&store, 1);
    assert_eq!(replica.append(&batch(&[keyed]), NOW + 2).unwrap(), again);
    let other = Record { data: b"2", ..keyed };
    let error = replica.append(&batch(&[other]), NOW).unwrap_err();
    assert!(
        matches!(error, WriteError::KeyConflict { index: 0, holder: Some(ref holder) } if holder.event.dot == first.dots[0])
    );
    let error = replica.append(&batch(&[Record::json("x", "t", "{}"), other]), NOW).unwrap_err();
    assert!(matches!(error, WriteError::KeyConflict { index: 1, .. }));
    assert_eq!(replica.reader().head(), 1);
}

#[test]
fn twins_by_key_are_both_kept_and_the_first_in_fold_order_counts() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    let keyed = |data| Record { idempotency_key: Some("k"), ..Record::json("s", "t", data) };
    a.append(&batch_at(NOW + HOUR, &[keyed(r#"{"late":true}"#)]), NOW + HOUR).unwrap();
    b.append(&batch(&[keyed(r#"{"early":true}"#)]), NOW).unwrap();
    assert_eq!(state(&a, "s"), r#"{"late":true}"#);
    sync(&a, &mut b, NOW + HOUR);
    sync(&b, &mut a, NOW + HOUR);
    for replica in [&a, &b] {
        assert_eq!(state(replica, "s"), r#"{"early":true}"#);
        assert_eq!(feed(replica).len(), 2);
    }
}

#[test]
fn a_future_beyond_the_bound_is_refused_here_and_kept_by_sync() {
    let (mut a, mut b) = (fresh(1), fresh(2));
    let soon = Record { occurred: Some(NOW + HOUR), ..Record::json("s", "t", "1") };
    let good = Record::json("s", "t", "0");
    let error = a.append(&batch(&[good, soon]), NOW).unwrap_err();
    assert!(matches!(error, WriteError::Future { index: 1 }));
    assert_eq!(a.reader().head(), 0);
    a.append(&batch(&[soon]), NOW + HOUR).unwrap();
    sync(&a, &mut b, NOW);
    assert_eq!(b.reader().status().unwrap().counters.future, 1);
    assert_eq!(feed(&b).len(), 1);
}

#[test]
fn time_axes_filter_alone_and_together() {
    let mut replica = fresh(1);
    let at = |occurred, data| Record { occurred: Some(occurred), ..Record::json("s", "t", data) };
    replica.append(&batch(&[at(NOW - 3 * HOUR, r#"{"a":1}"#)]), NOW).unwrap();
    replica.append(&batch(&[at(NOW - HOUR, r#"{"b":2}"#)]), NOW + HOUR).unwrap();
    replica.append(&batch(&[at(NOW - 2 * HOUR, r#"{"c":3}"#)]), NOW + 2 * HOUR).unwrap();
    let check = |query: Query, expected: Option<&str>| {
        let read = replica.reader().aggregate(&root(), "s", &query).unwrap();
        let read = read.map(|read| String::from_utf8(read.state).unwrap());
        assert_eq!(read.as_deref(), expected, "{query:?}");
    };
    let none = Query::default();
    check(Query { occurred_until: Some(NOW - 2 * HOUR), ..none.clone() }, Some(r#"{"a":1,"c":3}"#));
    check(Query { recorded_until: Some(NOW + HOUR), ..none.clone() }, Some(r#"{"a":1,"b":2}"#));
    check(Query { known_at: Some(NOW + HOUR), ..none.clone() }, Some(r#"{"a":1,"b":2}"#));
    check(Query { known_at: Some(NOW - 1), ..none.clone() }, None);
    let both = Query { occurred_until: Some(NOW - 2 * HOUR), known_at: Some(NOW + HOUR), ..none };
    check(both, Some(r#"{"a":1}"#));
}

#[test]
fn aggregates_are_listed_a_page_at_a_time_in_id_order() {
    let mut replica = fresh(1);
    let ids = ["b", "a", "a\0", "a/b", "é", "a\0\u{1}", "ab"];
    for (index, id) in ids.iter().cycle().take(21).enumerate() {
        write(&mut replica, id, &format!("{{\"n\":{index}}}"), NOW);
    }
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = replica.reader().aggregates(&root(), after.as_deref(), 2, &Query::default());
        let page = page.unwrap();
        assert!(page.aggregates.len() <= 2);
        listed.extend(page.aggregates.into_iter().map(|(id, state)| {
            assert_eq!(state.unwrap().event_count, 3);
            id
        }));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut expected = ids.map(str::to_owned);
    expected.sort();
    assert_eq!(listed, expected);
}

#[test]
fn staged_events_are_neither_seen_nor_durable_before_the_commit() {
    let mut replica = fresh(1);
    replica.stage_append(&batch(&[Record::json("s", "t", "1")]), NOW).unwrap();
    let dots = replica.stage_append(&batch(&[Record::json("s", "t", "2")]), NOW).unwrap().dots;
    assert_eq!(dots[0].seq, 2);
    assert_eq!((replica.reader().head(), feed(&replica).len()), (0, 0));
    replica.remember(b"k", b"v");
    replica.commit().unwrap();
    assert_eq!((replica.reader().head(), feed(&replica).len()), (2, 2));
    assert_eq!(replica.reader().recall(b"k").unwrap(), Some(b"v".to_vec()));
    replica.stage_append(&batch(&[Record::json("s", "t", "3")]), NOW).unwrap();
    replica.abandon();
    assert_eq!(write(&mut replica, "s", "3", NOW).seq, 3);
}

#[test]
fn a_precondition_is_judged_at_the_write() {
    let mut replica = fresh(1);
    let with = |precondition| {
        let mut batch = batch(&[Record::json("s", "t", "1")]);
        batch.require(precondition).unwrap();
        batch
    };
    replica.append(&with(Precondition::Absent), NOW).unwrap();
    let first = replica.reader().etag(&root(), "s").unwrap().unwrap();
    let read = replica.reader().aggregate(&root(), "s", &Query::default()).unwrap().unwrap();
    assert_eq!(read.etag, first);
    let refused = replica.append(&with(Precondition::Absent), NOW).unwrap_err();
    assert!(matches!(refused, WriteError::Precondition { etag: Some(ref etag) } if *etag == first));
    replica.append(&with(Precondition::Etag(vec![first.clone()])), NOW).unwrap();
    let refused = replica.append(&with(Precondition::Etag(vec![first])), NOW).unwrap_err();
    let now = replica.reader().etag(&root(), "s").unwrap();
    assert!(matches!(refused, WriteError::Precondition { ref etag } if *etag == now));
    replica.stage_append(&with(Precondition::Present), NOW).unwrap();
    let staged = replica.stage_append(&with(Precondition::Present), NOW).unwrap_err();
    assert!(matches!(staged, WriteError::Uncommitted));
    let mut two = batch(&[Record::json("s", "t", "1"), Record::json("x", "t", "1")]);
    assert_eq!(two.require(Precondition::Absent), Err(EventError::NotOneAggregate));
}

#[test]
fn a_replay_is_answered_before_the_precondition_is_asked() {
    let mut replica = fresh(1);
    let keyed = Record { idempotency_key: Some("k"), ..Record::json("s", "t", "1") };
    let mut batch = batch(&[keyed]);
    batch.require(Precondition::Absent).unwrap();
    let first = replica.append(&batch, NOW).unwrap();
    let again = replica.append(&batch, NOW).unwrap();
    assert_eq!((again.dots, again.replayed), (first.dots, true));
}

fn all(_: &RootName) -> bool {
    true
}

fn taken(limit: usize) -> Taken<'static> {
    Taken { root: &all, not_of: &[], limit, bytes_max: usize::MAX }
}

#[test]
fn arrivals_after_a_cursor_bring_a_peer_up_to_date() {
    let (mut a, mut b, mut c) = (fresh(1), fresh(2), fresh(3));
    for index in 0..7 {
        write(&mut a, "s", &format!("{index}"), NOW + index);
        write(&mut b, "s", &format!("{index}"), NOW - index);
        sync(&b, &mut a, NOW);
    }
    let mut cursor: Cursor = fresh(9).reader().cursor();
    assert!(!a.reader().fits(&cursor).unwrap(), "another log's start");
    cursor = Cursor { epoch: a.reader().cursor().epoch, ..cursor };
    assert!(a.reader().fits(&cursor).unwrap());
    loop {
        let page = a.reader().arrivals_delta(&cursor, &taken(3)).unwrap().unwrap();
        c.merge(&Delta::decode(&page.bytes).unwrap(), NOW).unwrap();
        cursor = page.cursor.to_string().parse().unwrap();
        assert!(a.reader().fits(&cursor).unwrap());
        if !page.more {
            break;
        }
    }
    assert_eq!(digest(&c), digest(&a));
    assert_eq!(cursor, a.reader().cursor());
    let own = Taken { not_of: &[b.id()], ..taken(100) };
    let start = Cursor { position: 0, history: 0, ..cursor };
    assert_eq!(a.reader().arrivals_delta(&start, &own).unwrap().unwrap().events, 7);
}

#[test]
fn a_cursor_into_a_log_that_went_on_differently_does_not_fit() {
    let store = MemoryStore::new();
    let mut replica = open(&store, 1);
    write(&mut replica, "s", "0", NOW);
    let backup = store.after_power_loss();
    write(&mut replica, "s", "1", NOW);
    let cursor = replica.reader().cursor();
    let mut restored = open(&backup, 1);
    assert!(!restored.reader().fits(&cursor).unwrap(), "a position of the future");
    write(&mut restored, "s", "2", NOW);
    assert!(!restored.reader().fits(&cursor).unwrap(), "the same position, another history");
}

#[test]
fn a_batch_with_a_key_is_replayed_as_a_whole_or_not_at_all() {
    let store = MemoryStore::new();
    let mut replica = open(&store, 1);
    let keyed = |data: &[&str]| {
        let mut batch = PreparedBatch::with_key(root(), folds(), NOW, "request");
        for data in data {
            batch.push(&Record::json("s", "t", data)).unwrap();
        }
        batch
    };
    let first = replica.append(&keyed(&["1", "2"]), NOW).unwrap();
    assert_eq!((first.dots.len(), first.replayed), (2, false));
    drop(replica);
    let mut replica = open(&store, 1);
    let again = replica.append(&keyed(&["1", "2"]), NOW).unwrap();
    assert_eq!((again.dots, again.replayed), (first.dots, true));
    for other in [&["1"][..], &["1", "2", "3"], &["1", "3"], &["2", "1"], &["9"]] {
        let error = replica.append(&keyed(other), NOW).unwrap_err();
        assert!(matches!(error, WriteError::KeyConflict { .. }), "{other:?}: {error}");
    }
    assert_eq!(replica.reader().head(), 2);
    let own = Record { idempotency_key: Some("k"), ..Record::json("s", "t", "1") };
    assert_eq!(keyed(&[]).push(&own), Err(EventError::TwoKeys));
}
