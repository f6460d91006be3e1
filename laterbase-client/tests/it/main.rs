//! The client against the real server, in one process and over sockets.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::print_stderr, reason = "tests say what they left out, and their seeds")]
#![allow(missing_docs, reason = "tests")]

mod archive;
mod command;
mod convergence;
mod cuts;
mod cutting_transport;
mod damaged_link;
mod depot;
mod dice;
mod file_commands;
mod late_data;
mod odd_servers;
mod reading_commands;
mod record_command;
mod sample;
mod scale;
mod sync_command;
mod time_commands;
mod typed_client;
