//! A walk through all pages of a data file: whether LMDB can be let loose on it.

use std::collections::BTreeSet;
use std::mem;
use std::path::Path;

use laterbase_core::store::Table;

use crate::page::{
    self, BIG_NODE, BRANCH_FLAG, LEAF_FLAG, Leaves, NODE_BYTES, OVERFLOW_FLAG, TREE_NODE,
};

use crate::data_file::{
    DataFile, FileFault, HEADER_BYTES, NO_PAGE, TREE_BYTES, Tree, damaged, number_u16, number_u32,
    number_u64,
};

/// What the tree of free pages is marked with.
const INTEGER_KEYS: u16 = 0x08;

/// Deepest tree that LMDB walks.
const DEPTH_MAX: u16 = 32;

/// Checks that every page is what its place says, that each is used once or free, and that keys
/// are in order. What stands in values is not looked at.
pub(crate) fn check(path: &Path) -> Result<(), FileFault> {
    DataFile::open(path)?.map_or(Ok(()), |file| check_file(&file))
}

/// The same for a file as it was when its head was read: no page of that may be used again
/// meanwhile.
pub(crate) fn check_file(file: &DataFile) -> Result<(), FileFault> {
    // As many as the file has: what it claims beyond its end costs nothing until it is met.
    let pages = usize::try_from(file.page_count().min(file.last_page + 1));
    let seen = vec![false; pages.unwrap_or(usize::MAX)];
    let beyond = BTreeSet::new();
    let mut walk = Walk { file, seen, beyond, values: Values::Tables };
    let mut tables = Vec::new();
    walk.tree(&file.main, &mut tables)?;
    walk.values = Values::Bytes;
    for table in tables {
        walk.tree(&table, &mut Vec::new())?;
    }
    walk.values = Values::FreePages;
    walk.tree(&file.free, &mut Vec::new())?;
    match walk.seen.iter().skip(2).position(|seen| !seen) {
        // Such a page is lost room and nothing else, but nothing that LMDB does leaves one.
        Some(lost) => damaged(lost as u64 + 2, "it is neither in use nor free"),
        None if (walk.beyond.len() as u64) < file.last_page + 1 - walk.seen.len() as u64 => {
            damaged(file.last_page, "the file ends before pages that are not free")
        }
        None => Ok(()),
    }
}

/// Checks what LMDB reads whatever it is asked for: the tree of tables, and the lists of free pages.
pub(crate) fn check_roots(file: &DataFile) -> Result<(), FileFault> {
    let (seen, beyond) = (Vec::new(), BTreeSet::new());
    let mut walk = Walk { file, seen, beyond, values: Values::Tables };
    walk.tree(&file.main, &mut Vec::new())?;
    walk.values = Values::FreePages;
    walk.tree(&file.free, &mut Vec::new())
}

/// What the values of a tree are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    Tables,
    Bytes,
    FreePages,
}

struct Walk<'w> {
    file: &'w DataFile,
    /// Whether a page of the file was met.
    seen: Vec<bool>,
    /// The pages behind the end of the file that were met.
    beyond: BTreeSet<u64>,
    values: Values,
}

impl Values {
    /// The flags of a tree with such values.
    const fn tree_flags(self) -> u16 {
        match self {
            Self::Tables | Self::Bytes => 0,
            Self::FreePages => INTEGER_KEYS,
        }
    }
}

/// What has been met of a tree.
struct Met {
    tree: Tree,
    /// The key of the last entry.
    last_key: Option<Vec<u8>>,
    /// No key that follows may lie below this one, of the branch that leads there.
    floor: Option<Vec<u8>>,
}

