//! The command line: what it takes, and what each command does.

mod add;
mod backup;
mod brief;
mod compact;
mod footprint;
mod forks;
mod held;
mod held_back;
mod init;
mod lines;
mod list;
mod log;
mod manual;
mod nearest;
mod output;
mod progress;
mod reading;
mod record;
mod recorder;
mod resolve;
mod room;
mod rows;
mod salvage;
mod schemas;
mod server_status;
mod settings;
mod show;
mod status;
mod sync;
mod synced;
mod table;
mod time_flags;
mod timeline;
mod transfer;
mod verify;
mod void;
mod whole_file;
mod written_time;
mod zone;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::builder::Resettable;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use laterbase_core::id::RootName;
use laterbase_core::reader::Reader;
use laterbase_core::time::parse_bound_ahead;
use laterbase_directory::{Stamp, parse_size};
use laterbase_schema::RootSchemas;

use output::{Output, complain};

/// Events that are read at a time.
const PAGE_EVENTS: usize = 1_000;

/// Records events where they happen, without asking any network, and syncs them with a server.
///
/// Exit status: 0 done, 1 failed, 2 used wrongly, 3 done but for what a fork, a refusal or a bound
/// on size holds back, which is said by name.
#[derive(Debug, Parser)]
#[command(name = "laterbase", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
struct Common {
    /// The directory of the embedded store.
    #[arg(
        long,
        global = true,
        env = "LATERBASE_STORE",
        value_name = "DIR",
        default_value = "./laterbase-data"
    )]
    store: PathBuf,
    /// Print the summary as one JSON object.
    #[arg(long, global = true)]
    json: bool,
    /// Print times for people in UTC, not in the zone of this machine (or of TZ).
    #[arg(long, global = true)]
    utc: bool,
    /// How far into the future an event may be placed that is recorded here: a duration such as "2h"
    /// or "5 days", or none for planned times [default: 60s].
    #[arg(
        long,
        global = true,
        env = "LATERBASE_MAX_FUTURE",
        value_name = "DURATION|none",
        allow_hyphen_values = true,
        value_parser = parse_bound_ahead
    )]
    max_future: Option<i64>,
    /// Go on under a new replica id, as after restoring an old copy of the store.
    #[arg(long, global = true)]
    new_identity: bool,
    /// Most bytes that the store may take, such as 500M or 20G.
    ///
    /// Beyond them nothing is recorded or taken in; what is there can be read and sent.
    #[arg(
        long,
        global = true,
        env = "LATERBASE_MAX_STORE_SIZE",
        value_name = "SIZE",
        value_parser = parse_size
    )]
    max_store_size: Option<u64>,
    /// A root and a file with the JSON Schemas of its events, such as shipment=shipment.json.
    ///
    /// What they do not take is refused. `laterbase init` keeps the file in the store's folder, for
    /// every command from then on.
    #[arg(
        long,
        global = true,
        env = "LATERBASE_SCHEMA",
        value_name = "R=FILE",
        value_delimiter = ','
    )]
    schema: Vec<String>,
    #[arg(skip)]
    schemas: RootSchemas,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set a store up: the server that it syncs with, the roots that it takes, its name.
    ///
    /// Makes the store if there is none. What is not named stays as it is; without anything, says
    /// what is set. It is kept in the store's folder, in laterbase.toml.
    Init(init::InitArgs),
    /// Append one event, and print its id.
    ///
    /// The data is what the arguments say, such as qty=12 place=Accra.
    Add(add::AddArgs),
    /// Append events from a file: JSON, CSV, a spreadsheet.
    Record(record::RecordArgs),
    /// Push to a server what it lacks, then pull what this store lacks.
    ///
    /// The first server that is named is remembered, with the roots that are: then `laterbase sync`
    /// is enough. `laterbase init` changes what is remembered.
    Sync(sync::SyncArgs),
    /// What the store holds, and what no peer has acknowledged yet.
    Status(status::StatusArgs),
    /// Print events, one JSON object a line.
    ///
    /// The times choose among the events of the root, or of the one aggregate. They do not change
    /// the order. --since and --until are about when events happened, --recorded-since and
    /// --recorded-until about when they were recorded, by which the events of a root are ordered.
    Log(log::LogArgs),
    /// List aggregates with their states: where everything is.
    ///
    /// One row for each aggregate. With --json, one JSON object a row, with the whole state.
    List(list::ListArgs),
    /// Print an aggregate's state.
    ///
    /// With --json, also what the read covered: how many events, and up to when.
    Show(show::ShowArgs),
    /// Draw an aggregate's events: what they say, and when they happened, were recorded, and
    /// arrived here.
    ///
    /// Rows are in the order in which the events happened. A bar leads from when an event happened
    /// (o) over when it was recorded (r) to when it arrived in this store (a); the lag is from o
    /// to r. A row marked ! is late: something that happened after it had been recorded before it.
    /// One marked x has been taken back.
    /// With --json, one JSON object a row.
    Timeline(timeline::TimelineArgs),
    /// Take events back that were wrong.
    ///
    /// Nothing is deleted: an event of the type Voided says so, and every state leaves them out from
    /// then on. Reads of what was known before still show them.
    Void(void::VoidArgs),
    /// Write events to a delta file: a backup, or a sync by hand.
    Export(transfer::ExportArgs),
    /// Take in the events of a delta file.
    Import(transfer::ImportArgs),
    /// Write all that the store knows to one file, while others may write to the store.
    ///
    /// It is the store at one moment: every event that was acknowledged before is in it. It holds
    /// no settings (laterbase.toml and schema files), and no indexes, which a restored store builds.
    Backup(backup::BackupArgs),
    /// Make a store of a backup, in the directory that --store names, which is not there yet.
    ///
    /// The store takes a new id when it is first opened, as the one that was backed up may still be
    /// at work; what it has recorded since comes back by sync.
    Restore(backup::RestoreArgs),
    /// Give back room of the store's files that nothing takes any more.
    ///
    /// No other process may have the store open. On LMDB it needs as much room again as the larger
    /// of its two files, while it works. Nothing else changes: the store keeps its id.
    Compact,
    /// Check everything that can be checked on disk.
    Verify(verify::VerifyArgs),
    /// List forks: origins of which there are two histories.
    Forks(forks::ForksArgs),
    /// Decide a fork: which of two histories of one origin keeps the ids.
    ///
    /// No event is lost: those of the other history get new ids, which are the same wherever and
    /// by whomever it is decided. A sync tells the peers.
    Resolve(resolve::ResolveArgs),
    /// Print a script that completes this command in a shell.
    ///
    /// For bash: laterbase completions bash > ~/.local/share/bash-completion/completions/laterbase
    Completions(manual::CompletionsArgs),
    /// Write the manual's pages, one for each command, into a folder.
    Man(manual::ManArgs),
}

