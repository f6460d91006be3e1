//! Clauses about the store's one writer.

use std::sync::Arc;

use laterbase_core::PreparedBatch;
use laterbase_core::event::Record;
use laterbase_core::fold::{Folds, MergePatch};
use laterbase_core::id::RootName;
use laterbase_core::replica::{OpenError, Random, Replica, ReplicaOptions};
use laterbase_core::store::{Store, StoreError};

use super::{Dice, Harness};

const NOW: i64 = 1_700_000_000_000_000_000;

/// A store has one writer, whoever holds a handle on it: a second replica is refused until the
/// first one is closed or dropped, and goes on where that one ended.
///
/// Two of them gave the same ids to different events, and each lost what the other acknowledged.
///
/// Catches: a writer that is not lent, or lent twice, or never comes back.
pub fn a_store_lends_its_writer_once<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    let lease = store.writer().lend().expect("the writer of a fresh store is there");
    check_refused(store.writer().lend().map(drop));
    drop(lease);

    let store: Arc<dyn Store> = Arc::new(store);
    let mut first = open(&store).expect("the writer came back");
    append(&mut first);
    check_refused(open(&store).map(drop).map_err(|error| match error {
        OpenError::Store(error) => error,
        other => panic!("{other}"),
    }));
    append(&mut first);
    first.close().expect("the replica closes");

    let mut second = open(&store).expect("a closed replica gives the writer back");
    append(&mut second);
    let maintenance = second.maintenance();
    drop(second);
    check_refused(store.writer().lend().map(drop));
    drop(maintenance);
    let third = open(&store).expect("a dropped replica gives the writer back");
    assert_eq!(third.reader().head(), 3, "every event has a place of its own");
}

#[track_caller]
fn check_refused(lent: Result<(), StoreError>) {
    assert!(matches!(lent, Err(StoreError::WriterLent)), "{lent:?}");
}

fn folds() -> Arc<Folds> {
    Arc::new(Folds::new().fallback(Arc::new(MergePatch)))
}

fn open(store: &Arc<dyn Store>) -> Result<Replica, OpenError> {
    let mut dice = Dice::new(1);
    let random: Random = Box::new(move || {
        let mut bytes = [0; 16];
        bytes.fill_with(|| u8::try_from(dice.below(256)).unwrap_or(0));
        bytes
    });
    Replica::open(Arc::clone(store), folds(), ReplicaOptions::default(), random)
}

fn append(replica: &mut Replica) {
    let root = RootName::new("pallet").expect("a root's name");
    let mut batch = PreparedBatch::new(root, folds(), NOW);
    batch.push(&Record::json("P1", "Packed", "{}")).expect("a good event");
    replica.append(&batch, NOW).expect("the batch is taken");
}
