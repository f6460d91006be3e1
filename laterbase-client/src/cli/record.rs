//! `laterbase record`: appends events from newline-delimited JSON.

mod gather;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use indicatif::ProgressBar;
use laterbase_client::device::Device;
use laterbase_core::id::RootName;
use serde::Serialize;

use super::Common;
use super::lines::Lines;
use super::output::Output;
use super::progress::{Unit, bar};
use gather::{BadLine, Gathering};

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// The root of all events. Without it, every line names its own.
    #[arg(long, value_name = "R")]
    root: Option<RootName>,
    /// One JSON object a line; `-` is standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

#[derive(Serialize)]
struct Summary {
    recorded: u64,
}

pub(crate) fn run(common: &Common, args: &RecordArgs, output: &mut Output) -> anyhow::Result<()> {
    let (input, name, bar) = open(&args.file)?;
    let recorded = common.with_device(|device| {
        let mut recorded = 0;
        let done = record(device, args.root.as_ref(), input, &bar, &mut recorded);
        bar.finish_and_clear();
        done.map(|()| recorded).map_err(|bad| complaint(&name, &bad, recorded))
    })?;
    output.summary(&Summary { recorded }, format_args!("recorded {recorded} events"))
}

/// Records batch by batch. `recorded` counts what is stored, also if a later line is bad.
fn record(
    device: &Device,
    root: Option<&RootName>,
    input: Box<dyn BufRead>,
    bar: &ProgressBar,
    recorded: &mut u64,
) -> Result<(), BadLine> {
    let mut lines = Lines::new(input);
    let mut gathering = Gathering::new(device, root);
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) => {
                let number = lines.number();
                return Err(gathering.blame(number, None, error.to_string()));
            }
        };
        if !gathering.has_room(line.text.len()) {
            *recorded += gathering.store()?;
        }
        gathering.push(line)?;
        bar.inc(line.input_bytes);
    }
    *recorded += gathering.store()?;
    Ok(())
}

fn open(file: &Path) -> anyhow::Result<(Box<dyn BufRead>, String, ProgressBar)> {
    if file == Path::new("-") {
        let stdin = Box::new(io::stdin().lock());
        return Ok((stdin, "standard input".to_owned(), bar(None, Unit::Bytes)));
    }
    let name = file.display().to_string();
    let input = File::open(file).with_context(|| format!("cannot open {name}"))?;
    let length = input.metadata().ok().filter(|meta| meta.is_file()).map(|meta| meta.len());
    Ok((Box::new(BufReader::new(input)), name, bar(length, Unit::Bytes)))
}

fn complaint(file: &str, bad: &BadLine, recorded: u64) -> anyhow::Error {
    let field = bad.field.as_ref().map(|field| format!(", field {field}")).unwrap_or_default();
    let place = match bad.line {
        Some(line) => format!("{file}, line {line}{field}"),
        None => file.to_owned(),
    };
    anyhow::anyhow!(
        "{place}: {}\nNothing from line {} on is stored. Batches before it stored {recorded} events.",
        bad.detail,
        bad.batch_line,
    )
}
