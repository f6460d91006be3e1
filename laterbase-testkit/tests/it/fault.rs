//! A store whose commits can be made to fail is a store like any other.

use laterbase_core::memory_store::MemoryStore;
use laterbase_core::store::{Area, Durability};
use laterbase_directory::OpenError;
use laterbase_testkit::conformance::Harness;
use laterbase_testkit::fault_store::{Fault, FaultStore};

use crate::memory::MemoryHarness;

struct FaultHarness(MemoryHarness);

impl Harness for FaultHarness {
    type Store = FaultStore<MemoryStore>;

    fn fresh() -> Self {
        Self(MemoryHarness::fresh())
    }

    fn open_with(&self, durability: Durability) -> Result<Self::Store, OpenError> {
        self.0.open_with(durability).map(FaultStore::new)
    }

    fn fail_next_commit(store: &Self::Store) -> bool {
        for area in [Area::Truth, Area::Derived] {
            store.fail_commit(area, 1, Fault::Before);
        }
        true
    }
}

laterbase_testkit::conformance!(FaultHarness);
