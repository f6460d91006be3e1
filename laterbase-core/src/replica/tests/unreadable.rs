//! Events whose data no fold can read. None is written here, and others may send some.
//!
//! Mutations tried, each red: `uncount` left out of `write_again`; the count not put into the
//! batch; `read_unreadable` left out of `load`; `Indexed::known(&record, true)` in a merge.

use super::*;
use crate::chain::{ChainHash, RecordHash};
use crate::delta::{DeltaBuilder, Outgoing};
use crate::limits::DATA_DEPTH_MAX;
use crate::verify::{Region, verify};

const GOOD: &str = r#"{"qty":5}"#;
const HALF: &str = r#"{"note":"\ud83d","qty":7}"#;

fn stranger() -> ReplicaId {
    ReplicaId::from_bytes([7; 16])
}

/// All that a replica with other rules has written, as a page.
fn page_of(data: &[&str]) -> Vec<u8> {
    let mut builder = DeltaBuilder::new();
    let mut chain = ChainHash::genesis(&root(), stranger());
    let run = builder.start_run(&root(), stranger(), 1, chain);
    for (seq, data) in (1..).zip(data) {
        let mut record = Vec::new();
        Record::json("s1", "t", data).filled_in(0).encode(&mut record);
        let recorded = Hlc::from_unix_nanos(NOW + seq);
        chain = chain.next(recorded, RecordHash::of(&record));
        let seq = seq.unsigned_abs();
        builder.push(run, Outgoing { origin: stranger(), seq, recorded, record: &record, chain });
    }
    builder.finish()
}

fn merge(replica: &mut Replica, page: &[u8]) -> Result<Merged, WriteError> {
    replica.merge(&Delta::decode(page).unwrap(), NOW + HOUR)
}

#[track_caller]
fn check_counts(replica: &Replica, store: &MemoryStore, events: u64, unreadable: u64) {
    let status = replica.reader().status().unwrap();
    assert_eq!((status.roots[0].events, status.roots[0].unreadable), (events, unreadable));
    let report = verify(&store.reopen(), &mut |_, _| {}).unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
}

/// An event with half of an emoji was taken, and silently left out of the state.
#[test]
fn what_no_fold_can_read_is_refused_at_the_write_and_kept_and_counted_by_sync() {
    let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
    let data = [GOOD, HALF, &deep, "{", "1"];
    let mut batch = PreparedBatch::new(root(), folds(), NOW);
    for data in &data[1..4] {
        let refused = batch.push(&Record::json("s1", "t", data)).unwrap_err();
        assert_eq!((matches!(refused, EventError::Data(_)), refused.field()), (true, Some("data")));
        assert!(batch.push(&Record { is_json: false, ..Record::json("s1", "t", data) }).is_ok());
    }

    let store = MemoryStore::new();
    let mut replica = open(&store, 1);
    write(&mut replica, "s1", r#"{"own":1}"#, NOW);
    assert_eq!(merge(&mut replica, &page_of(&data)).unwrap().stored, 5);
    check_counts(&replica, &store, 6, 3);
    assert_eq!(merge(&mut replica, &page_of(&data)).unwrap().stored, 0);
    check_counts(&replica, &store, 6, 3);
    let read = replica.reader().aggregate(&root(), "s1", &Query::default()).unwrap().unwrap();
    assert_eq!((read.event_count, read.refused_count), (6, 3));
    drop(replica);
    // Also after a crash, and at whoever gets them from here.
    let replica = open(&store, 2);
    check_counts(&replica, &store, 6, 3);
    let (other_store, mut other) = (MemoryStore::new(), fresh(3));
    sync(&replica, &mut other, NOW + HOUR);
    assert_eq!(other.reader().status().unwrap().roots, replica.reader().status().unwrap().roots);
    let mut other = open(&other_store, 4);
    merge(&mut other, &page_of(&data[..2])).unwrap();
    check_counts(&other, &other_store, 2, 1);
}

#[test]
fn what_cannot_be_read_is_counted_once_where_a_branch_moves() {
    let store = MemoryStore::new();
    let mut replica = open(&store, 1);
    merge(&mut replica, &page_of(&[HALF, GOOD, HALF, HALF])).unwrap();
    merge(&mut replica, &page_of(&[HALF, "{", GOOD])).unwrap_err();
    check_counts(&replica, &store, 4, 3);
    replica.resolve(&root(), stranger(), Keep::Theirs, NOW + HOUR).unwrap();
    check_counts(&replica, &store, 6, 4);
    drop(replica);
    check_counts(&open(&store, 2), &store, 6, 4);
}

#[test]
fn a_count_that_is_wrong_is_found_by_verify() {
    let store = MemoryStore::new();
    let mut replica = open(&store, 1);
    merge(&mut replica, &page_of(&[HALF])).unwrap();
    drop(replica);
    let mut batch = crate::store::Batch::new(crate::store::Area::Truth);
    let key = crate::keys::numbered(crate::keys::UNREADABLE, &[0]);
    batch.put(crate::store::Table::Meta, &key, &2_u64.to_be_bytes());
    let store = store.reopen();
    store.commit(&batch).unwrap();
    let report = verify(&store, &mut |_, _| {}).unwrap();
    assert_eq!(report.faults.iter().map(|fault| fault.region).collect::<Vec<_>>(), [Region::Meta]);
}

#[test]
fn an_id_that_no_url_leads_to_is_refused_at_the_write_only() {
    let mut batch = PreparedBatch::new(root(), folds(), NOW);
    for id in [".", ".."] {
        let refused = batch.push(&Record::json(id, "t", GOOD)).unwrap_err();
        assert_eq!((&refused, refused.field()), (&EventError::DotSegment, Some("aggregate_id")));
    }
    for id in ["...", ".a", "a/../b"] {
        batch.push(&Record::json(id, "t", GOOD)).unwrap();
    }
    assert_eq!(batch.len(), 3);
}

/// Reads leave snapshots, so that an aggregate is folded from the start once only.
#[test]
fn data_at_the_bound_of_depth_is_folded_and_read_on_from_a_snapshot() {
    let mut replica = fresh(1);
    let nest = |leaf: &str| {
        format!("{}{leaf}{}", "{\"a\":".repeat(DATA_DEPTH_MAX), "}".repeat(DATA_DEPTH_MAX))
    };
    for number in 0..120 {
        write(&mut replica, "s1", &nest(&format!("{number}.0")), NOW + number);
    }
    assert_eq!(state(&replica, "s1"), nest("119.0"));
    replica.maintenance().flush().unwrap();
    write(&mut replica, "s1", &nest("1E2"), NOW + 200);
    let read = replica.reader().aggregate(&root(), "s1", &Query::default()).unwrap().unwrap();
    assert_eq!(String::from_utf8(read.state).unwrap(), nest("1E2"));
    assert!(read.folded_count < 100, "{}", read.folded_count);
}
