//! What it takes to trust a storage backend, and to test what is built on one.
//!
//! - [`mod@conformance`]: a suite with one function per clause of the storage contract. Whoever writes
//!   a backend implements [`Harness`](conformance::Harness) and calls [`conformance!`].
//! - [`mod@crashes`]: processes that are killed at named points, and what must be left of their stores.
//! - [`mod@power`]: what is left of a store when the power goes, told from what it asked of the system.
//! - [`mod@damage`]: what must become of a store whose files were damaged.
//! - [`deadly_store`]: a store around a store, which ends the process at a commit of a kind.
//! - [`child`]: processes that a test starts, hears and kills.
//! - [`fault_store`]: a store around a store, whose commits fail when the test says so.
//! - [`frozen`]: what must hold of a store that is read while another process writes to it.
//! - [`mod@laws`]: what must hold for replicas on any backend, whatever the order in which events come:
//!   one property check per law. [`laws!`] makes a test of each.
//! - [`mod@model`]: one replica against plain maps, through any string of bytes; a fuzzer's body.
//! - [`mod@fuzzing`]: what a fuzzer does with its bytes, for every decoder.
//! - [`simulator`]: many replicas with bad disks, networks and clocks, replayed from one seed.
//! - [`histories`]: what must hold for reads of aggregates: each equals a fold from scratch.

pub mod child;
pub mod conformance;
pub mod crashes;
pub mod damage;
pub mod deadly_store;
pub mod fault_store;
pub mod frozen;
pub mod fuzzing;
pub mod histories;
pub mod laws;
pub mod model;
mod payloads;
#[cfg(target_os = "linux")]
pub mod power;
mod read_folds;
pub mod simulator;
mod taken_back;

/// How often something random is tried: as often as the environment says in `LATERBASE_ROUNDS`, or
/// `default`, which is little enough for the gate.
///
/// # Panics
/// If the variable is set and is no number.
pub fn rounds(default: u64) -> u64 {
    let rounds = std::env::var("LATERBASE_ROUNDS").ok();
    rounds.map_or(default, |rounds| rounds.parse().expect("LATERBASE_ROUNDS is a number"))
}
