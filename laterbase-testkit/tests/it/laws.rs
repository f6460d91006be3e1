//! The laws on memory and on LMDB.
//!
//! Each law was seen to fail under a deliberate fault in the core (with the seed on memory):
//!
//! | law | fault that turns it red | seed |
//! | --- | --- | --- |
//! | `merge_is_idempotent` | `replica/merge.rs`, `held_count`: a run that ends before the head counts as not held (`Ok(0)`) | 0 |
//! | `merge_is_commutative` | `replica/staged.rs`, `index`: the arrival position stands for the stamp in the fold index | 1 |
//! | `merge_is_associative` | `replica/merge.rs`, `stage`: a run that is held in part is dropped (`if skip == 0`) | 0 |
//! | `merging_deltas_equals_merging_the_full_state` | `replica/merge.rs`, `held_count`: a run behind a hole is passed over | 0 |
//! | `the_feed_is_the_set_difference` | `reader/feed/pass.rs`, `begin`: the replica's own events are left out | 0 |
//! | `the_feed_is_in_clock_order_without_holes` | `reader/feed.rs`, `merge_runs`: the heap keeps an origin's old stamp | 3 |
//! | `pages_cut_anywhere_lose_and_double_nothing` | `reader/feed.rs`, `merge_runs`: the page's vv is one too high, or the holder's | 0 |
//! | `fold_order_is_the_same_everywhere` | `replica/staged.rs`, `index`: as for `merge_is_commutative` | 0 |
//! | `a_delta_with_a_hole_is_refused_whole` | `replica/merge.rs`, `held_count`: a run behind a hole is passed over | 0 |
//! | `an_idempotency_key_is_replayed` | `maintenance/catch_up.rs`, `index_entry`: keys are not indexed after a restart | 0 |
//! | `a_crash_changes_nothing_acknowledged` | `maintenance/catch_up.rs`, `catch_up`: the front is not filled again; `replica/open.rs`, `load`: the clock starts at zero | 0 |

mod lmdb {
    use std::cell::RefCell;
    use std::sync::Arc;

    use laterbase_core::store::Store;
    use laterbase_store_lmdb::{LmdbOptions, LmdbStore};
    use tempfile::TempDir;

    /// Makes stores in directories that live as long as it does.
    fn fresh() -> impl Fn() -> Arc<dyn Store> {
        let directories = RefCell::new(Vec::new());
        move || {
            let directory = TempDir::new().unwrap();
            let options = LmdbOptions { map_bytes_max: 64 << 20, ..LmdbOptions::default() };
            let store = LmdbStore::open(directory.path(), options).unwrap();
            directories.borrow_mut().push(directory);
            Arc::new(store)
        }
    }

    laterbase_testkit::laws!(3, fresh());
}

mod memory {
    use std::sync::Arc;

    use laterbase_core::memory_store::MemoryStore;
    use laterbase_core::store::Store;

    fn fresh() -> Arc<dyn Store> {
        Arc::new(MemoryStore::new())
    }

    laterbase_testkit::laws!(40, fresh);
}
