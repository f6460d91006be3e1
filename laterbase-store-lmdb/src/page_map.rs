//! The pages of a data file, as they are mapped into memory, and which of them were checked.
//!
//! LMDB has its own map of the file and checks nothing of it. This is a second one, read-only, which
//! everything is read through: a page is checked when it is met for the first time, and what LMDB is
//! going to touch is checked before it does (`guard.rs`). What LMDB writes meanwhile is good.

use std::fs::File;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{Mmap, MmapOptions};

use crate::data_file::{FileFault, HEADER_BYTES, Tree, damaged, read_meta_page};
use crate::page::{self, BRANCH_FLAG, LEAF_FLAG, Leaves, Page, Stored};

/// Bytes of the first map. Each further one is twice as long, and begins at the beginning too.
const MAP_BYTES: u64 = if usize::BITS >= 64 { 1 << 30 } else { 1 << 26 };
const MAPS_MAX: usize = 24;

/// Pages whose marks are in the first piece. Each further piece has as many as all before it.
const MARKS_SHIFT: u32 = 14;
const PIECES_MAX: usize = 40;

/// The pages of a data file.
#[derive(Debug)]
pub(crate) struct PageMap {
    file: File,
    pub(crate) page_bytes: usize,
    /// How long the file was when last looked at.
    bytes: AtomicU64,
    maps: [OnceLock<Mmap>; MAPS_MAX],
    /// A bit for each page that was checked.
    marks: [OnceLock<Box<[AtomicU64]>>; PIECES_MAX],
}

impl PageMap {
    pub(crate) fn open(path: &Path, page_bytes: usize) -> std::io::Result<Self> {
        let file = File::open(path)?;
        let bytes = AtomicU64::new(file.metadata()?.len());
        let (maps, marks) = ([const { OnceLock::new() }; _], [const { OnceLock::new() }; _]);
        Ok(Self { file, page_bytes, bytes, maps, marks })
    }

    /// The trees of free pages and of tables, if they are still those of a transaction.
    pub(crate) fn roots(&self, transaction: u64) -> Result<Option<(Tree, Tree)>, FileFault> {
        let page = transaction % 2;
        let read = || {
            let bytes = self.bytes_at(page, 0, self.page_bytes)?;
            read_meta_page(bytes, page)
        };
        let (first, second) = (read()?, read()?);
        let is_steady = first == second && first.transaction == transaction;
        Ok(is_steady.then_some((first.free, first.main)))
    }

