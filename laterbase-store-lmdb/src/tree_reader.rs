//! Looking for keys in a tree of pages.

use crate::data_file::{FileFault, NO_PAGE, TREE_BYTES, Tree, damaged};
use crate::page::{Leaves, Page, Stored};
use crate::page_map::PageMap;
use laterbase_core::store::Table;

/// Deepest tree that LMDB walks.
const DEPTH_MAX: u16 = 32;

/// A tree, as a transaction sees it.
#[derive(Clone, Copy)]
pub(crate) struct TreeReader<'p> {
    pages: &'p PageMap,
    tree: Tree,
    leaves: Leaves,
}

/// A way through a tree that was checked.
pub(crate) struct Way<'p> {
    /// The end of the keys that go the same way, if there is one.
    pub end: Option<&'p [u8]>,
    /// Whether nothing is left to be checked for those of them that are above the key.
    pub is_for_all: bool,
}

/// A place between the entries of a tree, or on one of them.
pub(crate) struct Cursor<'p> {
    reader: TreeReader<'p>,
    /// From the root down: page, its number, and the node that was taken.
    stack: Vec<(Page<'p>, u64, usize)>,
}

/// The trees of tables as of a transaction. Nothing if that transaction is past.
pub(crate) fn trees_of(
    pages: &PageMap,
    transaction: u64,
    tables: impl Iterator<Item = Table>,
) -> Result<Option<Vec<(Table, Tree)>>, FileFault> {
    let Some((_, main)) = pages.roots(transaction)? else { return Ok(None) };
    let named = TreeReader { pages, tree: main, leaves: Leaves::Tables };
    let mut found = Vec::new();
    for table in tables {
        let bytes = named.get(table.name().as_bytes())?;
        let tree = bytes.filter(|bytes| bytes.len() == TREE_BYTES).and_then(Tree::read);
        let Some(tree) = tree.filter(|tree| tree.flags == 0) else {
            return damaged(main.root, format_args!("the table {} is missing", table.name()));
        };
        found.push((table, tree));
    }
    Ok(Some(found))
}

impl<'p> TreeReader<'p> {
    /// The tree of a table.
    pub(crate) const fn new(pages: &'p PageMap, tree: Tree) -> Self {
        Self { pages, tree, leaves: Leaves::Values }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<&'p [u8]>, FileFault> {
        let mut stack = Vec::new();
        self.descend(Some(key), &mut stack)?;
        let Some(&(page, number, _)) = stack.last() else { return Ok(None) };
        let index = page.partition_point(|other| other < key, 0);
        if page.key(index).is_none_or(|found| index >= page.count() || found != key) {
            return Ok(None);
        }
        self.value(page, number, index).map(Some)
    }

