//! `laterbase record`: appends events from what people have: JSON, tables, spreadsheets.

mod decoded;
mod elements;
mod format;
mod gather;
mod guessing;
mod map_file;
mod marked_text;
mod pausing_input;
pub(super) mod recording;
mod rejects;
pub(super) mod source;
mod table;
mod trial;
mod unwritten_store;
mod wording;

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use laterbase_core::event::MetadataBuf;
use laterbase_core::id::RootName;
use laterbase_core::printable::Printable;
use serde::Serialize;

use super::Common;
use super::output::{Output, complain};
use super::rows::columns::ColumnFlags;
use super::settings::Settings;
use super::whole_file::is_standard;
use super::written_time::WrittenTimeFlags;
use format::Format;
use gather::{ACTOR, BadEvent, Defaults, Stored};
use recording::{Failure, Recording};
use rejects::Rejects;
use source::Source;
use trial::Trial;
use wording::Wording;

#[derive(Clone, Debug, Args)]
pub(crate) struct RecordArgs {
    /// What holds the events: NDJSON (one JSON object a line), JSON (an array), CSV, TSV, .xlsx or
    /// .ods; `-` is standard input. Whenever a pipe pauses, what came is stored.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// The root of all events. Without it, every one names its own, which rows of tables do not; or
    /// it is of the root that the store is set up for, if that is one.
    #[arg(long, value_name = "R")]
    root: Option<RootName>,
    /// What the file is [default: by its ending, else NDJSON].
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    format: Option<Format>,
    /// Which column is what, from a TOML file that has these flags under their names. Flags that
    /// are given win over it.
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Write a first file for --map, to standard output or to the one that --map names, and show
    /// three rows as they would be recorded. Nothing is recorded.
    #[arg(long, conflicts_with_all = ["check", "rejects"])]
    guess: bool,
    /// Say what would happen, and store nothing.
    #[arg(long, conflicts_with = "rejects")]
    check: bool,
    /// Go on behind what cannot be recorded, and write it to this file, with the reasons: rows to a
    /// .csv or .tsv, JSON to an .ndjson. Put right there, it is recorded by the same command. The
    /// exit status is 3 then.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Who recorded them: kept as `actor` in the metadata of events that do not say it themselves
    /// [default: what `laterbase init` set].
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    #[command(flatten)]
    columns: ColumnFlags,
    #[command(flatten)]
    times: WrittenTimeFlags,
}

/// What was done, or would be.
#[derive(Serialize)]
struct Summary {
    recorded: u64,
    /// Those that were there already, by their idempotency keys.
    replayed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<u64>,
    /// Whether nothing was stored.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    check: bool,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recorded, replayed, rejected, check } = self;
        let (verb, were) = if *check { ("would record", "are") } else { ("recorded", "were") };
        write!(f, "{verb} {recorded} events")?;
        if *replayed > 0 {
            write!(f, "; {replayed} {were} there already")?;
        }
        if let Some(rejected @ 1..) = rejected {
            write!(f, "; {rejected} cannot be recorded")?;
        }
        Ok(())
    }
}

pub(crate) fn run(common: &Common, args: &RecordArgs, output: &mut Output) -> anyhow::Result<()> {
    match &args.map {
        _ if args.guess => guessing::run(args, output),
        Some(map) => record(common, &map_file::complete(args, map)?, output),
        None => record(common, args, output),
    }
}

fn record(common: &Common, args: &RecordArgs, output: &mut Output) -> anyhow::Result<()> {
    let settings = Settings::read(&common.store)?;
    let root = settings.only_root();
    let mut source = Source::open(args, root.is_some())?;
    let actor = args.actor.clone().or(settings.actor);
    check_actor(actor.as_deref())?;
    let recording = Recording::new(common, args.root.as_ref());
    let mut recording = recording.with_defaults(Defaults { root, actor });
    if args.check {
        recording = recording.on_trial(Trial::new(common)).rejecting(Rejects::listing());
    }
    if let Some(path) = &args.rejects {
        recording = recording.rejecting(Rejects::create(path, args)?);
    }
    if is_standard(&args.file) && io::stdin().is_terminal() {
        let what = source.wording().terminal_hint();
        complain(format_args!("reads events from the terminal, {what}; Ctrl-D ends it"));
    }
    let done = recording.take_all(&mut source);
    source.bar.finish_and_clear();
    recording.let_go();
    let (stored, rejected) = (recording.stored(), recording.rejected());
    done.map_err(|failure| match failure {
        Failure::Event(bad) if args.check => anyhow!(
            "{}: {}\nNothing behind it was looked at.",
            source.wording().place(&bad),
            Printable(&bad.detail)
        ),
        Failure::Event(bad) => complaint(&source.wording(), &bad, stored.new),
        Failure::Input(error) => error.context(source.name),
        Failure::Store(error) => error,
    })?;
    if rejected.is_some_and(|rejected| rejected > 0) {
        output.hold_back();
    }
    let Stored { new, replayed } = stored;
    let summary = Summary { recorded: new, replayed, rejected, check: args.check };
    output.summary(&summary, &summary)
}

/// Fails where no event could have it in its metadata.
fn check_actor(actor: Option<&str>) -> anyhow::Result<()> {
    match actor {
        Some(actor) => MetadataBuf::default().set(ACTOR, actor).context("--actor"),
        None => Ok(()),
    }
}

fn complaint(wording: &Wording, bad: &BadEvent, recorded: u64) -> anyhow::Error {
    let (place, unit) = (wording.place(bad), wording.unit);
    anyhow!(
        "{place}: {}\nNothing from {unit} {} on is stored. Batches before it stored {recorded} events.",
        Printable(&bad.detail),
        bad.batch_number,
    )
}
