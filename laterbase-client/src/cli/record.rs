//! `laterbase record`: appends events from newline-delimited JSON.

mod gather;
mod pausing_input;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use indicatif::ProgressBar;
use laterbase_client::device::{Device, DeviceOptions, UpkeepMode};
use laterbase_core::id::RootName;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::printable::Printable;
use serde::Serialize;

use super::Common;
use super::lines::{LineError, Lines};
use super::output::Output;
use super::progress::{Unit, bar};
use super::recorder::Recorder;
use super::whole_file::is_standard;
use gather::{BadLine, Gathering};
use pausing_input::PausingInput;

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// The root of all events. Without it, every line names its own.
    #[arg(long, value_name = "R")]
    root: Option<RootName>,
    /// One JSON object a line; `-` is standard input. Whenever a pipe pauses, what came is stored.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

#[derive(Serialize)]
struct Summary {
    recorded: u64,
}

pub(crate) fn run(common: &Common, args: &RecordArgs, output: &mut Output) -> anyhow::Result<()> {
    let (input, name, bar) = open(&args.file)?;
    let folds = Arc::new(DeviceOptions::default().folds);
    let gathering = Gathering::new(folds, args.root.as_ref());
    let common = common.clone();
    let mut recording = Recording { common, gathering, recorder: None, recorded: 0 };
    let done = recording.take_all(input, &bar);
    bar.finish_and_clear();
    let recorded = recording.recorded;
    recording.let_go();
    done.map_err(|failure| match failure {
        Failure::Line(bad) => complaint(&name, &bad, recorded),
        Failure::Store(error) => error,
    })?;
    output.summary(&Summary { recorded }, format_args!("recorded {recorded} events"))
}

/// Why not all of the input was recorded.
enum Failure {
    Line(BadLine),
    Store(anyhow::Error),
}

/// Events on their way from the input into the store.
struct Recording<'r> {
    common: Common,
    gathering: Gathering<'r>,
    /// Opened for a batch, so that input that is refused leaves no empty store behind, and other
    /// processes have the store while the input pauses.
    recorder: Option<Recorder>,
    /// Counts what is stored, also if a later line is bad.
    recorded: u64,
}

impl Recording<'_> {
    /// Records batch by batch, and what is there when the input pauses.
    fn take_all(&mut self, input: Box<dyn BufRead>, bar: &ProgressBar) -> Result<(), Failure> {
        let mut lines = Lines::new(input);
        loop {
            let line = match lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(LineError::Paused) => {
                    self.store()?;
                    self.let_go();
                    continue;
                }
                Err(error) => {
                    let number = lines.number();
                    let bad = self.gathering.blame(number, None, error.to_string());
                    return Err(Failure::Line(bad));
                }
            };
            if !self.gathering.has_room(line.text.len()) {
                self.store()?;
            }
            self.gathering.push(line).map_err(Failure::Line)?;
            bar.inc(line.input_bytes);
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
        self.recorded += self.gathering.store(recorder)?;
        Ok(())
    }

    /// Finds out whether a new store would take the first batch, before there is one.
    fn rehearse(&self) -> Result<(), Failure> {
        let options = DeviceOptions { upkeep: UpkeepMode::Writer, ..DeviceOptions::default() };
        let device = Device::over(Arc::new(MemoryStore::new()), options);
        let device = device.map_err(|error| Failure::Store(error.into()))?;
        self.gathering.try_on(&device).map_err(Failure::Line)
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

fn open(file: &Path) -> anyhow::Result<(Box<dyn BufRead>, String, ProgressBar)> {
    if is_standard(file) {
        let stdin = PausingInput::over(io::stdin()).context("cannot read standard input")?;
        return Ok((Box::new(stdin), "standard input".to_owned(), bar(None, Unit::Bytes)));
    }
    let name = Printable(file.display()).to_string();
    let input = File::open(file).with_context(|| format!("cannot open {name}"))?;
    let metadata = input.metadata().with_context(|| format!("cannot open {name}"))?;
    if metadata.is_file() {
        let bar = bar(Some(metadata.len()), Unit::Bytes);
        return Ok((Box::new(BufReader::new(input)), name, bar));
    }
    // A named pipe pauses like standard input.
    let input = PausingInput::over(input).with_context(|| format!("cannot read {name}"))?;
    Ok((Box::new(input), name, bar(None, Unit::Bytes)))
}

fn complaint(file: &str, bad: &BadLine, recorded: u64) -> anyhow::Error {
    let field = bad.field.as_ref().map(|field| format!(", field {}", Printable(field)));
    let field = field.unwrap_or_default();
    let place = match bad.line {
        Some(line) => format!("{file}, line {line}{field}"),
        None => file.to_owned(),
    };
    anyhow::anyhow!(
        "{place}: {}\nNothing from line {} on is stored. Batches before it stored {recorded} events.",
        Printable(&bad.detail),
        bad.batch_line,
    )
}
