//! The gate: everything that must hold before a change is taken, in one command.
//!
//! All steps use the release profile and the same packages and features, so that Cargo builds each
//! dependency once for all of them, and the C++ of RocksDB not at all when it is in the cache.

mod tally;

use std::{
    io::{self, BufRead, BufReader, IsTerminal},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use self::tally::Tally;
use crate::{bugs, command, rocksdb, rocksdb::Library, sim, tidy, toolchain};

/// What is built, the same in every step.
const EVERYTHING: [&str; 3] = ["--release", "--workspace", "--all-features"];

/// How the gate runs.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Lets Cargo build RocksDB in the target folder: the cached library is neither used nor made.
    #[arg(long)]
    no_rocksdb_cache: bool,
}

/// Runs every step, also after one has failed, and says at the end which did.
pub(crate) fn run(options: &Options) -> ExitCode {
    let mut gate = Gate { started: Instant::now(), steps: Vec::new() };
    gate.step("format", || command::run(command::cargo().args(["fmt", "--all", "--check"])));
    gate.step("tidy", tidy::run);
    gate.step("licences", toolchain::deny::check);
    gate.step("choices of features", choices);
    gate.step("tools for RocksDB", toolchain::require);
    gate.step("faketime", || {
        toolchain::offer_faketime();
        Ok(())
    });
    gate.step("browser", || {
        toolchain::browser::offer();
        Ok(())
    });
    let library = gate.step("RocksDB", || rocksdb::prepare(!options.no_rocksdb_cache));
    let mut tally = Tally::default();
    if let Some(library) = library {
        gate.step("clippy", || command::run(&mut clippy(&library)));
        gate.step("documentation", || command::run(&mut documentation(&library)));
        gate.step("tests", || tests(&library, &mut tally));
        gate.step("simulator", sim::gate);
    }
    gate.step("deliberate bugs", bugs::gate);
    gate.finish(&tally)
}

/// Builds what programs may take of a package: with all features at once, what one of them lacks
/// comes from another.
fn choices() -> Result<()> {
    for (package, features) in tidy::choices() {
        let mut clippy = command::cargo();
        clippy.args(["clippy", "--release", "--package", package, "--no-default-features"]);
        command::run(clippy.args(["--features", features, "--", "--deny", "warnings"]))?;
    }
    Ok(())
}

fn clippy(library: &Library) -> Command {
    let mut clippy = command::cargo();
    clippy.arg("clippy").args(EVERYTHING).args(["--all-targets", "--", "--deny", "warnings"]);
    library.apply(&mut clippy);
    clippy
}

fn documentation(library: &Library) -> Command {
    let mut doc = command::cargo();
    doc.arg("doc").args(EVERYTHING).arg("--no-deps").env("RUSTDOCFLAGS", "--deny warnings");
    library.apply(&mut doc);
    doc
}

/// Runs all tests, doctests too; shows what they print but for the lines of those that pass.
fn tests(library: &Library, tally: &mut Tally) -> Result<()> {
    let mut tests = command::cargo();
    tests.arg("test").args(EVERYTHING).arg("--no-fail-fast");
    library.apply(&mut tests);
    if io::stdout().is_terminal() {
        tests.env("CARGO_TERM_COLOR", "always");
    }
    // One pipe for both streams keeps Cargo's headings above the results they belong to.
    let (reader, writer) = io::pipe()?;
    let mut child = tests
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("cannot start {}", command::line(&tests)))?;
    // The command still holds the writing end; the reader would never see the end of the stream.
    drop(tests);
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        tally.count(&line);
        if tally::is_worth_showing(&line) {
            println!("{line}");
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("cargo test failed: {status}");
    }
    tally.verdict()
}

/// The steps run so far.
struct Gate {
    started: Instant,
    steps: Vec<Step>,
}

struct Step {
    name: &'static str,
    took: Duration,
    passed: bool,
}

impl Gate {
    /// Runs one step under a heading; `None` if it failed.
    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Option<T> {
        println!("\n=== {name}");
        let started = Instant::now();
        let result = work();
        let took = started.elapsed();
        match &result {
            Ok(_) => println!("--- {name}: {}", minutes(took)),
            Err(error) => println!("{error:#}\n--- {name}: FAILED after {}", minutes(took)),
        }
        self.steps.push(Step { name, took, passed: result.is_ok() });
        result.ok()
    }

    /// Prints the times and, as the last line, the count of tests and failures. A failed step
    /// counts as one failure, that of the tests as the tests that failed.
    fn finish(&self, tally: &Tally) -> ExitCode {
        println!("\n=== times");
        for step in &self.steps {
            let verdict = if step.passed { "ok" } else { "FAILED" };
            println!("{:<18} {verdict:<7} {:>12}", step.name, minutes(step.took));
        }
        println!("{:<18} {:<7} {:>12}", "total", "", minutes(self.started.elapsed()));
        let failed_steps = self.steps.iter().filter(|step| !step.passed).count() as u64;
        let failed = failed_steps + tally.failed.saturating_sub(1);
        println!("\n{} passed, {failed} failed", tally.passed);
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// A duration as people read it.
fn minutes(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}
