//! A table of torture: what goes wrong in the field, played between real processes.
//!
//! Every row is a play of its own: servers and devices are started, stopped, killed, copied,
//! damaged and given wrong clocks. In the end it compares the ids that the writers were told with the
//! ids that every replica holds, never counts alone. `docs/torture.md` has the steps of each, in
//! words that fit any store.

mod deadline;
mod device;
mod dice;
mod events;
mod held;
mod http;
mod link;
mod program;
mod readers;
mod replica;
mod rows;
mod server;
mod stage;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use clap::builder::PossibleValuesParser;
use tempfile::TempDir;

use self::{
    deadline::Deadline,
    rows::{ROWS, Row},
    stage::Stage,
};
use crate::command;

/// Seconds that a row may take.
const ROW_SECONDS_MAX: u64 = 90;

/// Which rows, and of what.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Plays this row only; may be given again.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(rows::names()))]
    row: Vec<String>,
    /// Plays with the dice of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
    /// Plays with the programs in this folder, and builds none.
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,
    /// Seconds that a row may take; then what hangs is killed, and the row has failed.
    #[arg(long, value_name = "SECONDS", default_value_t = ROW_SECONDS_MAX)]
    row_seconds: u64,
    /// Keeps the folder with all stores and says where it is.
    #[arg(long)]
    keep: bool,
}

/// What came of a row.
struct Played {
    name: &'static str,
    took: Duration,
    result: Result<()>,
    left_out: Option<String>,
}

/// Plays rows; an error if one of them failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let programs = match &options.bin_dir {
        Some(folder) => folder.canonicalize().with_context(|| folder.display().to_string())?,
        None => command::build_binaries(&["laterbase-server", "laterbase-client"])?,
    };
    let mut folder = temporary_folder()?;
    folder.disable_cleanup(options.keep);
    if options.keep {
        println!("the stores are in {}", folder.path().display());
    }
    let wanted = |row: &&Row| options.row.is_empty() || options.row.iter().any(|it| it == row.name);
    let rows: Vec<_> = ROWS.iter().filter(wanted).collect();
    let theatre = Theatre {
        programs: &programs,
        folder: folder.path(),
        seed: options.seed.unwrap_or_else(any_seed),
        row_time_max: Duration::from_secs(options.row_seconds),
    };
    theatre.play_all(&rows)
}

fn temporary_folder() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("laterbase-torture-").tempdir()?)
}

fn any_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs() % 1_000_000
}

/// Where rows are played, and with what.
struct Theatre<'t> {
    programs: &'t Path,
    folder: &'t Path,
    seed: u64,
    row_time_max: Duration,
}

impl Theatre<'_> {
    fn play_all(&self, rows: &[&Row]) -> Result<()> {
        for program in ["laterbase-server", "laterbase"] {
            let program = self.programs.join(program);
            ensure!(program.is_file(), "there is no {}", program.display());
        }
        println!("seed {}", self.seed);
        let mut played = Vec::new();
        for row in rows {
            played.push(self.play(row)?);
        }
        table(&played);
        let failed = played.iter().filter(|row| row.result.is_err()).count();
        if failed > 0 {
            let seed = self.seed;
            bail!("{failed} of {} rows failed; --seed {seed} plays them again", played.len());
        }
        Ok(())
    }

    fn play(&self, row: &Row) -> Result<Played> {
        println!("\n== {}: {}", row.name, row.what);
        let folder = self.folder.join(row.name);
        fs::create_dir(&folder)?;
        // A row throws the same dice whichever others are played.
        let name = blake3::hash(row.name.as_bytes());
        let salt = name.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let started = Instant::now();
        let deadline = Deadline::within(self.row_time_max);
        let mut stage = Stage::new(self.programs, folder, deadline, self.seed ^ salt);
        let result = (row.play)(&mut stage);
        let took = started.elapsed();
        for note in &stage.notes {
            println!("   {note}");
        }
        if let Some(left_out) = &stage.left_out {
            println!("   left out: {left_out}");
        }
        match &result {
            Ok(()) => println!("   ok, {:.1} s", took.as_secs_f64()),
            Err(error) => println!("   FAILED, {:.1} s: {error:#}", took.as_secs_f64()),
        }
        Ok(Played { name: row.name, took, result, left_out: stage.left_out })
    }
}

fn table(played: &[Played]) {
    println!("\n{:<24} {:<8} {:>8}", "row", "", "seconds");
    for Played { name, took, result, left_out } in played {
        let verdict = match (result, left_out) {
            (Err(_), _) => "FAILED",
            (Ok(()), Some(_)) => "in part",
            (Ok(()), None) => "ok",
        };
        println!("{name:<24} {verdict:<8} {:>8.1}", took.as_secs_f64());
    }
    let total: Duration = played.iter().map(|row| row.took).sum();
    println!("{:<24} {:<8} {:>8.1}", "all", "", total.as_secs_f64());
}
