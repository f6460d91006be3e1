//! The store that is damaged: some of everything that a store can hold.

use std::sync::Arc;

use laterbase_core::PreparedBatch;
use laterbase_core::delta::Delta;
use laterbase_core::event::Record;
use laterbase_core::fold::Folds;
use laterbase_core::id::RootName;
use laterbase_core::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::Query;
use laterbase_core::replica::{OpenError, Random, Replica, ReplicaOptions, WriteError};
use laterbase_core::store::Store;
use laterbase_core::version_vector::VersionVector;

use crate::simulator::dice::Dice;
use crate::simulator::order_fold::OrderFold;

/// The wall clock when the first event is written, in nanoseconds since 1970.
pub(super) const START: i64 = 1_700_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// Over how long the events are written, in nanoseconds.
pub(super) const SPAN: i64 = 60 * SECOND;

const BATCHES: i64 = 60;

pub(super) fn roots() -> [RootName; 2] {
    ["shipment", "order@north"].map(|name| RootName::new(name).expect("a root's name"))
}

pub(super) fn aggregates() -> Vec<String> {
    (0..6).map(|number| format!("aggregate-{number}")).collect()
}

/// The second version refuses what the first one took.
fn folds(version: u32) -> Arc<Folds> {
    Arc::new(Folds::new().fallback(Arc::new(OrderFold { version })))
}

/// Opens a store as the replica of a number.
pub(super) fn open(store: Arc<dyn Store>, id: u64) -> Result<Replica, OpenError> {
    let options =
        ReplicaOptions { front_events_flush: 64, hot_bytes_max: 0, ..ReplicaOptions::default() };
    let mut dice = Dice::new(id);
    let random: Random = Box::new(move || dice.bytes());
    Replica::open(store, folds(2), options, random)
}

fn in_memory(id: u64) -> Replica {
    open(Arc::new(MemoryStore::new()), id).expect("an empty store opens")
}

/// Fills an empty store: own events and foreign ones in two roots, short records and long ones,
/// keys, snapshots, something remembered, a fork. Leaves the newest events in the log only.
pub(super) fn fill(replica: &mut Replica) {
    let mut dice = Dice::new(17);
    let mut others: Vec<Replica> = vec![in_memory(2), in_memory(3), in_memory(3)];
    for step in 0..BATCHES {
        let now = START + step * (SPAN / BATCHES);
        let root = dice.pick(&roots()).clone();
        write(replica, &root, 2, &mut dice, now);
        let other = dice.index(2);
        write(&mut others[other], &root, 1, &mut dice, now);
        if step % 7 == 0 {
            take_all(replica, &others[other], now);
        }
        if step % 9 == 0 {
            replica.remember(format!("peer/{step}").as_bytes(), &dice.bytes());
            replica.commit().expect("the commit succeeds");
        }
        if step % 20 == 19 {
            read_all(replica);
            replica.maintenance().flush().expect("the flush succeeds");
        }
    }
    // Another history under the id of the second one.
    let (ours, theirs) = (START + SPAN, START + 2 * SPAN);
    write(&mut others[2], &roots()[0], 1, &mut dice, theirs);
    take_all(replica, &others[1], ours);
    take_all(replica, &others[2], ours);
    assert_eq!(replica.reader().forks().len(), 1, "the specimen has a fork");
}

/// Reads leave snapshots behind, which the next flush writes.
fn read_all(replica: &Replica) {
    for root in roots() {
        for id in aggregates() {
            let read = replica.reader().aggregate(&root, &id, &Query::default());
            drop(read.expect("the store works"));
        }
    }
}

fn write(replica: &mut Replica, root: &RootName, fold_version: u32, dice: &mut Dice, now: i64) {
    let mut batch = PreparedBatch::new(root.clone(), folds(fold_version), now);
    for number in 0..dice.count(1, 6) {
        let length = *dice.pick(&[3, 40, 250, 250, 900, 9_000]);
        let id = dice.pick(&aggregates()).clone();
        let key = keyed(replica, now, number);
        let data = noise(dice, length);
        let back = dice.around(SPAN).abs();
        let event_type = *dice.pick(&["Moved", "Heavy", "Sealed"]);
        let record = Record {
            occurred: *dice.pick(&[None, Some(now - back)]),
            idempotency_key: dice.chance(300).then_some(&*key),
            is_json: false,
            data: &data,
            ..Record::json(&id, event_type, "")
        };
        // What the fold refuses is recorded by the others only.
        let _ = batch.push(&record);
    }
    replica.append(&batch, now).expect("the batch is taken");
}

fn keyed(replica: &Replica, now: i64, number: usize) -> String {
    format!("{}/{now}/{number}", replica.id())
}

fn noise(dice: &mut Dice, length: usize) -> Vec<u8> {
    let mut noise = Vec::with_capacity(length + 16);
    while noise.len() < length {
        noise.extend_from_slice(&dice.bytes());
    }
    noise.truncate(length);
    noise
}

/// Merges all that another replica holds, page by page; what is held back goes into quarantine.
pub(super) fn take_all(replica: &mut Replica, from: &Replica, now: i64) {
    for root in roots() {
        let mut vv = replica.reader().version_vector(&root);
        if from.id() != replica.id() && from.reader().version_vector(&root) != vv {
            // A fork shows only where what is held is sent again.
            vv = VersionVector::new();
        }
        loop {
            let page = from.reader().delta(&root, &vv, BATCH_EVENTS_MAX, BATCH_BYTES_MAX);
            let page = page.expect("the store works");
            merge(replica, &page.bytes, now);
            vv = page.vv;
            if !page.more {
                break;
            }
        }
    }
}

/// Merges a page, as far as it fits.
pub(super) fn merge(replica: &mut Replica, page: &[u8], now: i64) {
    let delta = Delta::decode(page).expect("a page of a replica is well-formed");
    replica.stage_merge_page(&delta, now).expect("the page is taken");
    replica.commit().expect("the commit succeeds");
}

/// Writes an event with a key that is taken, and one with a key that is not, and gives what
/// would come of it. Nothing is stored.
pub(super) fn repeat_keys(replica: &mut Replica) -> Vec<(String, Result<String, String>)> {
    let mut outcomes = Vec::new();
    let root = roots()[0].clone();
    for step in 0..BATCHES {
        let key = keyed(replica, START + step * (SPAN / BATCHES), 0);
        let id = &aggregates()[0];
        let mut batch = PreparedBatch::new(root.clone(), folds(2), START + 2 * SPAN);
        let record = Record { idempotency_key: Some(&key), ..Record::json(id, "Moved", "1") };
        batch.push(&record).expect("a good event");
        let outcome = match replica.stage_append(&batch, START + 2 * SPAN) {
            Ok(_) => Ok("free".to_owned()),
            Err(error @ WriteError::KeyConflict { .. }) => Ok(format!("{error:?}")),
            Err(error) => Err(error.to_string()),
        };
        replica.abandon();
        outcomes.push((key, outcome));
    }
    outcomes
}
