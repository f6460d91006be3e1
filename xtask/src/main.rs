//! The one task runner of the project; `cargo xtask --help` lists what it does.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to people")]

mod bench;
mod bugs;
mod command;
mod demo;
mod dist;
mod rocksdb;
mod sim;
mod test;
mod tidy;
mod toolchain;
mod torture;

use std::process::ExitCode;

use clap::Parser;

/// What can be asked for. A new task is one variant here and one arm in `main`.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Everything the project does with itself")]
enum Task {
    /// Runs the whole gate: format, tidy, RocksDB, clippy, docs, all tests. The forge runs the same.
    #[command(visible_alias = "ci")]
    Test(test::Options),
    /// Plays runs of the simulator: one seed, or many on all cores.
    Sim(sim::Options),
    /// Breaks a copy of the workspace on purpose, and looks who notices.
    Bugs(bugs::Options),
    /// Checks the house rules that no compiler checks.
    Tidy,
    /// Shows a server and three field devices that record offline, are cut off and converge.
    Demo(demo::Options),
    /// Plays what goes wrong in the field between real processes, and compares every event's id.
    Torture(torture::Options),
    /// Makes what is installed: static programs, Debian package, image, with bill and checksums.
    Dist(dist::Options),
    /// Measures: engines and replicas, or servers side by side, and reports.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Test(options) => return test::run(&options),
        Task::Sim(options) => return sim::run(&options),
        Task::Bugs(options) => bugs::run(&options),
        Task::Tidy => tidy::run(),
        Task::Demo(options) => demo::run(&options),
        Task::Torture(options) => torture::run(&options),
        Task::Dist(options) => dist::run(&options),
        Task::Bench(options) => bench::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