    fn value(&self, page: Page<'p>, number: u64, index: usize) -> Result<&'p [u8], FileFault> {
        match page.stored(index) {
            Some(stored) => self.pages.value(number, stored),
            None => damaged(number, "a node reaches over its end"),
        }
    }

    /// Goes down to the leaf where a key belongs; to the last one without a key.
    fn descend(
        &self,
        key: Option<&[u8]>,
        stack: &mut Vec<(Page<'p>, u64, usize)>,
    ) -> Result<(), FileFault> {
        self.go_down(self.tree.root, self.tree.depth, (None, None), stack, &mut |page| match key {
            Some(key) => page.partition_point(|other| other <= key, 1) - 1,
            None => page.count() - 1,
        })
    }

    fn go_down(
        &self,
        mut number: u64,
        mut height: u16,
        mut range: (Option<&'p [u8]>, Option<&'p [u8]>),
        stack: &mut Vec<(Page<'p>, u64, usize)>,
        choose: &mut dyn FnMut(Page<'p>) -> usize,
    ) -> Result<(), FileFault> {
        if number == NO_PAGE && stack.is_empty() {
            return Ok(());
        }
        if height == 0 || height > DEPTH_MAX {
            return damaged(number, format_args!("a tree of depth {height}"));
        }
        loop {
            let page = self.pages.page(number, height, self.leaves, range)?;
            if page.count() == 0 {
                return damaged(number, "it has too few nodes");
            }
            if height == 1 {
                stack.push((page, number, 0));
                return Ok(());
            }
            let index = choose(page);
            stack.push((page, number, index));
            range = around(page, index, range);
            (number, height) = (self.child(page, number, index)?, height - 1);
        }
    }

    fn child(&self, page: Page<'p>, number: u64, index: usize) -> Result<u64, FileFault> {
        match page.child(index) {
            Some(child) => Ok(child),
            None => damaged(number, "a node reaches over its end"),
        }
    }

    /// Checks what LMDB touches when it writes or deletes a key: all pages on the way there, those
    /// beside them if it may join pages, and those of a long value that is there.
    pub(crate) fn check_way(&self, key: &[u8], may_join: bool) -> Result<Way<'p>, FileFault> {
        let mut stack = Vec::new();
        self.descend(Some(key), &mut stack)?;
        let nowhere = Way { end: None, is_for_all: true };
        let Some(&(leaf, number, _)) = stack.last() else { return Ok(nowhere) };
        let index = leaf.partition_point(|other| other < key, 0);
        if leaf.key(index).is_some_and(|found| index < leaf.count() && found == key)
            && let Some(Stored::Long { first, bytes }) = leaf.stored(index)
        {
            self.pages.check_long(number, first, bytes)?;
        }
        let mut range = (None, None);
        let depth = stack.len();
        for (level, &(page, number, index)) in stack[..depth - 1].iter().enumerate() {
            let height = u16::try_from(depth - level - 1).unwrap_or(u16::MAX);
            for beside in [index.wrapping_sub(1), index + 1] {
                if may_join && beside < page.count() {
                    let child = self.child(page, number, beside)?;
                    let range = around(page, beside, range);
                    self.pages.page(child, height, self.leaves, range)?;
                }
            }
            range = around(page, index, range);
        }
        let is_long = |index| matches!(leaf.stored(index), Some(Stored::Long { .. }));
        let is_for_all = !may_join && !(0..leaf.count()).any(is_long);
        Ok(Way { end: range.1, is_for_all })
    }

    /// Checks all of the tree's pages.
    pub(crate) fn check_all(&self) -> Result<(), FileFault> {
        let mut cursor = self.first()?;
        let mut entries = 0_u64;
        while cursor.key()?.is_some() {
            cursor.value()?;
            entries += 1;
            if entries > self.tree.entries {
                return damaged(self.tree.root, "its tree has more entries than it should");
            }
            cursor.next()?;
        }
        Ok(())
    }

    /// Before the first entry whose key is not below `key`.
    pub(crate) fn seek(&self, key: &[u8]) -> Result<Cursor<'p>, FileFault> {
        let mut cursor = Cursor { reader: *self, stack: Vec::with_capacity(8) };
        self.descend(Some(key), &mut cursor.stack)?;
        if let Some((page, _, index)) = cursor.stack.last_mut() {
            *index = page.partition_point(|other| other < key, 0);
            if *index >= page.count() {
                *index -= 1;
                cursor.next()?;
            }
        }
        Ok(cursor)
    }

    /// On the last entry whose key is below `key`.
    pub(crate) fn seek_before(&self, key: &[u8]) -> Result<Cursor<'p>, FileFault> {
        let mut cursor = Cursor { reader: *self, stack: Vec::with_capacity(8) };
        self.descend(Some(key), &mut cursor.stack)?;
        if let Some((page, _, index)) = cursor.stack.last_mut() {
            *index = page.partition_point(|other| other < key, 0);
            cursor.previous()?;
        }
        Ok(cursor)
    }

    pub(crate) fn first(&self) -> Result<Cursor<'p>, FileFault> {
        let mut cursor = Cursor { reader: *self, stack: Vec::with_capacity(8) };
        let (root, depth) = (self.tree.root, self.tree.depth);
        self.go_down(root, depth, (None, None), &mut cursor.stack, &mut |_| 0)?;
        Ok(cursor)
    }

