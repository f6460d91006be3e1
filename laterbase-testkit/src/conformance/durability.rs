//! Clauses about what is there when a store is opened again.

use laterbase_core::store::{Durability, Store as _, Table};

use super::Harness;
use super::contents::{TRICKY_KEYS, put_keys, table};

/// What was committed is there when the store is opened again, in every table and in order, and
/// the store goes on from there.
///
/// Catches: a commit that was only in memory, a table that is made anew at every opening.
pub fn a_store_opened_again_is_the_same<H: Harness>() {
    let harness = H::fresh();
    let mut engine = None;
    for round in 1..=3_u8 {
        let store = harness.open().expect("the store opens");
        assert_eq!(store.durability(), Durability::Durable);
        assert_eq!(*engine.get_or_insert(store.engine()), store.engine());
        for of in Table::ALL {
            assert_eq!(table(&store, of).len(), TRICKY_KEYS.len() * usize::from(round - 1));
            let keys: Vec<Vec<u8>> =
                TRICKY_KEYS.iter().map(|key| [&[round], *key].concat()).collect();
            put_keys(&store, of, &keys.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
        // The derived area may lose what was not synced, but not what was.
        store.sync().expect("the sync succeeds");
    }
}

/// A store whose commits may be lost says so, and keeps what was synced.
///
/// Catches: a setting that is not heeded, and a sync that does nothing.
pub fn a_relaxed_store_keeps_what_was_synced<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open_with(Durability::Relaxed).expect("the store opens");
    assert_eq!(store.durability(), Durability::Relaxed);
    for of in Table::ALL {
        put_keys(&store, of, &TRICKY_KEYS);
    }
    store.sync().expect("the sync succeeds");
    drop(store);
    let store = harness.open().expect("the store opens");
    assert_eq!(store.durability(), Durability::Durable);
    for of in Table::ALL {
        assert_eq!(table(&store, of).len(), TRICKY_KEYS.len(), "{of:?}");
    }
}
