//! What a disk holds after its power was cut, told from what was asked of it.
//!
//! The file system behind the model promises what POSIX does and nothing beyond:
//!
//! - What a file held when `fsync` or `fdatasync` returned is there, and its length. Writes since
//!   then are there or not, page by page; of each page, up to some write, and of the write after
//!   that any sectors. The length is any that the file had since.
//! - A write through a handle with `O_DSYNC` is there, with all of the pages that it touched.
//! - The names in a directory are those that were there when the directory was synced, and the
//!   changes since then up to some one, each whole. Syncing a file does not sync its name.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use crate::simulator::dice::Dice;

/// A file or a directory, whatever its names.
pub(super) type Node = usize;

/// The directory in which all of it happens.
pub(super) const TOP: Node = 0;

/// What a disk writes as a whole.
const SECTOR_BYTES: usize = 512;

/// What a system writes back as a whole.
pub(super) const PAGE_BYTES: usize = 4_096;
const _: () = assert!(PAGE_BYTES.is_multiple_of(SECTOR_BYTES));

/// Something that happened to the files in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A node came to be, under a name in a directory.
    Make { directory: Node, name: OsString, node: Node, is_directory: bool },
    /// A name was given up for another one in the same directory, which may have been taken.
    Rename { directory: Node, from: OsString, to: OsString },
    /// A name is gone, and what bore it.
    Remove { directory: Node, name: OsString },
    /// Bytes within one page were written, and were on disk when the call returned if `is_synced`.
    Write { node: Node, offset: usize, bytes: Vec<u8>, is_synced: bool },
    /// A file became longer or shorter.
    Resize { node: Node, bytes: usize },
    /// A file or a directory was synced.
    Sync { node: Node },
    /// The program under test said something.
    Say { word: String, number: u64 },
}

/// How much more than what was synced is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leftover {
    /// All: the process died and the system lived.
    All,
    /// Nothing.
    Nothing,
    /// Of some files and directories everything, of the others nothing.
    SomeNodes,
    /// Of each some.
    Some,
}

impl Leftover {
    pub(super) const KINDS: [Self; 4] = [Self::All, Self::Nothing, Self::SomeNodes, Self::Some];
}

/// The files of a disk.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Image {
    files: BTreeMap<Node, Vec<u8>>,
    directories: BTreeMap<Node, BTreeMap<OsString, Node>>,
}

/// Bytes written within a page.
type PageWrite = (usize, Vec<u8>);

#[derive(Debug, Default)]
struct File {
    synced: Vec<u8>,
    /// By number of the page, what was written since the last sync.
    pages: BTreeMap<usize, Vec<PageWrite>>,
    /// The lengths since the last sync.
    lengths: Vec<usize>,
}

#[derive(Debug)]
enum NameChange {
    Add(OsString, Node),
    Rename(OsString, OsString),
    Remove(OsString),
}

#[derive(Debug, Default)]
struct Directory {
    synced: BTreeMap<OsString, Node>,
    since: Vec<NameChange>,
}

/// All that is known of a disk at a moment: what is safe, and what is on its way.
#[derive(Debug)]
struct Disk {
    files: BTreeMap<Node, File>,
    directories: BTreeMap<Node, Directory>,
}

/// What is left of a disk whose power was cut behind these changes.
pub(super) fn after_cut(changes: &[Change], leftover: Leftover, dice: &mut Dice) -> Image {
    let directories = BTreeMap::from([(TOP, Directory::default())]);
    let mut disk = Disk { files: BTreeMap::new(), directories };
    changes.iter().for_each(|change| disk.take(change));
    disk.left(leftover, dice)
}

impl Disk {
    fn take(&mut self, change: &Change) {
        match change {
            Change::Make { directory, name, node, is_directory } => {
                self.names(*directory).since.push(NameChange::Add(name.clone(), *node));
                if *is_directory {
                    self.directories.insert(*node, Directory::default());
                } else {
                    self.files.insert(*node, File::default());
                }
            }
            Change::Rename { directory, from, to } => {
                self.names(*directory).since.push(NameChange::Rename(from.clone(), to.clone()));
            }
            Change::Remove { directory, name } => {
                self.names(*directory).since.push(NameChange::Remove(name.clone()));
            }
            Change::Write { node, offset, bytes, is_synced } => {
                self.file(*node).write(*offset, bytes, *is_synced);
            }
            Change::Resize { node, bytes } => self.file(*node).resize(*bytes),
            Change::Sync { node } => match self.directories.get_mut(node) {
                Some(directory) => directory.sync(usize::MAX),
                None => self.file(*node).sync(),
            },
            Change::Say { .. } => {}
        }
    }

    fn file(&mut self, node: Node) -> &mut File {
        self.files.get_mut(&node).expect("the node is a file")
    }

    fn names(&mut self, node: Node) -> &mut Directory {
        self.directories.get_mut(&node).expect("the node is a directory")
    }

