//! What LMDB's errors mean to the contract.

use std::io;

use heed::{Error, MdbError};
use laterbase_core::store::StoreError;

/// Wraps an error of a read, or of anything else that leaves the store as it is.
pub(crate) fn engine(action: &'static str) -> impl FnOnce(Error) -> StoreError {
    move |error| match error {
        Error::Mdb(MdbError::Corrupted | MdbError::PageNotFound | MdbError::Invalid) => {
            StoreError::corrupt(format!("LMDB could not {action}: {error}"))
        }
        error => StoreError::engine(action, error),
    }
}

/// Wraps an error of a write.
///
/// Full leaves no doubt in LMDB: a commit writes its pages to room that nothing refers to, syncs
/// them, and only then turns the store over to them with one more write, into a page that exists
/// from the beginning. Whatever runs full does so before that write.
///
/// `disk_is_full` says whether the disk has less room than the batch would take. LMDB reports a
/// page that was written in part as `EIO`, like a broken disk, so the error alone does not tell.
pub(crate) fn write(error: Error, disk_is_full: impl FnOnce() -> bool) -> StoreError {
    match error {
        Error::Mdb(MdbError::MapFull) => StoreError::Full { detail: "the map is full".into() },
        Error::Io(error) if is_full(&error) => StoreError::Full { detail: error.to_string() },
        Error::Io(error) if error.raw_os_error() == Some(EIO) && disk_is_full() => {
            StoreError::Full { detail: "the disk is full".into() }
        }
        error => engine("write a batch")(error),
    }
}

/// The same number on every Unix; the standard library has no name for it.
const EIO: i32 = 5;

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

#[cfg(test)]
mod tests;
