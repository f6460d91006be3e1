//! The `laterbase` command: record offline, sync, look at what is there.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(cli::Cli::read())
}
