//! Files of pages: delta files, with a replica's events and their dots, to be carried by hand, and
//! backups, with all that a store knows for sure.
//!
//! ```text
//! "LBDF" or "LBBK"  format u8 = 1
//! page    length u32 (big-endian, above 0), then that many bytes of a page
//! …
//! end     0u32, page count u64, event count u64, BLAKE3 over all bytes before it (32 bytes)
//! ```
//!
//! Pages are read and written one at a time. The end tells a file that was cut short from a whole
//! one. A delta page carries a hash of its own as well, so it can be taken in before the end is seen.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use laterbase_core::backup::BACKUP_PAGE_BYTES_MAX;
use laterbase_core::codec::CodecError;
use laterbase_core::limits::BATCH_BYTES_MAX;

const FORMAT: u8 = 1;
const HASH_BYTES: usize = 32;

/// What a file of pages is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Pages are [deltas](laterbase_core::delta).
    Delta,
    /// Pages are those of a [backup](laterbase_core::backup).
    Backup,
}

impl FileKind {
    const fn magic(self) -> [u8; 4] {
        match self {
            Self::Delta => *b"LBDF",
            Self::Backup => *b"LBBK",
        }
    }

    const fn page_bytes_max(self) -> usize {
        match self {
            Self::Delta => BATCH_BYTES_MAX,
            Self::Backup => BACKUP_PAGE_BYTES_MAX,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delta => "delta file",
            Self::Backup => "backup",
        })
    }
}

/// What a whole file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PagedFileCounts {
    /// How many pages.
    pub pages: u64,
    /// Events on all pages.
    pub events: u64,
}

/// Writes a file, page by page.
#[derive(Debug)]
pub struct PagedFileWriter<W> {
    kind: FileKind,
    output: W,
    hasher: blake3::Hasher,
    counts: PagedFileCounts,
}

impl<W: Write> PagedFileWriter<W> {
    /// Begins a file. `output` should be buffered.
    ///
    /// # Errors
    /// What `output` says.
    pub fn new(kind: FileKind, output: W) -> io::Result<Self> {
        let hasher = blake3::Hasher::new();
        let mut writer = Self { kind, output, hasher, counts: PagedFileCounts::default() };
        writer.write(&kind.magic())?;
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
    pub fn push(&mut self, page: &[u8], event_count: u64) -> io::Result<()> {
        let bytes_max = self.kind.page_bytes_max();
        assert!(!page.is_empty() && page.len() <= bytes_max, "a page within its bounds");
        let length = u32::try_from(page.len()).expect("the bounds fit 32 bits");
        self.write(&length.to_be_bytes())?;
        self.write(page)?;
        self.counts.pages += 1;
        self.counts.events += event_count;
        Ok(())
    }

    /// Writes the end, without which the file counts as cut short, and gives `output` back.
    ///
    /// # Errors
    /// What `output` says.
    pub fn finish(mut self) -> io::Result<(W, PagedFileCounts)> {
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

/// Reads a file, page by page.
#[derive(Debug)]
pub struct PagedFileReader<R> {
    kind: FileKind,
    input: R,
    hasher: blake3::Hasher,
    page: Vec<u8>,
    counts: PagedFileCounts,
    is_at_end: bool,
}

impl<R: Read> PagedFileReader<R> {
    /// Reads a file's beginning. `input` should be buffered.
    ///
    /// # Errors
    /// [`PagedFileError`] if it is no file of that kind, or of a newer format.
    pub fn new(kind: FileKind, input: R) -> Result<Self, PagedFileError> {
        let mut reader = Self {
            kind,
            input,
            hasher: blake3::Hasher::new(),
            page: Vec::new(),
            counts: PagedFileCounts::default(),
            is_at_end: false,
        };
        match reader.read_array() {
            Ok(magic) if magic == kind.magic() => {}
            Ok(_) | Err(PagedFileError::Truncated { .. }) => {
                return Err(PagedFileError::OtherFile { kind });
            }
            Err(error) => return Err(error),
        }
        let [format] = reader.read_array()?;
        if format != FORMAT {
            return Err(PagedFileError::NewerFormat { kind, found: format });
        }
        Ok(reader)
    }

    /// The next page's bytes; `None` behind the last one of a whole file.
    ///
    /// The page is not decoded. Whoever does tells [`Self::count_events`] what was on it.
    ///
    /// # Errors
    /// [`PagedFileError`] if the file is cut short or damaged. Pages before that are good if they
    /// decode.
    pub fn next_page(&mut self) -> Result<Option<&[u8]>, PagedFileError> {
        if self.is_at_end {
            return Ok(None);
        }
        let length = u32::from_be_bytes(self.read_array()?) as usize;
        if length == 0 {
            self.read_end()?;
            self.is_at_end = true;
            return Ok(None);
        }
        if length > self.kind.page_bytes_max() {
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
    pub const fn count_events(&mut self, event_count: u64) {
        self.counts.events += event_count;
    }

    /// What has been read so far.
    pub const fn counts(&self) -> PagedFileCounts {
        self.counts
    }

    fn read_end(&mut self) -> Result<(), PagedFileError> {
        let pages = u64::from_be_bytes(self.read_array()?);
        let events = u64::from_be_bytes(self.read_array()?);
        let expected = self.hasher.finalize();
        let mut hash = [0; HASH_BYTES];
        self.input.read_exact(&mut hash).map_err(|error| self.broken(error))?;
        if (PagedFileCounts { pages, events }) != self.counts {
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

    fn read_array<const N: usize>(&mut self) -> Result<[u8; N], PagedFileError> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(|error| self.broken(error))?;
        self.hasher.update(&bytes);
        Ok(bytes)
    }

    fn broken(&self, error: io::Error) -> PagedFileError {
        if error.kind() == ErrorKind::UnexpectedEof {
            PagedFileError::Truncated { kind: self.kind, pages: self.counts.pages }
        } else {
            PagedFileError::Input { kind: self.kind, source: error }
        }
    }

    fn damaged(&self, detail: &'static str) -> PagedFileError {
        PagedFileError::Damaged { kind: self.kind, pages: self.counts.pages, detail }
    }
}

/// Why a file could not be read to its end. Pages that were given out before are good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PagedFileError {
    /// It does not begin like one.
    #[error("this is not a Laterbase {kind}")]
    OtherFile {
        /// What it should be.
        kind: FileKind,
    },
    /// Written by a newer version of Laterbase.
    #[error("the {kind}'s format {found} is newer than this version reads")]
    NewerFormat {
        /// What it is.
        kind: FileKind,
        /// The format version found.
        found: u8,
    },
    /// The end is missing.
    #[error("the {kind} is cut short: it ends behind {pages} whole pages, before its end mark")]
    Truncated {
        /// What it is.
        kind: FileKind,
        /// Whole pages before the cut.
        pages: u64,
    },
    /// Its parts contradict each other.
    #[error("the {kind} is damaged behind page {pages}: {detail}")]
    Damaged {
        /// What it is.
        kind: FileKind,
        /// Pages read before the damage was seen.
        pages: u64,
        /// What contradicts what.
        detail: &'static str,
    },
    /// A page is not what the file's pages are.
    #[error("page {page} of the {kind} is damaged")]
    Page {
        /// What it is.
        kind: FileKind,
        /// Which page, from 1.
        page: u64,
        /// What is wrong with it.
        source: CodecError,
    },
    /// The file could not be read.
    #[error("the {kind} could not be read")]
    Input {
        /// What it is.
        kind: FileKind,
        /// What the system said.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;
