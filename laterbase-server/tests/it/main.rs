//! The server from outside: over real connections, and as a process of its own.

#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unreachable_pub, reason = "one binary")]

mod aggregates;
mod conditions;
mod connection;
mod data_files;
mod encoding;
mod errors;
mod event_stream;
mod failures;
mod feeds;
mod gate_store;
mod group_commit;
mod kill;
mod live;
mod memory;
mod origins;
mod peering;
mod process;
mod queries;
mod running;
mod stopping;
mod sync;
mod sync_arrivals;
mod sync_heads;
mod sync_liars;
mod sync_live;
mod sync_push;
mod sync_wants;
mod writes;
