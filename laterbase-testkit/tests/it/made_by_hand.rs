//! Situations that the simulator comes into too rarely to see what is wrong in them: each was
//! added for a deliberate bug that hundreds of seeds passed over.

use std::sync::Arc;

use laterbase_core::PreparedBatch;
use laterbase_core::event::Record;
use laterbase_core::fold::{Folds, MergePatch};
use laterbase_core::id::RootName;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::replica::{Replica, ReplicaOptions};

const NOW: i64 = 1_700_000_000_000_000_000;

fn open(store: &MemoryStore) -> Replica {
    let folds = Arc::new(Folds::new().fallback(Arc::new(MergePatch)));
    let random = Box::new(|| [7; 16]);
    let options = ReplicaOptions::default();
    Replica::open(Arc::new(store.clone()), folds, options, random).unwrap()
}

fn write(replica: &mut Replica, data: &str) {
    let folds = Arc::clone(replica.reader().folds());
    let mut batch = PreparedBatch::new(RootName::new("shipment").unwrap(), folds, NOW);
    batch.push(&Record::json("a", "Moved", data)).unwrap();
    replica.append(&batch, NOW).unwrap();
}

/// Two copies of a store that both went on under one id hold as many events of it. Forks of equal
/// length are rare, and what tells them apart is the chain alone.
#[test]
fn the_digest_tells_two_histories_of_equal_length_apart() {
    let store = MemoryStore::new();
    write(&mut open(&store), "{}");
    let copy = store.after_power_loss();
    let (mut one, mut other) = (open(&store), open(&copy));
    assert_eq!(one.id(), other.id());
    let digest = |replica: &Replica| replica.reader().status().unwrap().roots[0].digest.clone();
    assert_eq!(digest(&one), digest(&other));
    write(&mut one, "{\"n\":1}");
    write(&mut other, "{\"n\":2}");
    let root = RootName::new("shipment").unwrap();
    let vv = one.reader().version_vector(&root);
    assert_eq!(vv, other.reader().version_vector(&root));
    assert_ne!(digest(&one), digest(&other));
}

/// A copy goes on with a log of its own. While it holds no more than the original did, a cursor of
/// the original leads to the same events in it, and no harm is seen to come of that.
#[test]
fn a_cursor_of_the_original_does_not_fit_a_copy() {
    let store = MemoryStore::new();
    let mut original = open(&store);
    write(&mut original, "{}");
    let cursor = original.reader().cursor();
    assert!(original.reader().fits(&cursor).unwrap());
    let options = ReplicaOptions::default();
    let folds = Arc::new(Folds::new().fallback(Arc::new(MergePatch)));
    let copy = Arc::new(store.after_power_loss().at_home([1; 32]));
    let copy = Replica::open(copy, folds, options, Box::new(|| [8; 16])).unwrap();
    assert!(!copy.reader().fits(&cursor).unwrap());
}
