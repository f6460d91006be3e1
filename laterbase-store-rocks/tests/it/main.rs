//! The conformance suite on RocksDB, and what is RocksDB's own.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod conformance;
mod crashes;
mod damage;
mod frozen;
mod histories;
mod laws;
mod model;
mod own;
#[cfg(target_os = "linux")]
mod power;
