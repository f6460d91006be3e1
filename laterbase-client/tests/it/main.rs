//! The client against the real server, in one process and over sockets.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::print_stderr, reason = "tests say what they left out, and their seeds")]
#![allow(missing_docs, reason = "tests")]

mod add_command;
mod archive;
mod backup_commands;
mod board;
mod command;
mod compact_command;
mod convergence;
mod copies;
mod cuts;
mod cutting_transport;
mod damaged_link;
mod damaged_sources;
mod damaged_stores;
mod depot;
mod dice;
mod distances;
mod endless_answers;
mod events;
mod explain_command;
mod file_commands;
mod first_hour;
mod flaky_links;
mod forged;
mod fork_commands;
mod fork_orders;
mod handed_over;
mod held_back_commands;
mod in_use;
mod killed;
mod late_data;
mod list_command;
mod log_command;
mod lying_bodies;
mod lying_peer;
mod manual_commands;
mod many_origins;
mod narrow_ways;
mod nearest_names;
mod node;
#[cfg(unix)]
mod odd_files;
mod odd_servers;
mod one_cut;
mod one_vocabulary;
mod other_engine;
mod page_block;
mod proxy;
mod read_in_use;
mod reading_commands;
mod readme;
#[cfg(unix)]
mod record_checks;
mod record_command;
mod record_maps;
mod record_rejects;
#[cfg(unix)]
mod record_tables;
mod rejects_again;
mod sample;
mod scale;
mod set_back;
mod setup_commands;
mod simulated_network;
mod spreadsheet;
mod steady_replica;
mod stream_samples;
mod sync_command;
mod time_commands;
mod topologies;
mod typed_client;
mod void_command;
mod wandering;
mod wire_samples;
mod wire_table;
mod written_times;
