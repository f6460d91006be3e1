//! The server from outside: over real connections, and as a process of its own.

#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unreachable_pub, reason = "one binary")]

mod aggregates;
mod backups;
#[cfg(all(feature = "console", unix))]
mod browser;
#[cfg(all(feature = "console", unix))]
mod browser_walk;
mod conditions;
mod configuration;
mod connection;
mod contract;
mod damaged_tables;
mod data_files;
mod embedding;
mod encoding;
mod errors;
mod event_stream;
mod events;
mod events_followed;
mod events_memory;
mod failures;
mod feed_cursor;
mod feeds;
mod folding;
mod foreign_pages;
mod forks;
mod gate_store;
mod group_commit;
#[cfg(feature = "peers")]
mod handle;
mod health;
mod judged_one_by_one;
mod kill;
mod listings;
mod live;
mod many_origins;
mod memory;
mod metrics;
mod operations;
mod origins;
mod packaging;
#[cfg(feature = "console")]
mod page;
#[cfg(feature = "console")]
mod page_lists;
#[cfg(feature = "console")]
mod page_points;
mod parameters;
mod peering;
mod peers_seen;
mod process;
mod program;
mod queries;
mod reloading;
mod running;
mod served_roots;
mod slow_readers;
mod slow_senders;
mod stopping;
mod sync;
mod sync_arrivals;
mod sync_heads;
mod sync_liars;
mod sync_live;
mod sync_push;
mod sync_wants;
mod unreadable;
mod voids;
mod wall_clock;
mod writes;
