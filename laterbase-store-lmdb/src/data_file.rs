//! LMDB's data file, looked at without LMDB.
//!
//! LMDB maps its file and believes what it finds there: a damaged page can end the process, and a
//! file that was cut short surely does. So the head of each file is checked before LMDB opens it,
//! and `check_files` walks all of its pages.
//!
//! The form of the file is that of `mdb.c` (data version 1): numbers in the byte order and word
//! size of the machine that wrote it, two meta pages, then trees of branch and leaf pages, and
//! runs of overflow pages for long values.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Bytes before the contents of a page.
pub(crate) const HEADER_BYTES: usize = 16;

/// What a meta page is marked with.
const META_FLAG: u16 = 0x08;

const MAGIC: u32 = 0xBEEF_C0DE;
const DATA_VERSION: u32 = 1;

/// The root of a tree without pages.
pub(crate) const NO_PAGE: u64 = u64::MAX;

/// Bytes of a tree's description.
pub(crate) const TREE_BYTES: usize = 48;

/// Where the fields of a meta page are, behind the page's header.
const META_BYTES: usize = 24 + 2 * TREE_BYTES + 16;

/// What is wrong with a file, and where in it; or the file could not be read.
#[derive(Debug)]
pub(crate) enum FileFault {
    /// In words, with the page.
    Damaged(String),
    /// The system's own error.
    Unreadable(io::Error),
}

impl From<io::Error> for FileFault {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::UnexpectedEof {
            Self::Damaged("the file ends too early".to_owned())
        } else {
            Self::Unreadable(error)
        }
    }
}

pub(crate) fn damaged<T>(page: u64, detail: impl std::fmt::Display) -> Result<T, FileFault> {
    Err(FileFault::Damaged(format!("page {page}: {detail}")))
}

/// A tree of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    pub flags: u16,
    pub depth: u16,
    pub branch_pages: u64,
    pub leaf_pages: u64,
    pub overflow_pages: u64,
    pub entries: u64,
    pub root: u64,
}

impl Tree {
    /// A tree without pages.
    pub(crate) const EMPTY: Self = Self {
        flags: 0,
        depth: 0,
        branch_pages: 0,
        leaf_pages: 0,
        overflow_pages: 0,
        entries: 0,
        root: NO_PAGE,
    };

    /// Reads a tree's description, of [`TREE_BYTES`] bytes.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            flags: number_u16(bytes, 4)?,
            depth: number_u16(bytes, 6)?,
            branch_pages: number_u64(bytes, 8)?,
            leaf_pages: number_u64(bytes, 16)?,
            overflow_pages: number_u64(bytes, 24)?,
            entries: number_u64(bytes, 32)?,
            root: number_u64(bytes, 40)?,
        })
    }
}

/// One of the two beginnings of a file; the newer one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    page_bytes: u32,
    pub free: Tree,
    pub main: Tree,
    last_page: u64,
    pub transaction: u64,
}

/// A data file and where its trees begin.
#[derive(Debug)]
pub(crate) struct DataFile {
    file: File,
    pub(crate) page_bytes: usize,
    /// Which pages are free, by the transaction that freed them.
    pub(crate) free: Tree,
    /// The names of the tables, and their trees.
    pub(crate) main: Tree,
    pub(crate) last_page: u64,
    /// The transaction that wrote the head.
    pub(crate) transaction: u64,
    bytes: u64,
}

