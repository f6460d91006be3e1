//! The pages of a data file, of which none is believed.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::data_file::{DataFile, FileFault, HEADER_BYTES};
use crate::page_walk::{self, LeafNode};

/// Bytes of a page where the file's own head does not tell: what most systems have.
const PAGE_BYTES_DEFAULT: usize = 4096;

/// A data file, whatever state it is in.
#[derive(Debug)]
pub(crate) struct RawFile {
    file: File,
    page_bytes: usize,
    bytes: u64,
    /// With a head that can be read.
    head: Option<DataFile>,
}

impl RawFile {
    pub(crate) fn open(path: &Path) -> Result<Self, FileFault> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let head = match DataFile::open(path) {
            Ok(head) => head,
            Err(FileFault::Damaged(_)) => None,
            Err(error) => return Err(error),
        };
        let page_bytes = head.as_ref().map_or(PAGE_BYTES_DEFAULT, |head| head.page_bytes);
        Ok(Self { file, page_bytes, bytes, head })
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many pages there are, the last one in part maybe.
    pub(crate) const fn page_count(&self) -> u64 {
        self.bytes.div_ceil(self.page_bytes as u64)
    }

    /// The pages that the file says are free, as far as it can be understood.
    pub(crate) fn free_pages(&self) -> BTreeSet<u64> {
        self.head.as_ref().map(page_walk::free_pages).unwrap_or_default()
    }

    /// A page; nothing if the file ends within it.
    pub(crate) fn page(&self, page: u64) -> Result<Option<Vec<u8>>, FileFault> {
        let offset = page * self.page_bytes as u64;
        if offset + self.page_bytes as u64 > self.bytes {
            return Ok(None);
        }
        let mut bytes = vec![0; self.page_bytes];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(Some(bytes))
    }

    /// The value of a node; nothing if it cannot be where the node says.
    pub(crate) fn value(&self, node: &LeafNode<'_>) -> Result<Option<Vec<u8>>, FileFault> {
        let Some(first) = node.long_value_page else { return Ok(Some(node.value.to_vec())) };
        let start = first.checked_mul(self.page_bytes as u64);
        let start = start.and_then(|start| start.checked_add(HEADER_BYTES as u64));
        let end = start.and_then(|start| start.checked_add(node.value_bytes as u64));
        let (Some(start), Some(_)) = (start, end.filter(|end| *end <= self.bytes)) else {
            return Ok(None);
        };
        let mut bytes = vec![0; node.value_bytes];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(Some(bytes))
    }
}