impl Walk<'_> {
    fn tree(&mut self, tree: &Tree, tables: &mut Vec<Tree>) -> Result<(), FileFault> {
        let mut met = Met { tree: Tree::EMPTY, last_key: None, floor: None };
        met.tree.flags = self.values.tree_flags();
        if tree.root != NO_PAGE {
            if tree.depth == 0 || tree.depth > DEPTH_MAX {
                return damaged(tree.root, format_args!("a tree of depth {}", tree.depth));
            }
            (met.tree.depth, met.tree.root) = (tree.depth, tree.root);
            self.page(tree.root, tree.depth, &mut met, tables)?;
        }
        if met.tree != *tree {
            return damaged(tree.root, "its tree has other pages or entries than it should");
        }
        Ok(())
    }

    /// Checks a page that is `height` pages above the ground, 1 for a leaf, and all below it.
    fn page(
        &mut self,
        page: u64,
        height: u16,
        met: &mut Met,
        tables: &mut Vec<Tree>,
    ) -> Result<(), FileFault> {
        self.meet(page)?;
        let mut bytes = Vec::new();
        self.file.read(page, &mut bytes)?;
        let flag = if height == 1 { LEAF_FLAG } else { BRANCH_FLAG };
        if number_u16(&bytes, 10) != Some(flag) {
            return damaged(page, "it is of another kind than its place");
        }
        let leaves = match self.values {
            Values::Tables => Leaves::Tables,
            Values::Bytes | Values::FreePages => Leaves::Values,
        };
        page::check(&bytes, height == 1, leaves, self.values == Values::FreePages)
            .or_else(|detail| damaged(page, detail))?;
        let nodes = nodes(page, &bytes)?;
        if height > 1 {
            met.tree.branch_pages += 1;
            for (index, offset) in nodes.into_iter().enumerate() {
                let node = Node::read(page, &bytes, offset, false)?;
                if index > 0 {
                    self.rise(page, met, node.key, false)?;
                }
                self.page(node.child(), height - 1, met, tables)?;
            }
            return Ok(());
        }
        met.tree.leaf_pages += 1;
        for offset in nodes {
            let node = Node::read(page, &bytes, offset, true)?;
            self.rise(page, met, node.key, true)?;
            met.tree.entries += 1;
            self.value(page, &node, met, tables)?;
        }
        Ok(())
    }

    /// Keys rise from left to right; one of a branch is not above those that follow it.
    fn rise(&self, page: u64, met: &mut Met, key: &[u8], is_leaf: bool) -> Result<(), FileFault> {
        // The keys of free pages are numbers of the machine; LMDB compares them as such.
        let number = |key: &[u8]| number_u64(key, 0).map(u64::to_be_bytes);
        let key = match self.values {
            Values::FreePages => number(key).unwrap_or_default().to_vec(),
            Values::Tables | Values::Bytes => key.to_vec(),
        };
        let rises = met.last_key.as_ref().is_none_or(|last| *last < key);
        if !rises || is_leaf && met.floor.as_ref().is_some_and(|floor| *floor > key) {
            return damaged(page, "its keys are not in order");
        }
        *(if is_leaf { &mut met.last_key } else { &mut met.floor }) = Some(key);
        Ok(())
    }

    fn value(
        &mut self,
        page: u64,
        node: &Node<'_>,
        met: &mut Met,
        tables: &mut Vec<Tree>,
    ) -> Result<(), FileFault> {
        let long = node.flags & BIG_NODE != 0;
        let is_tree = node.flags & TREE_NODE != 0;
        if node.flags & !(BIG_NODE | TREE_NODE) != 0 || is_tree != (self.values == Values::Tables) {
            return damaged(page, "a value of an unknown kind");
        }
        if is_tree {
            let named = Table::ALL.iter().any(|table| table.name().as_bytes() == node.key);
            let Some(tree) = Tree::read(node.value).filter(|_| node.value.len() == TREE_BYTES)
            else {
                return damaged(page, "a table without a tree");
            };
            if !named {
                return damaged(page, "a table of an unknown name");
            }
            tables.push(tree);
            return Ok(());
        }
        let mut value = node.value.to_vec();
        if long {
            let Some(first) = number_u64(node.value, 0) else {
                return damaged(page, "a long value without a page");
            };
            met.tree.overflow_pages += self.overflow(first, node.value_bytes)?;
            if self.values == Values::FreePages {
                value = self.file.read_behind(first, node.value_bytes)?;
            }
        }
        if self.values == Values::FreePages {
            self.free_pages(page, &value)?;
        }
        Ok(())
    }

    /// Checks the pages of a long value. Gives how many there are.
    fn overflow(&mut self, first: u64, value_bytes: usize) -> Result<u64, FileFault> {
        let mut bytes = Vec::new();
        self.file.read(first, &mut bytes)?;
        let count = number_u32(&bytes, 12).map_or(0, u64::from);
        let needed = ((HEADER_BYTES - 1 + value_bytes) / self.file.page_bytes + 1) as u64;
        if number_u16(&bytes, 10) != Some(OVERFLOW_FLAG) || count < needed {
            return damaged(first, "it is not the beginning of a long value");
        }
        if first.saturating_add(count) > self.file.page_count() {
            return damaged(first, "a long value reaches over the end of the file");
        }
        for page in first..first.saturating_add(count) {
            self.meet(page)?;
        }
        Ok(count)
    }

    /// A list of free pages: how many, and which.
    fn free_pages(&mut self, page: u64, value: &[u8]) -> Result<(), FileFault> {
        let count = number_u64(value, 0).and_then(|count| usize::try_from(count).ok());
        let needed = count.and_then(|count| count.checked_add(1)?.checked_mul(8));
        if needed.is_none_or(|needed| needed > value.len()) {
            return damaged(page, "a list of free pages of another length");
        }
        let mut last = NO_PAGE;
        for index in 1..=count.unwrap_or(0) {
            let free = number_u64(value, 8 * index).unwrap_or(NO_PAGE);
            if free >= last {
                return damaged(page, "a list of free pages that is not in order");
            }
            self.meet(free)?;
            last = free;
        }
        Ok(())
    }

    fn meet(&mut self, page: u64) -> Result<(), FileFault> {
        if !(2..=self.file.last_page).contains(&page) {
            return damaged(page, "there is no such page");
        }
        let slot = usize::try_from(page).ok().and_then(|index| self.seen.get_mut(index));
        let is_new = match slot {
            Some(seen) => !mem::replace(seen, true),
            None => self.beyond.insert(page),
        };
        if is_new { Ok(()) } else { damaged(page, "it is used twice") }
    }
}