    pub(crate) fn last(&self) -> Result<Cursor<'p>, FileFault> {
        let mut cursor = Cursor { reader: *self, stack: Vec::with_capacity(8) };
        self.descend(None, &mut cursor.stack)?;
        if let Some((page, _, index)) = cursor.stack.last_mut() {
            *index = page.count() - 1;
        }
        Ok(cursor)
    }
}

/// Where the keys below a node of a branch lie.
fn around<'p>(
    page: Page<'p>,
    index: usize,
    (start, end): (Option<&'p [u8]>, Option<&'p [u8]>),
) -> (Option<&'p [u8]>, Option<&'p [u8]>) {
    let start = if index == 0 { start } else { page.key(index) };
    let end = if index + 1 < page.count() { page.key(index + 1) } else { end };
    (start, end)
}

impl<'p> Cursor<'p> {
    /// The key here; nothing behind the last one, or before the first.
    pub(crate) fn key(&self) -> Result<Option<&'p [u8]>, FileFault> {
        let Some(&(page, number, index)) = self.stack.last() else { return Ok(None) };
        match page.key(index) {
            Some(key) => Ok(Some(key)),
            None => damaged(number, "a node reaches over its end"),
        }
    }

    /// The value here, where there is a key.
    pub(crate) fn value(&self) -> Result<&'p [u8], FileFault> {
        match self.stack.last() {
            Some(&(page, number, index)) => self.reader.value(page, number, index),
            None => Ok(&[]),
        }
    }

    pub(crate) fn next(&mut self) -> Result<(), FileFault> {
        self.step(|page, index| (index + 1 < page.count()).then_some(index + 1), &mut |_| 0)
    }

    pub(crate) fn previous(&mut self) -> Result<(), FileFault> {
        self.step(|_, index| index.checked_sub(1), &mut |page| page.count() - 1)
    }

    fn step(
        &mut self,
        beside: impl Fn(Page<'p>, usize) -> Option<usize>,
        edge: &mut dyn FnMut(Page<'p>) -> usize,
    ) -> Result<(), FileFault> {
        let depth = self.stack.len();
        let left = self.stack.last().copied();
        while let Some((page, number, index)) = self.stack.pop() {
            let Some(index) = beside(page, index) else { continue };
            let above = self
                .stack
                .iter()
                .fold((None, None), |range, &(page, _, index)| around(page, index, range));
            self.stack.push((page, number, index));
            let height = u16::try_from(depth - self.stack.len()).unwrap_or(u16::MAX);
            if height == 0 {
                return Ok(());
            }
            let child = self.reader.child(page, number, index)?;
            let range = around(page, index, above);
            self.reader.go_down(child, height, range, &mut self.stack, edge)?;
            if let Some((page, _, index)) = self.stack.last_mut() {
                *index = edge(*page);
            }
            return self.check_order(left);
        }
        Ok(())
    }

    /// Keys rise from one leaf to the next, so that no walk goes on for ever.
    fn check_order(&self, left: Option<(Page<'p>, u64, usize)>) -> Result<(), FileFault> {
        let Some((left, number, from)) = left else { return Ok(()) };
        let Some(&(page, _, to)) = self.stack.last() else { return Ok(()) };
        let (from_key, to_key) = (left.key(from), page.key(to));
        let is_forward = from + 1 >= left.count() && to == 0;
        let is_backward = from == 0 && to + 1 == page.count();
        let rises = from_key < to_key;
        if rises && is_forward || from_key > to_key && is_backward {
            return Ok(());
        }
        damaged(number, "its keys are not in order with those of the next page")
    }
}
