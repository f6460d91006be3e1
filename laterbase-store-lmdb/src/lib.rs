//! Laterbase on LMDB: small, needs no background threads, reads at memory speed.
//!
//! Suits handhelds and depots. Where much is written for long, `laterbase-store-rocks` takes less
//! room and writes faster; both keep the same contract and pass the same conformance suite.
//!
//! ```text
//! DIRECTORY/
//!   laterbase.*                    see laterbase-directory
//!   truth/    data.mdb  lock.mdb   the environment of the truth
//!   derived/  data.mdb  lock.mdb   the environment of everything that can be rebuilt
//! ```
//!
//! LMDB believes its pages, and a damaged one can end the process. So everything is read by code of
//! our own that checks each page when it meets it, and what LMDB is going to touch when it writes
//! is checked before. A damaged derived area is set aside as `derived.damaged/` and built anew.
//!
//! LMDB has one writer per environment, so the two areas are two environments: the flush of a
//! large index must not keep an event waiting.

mod compaction;
mod data_file;
mod dead_readers;
mod environment;
mod error;
mod frozen;
mod frozen_check;
mod frozen_snapshot;
mod options;
mod page;
mod page_map;
mod page_walk;
mod raw_file;
mod renewal;
mod repair;
mod seal;
mod snapshot;
mod store;
mod tree_reader;
mod wreck;

pub use compaction::compact;
pub use frozen::FrozenLmdb;
pub use frozen_check::check_files_in_use;
pub use laterbase_directory::OpenError;
pub use options::LmdbOptions;
pub use repair::{check_files, discard_derived};
pub use store::LmdbStore;
pub use wreck::Wreck;
