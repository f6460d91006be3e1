//! What a program asked of the files in a directory, in order.
//!
//! The calls come from [`super::calls`], which stands between the program and the system. A tape
//! knows a file by the number that the file system gave it, so that it need not follow handles.
//! One lock is held over a call and its note, so that the tape has the system's own order.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use libc::O_DSYNC;
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, seek};

use super::disk::{Change, Node, TOP, pages};

/// All tapes that run, for the calls of this process.
static TAPES: Mutex<Vec<Arc<Mutex<Notes>>>> = Mutex::new(Vec::new());

/// How many run, so that calls cost next to nothing while none does.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// A running record of what happens below a directory.
pub(super) struct Tape(Arc<Mutex<Notes>>);

/// By what a file is known to the system: its file system, and its number there.
type Inode = (u64, u64);

/// What has happened, and what is where by now.
pub(super) struct Notes {
    changes: Vec<Change>,
    /// Files and directories.
    nodes: BTreeMap<Inode, Node>,
    /// The directories' paths, and the nodes that they are.
    directories: BTreeMap<PathBuf, Node>,
    made: Node,
}

impl Tape {
    /// Begins to note what happens below an empty directory.
    pub(super) fn start(top: &Path) -> Self {
        let inode = inode(top).expect("the directory is there");
        let notes = Notes {
            changes: vec![],
            nodes: BTreeMap::from([(inode, TOP)]),
            directories: BTreeMap::from([(top.to_owned(), TOP)]),
            made: TOP,
        };
        let notes = Arc::new(Mutex::new(notes));
        TAPES.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&notes));
        RUNNING.fetch_add(1, Ordering::SeqCst);
        Self(notes)
    }

    /// Something to say, which is noted in the order of what happens.
    pub(super) fn speaker(&self) -> impl Fn(&str, u64) + Send + 'static {
        let notes = Arc::clone(&self.0);
        move |word, number| {
            let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
            notes.changes.push(Change::Say { word: word.to_owned(), number });
        }
    }

    /// Ends the record and gives it.
    pub(super) fn stop(self) -> Vec<Change> {
        let mut tapes = TAPES.lock().unwrap_or_else(PoisonError::into_inner);
        tapes.retain(|tape| !Arc::ptr_eq(tape, &self.0));
        RUNNING.fetch_sub(1, Ordering::SeqCst);
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).changes)
    }
}

/// Makes a call, and notes what came of it in the tape that it belongs to: `find` says whether it
/// belongs to one, and what must be known before it; `note` is told that and the call's answer,
/// unless it failed.
pub(super) fn around<K>(
    find: impl Fn(&Notes) -> Option<K>,
    call: impl FnOnce() -> i64,
    note: impl FnOnce(&mut Notes, K, usize),
) -> i64 {
    if RUNNING.load(Ordering::SeqCst) == 0 {
        return call();
    }
    let tapes = TAPES.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for tape in tapes {
        let mut notes = tape.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = find(&notes) {
            let answer = call();
            if let Ok(done) = usize::try_from(answer) {
                note(&mut notes, known, done);
            }
            return answer;
        }
    }
    call()
}

/// Where a write goes.
pub(super) struct Target {
    node: Node,
    offset: usize,
    is_synced: bool,
}

/// A path below the top: its directory and its name there.
pub(super) struct Spot {
    directory: Node,
    name: OsString,
    path: PathBuf,
}

impl Notes {
    /// The node behind a handle.
    pub(super) fn node(&self, file: BorrowedFd<'_>) -> Option<Node> {
        let stat = fstat(file).ok()?;
        self.nodes.get(&(stat.st_dev, stat.st_ino)).copied()
    }

