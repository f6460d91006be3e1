//! What is measured side by side does the same: LMDB and RocksDB hold equal events byte for byte.
#![cfg(feature = "rocks")]
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use laterbase_benches::{Engine, NOW, folds, replica};
use laterbase_core::PreparedBatch;
use laterbase_core::delta::Delta;
use laterbase_core::event::Record;
use laterbase_core::id::RootName;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::{Query, Reader};
use laterbase_core::replica::{Random, Replica, ReplicaOptions};
use laterbase_core::version_vector::VersionVector;

const ROOTS: [&str; 3] = ["shipment", "order", "shipment@depot-7"];

fn write(replica: &mut Replica, root: &str, round: i64) {
    let mut batch = PreparedBatch::new(RootName::new(root).unwrap(), folds(), NOW + round);
    for number in 0..7 {
        let (id, data) = (format!("a-{}", number % 3), format!(r#"{{"n{number}":{round}}}"#));
        let occurred = Some(NOW - (round * 7 + number) % 11 * 1_000_000_000);
        batch.push(&Record { occurred, ..Record::json(&id, "Moved", &data) }).unwrap();
    }
    replica.append(&batch, NOW + round).unwrap();
}

/// Merges everything that `from` has, in pages of `limit` events.
fn copy(from: &Reader, to: &mut Replica, limit: usize) {
    for root in from.roots() {
        let mut vv = VersionVector::new();
        loop {
            let page = from.delta(&root, &vv, limit, usize::MAX).unwrap();
            to.merge(&Delta::decode(&page.bytes).unwrap(), NOW).unwrap();
            vv = page.vv;
            if !page.more {
                break;
            }
        }
    }
}

/// Local writes to several roots, with those of another replica merged in between.
fn work(replica: &mut Replica) {
    let random: Random = Box::new(|| [0xee; 16]);
    let store = Arc::new(MemoryStore::new());
    let mut other = Replica::open(store, folds(), ReplicaOptions::default(), random).unwrap();
    for round in 0..20 {
        write(replica, ROOTS[usize::try_from(round % 3).unwrap()], round);
        write(&mut other, ROOTS[usize::try_from(round % 2).unwrap()], round);
        if round % 5 == 4 {
            copy(&other.reader(), replica, 9);
            replica.maintenance().flush().unwrap();
        }
    }
}

/// Digests, feeds and aggregates.
fn contents(reader: &Reader) -> Vec<(String, Vec<u8>, String)> {
    let status = reader.status().unwrap();
    let root = |root: laterbase_core::reader::RootStatus| {
        let feed = reader.delta(&root.name, &VersionVector::new(), 10_000, usize::MAX).unwrap();
        let aggregates = reader.aggregates(&root.name, None, 100, &Query::default()).unwrap();
        (root.digest, feed.bytes, format!("{:?}", aggregates.aggregates))
    };
    status.roots.into_iter().map(root).collect()
}

#[test]
fn the_same_work_gives_equal_digests_and_byte_equal_feeds() {
    let run = |engine: Engine| {
        let (store, _folder) = engine.open();
        let mut replica = replica(store);
        work(&mut replica);
        contents(&replica.reader())
    };
    let lmdb = run(Engine::Lmdb);
    assert_eq!(lmdb.len(), ROOTS.len());
    assert_eq!(lmdb, run(Engine::Rocks));
    assert_eq!(lmdb, run(Engine::Memory));
}

#[test]
fn what_one_engine_gives_out_loads_into_the_other() {
    for (from, to) in [(Engine::Lmdb, Engine::Rocks), (Engine::Rocks, Engine::Lmdb)] {
        let ((from, _from_folder), (to, _to_folder)) = (from.open(), to.open());
        let mut source = replica(from);
        work(&mut source);
        let random: Random = Box::new(|| [0xdd; 16]);
        let mut target = Replica::open(to, folds(), ReplicaOptions::default(), random).unwrap();
        copy(&source.reader(), &mut target, 13);
        let digests = |replica: &Replica| -> Vec<String> {
            contents(&replica.reader()).into_iter().map(|(digest, ..)| digest).collect()
        };
        assert_eq!(digests(&source), digests(&target));
    }
}