impl DataFile {
    /// Reads the head of a file and checks it. `None` if there is nothing to check: no file, an
    /// empty one, or one of a machine whose words are not of 64 bits.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, FileFault> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let bytes = file.metadata()?.len();
        if bytes == 0 || cfg!(not(target_pointer_width = "64")) {
            return Ok(None);
        }
        let first = read_meta(&file, 0, 0)?;
        let page_bytes = u64::from(first.page_bytes);
        if !page_bytes.is_power_of_two() || !(512..=65_536).contains(&page_bytes) {
            return damaged(0, format_args!("pages of {page_bytes} bytes"));
        }
        let second = read_meta(&file, 1, page_bytes)?;
        check_pair(&first, &second)?;
        let meta = if second.transaction > first.transaction { second } else { first };
        let Meta { free, main, last_page, transaction, .. } = meta;
        if last_page >= u64::MAX / page_bytes {
            return damaged(0, format_args!("a last page of number {last_page}"));
        }
        let page_bytes = usize::try_from(page_bytes).expect("at most 64 KiB");
        Ok(Some(Self { file, page_bytes, free, main, last_page, transaction, bytes }))
    }

    /// Pages that the file has room for.
    pub(crate) const fn page_count(&self) -> u64 {
        self.bytes / self.page_bytes as u64
    }

    /// Whether the file ends before its last page. LMDB need not write pages at the end that are
    /// free again, so that alone is no damage.
    pub(crate) const fn is_short(&self) -> bool {
        self.last_page >= self.page_count()
    }

    /// Reads a page into `buffer`.
    pub(crate) fn read(&self, page: u64, buffer: &mut Vec<u8>) -> Result<(), FileFault> {
        if page < 2 || page > self.last_page {
            return damaged(page, "there is no such page");
        }
        buffer.resize(self.page_bytes, 0);
        self.file.read_exact_at(buffer, page * self.page_bytes as u64)?;
        if number_u64(buffer, 0) != Some(page) {
            return damaged(page, "it says that it is another page");
        }
        Ok(())
    }

    /// Reads bytes that begin at a page, behind its header.
    pub(crate) fn read_behind(&self, page: u64, bytes: usize) -> Result<Vec<u8>, FileFault> {
        let mut buffer = vec![0; bytes];
        let offset = page * self.page_bytes as u64 + HEADER_BYTES as u64;
        self.file.read_exact_at(&mut buffer, offset)?;
        Ok(buffer)
    }
}

fn read_meta(file: &File, page: u64, offset: u64) -> Result<Meta, FileFault> {
    let mut bytes = [0; HEADER_BYTES + META_BYTES];
    file.read_exact_at(&mut bytes, offset)?;
    read_meta_page(&bytes, page)
}

/// Reads one of the two beginnings.
pub(crate) fn read_meta_page(bytes: &[u8], page: u64) -> Result<Meta, FileFault> {
    let is_meta = number_u64(bytes, 0) == Some(page) && number_u16(bytes, 10) == Some(META_FLAG);
    let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
    if !is_meta || number_u32(body, 0) != Some(MAGIC) {
        return damaged(page, "it is not marked as the beginning of an LMDB file");
    }
    if number_u32(body, 4) != Some(DATA_VERSION) {
        return damaged(page, "LMDB's data version is unknown");
    }
    let read = || {
        let trees = body.get(24..)?;
        Some(Meta {
            page_bytes: number_u32(trees, 0)?,
            free: Tree::read(trees)?,
            main: Tree::read(&trees[TREE_BYTES..])?,
            last_page: number_u64(trees, 2 * TREE_BYTES)?,
            transaction: number_u64(trees, 2 * TREE_BYTES + 8)?,
        })
    };
    read().map_or_else(|| damaged(page, "it is cut short"), Ok)
}

/// Transactions write the two pages in turn: even numbers the first, odd ones the second.
fn check_pair(first: &Meta, second: &Meta) -> Result<(), FileFault> {
    let (even, odd) = (first.transaction, second.transaction);
    let in_turn = even % 2 == 0 && (odd % 2 == 1 || odd == 0) && even.abs_diff(odd) <= 1;
    if !in_turn {
        return damaged(0, format_args!("transactions {even} and {odd} do not follow each other"));
    }
    if first.page_bytes != second.page_bytes {
        return damaged(1, "its pages have another length");
    }
    Ok(())
}

#[expect(clippy::host_endian_bytes, reason = "LMDB writes numbers as its machine has them")]
pub(crate) fn number_u16(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

#[expect(clippy::host_endian_bytes, reason = "LMDB writes numbers as its machine has them")]
pub(crate) fn number_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

#[expect(clippy::host_endian_bytes, reason = "LMDB writes numbers as its machine has them")]
pub(crate) fn number_u64(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}
