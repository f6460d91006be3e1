//! `laterbase export` and `laterbase import`: delta files.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use laterbase_client::device::Device;
use laterbase_client::paged_file::PagedFileCounts;
use laterbase_client::transfer::{self, Imported, TransferError};
use laterbase_core::id::RootName;
use laterbase_core::printable::Printable;
use laterbase_core::reader::Reader;
use laterbase_core::replica::Merged;
use serde::Serialize;

use super::held_back::{self, HeldBackSummary};
use super::output::{Output, complain};
use super::progress::{Unit, bar};
use super::whole_file::{is_standard, write_whole};
use super::{Common, check_root, salvage};

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// A root to export; all of them if none is named.
    #[arg(long = "root", value_name = "R")]
    pub(crate) roots: Vec<RootName>,
    /// Take what is intact out of a damaged store.
    ///
    /// Of every origin, the events up to its first damaged one. What is left out is listed, and
    /// the exit status is 1 if there is any.
    #[arg(long)]
    salvage: bool,
    /// The delta file to write, or - for standard output. A file that is there is replaced once the
    /// new one is whole.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The delta file to take in, or - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Serialize)]
struct ExportSummary {
    exported: u64,
    pages: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct ImportSummary {
    imported: u64,
    known: u64,
    pages: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    held_back: Vec<HeldBackSummary>,
}

pub(crate) fn export(
    common: &Common,
    args: &ExportArgs,
    output: &mut Output,
) -> anyhow::Result<()> {
    if args.salvage {
        return salvage::run(common, args, output);
    }
    let (counts, bytes) = common.with_reading(
        || common.options(),
        |reading| {
            let roots = roots(reading.reader(), &args.roots)?;
            let entries = transfer::leaving(reading.reader(), &roots);
            reading.remember(common, &entries)?;
            write_file(reading.reader(), &roots, &args.file)
        },
    )?;
    let PagedFileCounts { pages, events } = counts;
    let text = format!("exported {events} events to {}, {bytes} bytes", name(&args.file, "output"));
    say(&args.file, &ExportSummary { exported: events, pages, bytes }, text, output)
}

/// Says what was exported: on stderr if the delta file itself went to stdout.
pub(super) fn say(
    file: &Path,
    summary: &impl Serialize,
    text: String,
    output: &mut Output,
) -> anyhow::Result<()> {
    if is_standard(file) { output.aside(summary, text) } else { output.summary(summary, text) }
}

/// What a message calls a file.
pub(super) fn name(file: &Path, stream: &str) -> String {
    match is_standard(file) {
        true => format!("standard {stream}"),
        false => Printable(file.display()).to_string(),
    }
}

fn roots(reader: &Reader, named: &[RootName]) -> anyhow::Result<Vec<RootName>> {
    if named.is_empty() {
        return Ok(reader.roots());
    }
    for root in named {
        check_root(reader, root)?;
    }
    let mut roots = named.to_vec();
    roots.sort_unstable();
    roots.dedup();
    Ok(roots)
}

fn write_file(
    reader: &Reader,
    roots: &[RootName],
    file: &Path,
) -> anyhow::Result<(PagedFileCounts, u64)> {
    let mut counts = PagedFileCounts::default();
    let bytes = write_whole(file, |output| {
        let held = |root| reader.version_vector(root).event_count();
        let length = roots.iter().map(held).sum();
        let bar = bar(Some(length), Unit::Events);
        let on_page = &mut |events| bar.set_position(events);
        let exported = transfer::export_read(reader, roots, output, on_page);
        bar.finish_and_clear();
        let output;
        (output, counts) = exported?;
        Ok(output)
    })?;
    Ok((counts, bytes))
}

pub(crate) fn import(
    common: &Common,
    args: &ImportArgs,
    output: &mut Output,
) -> anyhow::Result<()> {
    let name = name(&args.file, "input");
    let (input, length) = open(&args.file).with_context(|| format!("cannot open {name}"))?;
    let mut imported = Imported::default();
    let counts = common.with_device(|device| {
        read_file(device, input, length, &mut imported).map_err(|error| {
            let stored = imported.merged.stored;
            anyhow::Error::new(error).context(format!("{name}: {stored} new events were stored"))
        })
    })?;
    for held in &imported.held_back {
        complain(format_args!("held back: {held}"));
        output.hold_back();
    }
    let Merged { stored, known } = imported.merged;
    let held_back = held_back::summaries(&imported.held_back);
    output.summary(
        &ImportSummary { imported: stored, known, pages: counts.pages, held_back },
        format_args!("imported {stored} new events from {name}, {known} were known"),
    )
}

/// What is to be taken in, and its length in bytes if that is known.
fn open(file: &Path) -> io::Result<(Box<dyn Read>, Option<u64>)> {
    if is_standard(file) {
        return Ok((Box::new(io::stdin().lock()), None));
    }
    let input = File::open(file)?;
    let length = input.metadata().ok().filter(|meta| meta.is_file()).map(|meta| meta.len());
    Ok((Box::new(input), length))
}

fn read_file(
    device: &Device,
    input: impl Read,
    length: Option<u64>,
    imported: &mut Imported,
) -> Result<PagedFileCounts, TransferError> {
    let bar = bar(length, Unit::Bytes);
    let input = bar.wrap_read(BufReader::new(input));
    let read = transfer::import(device, input, imported, &mut |_merged| {});
    bar.finish_and_clear();
    read
}
