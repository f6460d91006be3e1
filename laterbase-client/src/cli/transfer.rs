//! `laterbase export` and `laterbase import`: delta files.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use laterbase_client::delta_file::DeltaFileCounts;
use laterbase_client::device::Device;
use laterbase_client::transfer::{self, TransferError};
use laterbase_core::id::RootName;
use laterbase_core::replica::Merged;
use serde::Serialize;

use super::output::Output;
use super::progress::{Unit, bar};
use super::{Common, check_root};

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// A root to export; all of them if none is named.
    #[arg(long = "root", value_name = "R")]
    roots: Vec<RootName>,
    /// The delta file to write. One that is there is replaced once the new one is whole.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The delta file to take in.
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
}

pub(crate) fn export(
    common: &Common,
    args: &ExportArgs,
    output: &mut Output,
) -> anyhow::Result<()> {
    let (counts, bytes) = common.with_existing_device(|device| {
        let roots = roots(device, &args.roots)?;
        write_file(device, &roots, &args.file)
    })?;
    let DeltaFileCounts { pages, events } = counts;
    output.summary(
        &ExportSummary { exported: events, pages, bytes },
        format_args!("exported {events} events to {}, {bytes} bytes", args.file.display()),
    )
}

fn roots(device: &Device, named: &[RootName]) -> anyhow::Result<Vec<RootName>> {
    if named.is_empty() {
        return Ok(device.reader().roots());
    }
    for root in named {
        check_root(device, root)?;
    }
    let mut roots = named.to_vec();
    roots.sort_unstable();
    roots.dedup();
    Ok(roots)
}

/// Writes under another name first, so that a file of the right name is a whole one.
fn write_file(
    device: &Device,
    roots: &[RootName],
    file: &Path,
) -> anyhow::Result<(DeltaFileCounts, u64)> {
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let written = write_partial(device, roots, &partial).and_then(|written| {
        fs::rename(&partial, file).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(written)
    });
    if written.is_err() {
        // It may not even be there; what matters is the first error.
        let _removed = fs::remove_file(&partial);
    }
    written
}

fn write_partial(
    device: &Device,
    roots: &[RootName],
    file: &Path,
) -> anyhow::Result<(DeltaFileCounts, u64)> {
    let reader = device.reader();
    let length = roots.iter().map(|root| reader.version_vector(root).event_count()).sum();
    let bar = bar(Some(length), Unit::Events);
    let context = || format!("cannot write {}", file.display());
    let output = BufWriter::new(File::create(file).with_context(context)?);
    let exported = transfer::export(reader, roots, output, &mut |events| bar.set_position(events));
    bar.finish_and_clear();
    let (mut output, counts) = exported.with_context(context)?;
    output.flush().with_context(context)?;
    output.get_ref().sync_all().with_context(context)?;
    Ok((counts, output.get_ref().metadata().with_context(context)?.len()))
}

pub(crate) fn import(
    common: &Common,
    args: &ImportArgs,
    output: &mut Output,
) -> anyhow::Result<()> {
    let name = args.file.display();
    let input = File::open(&args.file).with_context(|| format!("cannot open {name}"))?;
    let mut merged = Merged::default();
    let counts = common.with_device(|device| {
        read_file(device, input, &mut merged).map_err(|error| {
            let stored = merged.stored;
            anyhow::Error::new(error).context(format!("{name}: {stored} new events were stored"))
        })
    })?;
    let Merged { stored, known } = merged;
    output.summary(
        &ImportSummary { imported: stored, known, pages: counts.pages },
        format_args!("imported {stored} new events from {name}, {known} were known"),
    )
}

fn read_file(
    device: &Device,
    input: File,
    merged: &mut Merged,
) -> Result<DeltaFileCounts, TransferError> {
    let length = input.metadata().ok().filter(|meta| meta.is_file()).map(|meta| meta.len());
    let bar = bar(length, Unit::Bytes);
    let input = bar.wrap_read(BufReader::new(input));
    let read = transfer::import(device, input, merged, &mut |_merged| {});
    bar.finish_and_clear();
    read
}
