//! The test of the tests: deliberate bugs, one at a time, in a copy of the workspace.
//!
//! Each is a patch in `laterbase-testkit/bugs` whose first line says what it does. Lines that
//! begin with `Found by:` name what finds it: `sim COUNT`, which plays that many seeds, or
//! `test PACKAGE FILTER`, which runs tests by their name.

mod catalogue;
mod copy;
mod finder;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use self::{
    catalogue::Bug,
    copy::Copy,
    finder::{Finder, Found},
};
use crate::command;

/// Where the table is kept, between these two lines.
const TABLE: &str = "docs/simulation.md";
const BEGIN: &str = "<!-- bugs: written by `cargo xtask bugs --write` -->\n";
const END: &str = "<!-- end of bugs -->";

/// The folder for the copy and what is built in it, unless another one is named.
const SCRATCH: &str = "target/bugs";

/// The copy, in that folder.
const WORKSPACE: &str = "workspace";

/// Which bugs, and where.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Bugs whose file name contains one of these; all, if there is none.
    names: Vec<String>,
    /// The folder for the copy and what is built in it. It is kept, so that the next time is quick.
    #[arg(long, default_value = SCRATCH)]
    scratch: PathBuf,
    /// Only says whether each patch still applies.
    #[arg(long, conflicts_with = "write")]
    check: bool,
    /// Writes the table into `docs/simulation.md`. Needs a run of all bugs.
    #[arg(long, conflicts_with = "names")]
    write: bool,
}

/// A bug and what became of it.
struct Row {
    bug: Bug,
    found: Option<Found>,
    took: Duration,
}

/// Tries the bugs; an error if one is found by nothing, or its patch is out of date.
pub(crate) fn run(options: &Options) -> Result<()> {
    let bugs = catalogue::read(&options.names)?;
    let scratch = command::root().join(&options.scratch);
    let copy = Copy::of(command::root(), &scratch.join(WORKSPACE))?;
    if options.check {
        return check(&copy, &bugs);
    }
    let mut rows = Vec::new();
    for bug in bugs {
        copy.apply(&bug.patch)?;
        let row = try_bug(&copy, &scratch, bug);
        copy.restore()?;
        let row = row?;
        println!("{}", line(&row));
        rows.push(row);
    }
    if options.write {
        write_table(&command::root().join(TABLE), &rows)?;
    }
    let missed: Vec<&str> =
        rows.iter().filter(|row| row.found.is_none()).map(|row| row.bug.name.as_str()).collect();
    if !missed.is_empty() {
        bail!("nothing finds {}", missed.join(", "));
    }
    println!("all {} bugs are found", rows.len());
    Ok(())
}

/// What the gate asks: whether every patch still applies.
pub(crate) fn gate() -> Result<()> {
    let scratch = command::root().join(SCRATCH);
    let copy = Copy::of(command::root(), &scratch.join(WORKSPACE))?;
    check(&copy, &catalogue::read(&[])?)
}

fn check(copy: &Copy, bugs: &[Bug]) -> Result<()> {
    for bug in bugs {
        copy.apply(&bug.patch).with_context(|| format!("{} is out of date", bug.name))?;
        copy.restore()?;
    }
    println!("all {} patches apply", bugs.len());
    Ok(())
}

/// Lets everything that is said to find a bug look for it, until one does.
fn try_bug(copy: &Copy, scratch: &Path, bug: Bug) -> Result<Row> {
    let target = scratch.join("target");
    for finder in &bug.finders {
        let build = finder.build(copy.folder(), &target);
        if !quietly(build)?.success() {
            bail!("{} does not build", bug.name);
        }
        let started = Instant::now();
        let found = finder.run(copy.folder(), &target)?;
        if found.is_some() {
            return Ok(Row { bug, found, took: started.elapsed() });
        }
    }
    Ok(Row { bug, found: None, took: Duration::ZERO })
}

/// Builds, and shows what the compiler says only if it fails.
fn quietly(mut build: Command) -> Result<std::process::ExitStatus> {
    let output =
        build.output().with_context(|| format!("cannot start {}", command::line(&build)))?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.status)
}

fn line(row: &Row) -> String {
    let Row { bug, found, took } = row;
    let found = match found {
        Some(Found { by, says }) if says.is_empty() => by.clone(),
        Some(Found { by, says }) => format!("{by}: {says}"),
        None => {
            let tried: Vec<String> = bug.finders.iter().map(Finder::to_string).collect();
            format!("**nothing** ({})", tried.join(", "))
        }
    };
    format!("| `{}` | {} | {found} | {:.1} |", bug.name, bug.does, took.as_secs_f64())
}

fn write_table(path: &Path, rows: &[Row]) -> Result<()> {
    let text = fs::read_to_string(path)?;
    let (before, rest) = text.split_once(BEGIN).context("the document has no place for it")?;
    let (_old, after) = rest.split_once(END).context("the table has no end")?;
    let head = "\n| bug | what it does | found by | seconds |\n| --- | --- | --- | --- |\n";
    let lines: Vec<String> = rows.iter().map(line).collect();
    fs::write(path, format!("{before}{BEGIN}{head}{}\n\n{END}{after}", lines.join("\n")))?;
    Ok(())
}
