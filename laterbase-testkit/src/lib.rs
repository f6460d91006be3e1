//! What it takes to trust a storage backend, and to test what is built on one.
//!
//! - [`mod@conformance`]: a suite with one function per clause of the storage contract. Whoever writes
//!   a backend implements [`Harness`](conformance::Harness) and calls [`conformance!`].
//! - [`fault_store`]: a store around a store, whose commits fail when the test says so.
//! - [`mod@laws`]: what must hold for replicas on any backend, whatever the order in which events come:
//!   one property check per law. [`laws!`] makes a test of each.
//! - [`simulator`]: many replicas with bad disks, networks and clocks, replayed from one seed.
//! - [`histories`]: what must hold for reads of aggregates: each equals a fold from scratch.

pub mod conformance;
pub mod fault_store;
pub mod histories;
pub mod laws;
pub mod simulator;