    fn left(mut self, leftover: Leftover, dice: &mut Dice) -> Image {
        for directory in self.directories.values_mut() {
            let most = directory.since.len();
            directory.sync(match leftover {
                Leftover::All => most,
                Leftover::Nothing => 0,
                Leftover::SomeNodes => most * usize::from(dice.chance(500)),
                Leftover::Some => dice.count(0, most),
            });
        }
        for file in self.files.values_mut() {
            match leftover {
                Leftover::All => file.sync(),
                Leftover::Nothing => {}
                Leftover::SomeNodes if dice.chance(500) => file.sync(),
                Leftover::SomeNodes => {}
                Leftover::Some => file.sync_some(dice),
            }
        }
        let files = self.files.into_iter().map(|(node, file)| (node, file.synced));
        let directories = self.directories.into_iter();
        let directories = directories.map(|(node, directory)| (node, directory.synced));
        Image { files: files.collect(), directories: directories.collect() }
    }
}

impl Directory {
    /// Makes the next so many changes safe.
    fn sync(&mut self, count: usize) {
        let count = count.min(self.since.len());
        for change in self.since.drain(..count) {
            match change {
                NameChange::Add(name, node) => drop(self.synced.insert(name, node)),
                NameChange::Remove(name) => drop(self.synced.remove(&name)),
                NameChange::Rename(from, to) => {
                    let node = self.synced.remove(&from).expect("the name was there");
                    self.synced.insert(to, node);
                }
            }
        }
    }
}

impl File {
    fn length(&self) -> usize {
        self.lengths.last().copied().unwrap_or(self.synced.len())
    }

    fn write(&mut self, offset: usize, bytes: &[u8], is_synced: bool) {
        let page = offset / PAGE_BYTES;
        let end = offset + bytes.len();
        assert!(end <= (page + 1) * PAGE_BYTES, "a write is within one page");
        self.pages.entry(page).or_default().push((offset, bytes.to_vec()));
        if end > self.length() {
            self.lengths.push(end);
        }
        if is_synced {
            self.lengths.drain(..).for_each(|length| self.synced.resize(length, 0));
            let writes = self.pages.remove(&page).expect("it was just written to");
            writes.iter().for_each(|write| put(&mut self.synced, write));
        }
    }

    fn resize(&mut self, bytes: usize) {
        let length = self.length();
        // What was cut off does not come back should the file grow again.
        for start in pages(bytes, length.saturating_sub(bytes)) {
            let zeros = vec![0; (length - start.0).min(start.1)];
            self.pages.entry(start.0 / PAGE_BYTES).or_default().push((start.0, zeros));
        }
        self.lengths.push(bytes);
    }

    fn sync(&mut self) {
        let length = self.length();
        self.synced.resize(length, 0);
        let pages = std::mem::take(&mut self.pages);
        pages.values().flatten().for_each(|write| put(&mut self.synced, write));
        self.lengths.clear();
    }

    fn sync_some(&mut self, dice: &mut Dice) {
        let known = dice.count(0, self.lengths.len());
        self.lengths.iter().take(known).for_each(|length| self.synced.resize(*length, 0));
        for writes in self.pages.values() {
            let whole = dice.count(0, writes.len());
            writes[..whole].iter().for_each(|write| put(&mut self.synced, write));
            if let Some((offset, bytes)) = writes.get(whole) {
                for (start, length) in parts(*offset, bytes.len(), SECTOR_BYTES) {
                    let part = bytes[start - offset..][..length].to_vec();
                    if dice.chance(500) {
                        put(&mut self.synced, &(start, part));
                    }
                }
            }
        }
    }
}

/// Writes bytes, as far as the file has room for them.
fn put(file: &mut [u8], (offset, bytes): &PageWrite) {
    if let Some(room) = file.get_mut(*offset..) {
        let length = bytes.len().min(room.len());
        room[..length].copy_from_slice(&bytes[..length]);
    }
}

/// Cuts a range of bytes where pages begin: the offset and length of each part.
pub(super) fn pages(offset: usize, length: usize) -> impl Iterator<Item = (usize, usize)> {
    parts(offset, length, PAGE_BYTES)
}

fn parts(offset: usize, length: usize, unit: usize) -> impl Iterator<Item = (usize, usize)> {
    let end = offset + length;
    let mut start = offset;
    std::iter::from_fn(move || {
        let stop = end.min((start / unit + 1) * unit);
        let part = (start < end).then_some((start, stop - start));
        start = stop;
        part
    })
}

impl Image {
    /// Makes the files in a directory that is empty.
    pub(super) fn write_to(&self, path: &Path) -> io::Result<()> {
        self.write_directory(TOP, path)
    }

    fn write_directory(&self, node: Node, path: &Path) -> io::Result<()> {
        for (name, child) in &self.directories[&node] {
            let path = path.join(name);
            match self.files.get(child) {
                Some(bytes) => fs::write(path, bytes)?,
                None => {
                    fs::create_dir(&path)?;
                    self.write_directory(*child, &path)?;
                }
            }
        }
        Ok(())
    }

    /// The paths of all files, from the top, and what is in them.
    pub(super) fn listing(&self) -> BTreeMap<OsString, &[u8]> {
        let mut listing = BTreeMap::new();
        self.list(TOP, Path::new(""), &mut listing);
        listing
    }

    fn list<'i>(&'i self, node: Node, path: &Path, listing: &mut BTreeMap<OsString, &'i [u8]>) {
        for (name, child) in &self.directories[&node] {
            let path = path.join(name);
            match self.files.get(child) {
                Some(bytes) => drop(listing.insert(path.into_os_string(), bytes)),
                None => self.list(*child, &path, listing),
            }
        }
    }
}

#[cfg(test)]
mod tests;
