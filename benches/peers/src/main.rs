//! Drives Laterbase's server, UmaDB and PostgreSQL with the same load, replicates the same events
//! with Laterbase and with PouchDB, and writes result files as `laterbase-bench report` reads them.
//!
//! Every server is started on an empty folder, and all are there for the whole run; the load goes
//! to one after another, so that a noisy minute of the machine meets them all.

mod events;
mod laterbase;
mod load;
mod postgres;
mod pouchdb;
mod process;
mod relay;
mod replication;
mod results;
mod synced;
mod umadb;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;

use crate::{
    laterbase::Laterbase, load::Load, postgres::Postgres, replication::Plan, results::Results,
    umadb::UmaDb,
};

/// Clients that write at the same time.
const WRITERS: [usize; 3] = [1, 10, 100];

/// Events a request.
const BATCH_SIZES: [usize; 4] = [1, 10, 100, 1_000];

#[derive(Debug, Parser)]
#[command(name = "laterbase-peers")]
struct Arguments {
    /// The program `laterbase-server`.
    #[arg(long)]
    laterbase: PathBuf,
    /// Engines to start it with.
    #[arg(long, default_value = "lmdb")]
    engine: Vec<String>,
    /// The program `umadb`; left out if it is not given.
    #[arg(long)]
    umadb: Option<PathBuf>,
    /// The folder of `initdb` and `postgres`; left out if it is not given.
    #[arg(long)]
    postgres: Option<PathBuf>,
    /// Milliseconds that each load lasts, after a fifth of it that is not counted; 0 for no load.
    #[arg(long, default_value_t = 5_000)]
    milliseconds: u64,
    /// Times that each load is put on each server, in turns.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Events that are read in order at the end; 0 for none.
    #[arg(long, default_value_t = 0)]
    read: usize,
    /// Events that are replicated; 0 for none.
    #[arg(long, default_value_t = 0, requires_all = ["device", "samples"])]
    replicate: usize,
    /// The program `laterbase`, for replication.
    #[arg(long)]
    device: Option<PathBuf>,
    /// The folder of real events; they are left out where it does not hold them.
    #[arg(long)]
    samples: Option<PathBuf>,
    /// The folder of PouchDB's packages; left out if it is not given.
    #[arg(long)]
    pouchdb: Option<PathBuf>,
    /// The result file.
    #[arg(long)]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut results = Results::default();
    if arguments.milliseconds > 0 {
        side_by_side(&arguments, &mut results).await?;
    }
    if arguments.replicate > 0 {
        replication::run(&arguments.plan()?, &mut results).await?;
    }
    results.write(&arguments.out).context("cannot write the results")
}

impl Arguments {
    fn plan(&self) -> Result<Plan> {
        Ok(Plan {
            events: self.replicate,
            server: self.laterbase.clone(),
            device: self.device.clone().context("no program to replicate with")?,
            samples: self.samples.clone().context("no folder of samples")?,
            pouchdb: self.pouchdb.clone(),
        })
    }
}

/// All servers under the same load.
async fn side_by_side(arguments: &Arguments, results: &mut Results) -> Result<()> {
    let mut laterbases = Vec::new();
    for engine in &arguments.engine {
        laterbases.push(Laterbase::start(&arguments.laterbase, engine)?);
    }
    let umadb = arguments.umadb.as_deref().map(UmaDb::start).transpose()?;
    let postgres = match &arguments.postgres {
        Some(programs) => Some(Postgres::start(programs).await?),
        None => None,
    };
    let time = Duration::from_millis(arguments.milliseconds);
    let sizes = BATCH_SIZES.into_iter();
    for (size, writers) in sizes.flat_map(|size| WRITERS.map(|writers| (size, writers))) {
        for _ in 0..arguments.rounds {
            let load = Load { writers, size, time };
            eprintln!("{writers} writers, {size} events a request");
            for server in &laterbases {
                results.add(server.name(), load, load::run(server, load).await?);
            }
            if let Some(server) = &umadb {
                results.add("UmaDB", load, load::run(server, load).await?);
            }
            if let Some(server) = &postgres {
                results.add("PostgreSQL", load, load::run(server, load).await?);
            }
        }
    }
    if arguments.read > 0 {
        eprintln!("reading {} events in order", arguments.read);
        for server in &laterbases {
            results.add_read(server.name(), load::read(server, arguments.read).await?);
        }
        if let Some(server) = &umadb {
            results.add_read("UmaDB", load::read(server, arguments.read).await?);
        }
        if let Some(server) = &postgres {
            results.add_read("PostgreSQL", load::read(server, arguments.read).await?);
        }
    }
    Ok(())
}
