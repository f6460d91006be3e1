//! Filling delta files from a replica, and a replica from delta files.

use std::io::{self, Read, Write};

use laterbase_core::delta::Delta;
use laterbase_core::id::RootName;
use laterbase_core::limits::BATCH_EVENTS_MAX;
use laterbase_core::reader::{ReadError, Reader};
use laterbase_core::replica::{Merged, WriteError};
use laterbase_core::version_vector::VersionVector;

use crate::delta_file::{DeltaFileCounts, DeltaFileError, DeltaFileReader, DeltaFileWriter};
use crate::device::Device;

const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Writes all events of some roots as a delta file and gives `output` back, flushed.
///
/// `on_page` hears how many events have been written.
///
/// # Errors
/// [`TransferError`]; what was written is then no whole delta file.
pub fn export<W: Write>(
    reader: &Reader,
    roots: &[RootName],
    output: W,
    on_page: &mut dyn FnMut(u64),
) -> Result<(W, DeltaFileCounts), TransferError> {
    let mut file = DeltaFileWriter::new(output)?;
    let mut events = 0;
    for root in roots {
        let mut vv = VersionVector::new();
        loop {
            let page = reader.delta(root, &vv, BATCH_EVENTS_MAX, PAGE_BYTES)?;
            if page.events == 0 {
                break;
            }
            file.push(&page.bytes, page.events)?;
            events += page.events as u64;
            on_page(events);
            vv = page.vv;
        }
    }
    Ok(file.finish()?)
}

/// Takes in a delta file, page by page: each page durably and as a whole. Events that are held
/// already change nothing, so a file can be taken in again.
///
/// `merged` says what has been stored so far, also when an error ends the work; `on_page` hears of
/// it after each page.
///
/// # Errors
/// [`TransferError`]; pages before the one at fault are stored.
pub fn import(
    device: &Device,
    input: impl Read,
    merged: &mut Merged,
    on_page: &mut dyn FnMut(Merged),
) -> Result<DeltaFileCounts, TransferError> {
    let mut file = DeltaFileReader::new(input)?;
    loop {
        let page_number = file.counts().pages + 1;
        let Some(page) = file.next_page()? else {
            return Ok(file.counts());
        };
        let damaged = |source| DeltaFileError::Page { page: page_number, source };
        let event_count = Delta::decode(page).map_err(damaged)?.event_count();
        let taken = device.merge(page)?;
        file.count_events(event_count);
        merged.stored += taken.stored;
        merged.known += taken.known;
        on_page(*merged);
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
    File(#[from] DeltaFileError),
    /// The replica did not take a page.
    #[error("a page could not be stored")]
    Write(#[from] WriteError),
}

#[cfg(test)]
mod tests;
