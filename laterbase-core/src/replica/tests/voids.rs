//! Events that take others back, as hostile and damaged stores bring them.

use super::*;
use crate::event::{Seen, Void, VoidsBuf};
use crate::limits::VOIDS_MAX;
use crate::store::{Area, Batch, Table};

fn void(replica: &mut Replica, id: &str, voids: Void, now: i64) -> Dot {
    let voids: VoidsBuf = [voids].into_iter().collect();
    let record = Record::json(id, "Voided", "{}").with_voids(voids.as_voids());
    replica.append(&batch_at(now, &[record]), now).unwrap().dots[0]
}

fn marks(replica: &Replica, dot: Dot) -> Vec<Dot> {
    let mut marks = Vec::new();
    let mut look = |event: &crate::event::Event<'_>| {
        if event.dot == dot {
            marks = event.voided_by.to_vec();
        }
        ControlFlow::Continue(())
    };
    replica.reader().feed(&root(), &VersionVector::new(), 10_000, &mut look).unwrap();
    marks
}

/// A seq at the end of the numbers panicked in every read of the aggregate.
#[test]
fn a_void_of_the_last_seq_that_there_is_harms_nobody() {
    let (mut hostile, mut replica) = (fresh(1), fresh(2));
    let target = write(&mut replica, "s1", r#"{"n":1}"#, NOW);
    let seen = Seen { check: [1; 8], occurred: i64::MIN, recorded: Hlc::from_bits(u64::MAX) };
    for seen in [None, Some(seen)] {
        let dot = Dot { origin: target.origin, seq: u64::MAX };
        void(&mut hostile, "s1", Void { dot, seen }, NOW + 1);
    }
    sync(&hostile, &mut replica, NOW + 2);
    assert_eq!(state(&replica, "s1"), r#"{"n":1}"#);
    replica.maintenance().flush().unwrap();
    assert_eq!(state(&replica, "s1"), r#"{"n":1}"#);
    assert!(marks(&replica, target).is_empty());
}

/// The flush read the damaged event, and the derived tables were given up for good.
///
/// Mutation: damage of a target is an error.
#[test]
fn a_void_of_an_event_that_is_damaged_costs_no_other_aggregate_anything() {
    let (store, mut hostile) = (MemoryStore::new(), fresh(1));
    let mut replica = open(&store, 2);
    let damaged = write(&mut replica, "s2", r#"{"n":2}"#, NOW);
    write(&mut replica, "s1", r#"{"n":1}"#, NOW + 1);
    replica.maintenance().flush().unwrap();
    let mut batch = Batch::new(Area::Truth);
    batch.put(Table::Log, &crate::keys::position(1), b"no entry");
    store.commit(&batch).unwrap();
    void(&mut hostile, "s1", Void::unseen(damaged), NOW + 2);
    sync(&hostile, &mut replica, NOW + 3);
    replica.maintenance().flush().unwrap();
    assert_eq!(state(&replica, "s1"), r#"{"n":1}"#);
    write(&mut replica, "s1", r#"{"n":3}"#, NOW + 4);
    replica.maintenance().flush().unwrap();
    assert_eq!(state(&replica, "s1"), r#"{"n":3}"#);
}

#[test]
fn of_many_that_take_one_event_back_the_first_are_named() {
    let mut replica = fresh(1);
    let target = write(&mut replica, "s1", r#"{"n":1}"#, NOW);
    let voiding: Vec<Dot> = (0..300)
        .map(|after| void(&mut replica, "s1", Void::unseen(target), NOW + 1 + after))
        .collect();
    assert_eq!(marks(&replica, target), voiding[..VOIDS_MAX]);
    assert_eq!(state(&replica, "s1"), "{}");
}

/// A snapshot from before the earlier twin on serves nobody any more.
#[test]
fn a_flush_takes_away_what_no_read_goes_on_from() {
    let store = MemoryStore::new();
    let (mut replica, mut other) = (open(&store, 1), fresh(2));
    let twin = |at: i64| Record::json("s1", "t", r#"{"k":1}"#).at(NOW + at).with_key("k");
    other.append(&batch_at(NOW + 1, &[twin(1)]), NOW + 1).unwrap();
    for after in 2..400 {
        let record = Record::json("s1", "t", r#"{"n":1}"#).at(NOW + after);
        replica.append(&batch_at(NOW + 400, &[record]), NOW + 400).unwrap();
    }
    let named = replica.append(&batch_at(NOW + 500, &[twin(500)]), NOW + 500).unwrap().dots[0];
    sync(&other, &mut replica, NOW + 501);
    state(&replica, "s1");
    replica.maintenance().flush().unwrap();
    let snapshots = || {
        let mut count = 0;
        let snapshot = store.snapshot().unwrap();
        let all = crate::store::Scan::all(Table::Snapshots);
        snapshot
            .scan(all, &mut |_, _| {
                count += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
        count
    };
    assert!(snapshots() > 0);
    void(&mut replica, "s1", Void::unseen(named), NOW + 502);
    replica.maintenance().flush().unwrap();
    assert_eq!(snapshots(), 0, "all lie behind the earlier twin, which is taken back too");
    assert_eq!(state(&replica, "s1"), r#"{"n":1}"#);
}
