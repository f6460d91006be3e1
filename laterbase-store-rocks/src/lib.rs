//! Laterbase on RocksDB: for servers that take in much, for long.
//!
//! It compresses, writes in the background and needs one sync a commit where LMDB needs two, for
//! a few threads and a few hundred MiB of memory. Handhelds and depots are better served by
//! `laterbase-store-lmdb`; both keep the same contract and pass the same conformance suite.
//!
//! ```text
//! DIRECTORY/
//!   laterbase.*                          see laterbase-directory
//!   truth/    *.log *.sst MANIFEST-* …   the database of the truth
//!   derived/  *.log *.sst MANIFEST-* …   the database of everything that can be rebuilt
//! ```
//!
//! Writers of one RocksDB database queue up behind each other, so the two areas are two databases:
//! the flush of a large index must not keep an event waiting. They share their memory bounds.

mod database;
mod environment;
mod error;
mod frozen;
mod options;
mod presence;
mod snapshot;
mod store;

pub use frozen::FrozenRocks;
pub use laterbase_directory::OpenError;
pub use options::RocksOptions;
pub use store::RocksStore;
