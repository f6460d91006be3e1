//! A replica in memory against the model.
//!
//! Mutations of the core that turn it red, each tried (with the seed): `<` for `<=` in
//! `Axes::admit` for the arrival (0) or the time of the event (4); keep what is staged in
//! `Replica::abandon` (1); `>=` for `>` in `check_future` (2); fill nothing in `catch_up` (3); pass
//! over a run behind a hole in `replica/merge.rs` (18).

use std::sync::Arc;

use laterbase_core::memory_store::MemoryStore;
use laterbase_testkit::model::{self, ALL_TRIED};

#[test]
fn a_replica_in_memory_does_what_the_model_does() {
    let tried = model::check(
        &mut || {
            let store = MemoryStore::new();
            Box::new(move || Arc::new(store.reopen()))
        },
        300,
    );
    for what in ALL_TRIED {
        assert!(tried.contains_key(what), "nothing was {what}: {tried:?}");
    }
}