    /// Where a write to a handle goes, at an offset or where the handle stands.
    pub(super) fn target(&self, file: BorrowedFd<'_>, offset: Option<u64>) -> Option<Target> {
        let node = self.node(file)?;
        let flags = fcntl_getfl(file).ok()?;
        // Both of the flags that ask for a sync have this bit; that of the same name in rustix is
        // the other one.
        let is_synced = flags.bits() & O_DSYNC.cast_unsigned() != 0;
        let offset = match offset {
            Some(offset) => offset,
            None if flags.contains(OFlags::APPEND) => fstat(file).ok()?.st_size.cast_unsigned(),
            None => seek(file, rustix::fs::SeekFrom::Current(0)).ok()?,
        };
        let offset = usize::try_from(offset).expect("a small file");
        Some(Target { node, offset, is_synced })
    }

    /// Where a path leads, if that is below the top.
    pub(super) fn spot(&self, path: &Path) -> Option<Spot> {
        let directory = *self.directories.get(path.parent()?)?;
        Some(Spot { directory, name: path.file_name()?.to_owned(), path: path.to_owned() })
    }

    /// Two paths in one directory.
    pub(super) fn spots(&self, from: &Path, to: &Path) -> Option<(Spot, Spot)> {
        let (from, to) = (self.spot(from), self.spot(to));
        let (from, to) = (from?, to?);
        assert_eq!(from.directory, to.directory, "a rename from one directory to another");
        Some((from, to))
    }

    /// Notes a file or directory that may be new, and may have been emptied.
    pub(super) fn opened(&mut self, spot: Spot, file: BorrowedFd<'_>, is_emptied: bool) {
        let Ok(stat) = fstat(file) else { return };
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let inode = (stat.st_dev, stat.st_ino);
        match self.nodes.get(&inode) {
            Some(&node) if is_emptied => self.changes.push(Change::Resize { node, bytes: 0 }),
            Some(_) => {}
            None => self.make(spot, inode, is_directory),
        }
    }

    /// Notes a new directory.
    pub(super) fn made_directory(&mut self, spot: Spot) {
        let inode = inode(&spot.path).expect("it was just made");
        self.make(spot, inode, true);
    }

    fn make(&mut self, spot: Spot, inode: Inode, is_directory: bool) {
        self.made += 1;
        let (node, Spot { directory, name, path }) = (self.made, spot);
        self.nodes.insert(inode, node);
        if is_directory {
            self.directories.insert(path, node);
        }
        self.changes.push(Change::Make { directory, name, node, is_directory });
    }

    /// Notes bytes that were written.
    pub(super) fn wrote(&mut self, target: &Target, bytes: &[u8]) {
        let Target { node, offset, is_synced } = *target;
        for (start, length) in pages(offset, bytes.len()) {
            let bytes = bytes[start - offset..][..length].to_vec();
            self.changes.push(Change::Write { node, offset: start, bytes, is_synced });
        }
    }

    pub(super) fn resized(&mut self, node: Node, bytes: usize) {
        self.changes.push(Change::Resize { node, bytes });
    }

    pub(super) fn synced(&mut self, node: Node) {
        self.changes.push(Change::Sync { node });
    }

    /// What is under a name that is about to go: its number may then be given to another file.
    /// None if it is not known here (files that are opened within the C library are not).
    pub(super) fn known(&self, path: &Path) -> Option<Inode> {
        inode(path).filter(|inode| self.nodes.contains_key(inode))
    }

    pub(super) fn removed(&mut self, spot: Spot, inode: Inode) {
        self.nodes.remove(&inode);
        self.directories.remove(&spot.path);
        self.changes.push(Change::Remove { directory: spot.directory, name: spot.name });
    }

    /// Notes a rename, and what bore the new name so far.
    pub(super) fn renamed(&mut self, from: Spot, to: Spot, replaced: Option<Inode>) {
        if let Some(inode) = replaced {
            self.nodes.remove(&inode);
        }
        let (directory, from, to) = (from.directory, from.name, to.name);
        self.changes.push(Change::Rename { directory, from, to });
    }
}

fn inode(path: &Path) -> Option<Inode> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
