//! What is left when the power goes.
//!
//! Mutations that turn them red, each tried: `set_sync(false)`; `AbsoluteConsistency` for what is
//! left of the log; leave out `sync_parent`.

use crate::conformance::RocksHarness;

laterbase_testkit::power_cuts!(RocksHarness);
