//! The conformance suite on RocksDB, and what is RocksDB's own.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod conformance;
mod histories;
mod laws;
mod own;
