//! An open data directory.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use laterbase_core::store::Area;

use crate::home;
use crate::open_error::OpenError;
use crate::owner_only::{make_folder, open_file};
use crate::set_aside::is_of_system;
use crate::stamp::{Stamp, sync_directory};

pub(crate) const LOCK_NAME: &str = "laterbase.lock";

/// Locked, together with others, by whoever reads the store while somebody else may write to it.
pub(crate) const READERS_NAME: &str = "laterbase.readers";

/// There while a store is open.
const OPEN_NAME: &str = "laterbase.open";

/// Beginning of the names of all files that this crate makes.
const OWN_PREFIX: &str = "laterbase.";

/// Made by the system in the root of a new volume, so it does not make a directory foreign.
const LOST_AND_FOUND: &str = "lost+found";

/// A data directory, locked for as long as this value lives.
///
/// The engine's own handles must be closed before it is dropped, so a store declares it as its
/// last field.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Whether the mark of an open store is this value's to remove.
    is_marked: bool,
    /// Locked. The system unlocks it too, at the end of the process however it comes.
    lock: File,
}

impl Drop for Directory {
    /// Unlocks at once. Closing the file is not enough while another thread starts a process: that
    /// holds a copy of the file until its program is loaded.
    fn drop(&mut self) {
        // Should the system refuse, the close that follows is left.
        let _ = self.lock.unlock();
    }
}

impl Directory {
    /// Opens a store's directory, and makes it if there is none.
    ///
    /// # Errors
    /// [`OpenError::Locked`] if the store is open already, in this process or another;
    /// [`OpenError::WrongEngine`], [`OpenError::OtherFormat`] or [`OpenError::Damaged`] if its
    /// stamp says so; [`OpenError::NotAStore`] if it has no stamp but other files;
    /// [`OpenError::NotADirectory`] or [`OpenError::Io`] if the file system is in the way.
    pub fn open(path: &Path, stamp: Stamp) -> Result<Self, OpenError> {
        make_directory(path)?;
        refuse_foreign(path)?;
        let lock = lock(path)?;
        if !stamp.check(path)? {
            // Again, as whoever made the directory may have been killed before it could.
            sync_parent(path)?;
            stamp.write(path)?;
        }
        home::make_identity(path)?;
        // Without it, on a disk without room, nobody keeps readers out.
        let _ = open_file(&path.join(READERS_NAME), File::options().write(true));
        Ok(Self { path: path.to_owned(), is_marked: false, lock })
    }

    /// Keeps others from beginning to look at the store, for as long as the file that is given is
    /// open: for an owner that replaces its files.
    ///
    /// # Errors
    /// [`OpenError::BeingRead`] if somebody looks at it; [`OpenError::Io`] if the file system
    /// refuses.
    pub fn keep_readers_out(&self) -> Result<File, OpenError> {
        let path = self.path.join(READERS_NAME);
        let file = open_file(&path, File::options().write(true));
        let file = file.map_err(OpenError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(OpenError::BeingRead { path: self.path.clone() }),
            Err(TryLockError::Error(error)) => Err(OpenError::io("lock", &path)(error)),
        }
    }

    /// Marks the store as open. Says whether whoever had it open before has closed it.
    ///
    /// On a disk without room there is no mark, and the next one finds the store closed.
    ///
    /// # Errors
    /// [`OpenError::Io`] if the file system refuses for another reason.
    pub fn mark_open(&mut self) -> Result<bool, OpenError> {
        let path = self.path.join(OPEN_NAME);
        if path.exists() {
            self.is_marked = true;
            return Ok(false);
        }
        match open_file(&path, File::options().write(true)) {
            Ok(mut file) => {
                self.is_marked = true;
                // What it says is for people. The name counts.
                let _ = file.write_all(b"open\n");
            }
            Err(error) if is_of_system(&error) => {}
            Err(error) => return Err(OpenError::io("create", &path)(error)),
        }
        Ok(true)
    }

