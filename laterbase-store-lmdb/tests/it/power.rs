//! What is left when the power goes.
//!
//! Mutations that turn them red, each tried: `NO_SYNC` or `NO_META_SYNC` for durable truth,
//! `NO_SYNC` for what is relaxed or derived; leave out `sync_names`, `sync_parent`, or the sync of
//! the stamp.

use crate::conformance::LmdbHarness;

laterbase_testkit::power_cuts!(LmdbHarness);
