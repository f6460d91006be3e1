//! Measurements: the experiments of the benches, the peers beside us, and the report on both.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::{command, rocksdb, toolchain};

mod peers;
mod pouchdb;

/// Set this to measure stores of ten million events as well, which takes half an hour more.
const TEN_MILLION: &str = "LATERBASE_BENCH_10M";

/// Real events, which are not the project's, are looked for here, from the workspace's folder.
const SAMPLES: &str = "../shared/data";

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Stores of 10,000 events only, in less than three minutes; else a million too.
    #[arg(long)]
    quick: bool,
    /// Measures over the network instead: servers (ours, UmaDB and PostgreSQL), and replication
    /// (ours and PouchDB's).
    #[arg(long)]
    peers: bool,
    /// Writes tables and plots of docs/benchmarks.md anew, from all that the result file holds.
    #[arg(long)]
    report: bool,
    /// Measures nothing; for --report.
    #[arg(long, requires = "report", conflicts_with_all = ["quick", "peers"])]
    no_run: bool,
    /// The result file [default: bench.json in the target folder]. Figures of other runs stay.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Measures what was asked for and says where the figures are.
pub(crate) fn run(options: &Options) -> Result<()> {
    let bench = Bench::build(options.peers)?;
    let out = match &options.out {
        Some(out) => std::path::absolute(out)?,
        None => bench.target.join("bench.json"),
    };
    if options.peers {
        peers::run(&bench.target, &out, options.quick)?;
    } else if !options.no_run {
        let mut measure = bench.program();
        measure.arg("measure").arg("--out").arg(&out);
        measure.arg("--samples").arg(command::root().join(SAMPLES));
        for volume in volumes(options.quick) {
            measure.args(["--events", volume]);
        }
        command::run(&mut measure)?;
    }
    if options.report {
        let document = command::root().join("docs/benchmarks.md");
        command::run(bench.program().arg("report").arg(&out).arg("--document").arg(&document))?;
        println!("written: {}", document.display());
    }
    println!("figures: {}", out.display());
    Ok(())
}

/// Events in a store, smallest first, so that a run that is stopped has something to show.
fn volumes(quick: bool) -> Vec<&'static str> {
    let mut volumes = vec!["10000"];
    if !quick {
        volumes.push("1000000");
        if env::var_os(TEN_MILLION).is_some() {
            volumes.push("10000000");
        }
    }
    volumes
}

/// The program of the benches, with all engines.
struct Bench {
    /// Cargo's target folder.
    target: PathBuf,
}

impl Bench {
    /// With the command that replicates, if asked for.
    fn build(with_device: bool) -> Result<Self> {
        toolchain::require()?;
        let library = rocksdb::prepare(true)?;
        let mut build = command::cargo();
        build.args(["build", "--release", "--bin", "laterbase-bench", "--bin", "laterbase-server"]);
        if with_device {
            build.args(["--bin", "laterbase", "--package", "laterbase-client"]);
        }
        // Features of the gate: nothing is built twice for the sake of a run.
        build.args(["--package", "laterbase-benches", "--package", "laterbase-server"]);
        build.arg("--all-features");
        library.apply(&mut build);
        command::run(&mut build)?;
        Ok(Self { target: command::target_folder()? })
    }

    /// Runs in the workspace, so that it finds the commit.
    fn program(&self) -> Command {
        let mut program = Command::new(binary(&self.target, "laterbase-bench"));
        program.current_dir(command::root());
        program
    }
}

/// A program of ours in the release profile.
fn binary(target: &Path, name: &str) -> PathBuf {
    target.join("release").join(format!("{name}{}", env::consts::EXE_SUFFIX))
}
