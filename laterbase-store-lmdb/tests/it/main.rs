//! The conformance suite on LMDB, and what is LMDB's own.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod compaction;
mod conformance;
mod crashes;
mod damage;
mod frozen;
mod histories;
mod model;
mod own;
#[cfg(target_os = "linux")]
mod power;
