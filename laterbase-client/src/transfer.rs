//! Filling delta files from a replica, and a replica from delta files.

use std::io::{self, Read, Write};

use laterbase_core::delta::Delta;
use laterbase_core::fork::HeldBack;
use laterbase_core::id::RootName;
use laterbase_core::limits::BATCH_EVENTS_MAX;
use laterbase_core::reader::{ReadError, Reader, Remembered};
use laterbase_core::replica::{Merged, MergedPage, WriteError};
use laterbase_core::version_vector::VersionVector;

use crate::device::Device;
use crate::local::Local as _;
use crate::paged_file::{
    FileKind, PagedFileCounts, PagedFileError, PagedFileReader, PagedFileWriter,
};
use laterbase_core::sync;

const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Writes all events of some roots as a delta file and gives `output` back, flushed.
///
/// The device remembers, before the first byte is written, which events of its own have left: as
/// others may have them, they never get new ids by themselves if their history turns out to be in
/// doubt.
///
/// `on_page` hears how many events have been written.
///
/// # Errors
/// [`TransferError`]; what was written is then no whole delta file.
pub fn export<W: Write>(
    device: &Device,
    roots: &[RootName],
    output: W,
    on_page: &mut dyn FnMut(u64),
) -> Result<(W, PagedFileCounts), TransferError> {
    let entries = leaving(device.reader(), roots);
    if !entries.is_empty() {
        device.remember(entries)?;
    }
    export_read(device.reader(), roots, output, on_page)
}

/// The same from a store that is only read. That the events leave is for the caller to have
/// remembered ([`leaving`]), if anybody can write to the store.
///
/// # Errors
/// [`TransferError`]; what was written is then no whole delta file.
pub fn export_read<W: Write>(
    reader: &Reader,
    roots: &[RootName],
    output: W,
    on_page: &mut dyn FnMut(u64),
) -> Result<(W, PagedFileCounts), TransferError> {
    let mut file = PagedFileWriter::new(FileKind::Delta, output)?;
    let mut events = 0;
    for root in roots {
        let mut vv = VersionVector::new();
        loop {
            let page = reader.delta(root, &vv, BATCH_EVENTS_MAX, PAGE_BYTES)?;
            if page.events == 0 {
                break;
            }
            file.push(&page.bytes, page.events as u64)?;
            events += page.events as u64;
            on_page(events);
            vv = page.vv;
        }
    }
    Ok(file.finish()?)
}

/// What is to be remembered before all events of some roots leave in a file.
pub fn leaving(reader: &Reader, roots: &[RootName]) -> Vec<Remembered> {
    let own_ids = reader.own_ids();
    let mut entries = Vec::new();
    for root in roots {
        let held = reader.version_vector(root);
        let own = own_ids.iter().map(|id| (*id, held.get(id))).filter(|(_, seq)| *seq > 0);
        entries.extend(own.map(|(id, seq)| sync::exported_entry(root, id, seq)));
    }
    entries
}

/// What came of a delta file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Its events.
    pub merged: Merged,
    /// Origins of which there are two histories. Their events were left in the file from there
    /// on.
    pub held_back: Vec<HeldBack>,
}

/// Takes in a delta file, page by page, each of them durably. Events that are held already change
/// nothing, so a file can be taken in again.
///
/// `imported` says what has been stored so far, also when an error ends the work; `on_page` hears
/// of it after each page.
///
/// # Errors
/// [`TransferError`]; pages before the one at fault are stored.
pub fn import(
    device: &Device,
    input: impl Read,
    imported: &mut Imported,
    on_page: &mut dyn FnMut(Merged),
) -> Result<PagedFileCounts, TransferError> {
    let mut file = PagedFileReader::new(FileKind::Delta, input)?;
    loop {
        let page_number = file.counts().pages + 1;
        let Some(page) = file.next_page()? else {
            return Ok(file.counts());
        };
        let damaged =
            |source| PagedFileError::Page { kind: FileKind::Delta, page: page_number, source };
        let event_count = Delta::decode(page).map_err(damaged)?.event_count();
        let taken = merge(device, page)?;
        file.count_events(event_count as u64);
        imported.merged.stored += taken.merged.stored;
        imported.merged.known += taken.merged.known;
        for held in taken.held_back {
            let is_same =
                |other: &HeldBack| (&other.root, other.origin) == (&held.root, held.origin);
            if !imported.held_back.iter().any(is_same) {
                imported.held_back.push(held);
            }
        }
        on_page(imported.merged);
    }
}

/// A page as a whole; or, where there is a fork, the rest of it.
fn merge(device: &Device, page: &[u8]) -> Result<MergedPage, WriteError> {
    match device.merge(page) {
        Ok(merged) => Ok(MergedPage { merged, held_back: Vec::new() }),
        Err(WriteError::Fork { .. }) => device.merge_what_fits(page),
        Err(error) => Err(error),
    }
}

/// Why a delta file was not written or taken in to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The replica could not be read.
    #[error("the store could not be read")]
    Read(#[from] ReadError),
    /// The file could not be written.
    #[error("the delta file could not be written")]
    Output(#[from] io::Error),
    /// The file is not a whole and good delta file.
    #[error(transparent)]
    File(#[from] PagedFileError),
    /// The replica did not take a page.
    #[error("a page could not be stored")]
    Write(#[from] WriteError),
}

#[cfg(test)]
mod tests;
