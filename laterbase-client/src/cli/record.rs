//! `laterbase record`: appends events from what people have: JSON, tables, spreadsheets.

mod decoded;
mod elements;
mod format;
mod gather;
mod pausing_input;
mod source;
mod table;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use laterbase_client::device::{Device, DeviceOptions, UpkeepMode};
use laterbase_core::id::RootName;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::printable::Printable;
use serde::Serialize;

use super::Common;
use super::output::Output;
use super::recorder::Recorder;
use super::rows::columns::ColumnFlags;
use super::written_time::WrittenTimeFlags;
use format::Format;
use gather::{BadEvent, Gathering, Stored};
use source::{Source, SourceError};

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// What holds the events: NDJSON (one JSON object a line), JSON (an array), CSV, TSV, .xlsx or
    /// .ods; `-` is standard input. Whenever a pipe pauses, what came is stored.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// The root of all events. Without it, every one names its own, which rows of tables do not.
    #[arg(long, value_name = "R")]
    root: Option<RootName>,
    /// What the file is [default: by its ending, else NDJSON].
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    format: Option<Format>,
    #[command(flatten)]
    columns: ColumnFlags,
    #[command(flatten)]
    times: WrittenTimeFlags,
}

#[derive(Serialize)]
struct Summary {
    recorded: u64,
    /// Those that were there already, by their idempotency keys.
    replayed: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "recorded {} events", self.recorded)?;
        match self.replayed {
            0 => Ok(()),
            replayed => write!(f, "; {replayed} were there already"),
        }
    }
}

pub(crate) fn run(common: &Common, args: &RecordArgs, output: &mut Output) -> anyhow::Result<()> {
    let mut source = Source::open(args)?;
    let folds = Arc::new(DeviceOptions::default().folds);
    let gathering = Gathering::new(folds, args.root.as_ref());
    let common = common.clone();
    let mut recording = Recording { common, gathering, recorder: None, stored: Stored::default() };
    let done = recording.take_all(&mut source);
    source.bar.finish_and_clear();
    let stored = recording.stored;
    recording.let_go();
    done.map_err(|failure| match failure {
        Failure::Event(bad) => complaint(&source, &bad, stored.new),
        Failure::Input(error) => error.context(source.name),
        Failure::Store(error) => error,
    })?;
    let summary = Summary { recorded: stored.new, replayed: stored.replayed };
    output.summary(&summary, &summary)
}

/// Why not all of the input was recorded.
enum Failure {
    Event(BadEvent),
    /// All of it is of no use, whatever stands where.
    Input(anyhow::Error),
    Store(anyhow::Error),
}

/// Events on their way from the input into the store.
struct Recording<'r> {
    common: Common,
    gathering: Gathering<'r>,
    /// Opened for a batch, so that input that is refused leaves no empty store behind, and other
    /// processes have the store while the input pauses.
    recorder: Option<Recorder>,
    /// Counts what is stored, also if a later event is bad.
    stored: Stored,
}

impl Recording<'_> {
    /// Records batch by batch, and what is there when the input pauses.
    fn take_all(&mut self, source: &mut Source) -> Result<(), Failure> {
        let bar = source.bar.clone();
        loop {
            let entry = match source.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(SourceError::Paused) => {
                    self.store()?;
                    self.let_go();
                    continue;
                }
                Err(SourceError::Bad { number, field, detail }) => {
                    return Err(Failure::Event(self.gathering.blame(number, field, detail)));
                }
                Err(SourceError::Broken { number, detail }) => {
                    return Err(Failure::Event(self.gathering.blame(number, None, detail)));
                }
                Err(SourceError::Unusable(error)) => return Err(Failure::Input(error)),
            };
            if !self.gathering.has_room(entry.text_bytes) {
                self.store()?;
            }
            self.gathering.push(&entry).map_err(Failure::Event)?;
            bar.inc(entry.input_bytes);
        }
        self.store()?;
        if self.common.new_identity {
            // Asked for, whether or not anything is recorded under it.
            self.recorder = Some(open_recorder(&mut self.common)?);
        }
        Ok(())
    }

    /// Stores what was gathered.
    fn store(&mut self) -> Result<(), Failure> {
        if self.gathering.is_empty() {
            return Ok(());
        }
        if self.recorder.is_none() && !self.common.store.exists() {
            self.rehearse()?;
        }
        let recorder = match &mut self.recorder {
            Some(recorder) => recorder,
            none => none.insert(open_recorder(&mut self.common)?),
        };
        self.stored += self.gathering.store(recorder)?;
        Ok(())
    }

    /// Finds out whether a new store would take the first batch, before there is one.
    fn rehearse(&self) -> Result<(), Failure> {
        let options = DeviceOptions { upkeep: UpkeepMode::Writer, ..DeviceOptions::default() };
        let device = Device::over(Arc::new(MemoryStore::new()), options);
        let device = device.map_err(|error| Failure::Store(error.into()))?;
        self.gathering.try_on(&device).map_err(Failure::Event)
    }

    fn let_go(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            recorder.close();
        }
    }
}

fn open_recorder(common: &mut Common) -> Result<Recorder, Failure> {
    let recorder = Recorder::open(common).map_err(Failure::Store)?;
    // It is taken once.
    common.new_identity = false;
    Ok(recorder)
}

fn complaint(source: &Source, bad: &BadEvent, recorded: u64) -> anyhow::Error {
    let (file, unit) = (&source.name, source.unit());
    let field = bad.field.as_ref().and_then(|field| match bad.is_core_field {
        true => source.part_of(field),
        false => Some(field.clone()),
    });
    let field = field.map(|field| format!(", {} {}", source.part(), Printable(field)));
    let field = field.unwrap_or_default();
    let place = match bad.number {
        Some(number) => format!("{file}, {unit} {number}{field}"),
        None => file.clone(),
    };
    anyhow::anyhow!(
        "{place}: {}\nNothing from {unit} {} on is stored. Batches before it stored {recorded} events.",
        Printable(&bad.detail),
        bad.batch_number,
    )
}
