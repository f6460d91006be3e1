//! Processes that write to RocksDB and are killed.
//!
//! A mutation that turns them red, tried: no `sync`, and a write-ahead log that waits in the
//! process. Without a `sync` alone a killed process loses nothing, only a disk without power would.

use crate::conformance::RocksHarness;

laterbase_testkit::crashes!(RocksHarness);