    /// Takes the mark away, after everything that was to be written was.
    pub fn mark_closed(&mut self) {
        if std::mem::take(&mut self.is_marked) {
            // If it stays, the next opening looks a little closer.
            let _ = fs::remove_file(self.path.join(OPEN_NAME));
        }
    }

    /// Bytes that may still be written to the file system of an area's folder.
    pub fn free_bytes_of(&self, area: Area) -> Option<u64> {
        let folder = match area {
            Area::Truth => "truth",
            Area::Derived => "derived",
        };
        free_bytes(&self.path.join(folder))
    }

    /// Where the directory is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a folder for the engine's files, if there is none yet, and gives its path.
    ///
    /// # Errors
    /// [`OpenError::Io`] if the file system refuses.
    pub fn folder(&self, name: &str) -> Result<PathBuf, OpenError> {
        let path = self.path.join(name);
        make_directory(&path)?;
        Ok(path)
    }

    /// Makes the engine's files in a folder survive power loss, as far as their names go, and the
    /// folder's own. Syncing a file need not sync its name.
    ///
    /// An engine that does not do so by itself asks for it at every opening, before anything is
    /// acknowledged: one that made the files may have been killed before it could.
    ///
    /// # Errors
    /// [`OpenError::Io`] if the file system refuses.
    pub fn sync_names(&self, folder: &str) -> Result<(), OpenError> {
        sync_directory(&self.path)?;
        sync_directory(&self.path.join(folder))
    }

    /// Describes where the store lives, as a hash that stays the same for as long as the store
    /// stays in its place, and that no copy or restored backup of it has.
    ///
    /// Moving the directory within its file system keeps the home. `anchors` are files that the
    /// engine keeps for the store's whole life; their numbers become part of the home.
    ///
    /// # Errors
    /// [`OpenError::Io`] if a file cannot be looked at.
    pub fn home(&self, anchors: &[&str]) -> Result<[u8; 32], OpenError> {
        home::home(&self.path, anchors)
    }

    /// Bytes that may still be written to the directory's file system, if it can tell.
    pub fn free_bytes(&self) -> Option<u64> {
        free_bytes(&self.path)
    }
}

/// Bytes that may still be written to the file system of a path, if it can tell.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(path).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

fn make_directory(path: &Path) -> Result<(), OpenError> {
    let not_a_directory = || OpenError::NotADirectory { path: path.to_owned() };
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => return Err(not_a_directory()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => return Err(not_a_directory()),
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(OpenError::io("look at", path)(error));
        }
        Err(_) => {}
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_directory(parent)?;
    }
    match make_folder(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(OpenError::io("create the directory", path)(error))
        }
        _ => sync_parent(path),
    }
}

/// Makes a directory's own name survive power loss.
fn sync_parent(path: &Path) -> Result<(), OpenError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    }
}

fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join(LOCK_NAME);
    let file = open_file(&path, File::options().write(true));
    let file = file.map_err(OpenError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: directory.to_owned() }),
        Err(TryLockError::Error(error)) => Err(OpenError::io("lock", &path)(error)),
    }
}

/// Keeps a slip of the hand (`--data ~`) from strewing a store's files among others.
///
/// The stamp is looked for last: whoever makes the store at this moment writes it first.
fn refuse_foreign(directory: &Path) -> Result<(), OpenError> {
    let entries = fs::read_dir(directory).map_err(OpenError::io("list", directory))?;
    for entry in entries {
        let name = entry.map_err(OpenError::io("list", directory))?.file_name();
        let found = name.to_string_lossy();
        let foreign = !found.starts_with(OWN_PREFIX) && found != LOST_AND_FOUND;
        if foreign && !Stamp::is_present(directory) {
            let (path, found) = (directory.to_owned(), found.into_owned());
            return Err(OpenError::NotAStore { path, found });
        }
    }
    Ok(())
}
