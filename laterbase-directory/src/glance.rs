//! A look at a data directory that changes nothing in it.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use rustix::fs::StatVfsMountFlags;

use crate::directory::{LOCK_NAME, READERS_NAME};
use crate::open_error::OpenError;
use crate::stamp::Stamp;

/// A data directory that is only read: nothing is made or written, and other processes may have the
/// store open and write to it. They may not replace its files as a whole.
#[derive(Debug)]
pub struct Glance {
    /// Locked together with others who look.
    _readers: Option<File>,
    /// Kept locked where the medium is read-only, so that nobody writes who sees it otherwise.
    _lock: Option<File>,
    is_on_read_only_medium: bool,
}

impl Glance {
    /// Looks at a store's directory.
    ///
    /// # Errors
    /// [`OpenError::NoStore`] if there is no store; [`OpenError::WrongEngine`],
    /// [`OpenError::OtherFormat`] or [`OpenError::Damaged`] if its stamp says so;
    /// [`OpenError::Locked`] if somebody replaces its files, or if the medium is read-only here and
    /// somebody writes to it elsewhere;
    /// [`OpenError::NotADirectory`] or [`OpenError::Io`] if the file system is in the way.
    pub fn take(path: &Path, stamp: Stamp) -> Result<Self, OpenError> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(OpenError::NotADirectory { path: path.to_owned() }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(OpenError::NoStore { path: path.to_owned() });
            }
            Err(error) => return Err(OpenError::io("look at", path)(error)),
        }
        if !stamp.check(path)? {
            return Err(OpenError::NoStore { path: path.to_owned() });
        }
        let readers = share(path, READERS_NAME)?;
        let is_on_read_only_medium = is_read_only(path)?;
        // What is read-only here may be writable elsewhere: mounted twice, or into a container.
        let lock = if is_on_read_only_medium { share(path, LOCK_NAME)? } else { None };
        Ok(Self { _readers: readers, _lock: lock, is_on_read_only_medium })
    }

    /// Whether nothing can be written to the directory's file system from here. Nobody else writes
    /// to it either, for as long as this value lives.
    pub const fn is_on_read_only_medium(&self) -> bool {
        self.is_on_read_only_medium
    }
}

/// Whether the file system that a path is on is mounted read-only.
fn is_read_only(path: &Path) -> Result<bool, OpenError> {
    let system = rustix::fs::statvfs(path)
        .map_err(|error| OpenError::io("look at the file system of", path)(error.into()))?;
    Ok(system.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Locks a file together with others who look, and against whoever wants it alone. Nothing if there
/// is no such file, or none that may be opened.
fn share(directory: &Path, name: &str) -> Result<Option<File>, OpenError> {
    let path = directory.join(name);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
            return Ok(None);
        }
        Err(error) => return Err(OpenError::io("open", &path)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: directory.to_owned() }),
        // Some file systems know no locks, those of discs above all.
        Err(TryLockError::Error(_)) => Ok(None),
    }
}
