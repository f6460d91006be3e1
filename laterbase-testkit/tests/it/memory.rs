use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::Durability;
use laterbase_directory::OpenError;
use laterbase_testkit::conformance::{Harness, Verdict, run_all};

pub(crate) struct MemoryHarness {
    store: std::cell::RefCell<MemoryStore>,
}

impl Harness for MemoryHarness {
    type Store = MemoryStore;

    fn fresh() -> Self {
        Self { store: MemoryStore::new().into() }
    }

    fn open_with(&self, durability: Durability) -> Result<MemoryStore, OpenError> {
        let reopened = self.store.borrow().reopen_with(durability);
        self.store.replace(reopened.clone());
        Ok(reopened)
    }
}

laterbase_testkit::conformance!(MemoryHarness);

#[test]
fn what_is_skipped_needs_a_disk_or_a_fault() {
    let skipped: Vec<_> = run_all::<MemoryHarness>()
        .into_iter()
        .filter(|(_, verdict)| *verdict != Verdict::Held)
        .map(|(clause, _)| clause)
        .collect();
    let expected = [
        "a_failed_commit_closes_the_store_to_writers",
        "a_full_store_takes_nothing_of_a_batch",
        "a_full_disk_stops_writes_only_and_for_as_long_as_it_is_full",
        "what_a_store_makes_is_for_its_owner_only",
        "a_second_opener_is_refused",
        "another_engine_is_refused",
        "a_newer_format_is_refused",
        "a_file_in_the_way_is_an_error",
        "a_copy_lives_elsewhere",
    ];
    assert_eq!(skipped, expected);
}
