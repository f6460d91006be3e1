//! Clauses about commits that fail.

use laterbase_core::store::{Area, Batch, Store, StoreError, Table};

use super::contents::{get, keys, put_keys};
use super::{Harness, Verdict};

/// The bound of the store that is filled up, and the bytes of each value that fills it.
const BYTES_MAX: u64 = 4 * 1024 * 1024;
const VALUE_BYTES: usize = 64 * 1024;

/// After a commit failed in a way that leaves doubt, all further ones are refused, to both areas,
/// and reads go on. A store opened anew takes commits again.
///
/// Catches: a store that writes on after a failure, or stops reading, or latches one area only.
pub fn a_failed_commit_closes_the_store_to_writers<H: Harness>() -> Verdict {
    for failing in [Area::Truth, Area::Derived] {
        let harness = H::fresh();
        let store = harness.open().expect("a fresh store opens");
        put_keys(&store, Table::Meta, &[b"before"]);
        if !H::fail_next_commit(&store) {
            return Verdict::Skipped("the backend cannot be told to fail");
        }
        let failed = store.commit(&batch(failing, b"failed"));
        assert!(matches!(failed, Err(StoreError::Engine { .. })), "{failed:?}");
        for area in [Area::Truth, Area::Derived, Area::Truth] {
            let refused = store.commit(&batch(area, b"after"));
            assert!(matches!(refused, Err(StoreError::Poisoned)), "{area:?}: {refused:?}");
        }
        let refused = store.sync();
        assert!(matches!(refused, Err(StoreError::Poisoned)), "{refused:?}");
        assert!(get(&store, Table::Meta, b"before").is_some());
        assert!(get(&store, Table::Meta, b"after").is_none());
        drop(store);
        let store = harness.open().expect("the store opens");
        assert!(get(&store, Table::Meta, b"before").is_some());
        store.commit(&batch(Area::Truth, b"after")).expect("a store opened anew takes commits");
    }
    Verdict::Held
}

fn batch(area: Area, key: &[u8]) -> Batch {
    let mut batch = Batch::new(area);
    batch.put(if area == Area::Truth { Table::Meta } else { Table::Progress }, key, b"");
    batch
}

/// A store that has reached its bound says so, keeps nothing of the batch that did not fit and all
/// that it acknowledged, and is not closed: once it has room, it takes commits again.
///
/// Catches: a full store taken for a broken one, a batch that is kept in part, and a bound that
/// is not heeded.
pub fn a_full_store_takes_nothing_of_a_batch<H: Harness>() -> Verdict {
    let harness = H::fresh();
    let Some(store) = harness.open_bounded(BYTES_MAX) else {
        return Verdict::Skipped("the backend has no bound of its own");
    };
    let store = store.expect("a fresh store opens");
    let taken = fill(&store);
    check_filled(&store, taken);
    for area in [Area::Truth, Area::Derived] {
        let small = store.commit(&batch(area, b"small"));
        assert!(matches!(small, Ok(()) | Err(StoreError::Full { .. })), "{small:?}");
    }
    drop(store);

    let bounded = harness.open_bounded(BYTES_MAX).expect("there is a bound");
    check_filled(&bounded.expect("a full store opens"), taken);
    let store = harness.open().expect("the store opens without its bound");
    check_filled(&store, taken);
    put_keys(&store, Table::Meta, &[b"room again"]);
    Verdict::Held
}

/// Fills the truth with entries in two tables, and gives how many batches it took.
fn fill(store: &impl Store) -> u64 {
    for number in 0..4 * BYTES_MAX / VALUE_BYTES as u64 {
        let mut batch = Batch::new(Area::Truth);
        batch.put(Table::Runs, &number.to_be_bytes(), b"");
        batch.put(Table::Log, &number.to_be_bytes(), &[9; VALUE_BYTES]);
        match store.commit(&batch) {
            Ok(()) => {}
            Err(StoreError::Full { .. }) => {
                assert!(number > 0, "not even the first batch was taken");
                return number;
            }
            Err(error) => panic!("a store that should be full says: {error:?}"),
        }
    }
    panic!("the store never ran full");
}

#[track_caller]
fn check_filled(store: &impl Store, taken: u64) {
    let expected: Vec<_> = (0..taken).map(|number| number.to_be_bytes()).collect();
    assert_eq!(keys(store, Table::Log), expected);
    assert_eq!(keys(store, Table::Runs), expected);
}
