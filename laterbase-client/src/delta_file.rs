//! Delta files: a replica's events with their dots, to be carried by hand or kept as a backup.
//!
//! ```text
//! "LBDF"  format u8 = 1
//! page    length u32 (big-endian, above 0), then that many bytes of a delta page
//! …
//! end     0u32, page count u64, event count u64, BLAKE3 over all bytes before it (32 bytes)
//! ```
//!
//! Pages are read and written one at a time. Each carries its own hash, so a page can be taken in
//! before the end is seen; the end tells a file that was cut short from a whole one.

use std::io::{self, ErrorKind, Read, Write};

use laterbase_core::codec::CodecError;
use laterbase_core::limits::BATCH_BYTES_MAX;

const MAGIC: [u8; 4] = *b"LBDF";
const FORMAT: u8 = 1;
const HASH_BYTES: usize = 32;

/// What a whole delta file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeltaFileCounts {
    /// Delta pages.
    pub pages: u64,
    /// Events on all pages.
    pub events: u64,
}

/// Writes a delta file, page by page.
#[derive(Debug)]
pub struct DeltaFileWriter<W> {
    output: W,
    hasher: blake3::Hasher,
    counts: DeltaFileCounts,
}

impl<W: Write> DeltaFileWriter<W> {
    /// Begins a file. `output` should be buffered.
    ///
    /// # Errors
    /// What `output` says.
    pub fn new(output: W) -> io::Result<Self> {
        let hasher = blake3::Hasher::new();
        let mut writer = Self { output, hasher, counts: DeltaFileCounts::default() };
        writer.write(&MAGIC)?;
        writer.write(&[FORMAT])?;
        Ok(writer)
    }

    /// Adds a page of `event_count` events.
    ///
    /// # Errors
    /// What `output` says.
    ///
    /// # Panics
    /// If the page is empty or longer than a page may be.
    pub fn push(&mut self, page: &[u8], event_count: usize) -> io::Result<()> {
        assert!(!page.is_empty() && page.len() <= BATCH_BYTES_MAX, "a page within its bounds");
        let length = u32::try_from(page.len()).expect("BATCH_BYTES_MAX fits 32 bits");
        self.write(&length.to_be_bytes())?;
        self.write(page)?;
        self.counts.pages += 1;
        self.counts.events += event_count as u64;
        Ok(())
    }

    /// Writes the end, without which the file counts as cut short, and gives `output` back.
    ///
    /// # Errors
    /// What `output` says.
    pub fn finish(mut self) -> io::Result<(W, DeltaFileCounts)> {
        self.write(&0_u32.to_be_bytes())?;
        self.write(&self.counts.pages.to_be_bytes())?;
        self.write(&self.counts.events.to_be_bytes())?;
        self.output.write_all(self.hasher.finalize().as_bytes())?;
        self.output.flush()?;
        Ok((self.output, self.counts))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.output.write_all(bytes)
    }
}

/// Reads a delta file, page by page.
#[derive(Debug)]
pub struct DeltaFileReader<R> {
    input: R,
    hasher: blake3::Hasher,
    page: Vec<u8>,
    counts: DeltaFileCounts,
    is_at_end: bool,
}

impl<R: Read> DeltaFileReader<R> {
    /// Reads a file's beginning. `input` should be buffered.
    ///
    /// # Errors
    /// [`DeltaFileError`] if it is no delta file, or of a newer format.
    pub fn new(input: R) -> Result<Self, DeltaFileError> {
        let mut reader = Self {
            input,
            hasher: blake3::Hasher::new(),
            page: Vec::new(),
            counts: DeltaFileCounts::default(),
            is_at_end: false,
        };
        match reader.read_array() {
            Ok(MAGIC) => {}
            Ok(_) | Err(DeltaFileError::Truncated { .. }) => {
                return Err(DeltaFileError::NoDeltaFile);
            }
            Err(error) => return Err(error),
        }
        let [format] = reader.read_array()?;
        if format != FORMAT {
            return Err(DeltaFileError::NewerFormat { found: format });
        }
        Ok(reader)
    }

