//! `laterbase export --salvage`: a delta file of what is intact in a damaged store.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use laterbase_client::engine::{self, check_files_in_use};
use laterbase_client::paged_file::{FileKind, PagedFileWriter};
use laterbase_core::id::RootName;
use laterbase_core::store::{Store, StoreError};
use laterbase_core::verify::{Salvaged, salvage};
use serde::Serialize;

use super::Common;
use super::output::{FaultsFound, Output, complain};
use super::progress::{Unit, bar};
use super::transfer::{ExportArgs, name, say};
use super::whole_file::write_whole;

#[derive(Serialize)]
struct Summary {
    exported: u64,
    pages: u64,
    bytes: u64,
    left_out: Vec<LeftOut>,
    unreadable: u64,
}

#[derive(Serialize)]
struct LeftOut {
    root: String,
    origin: String,
    first_seq: u64,
    last_seq: u64,
}

#[derive(Debug, thiserror::Error)]
enum SalvageError {
    #[error("the store could not be read")]
    Store(#[from] StoreError),
    #[error("the delta file could not be written")]
    Output(#[from] io::Error),
}

/// Writes every origin's events up to its first damaged one. Ends as a failure if that is not all
/// of them.
pub(crate) fn run(common: &Common, args: &ExportArgs, output: &mut Output) -> anyhow::Result<()> {
    common.check_existing()?;
    let store = open(&common.store)?;
    let mut salvaged = Salvaged::default();
    let mut pages = 0;
    let bytes = write_whole(&args.file, |file| {
        let mut writer = PagedFileWriter::new(FileKind::Delta, file)?;
        salvaged = take(&*store, &args.roots, &mut writer)?;
        let (file, counts) = writer.finish()?;
        pages = counts.pages;
        Ok(file)
    })?;
    let text = describe(&salvaged, args, bytes);
    let is_whole = salvaged.is_whole();
    let Salvaged { events: exported, left_out, unreadable } = salvaged;
    let left_out = left_out.into_iter().map(|left| LeftOut {
        root: left.root.to_string(),
        origin: left.origin.to_string(),
        first_seq: left.first_seq,
        last_seq: left.last_seq,
    });
    let left_out = left_out.collect();
    let summary = Summary { exported, pages, bytes, left_out, unreadable };
    say(&args.file, &summary, text, output)?;
    if is_whole { Ok(()) } else { Err(FaultsFound.into()) }
}

/// The store by its engine; or, where the files themselves are damaged, whatever pages are left.
fn open(path: &Path) -> anyhow::Result<Arc<dyn Store>> {
    let files = check_files_in_use(path).context("cannot look at the store's files")?;
    let Some(fault) = files.faults.first() else {
        return engine::open_to_read(path).context("cannot open the store");
    };
    complain(format_args!("{fault}; looking for events page by page"));
    Ok(Arc::from(engine::wreck(path).context("cannot read the store's files")?))
}

fn take(
    store: &dyn Store,
    roots: &[RootName],
    writer: &mut PagedFileWriter<impl io::Write>,
) -> Result<Salvaged, SalvageError> {
    let bar = bar(Some(0), Unit::Events);
    let is_wanted = |root: &RootName| roots.is_empty() || roots.contains(root);
    let mut take = |page: &[u8], events: usize| Ok(writer.push(page, events as u64)?);
    let salvaged = salvage(store, &is_wanted, &mut take, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    salvaged
}

fn describe(salvaged: &Salvaged, args: &ExportArgs, bytes: u64) -> String {
    let Salvaged { events, left_out, unreadable } = salvaged;
    let file = name(&args.file, "output");
    let mut text = format!("exported {events} events to {file}, {bytes} bytes");
    for left in left_out {
        let (first, last) = (left.first_seq, left.last_seq);
        text.push_str(&format!("\nleft out {first} to {last} of {} in {}", left.origin, left.root));
    }
    if *unreadable > 0 {
        text.push_str(&format!("\n{unreadable} log entries cannot be read"));
    }
    text
}
