//! Runs the experiments, and writes what they found into a result file.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use laterbase_benches::machine::{self, Machine};
use laterbase_benches::results::{Results, Run};
use laterbase_benches::suite::{self, Plan};
use laterbase_benches::{Engine, report};

/// Real events, below the folder of samples.
const FLIGHTS: &str = "nycflights.jsonl.zst";

/// What can be asked for.
#[derive(Debug, Parser)]
#[command(name = "laterbase-bench", about = "Measures Laterbase beside the engines below it")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs all experiments at some volumes.
    Measure {
        /// Events in a store; 10,000 is the quick run.
        #[arg(long = "events", default_value = "10000")]
        volumes: Vec<u64>,
        /// Engines to leave out.
        #[arg(long)]
        without: Vec<String>,
        /// The folder of real events to sync; they are left out if it does not hold them.
        #[arg(long)]
        samples: Option<PathBuf>,
        /// The result file. What it holds of other runs stays.
        #[arg(long)]
        out: PathBuf,
    },
    /// First syncs alone.
    Sync {
        /// Events that are synced.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
        /// The folder of real events to sync; they are left out if it does not hold them.
        #[arg(long)]
        samples: Option<PathBuf>,
        /// The result file. What it holds of other runs stays.
        #[arg(long)]
        out: PathBuf,
    },
    /// Runs a program that drives servers, and takes over the result file that it writes.
    Peers {
        /// What is measured, as the report says it.
        #[arg(long)]
        what: String,
        /// The result file. What it holds of other runs stays.
        #[arg(long)]
        out: PathBuf,
        /// The program with its arguments; `--out FILE` is put behind them.
        #[arg(required = true, last = true)]
        command: Vec<OsString>,
    },
    /// Draws tables and plots from result files.
    Report {
        /// The result files.
        #[arg(required = true)]
        results: Vec<PathBuf>,
        /// The document whose generated parts are written anew; plots go into a folder beside it.
        #[arg(long)]
        document: PathBuf,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Measure { volumes, without, samples, out } => {
            for volume in volumes {
                measure(volume, &without, &out)?;
                keep(first_sync(volume, samples.as_deref())?, &out)?;
            }
            Ok(())
        }
        Task::Sync { events, samples, out } => keep(first_sync(events, samples.as_deref())?, &out),
        Task::Peers { what, out, command } => keep(peers(what, &command)?, &out),
        Task::Report { results, document } => {
            let mut all = Results::default();
            for path in results {
                all.merge(Results::read(&path)?);
            }
            report::write(&all, &document)
        }
    }
}

/// Puts figures into a result file.
fn keep(results: Results, out: &Path) -> Result<()> {
    let mut all = if out.is_file() { Results::read(out)? } else { Results::default() };
    all.merge(results);
    all.write(out)
}

fn peers(what: String, command: &[OsString]) -> Result<Results> {
    let (machine, start) = (Machine::look(&env::temp_dir()), Instant::now());
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("peers.json");
    let (program, arguments) = command.split_first().context("a program to run")?;
    let mut command = Command::new(program);
    let status = command.args(arguments).arg("--out").arg(&file).status()?;
    ensure!(status.success(), "{} ended with {status}", program.to_string_lossy());
    let mut results = Results::read(&file)?;
    let (load_after, seconds) = (machine::load(), start.elapsed().as_secs());
    results.runs.push(Run { what, machine, load_after, seconds });
    Ok(results)
}

/// At most a million events: the time that it takes grows with the events and nothing else.
fn first_sync(volume: u64, samples: Option<&Path>) -> Result<Results> {
    let (mut results, start) = (Results::default(), Instant::now());
    let machine = Machine::look(&env::temp_dir());
    let volume = volume.min(1_000_000);
    progress(&format!("first sync of {volume} events"));
    let flights = samples.map(|folder| folder.join(FLIGHTS)).filter(|file| file.is_file());
    if flights.is_none() {
        progress(&format!("no real events: there is no {FLIGHTS} at hand"));
    }
    suite::first_sync(volume, flights.as_deref(), &mut results)?;
    results.set_ratios();
    results.runs.push(Run {
        what: format!("first sync of {volume} events"),
        machine,
        load_after: machine::load(),
        seconds: start.elapsed().as_secs(),
    });
    Ok(results)
}

/// Measures engine by engine, and keeps what each has shown, should a later one fail.
fn measure(volume: u64, without: &[String], out: &Path) -> Result<()> {
    let is_quick = volume <= Plan::QUICK.volume;
    let plan = if is_quick { Plan { volume, ..Plan::QUICK } } else { Plan::full(volume) };
    let (machine, start) = (Machine::look(&env::temp_dir()), Instant::now());
    for engine in Engine::ALL {
        if without.iter().all(|name| name != engine.name()) {
            progress(&format!("{} with {volume} events", engine.name()));
            let mut results = Results::default();
            suite::run(*engine, &plan, &mut results)?;
            results.set_ratios();
            keep(results, out)?;
        }
    }
    progress("LMDB environments");
    let mut results = Results::default();
    suite::environments(Duration::from_millis(if is_quick { 500 } else { 3_000 }), &mut results)?;
    results.set_ratios();
    results.runs.push(Run {
        what: format!("{volume} events"),
        machine,
        load_after: machine::load(),
        seconds: start.elapsed().as_secs(),
    });
    keep(results, out)
}

#[expect(clippy::print_stderr, reason = "a program that runs for minutes says what it does")]
fn progress(what: &str) {
    eprintln!("measuring {what}");
}