    /// The next page's bytes; `None` behind the last one of a whole file.
    ///
    /// The page is not decoded. Whoever does tells [`Self::count_events`] what was on it.
    ///
    /// # Errors
    /// [`DeltaFileError`] if the file is cut short or damaged. Pages before that are good if they
    /// decode.
    pub fn next_page(&mut self) -> Result<Option<&[u8]>, DeltaFileError> {
        if self.is_at_end {
            return Ok(None);
        }
        let length = u32::from_be_bytes(self.read_array()?) as usize;
        if length == 0 {
            self.read_end()?;
            self.is_at_end = true;
            return Ok(None);
        }
        if length > BATCH_BYTES_MAX {
            return Err(self.damaged("a page is longer than a page may be"));
        }
        self.page.resize(length, 0);
        let read = self.input.read_exact(&mut self.page);
        read.map_err(|error| self.broken(error))?;
        self.hasher.update(&self.page);
        self.counts.pages += 1;
        Ok(Some(&self.page))
    }

    /// Says how many events there were on the page that was read last.
    pub const fn count_events(&mut self, event_count: usize) {
        self.counts.events += event_count as u64;
    }

    /// What has been read so far.
    pub const fn counts(&self) -> DeltaFileCounts {
        self.counts
    }

    fn read_end(&mut self) -> Result<(), DeltaFileError> {
        let pages = u64::from_be_bytes(self.read_array()?);
        let events = u64::from_be_bytes(self.read_array()?);
        let expected = self.hasher.finalize();
        let mut hash = [0; HASH_BYTES];
        self.input.read_exact(&mut hash).map_err(|error| self.broken(error))?;
        if (DeltaFileCounts { pages, events }) != self.counts {
            return Err(self.damaged("the counts at its end are not those of its pages"));
        }
        if expected != blake3::Hash::from_bytes(hash) {
            return Err(self.damaged("the hash at its end is not that of its bytes"));
        }
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.damaged("something follows its end")),
            Err(error) => Err(self.broken(error)),
        }
    }

    fn read_array<const N: usize>(&mut self) -> Result<[u8; N], DeltaFileError> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(|error| self.broken(error))?;
        self.hasher.update(&bytes);
        Ok(bytes)
    }

    fn broken(&self, error: io::Error) -> DeltaFileError {
        if error.kind() == ErrorKind::UnexpectedEof {
            DeltaFileError::Truncated { pages: self.counts.pages }
        } else {
            DeltaFileError::Input { source: error }
        }
    }

    fn damaged(&self, detail: &'static str) -> DeltaFileError {
        DeltaFileError::Damaged { pages: self.counts.pages, detail }
    }
}

/// Why a delta file could not be read to its end. Pages that were given out before are good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaFileError {
    /// It does not begin like one.
    #[error("this is not a Laterbase delta file")]
    NoDeltaFile,
    /// Written by a newer version of Laterbase.
    #[error("the delta file's format {found} is newer than this version reads")]
    NewerFormat {
        /// The format version found.
        found: u8,
    },
    /// The end is missing.
    #[error("the delta file is cut short: it ends behind {pages} whole pages, before its end mark")]
    Truncated {
        /// Whole pages before the cut.
        pages: u64,
    },
    /// Its parts contradict each other.
    #[error("the delta file is damaged behind page {pages}: {detail}")]
    Damaged {
        /// Pages read before the damage was seen.
        pages: u64,
        /// What contradicts what.
        detail: &'static str,
    },
    /// A page is not a good delta.
    #[error("page {page} of the delta file is damaged")]
    Page {
        /// Which page, from 1.
        page: u64,
        /// What is wrong with it.
        source: CodecError,
    },
    /// The file could not be read.
    #[error("the delta file could not be read")]
    Input {
        /// What the system said.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;