impl Command {
    /// Whether it is of use where something is damaged, and judges no event.
    const fn mends(&self) -> bool {
        matches!(
            self,
            Self::Verify(_)
                | Self::Export(_)
                | Self::Import(_)
                | Self::Backup(_)
                | Self::Restore(_)
                | Self::Compact
                | Self::Forks(_)
                | Self::Resolve(_)
        )
    }
}

impl Cli {
    /// Reads the command line, or ends the process with a word on what is wrong with it.
    pub(crate) fn read() -> Self {
        let matches = without_empty_variables(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// The command line, for which an environment variable that is empty is not set. That is how the
/// programs that start others say that they do not set it.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|argument| {
        let value = argument.get_env().and_then(std::env::var_os);
        let is_empty = value.is_some_and(|it| it.to_str().is_some_and(|it| it.trim().is_empty()));
        if is_empty { argument.env(Resettable::Reset) } else { argument }
    });
    command.mut_subcommands(without_empty_variables)
}

/// Runs a command and says how it ended.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let Cli { mut common, command } = cli;
    let mut output = Output::new(common.json);
    let read = match &command {
        Command::Completions(_) | Command::Man(_) => Ok(()),
        _ => common.read_schemas(),
    };
    let read = match read {
        // These judge nothing by schemas, and are what is left where files are damaged.
        Err(error) if command.mends() => {
            complain(format_args!("warning: goes on without schemas: {error:#}"));
            Ok(())
        }
        read => read,
    };
    let done = read.and_then(|()| run_command(&common, command, &mut output));
    output.conclude(done)
}

fn run_command(common: &Common, command: Command, output: &mut Output) -> anyhow::Result<()> {
    match command {
        Command::Init(args) => init::run(common, args, output),
        Command::Add(args) => add::run(common, &args, output),
        Command::Record(args) => record::run(common, &args, output),
        Command::Sync(args) => sync::run(common, args, output),
        Command::Status(args) => status::run(common, &args, output),
        Command::Log(args) => log::run(common, &args, output),
        Command::List(args) => list::run(common, &args, output),
        Command::Show(args) => show::run(common, &args, output),
        Command::Timeline(args) => timeline::run(common, &args, output),
        Command::Void(args) => void::run(common, &args, output),
        Command::Export(args) => transfer::export(common, &args, output),
        Command::Import(args) => transfer::import(common, &args, output),
        Command::Backup(args) => backup::back_up(common, &args, output),
        Command::Restore(args) => backup::restore(common, &args, output),
        Command::Compact => compact::run(common, output),
        Command::Verify(args) => verify::run(common, &args, output),
        Command::Forks(args) => forks::run(common, &args, output),
        Command::Resolve(args) => resolve::run(common, &args, output),
        Command::Completions(args) => manual::complete(&args, output),
        Command::Man(args) => manual::write_pages(&args, output),
    }
}

impl Common {
    /// Whether there is a store, and not just a folder for one.
    fn has_store(&self) -> anyhow::Result<bool> {
        Ok(Stamp::engine_of(&self.store)?.is_some())
    }

    fn check_existing(&self) -> anyhow::Result<()> {
        if !self.store.is_dir() {
            bail!("there is no store at {}; recording or syncing makes one", self.store.display());
        }
        Ok(())
    }
}

/// Fails unless the store holds events of a root.
fn check_root(reader: &Reader, root: &RootName) -> anyhow::Result<()> {
    if reader.version_vector(root).is_empty() {
        return Err(nearest::no_such_root(reader, root.as_str()));
    }
    Ok(())
}
