//! Pages that are well-formed, and say anything.

use std::sync::Arc;

use laterbase_core::chain::{ChainHash, RecordHash};
use laterbase_core::delta::{Delta, DeltaBuilder, Outgoing};
use laterbase_core::event::Record;
use laterbase_core::hlc::Hlc;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::Query;
use laterbase_core::replica::{Replica, WriteError};
use laterbase_core::verify::verify;

use super::seeds;
use crate::model::script::Script;

/// Makes pages as the bytes say, from origins that lie, and merges them.
pub(super) fn merge_any(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let store = Arc::new(MemoryStore::new());
    let mut replica = seeds::replica_on(Arc::clone(&store));
    for _ in 0..8 {
        if script.is_over() {
            break;
        }
        let page = page(&mut script, &replica);
        // What no sender should make, such as stamps that fall, is refused as a page.
        if let Ok(delta) = Delta::decode(&page) {
            merge(&mut replica, &store, &delta);
        }
    }
}

fn page(script: &mut Script<'_>, replica: &Replica) -> Vec<u8> {
    let mut builder = DeltaBuilder::new();
    for _ in 0..=script.below(4) {
        let name = *script.pick(&["shipment", "order", "shipment@x"]);
        let root = RootName::new(name).expect("a root's name");
        let origin = *script.pick(&[
            replica.id(),
            seeds::peer().id(),
            ReplicaId::from_bytes([0; 16]),
            ReplicaId::from_bytes([7; 16]),
        ]);
        let held = replica.reader().version_vector(&root).get(&origin);
        let first_seq =
            *script.pick(&[1, 1, 2, held + 1, held + 1, held.max(1), held + 2, 1 << 62]);
        let mut chain = chain_before(script, replica, &root, origin, first_seq);
        let run = builder.start_run(&root, origin, first_seq, chain);
        let mut stamp = *script.pick(&[0, 1, 1 << 60, u64::MAX - 3, NOW_STAMP, NOW_STAMP + 50]);
        for seq in first_seq..=first_seq + script.below(4) as u64 {
            let record = record(script);
            let recorded = Hlc::from_bits(stamp);
            chain = chain.next(recorded, RecordHash::of(&record));
            builder.push(run, Outgoing { origin, seq, recorded, record: &record, chain });
            stamp = stamp.wrapping_add(*script.pick(&[1, 1, 1 << 32, 0]));
        }
    }
    builder.finish()
}

/// About the stamp of the wall clock that the replicas here have.
const NOW_STAMP: u64 = 1_600_000_000 << 32;

fn chain_before(
    script: &mut Script<'_>,
    replica: &Replica,
    root: &RootName,
    origin: ReplicaId,
    first_seq: u64,
) -> ChainHash {
    let held = replica.reader().chain_at(root, origin, first_seq - 1);
    match held.expect("the store works") {
        Some(chain) if script.chance(230) => chain,
        _ if first_seq == 1 => ChainHash::genesis(root, origin),
        _ => ChainHash::from_bytes([9; 32]),
    }
}

fn record(script: &mut Script<'_>) -> Vec<u8> {
    let (id, event_type) = (*script.pick(&["a", "b", "\0\u{1}"]), *script.pick(&["t", "u"]));
    let record = Record {
        occurred: *script.pick(&[None, Some(0), Some(i64::MIN), Some(i64::MAX)]),
        idempotency_key: *script.pick(&[None, Some("k"), Some("\0")]),
        ..Record::json(id, event_type, "{}")
    };
    let mut bytes = Vec::new();
    record.filled_in(seeds::NOW).encode(&mut bytes);
    bytes
}

/// Merges a page, as a whole and as far as it fits: whatever it says, the store is sound.
pub(super) fn merge(replica: &mut Replica, store: &MemoryStore, delta: &Delta<'_>) {
    let before = replica.reader().head();
    match replica.merge(delta, seeds::NOW) {
        Ok(merged) => assert_eq!(replica.reader().head(), before + merged.stored),
        Err(error) => {
            assert!(!matches!(error, WriteError::Store(_)), "{error}");
            assert_eq!(replica.reader().head(), before, "a part was taken: {error}");
        }
    }
    match replica.stage_merge_page(delta, seeds::NOW) {
        Ok(_) => replica.commit().expect("the commit succeeds"),
        Err(error) => {
            assert!(!matches!(error, WriteError::Store(_)), "{error}");
            replica.abandon();
        }
    }
    check(replica, store);
}

fn check(replica: &Replica, store: &MemoryStore) {
    let reader = replica.reader();
    for root in reader.roots() {
        let page = reader.aggregates(&root, None, usize::MAX, &Query::default());
        drop(page.expect("aggregates can be read"));
    }
    replica.maintenance().flush().expect("the flush succeeds");
    let report = verify(store, &mut |_, _| {}).expect("the store can be read");
    assert!(report.is_sound(), "{:?}", report.faults);
}
