//! Damaged files that can be made anew: put out of the way, and kept for whoever wants to look.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::open_error::OpenError;
use crate::stamp::sync_directory;
use laterbase_core::store::StoreError;

/// Bytes that a disk keeps free for a store to be called writable.
pub const DISK_RESERVE_BYTES: u64 = 128 * 1024;

/// What was said of damaged files that is kept.
const NOTES_MAX: usize = 100;

/// Renames a folder of a store, or what is in its place, to `NAME.damaged`. What stood there before
/// is removed, so that there is one at most. Gives its new path.
///
/// # Errors
/// [`OpenError::Io`] if the file system refuses.
pub fn set_folder_aside(directory: &Path, name: &str) -> Result<PathBuf, OpenError> {
    let (path, aside) = (directory.join(name), directory.join(format!("{name}.damaged")));
    remove(&aside).map_err(OpenError::io("remove", &aside))?;
    match fs::rename(&path, &aside) {
        // It is gone already.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        // Another file system may be mounted there.
        Err(error) if error.kind() == ErrorKind::ResourceBusy => {
            empty(&path).map_err(OpenError::io("empty", &path))?;
        }
        renamed => renamed.map_err(OpenError::io("rename", &path))?,
    }
    sync_directory(directory)?;
    Ok(aside)
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        remove(&entry?.path())?;
    }
    Ok(())
}

/// Whether an error says that the system has no room, no rights or no descriptors, rather than that
/// files are damaged.
pub fn is_no_fault_of_files(error: &OpenError) -> bool {
    match error {
        OpenError::Io { source, .. } => is_of_system(source),
        OpenError::Engine(StoreError::Full { .. }) => true,
        OpenError::Engine(StoreError::Engine { source, .. }) => {
            let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&**source);
            while let Some(error) = next {
                if error.downcast_ref::<io::Error>().is_some_and(is_of_system) {
                    return true;
                }
                next = error.source();
            }
            false
        }
        _ => false,
    }
}

/// Whether an error is one of the system's room, rights or descriptors.
pub(crate) fn is_of_system(error: &io::Error) -> bool {
    use ErrorKind::{
        OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    let kinds = [OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull];
    let too_many_files = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
    kinds.contains(&error.kind())
        || too_many_files.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Adds a note to those that a store keeps, of which the oldest go.
pub fn note(notes: &Mutex<Vec<String>>, text: String) {
    let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    if notes.len() == NOTES_MAX {
        notes.remove(0);
    }
    notes.push(text);
}