    /// A page that is `height` pages above the ground, 1 for a leaf.
    ///
    /// It is checked, unless it was. `range` is where its keys must lie, of which the end is not
    /// part.
    pub(crate) fn page(
        &self,
        page: u64,
        height: u16,
        leaves: Leaves,
        range: (Option<&[u8]>, Option<&[u8]>),
    ) -> Result<Page<'_>, FileFault> {
        if page < 2 {
            return damaged(page, "there is no such page");
        }
        let bytes = self.bytes_at(page, 0, self.page_bytes)?;
        let found = Page::new(bytes);
        if !found.is(page, if height == 1 { LEAF_FLAG } else { BRANCH_FLAG }) {
            return damaged(page, "it is of another kind than its place");
        }
        if !self.is_marked(page) {
            page::check(bytes, height == 1, leaves, false)
                .or_else(|detail| damaged(page, detail))?;
            check_range(page, found, height, range)?;
            self.mark(page);
        }
        Ok(found)
    }

    /// A value, wherever it is.
    pub(crate) fn value<'p>(
        &'p self,
        page: u64,
        stored: Stored<'p>,
    ) -> Result<&'p [u8], FileFault> {
        let (first, bytes) = match stored {
            Stored::Here(value) => return Ok(value),
            Stored::Long { first, bytes } => (first, bytes),
        };
        self.check_long(page, first, bytes)?;
        self.bytes_at(first, HEADER_BYTES, bytes)
    }

    /// Checks the pages of a long value.
    pub(crate) fn check_long(&self, page: u64, first: u64, bytes: usize) -> Result<(), FileFault> {
        if first < 2 {
            return damaged(page, "a long value without a page");
        }
        let head = self.bytes_at(first, 0, self.page_bytes)?;
        match page::overflow_pages(head, first, bytes) {
            Some(count) => {
                let last = first.saturating_add(count - 1);
                self.bytes_at(last, 0, self.page_bytes).map(drop)
            }
            None => damaged(first, "it is not the beginning of a long value"),
        }
    }

    fn bytes_at(&self, page: u64, behind: usize, length: usize) -> Result<&[u8], FileFault> {
        let start = page.checked_mul(self.page_bytes as u64);
        let start = start.and_then(|start| start.checked_add(behind as u64));
        let end = start.and_then(|start| start.checked_add(length as u64));
        let (Some(start), Some(end)) = (start, end) else {
            return damaged(page, "there is no such page");
        };
        if end > self.bytes.load(Ordering::Acquire) {
            let bytes = self.file.metadata()?.len();
            self.bytes.store(bytes, Ordering::Release);
            if end > bytes {
                return damaged(page, "the file ends before it");
            }
        }
        let map = self.map(end)?;
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        match range.and_then(|(start, end)| map.get(start..end)) {
            Some(bytes) => Ok(bytes),
            None => damaged(page, "it cannot be mapped"),
        }
    }

    /// The shortest map that reaches so far.
    fn map(&self, end: u64) -> Result<&Mmap, FileFault> {
        let (mut index, mut length) = (0, MAP_BYTES);
        while length < end && index + 1 < MAPS_MAX {
            (index, length) = (index + 1, length * 2);
        }
        if let Some(map) = self.maps[index].get() {
            return Ok(map);
        }
        let made = make_map(&self.file, length)?;
        Ok(self.maps[index].get_or_init(|| made))
    }

    fn is_marked(&self, page: u64) -> bool {
        let (piece, word, bit) = place_of_mark(page);
        let words = self.marks.get(piece).and_then(OnceLock::get);
        words.is_some_and(|words| words[word].load(Ordering::Relaxed) & bit != 0)
    }

    fn mark(&self, page: u64) {
        let (piece, word, bit) = place_of_mark(page);
        let Some(words) = self.marks.get(piece) else { return };
        let count = (1_usize << MARKS_SHIFT << piece.saturating_sub(1)) / 64;
        let words = words.get_or_init(|| (0..count).map(|_| AtomicU64::new(0)).collect());
        words[word].fetch_or(bit, Ordering::Relaxed);
    }
}

/// The piece, the word in it, and the bit in that.
fn place_of_mark(page: u64) -> (usize, usize, u64) {
    let piece = u64::BITS - (page >> MARKS_SHIFT).leading_zeros();
    let base = if piece == 0 { 0 } else { 1_u64 << (MARKS_SHIFT + piece - 1) };
    let within = page - base;
    let word = usize::try_from(within / 64).unwrap_or(usize::MAX);
    (piece as usize, word, 1 << (within % 64))
}

/// A page that a branch leads to by mistake has other keys than the branch says.
fn check_range(
    page: u64,
    found: Page<'_>,
    height: u16,
    (start, end): (Option<&[u8]>, Option<&[u8]>),
) -> Result<(), FileFault> {
    let first = found.key(usize::from(height > 1));
    let last = found.key(found.count().saturating_sub(1));
    let is_early = start.is_some_and(|start| first.is_none_or(|first| first < start));
    let is_late = end.is_some_and(|end| last.is_none_or(|last| last >= end));
    if is_early || is_late { damaged(page, "its keys are those of another place") } else { Ok(()) }
}

#[expect(unsafe_code, reason = "a map of a file that nobody but LMDB changes meanwhile")]
fn make_map(file: &File, length: u64) -> Result<Mmap, FileFault> {
    let length = usize::try_from(length).unwrap_or(usize::MAX / 2);
    // SAFETY: LMDB never changes a page that a transaction may still see, and everything is read
    // within one. The directory's lock keeps others from the file. What lies behind the file's end
    // is never looked at: `bytes_at` compares with the file's length first.
    Ok(unsafe { MmapOptions::new().len(length).map(file) }?)
}