/// Where the nodes of a page begin.
fn nodes(page: u64, bytes: &[u8]) -> Result<Vec<usize>, FileFault> {
    let lower = number_u16(bytes, 12).map_or(0, usize::from);
    let upper = number_u16(bytes, 14).map_or(0, usize::from);
    if lower < HEADER_BYTES || !lower.is_multiple_of(2) || lower > upper || upper > bytes.len() {
        return damaged(page, "the bounds of its free room");
    }
    let offsets = (HEADER_BYTES..lower).step_by(2);
    let offsets: Option<Vec<usize>> = offsets
        .map(|at| number_u16(bytes, at).map(usize::from).filter(|offset| *offset >= upper))
        .collect();
    offsets.map_or_else(|| damaged(page, "a node lies in its free room"), Ok)
}

/// A node of a leaf, as far as its page can be believed.
pub(crate) struct LeafNode<'n> {
    pub key: &'n [u8],
    /// Empty if the value is long.
    pub value: &'n [u8],
    pub value_bytes: usize,
    /// Where a long value begins.
    pub long_value_page: Option<u64>,
}

/// The nodes of a page that is marked as a leaf; those that can be read if not all can.
pub(crate) fn leaf_nodes(bytes: &[u8]) -> Vec<LeafNode<'_>> {
    if number_u16(bytes, 10) != Some(LEAF_FLAG) {
        return Vec::new();
    }
    let read = |offset| {
        let node = Node::read(0, bytes, offset, true).ok()?;
        let is_long = node.flags & BIG_NODE != 0;
        let long_value_page = is_long.then(|| number_u64(node.value, 0)).flatten();
        let value = if is_long { &[] } else { node.value };
        Some(LeafNode { key: node.key, value, value_bytes: node.value_bytes, long_value_page })
    };
    nodes(0, bytes).unwrap_or_default().into_iter().filter_map(read).collect()
}

/// The pages that a file says are free, up to the first thing in its list that is damaged.
pub(crate) fn free_pages(file: &DataFile) -> BTreeSet<u64> {
    let (seen, beyond) = (Vec::new(), BTreeSet::new());
    let mut walk = Walk { file, seen, beyond, values: Values::FreePages };
    // Its own pages are met as well: nothing is read off them that would count.
    let _ = walk.tree(&file.free, &mut Vec::new());
    walk.beyond
}

/// A key, and a child or a value.
struct Node<'n> {
    low: u16,
    high: u16,
    flags: u16,
    key: &'n [u8],
    /// Of a leaf: the value, or the number of the page where a long one begins.
    value: &'n [u8],
    value_bytes: usize,
}

impl<'n> Node<'n> {
    fn read(page: u64, bytes: &'n [u8], offset: usize, is_leaf: bool) -> Result<Self, FileFault> {
        let read = || {
            let field = |index: usize| number_u16(bytes, offset + 2 * index);
            let [mut low, mut high] = [field(0)?, field(1)?];
            if cfg!(target_endian = "big") {
                (low, high) = (high, low);
            }
            let (flags, key_bytes) = (field(2)?, usize::from(field(3)?));
            let rest = bytes.get(offset + NODE_BYTES..)?;
            let (key, rest) = rest.split_at_checked(key_bytes)?;
            let value_bytes = usize::from(low) | usize::from(high) << 16;
            let stored = match is_leaf {
                true if flags & BIG_NODE != 0 => 8,
                true => value_bytes,
                false => 0,
            };
            Some(Self { low, high, flags, key, value: rest.get(..stored)?, value_bytes })
        };
        read().map_or_else(|| damaged(page, "a node reaches over its end"), Ok)
    }

    /// Of a branch: the page below.
    fn child(&self) -> u64 {
        u64::from(self.low) | u64::from(self.high) << 16 | u64::from(self.flags) << 32
    }
}
