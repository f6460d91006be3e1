//! Processes that write to LMDB and are killed.
//!
//! Mutations that turn them red, each tried: say yes to a commit that is not made; fill nothing in `catch_up`; commit `built`
//! before the entries of a flush (`between_the_log_and_the_derived_tables` and others); drop what
//! is remembered; leave out the mark of a rewrite (`a_kill_while_a_fork_is_resolved…`).

use crate::conformance::LmdbHarness;

laterbase_testkit::crashes!(LmdbHarness);
