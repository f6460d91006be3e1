//! Clauses about the smallest and the largest that a store must take.

use laterbase_core::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};
use laterbase_core::store::{Area, Batch, Store as _, Table};

use super::Harness;
use super::contents::{get, keys, put, table};

/// A key with an empty value is there, and differs from one that is not.
///
/// Catches: an empty value taken for a deleted one.
pub fn an_empty_value_is_a_value<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    put(&store, Table::Keys, &[(b"empty", b"")]);
    assert_eq!(get(&store, Table::Keys, b"empty"), Some(Vec::new()));
    assert_eq!(get(&store, Table::Keys, b"absent"), None);
    assert_eq!(table(&store, Table::Keys), [(b"empty".to_vec(), Vec::new())]);
}

/// Keys of the greatest length that differ in their last byte only are two keys.
///
/// Catches: keys that are cut off or refused at an engine's own limit.
pub fn the_longest_keys_stay_apart<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    let longest = |last: u8| {
        let mut key = vec![b'k'; KEY_BYTES_MAX];
        key[KEY_BYTES_MAX - 1] = last;
        key
    };
    for of in Table::ALL {
        put(&store, of, &[(&longest(2), b"two"), (&longest(1), b"one"), (b"k", b"short")]);
        assert_eq!(keys(&store, of), [b"k".to_vec(), longest(1), longest(2)], "{of:?}");
        assert_eq!(get(&store, of, &longest(1)).as_deref(), Some(&b"one"[..]), "{of:?}");
    }
}

/// A value of the greatest length comes back as it was.
///
/// Catches: a value that is cut off or refused at an engine's own limit.
pub fn the_largest_value_comes_back<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    let pattern: Vec<u8> = (0..=255).cycle().take(VALUE_BYTES_MAX - 1).chain([7]).collect();
    put(&store, Table::Snapshots, &[(b"large", &pattern)]);
    assert!(get(&store, Table::Snapshots, b"large") == Some(pattern), "the value has changed");
}

/// A batch of the most events and bytes that a request may carry is one commit.
///
/// Catches: a limit on a transaction's entries or pages, and a batch that is split.
pub fn the_largest_batch_comes_back<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    let value = vec![b'v'; BATCH_BYTES_MAX / BATCH_EVENTS_MAX];
    let mut batch = Batch::new(Area::Truth);
    for position in 0..BATCH_EVENTS_MAX as u64 {
        batch.put(Table::Log, &position.to_be_bytes(), &value);
        // Spread over the table, as the keys of many origins are.
        batch.put(Table::Runs, &position.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes(), &[]);
    }
    store.commit(&batch).expect("the commit succeeds");
    assert_eq!(keys(&store, Table::Log).len(), BATCH_EVENTS_MAX);
    assert_eq!(keys(&store, Table::Runs).len(), BATCH_EVENTS_MAX);
    assert_eq!(get(&store, Table::Log, &4_321_u64.to_be_bytes()), Some(value));
}

/// The size of a store is known, and grows with what is stored.
///
/// Catches: a size that is always zero, or forgets one of the areas.
pub fn the_size_follows_what_is_stored<H: Harness>() {
    let harness = H::fresh();
    let store = harness.open().expect("a fresh store opens");
    // No two blocks alike, so that compression does not hide them.
    let noise = |seed: u64| -> Vec<u8> {
        let words =
            (0..32 * 1024_u64).map(|word| (word ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        words
            .flat_map(|word| {
                (word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).to_be_bytes()
            })
            .collect()
    };
    let mut before = store.size_bytes().expect("the size is known");
    for (table, seed) in [(Table::Log, 1), (Table::Snapshots, 2)] {
        put(&store, table, &[(b"key", &noise(seed << 40))]);
        store.sync().expect("the sync succeeds");
        let after = store.size_bytes().expect("the size is known");
        assert!(after >= before + 128 * 1024, "{table:?}: {before} before, {after} after");
        before = after;
    }
}
