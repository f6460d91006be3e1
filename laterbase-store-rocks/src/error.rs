//! What RocksDB's errors mean to the contract.

use laterbase_core::store::StoreError;
use laterbase_directory::{OpenError, is_no_fault_of_files};
use rocksdb::{Error, ErrorKind};

/// What RocksDB says of a disk without room, and of the write that met it.
const NO_SPACE: &str = "No space left on device";
const WHILE_APPENDING: &str = "While appending to file";

/// How RocksDB passes on what the system says when files are not to blame.
const SYSTEM: [&str; 6] = [
    NO_SPACE,
    "Disk quota exceeded",
    "Permission denied",
    "Read-only file system",
    "Too many open files",
    "Cannot allocate memory",
];

/// Wraps an error of a read, or of anything else that leaves the store as it is.
pub(crate) fn engine(action: &'static str) -> impl FnOnce(Error) -> StoreError {
    move |error| match error.kind() {
        ErrorKind::Corruption => {
            StoreError::corrupt(format!("RocksDB could not {action}: {error}"))
        }
        _ => StoreError::engine(action, error),
    }
}

/// Whether the disk had no room.
pub(crate) fn is_no_space(error: &Error) -> bool {
    error.as_ref().contains(NO_SPACE)
}

/// Whether an error says that the system has no room, no rights or no descriptors, rather than that
/// files are damaged.
pub(crate) fn is_of_system(error: &OpenError) -> bool {
    let told = match error {
        OpenError::Engine(StoreError::Engine { source, .. }) => source.to_string(),
        other => other.to_string(),
    };
    SYSTEM.iter().any(|words| told.contains(words)) || is_no_fault_of_files(error)
}

/// Wraps an error of a write.
///
/// A commit that found no room for its entry in the write-ahead log leaves no doubt: an entry
/// that is not whole fails its checksum and is left out when the log is read again. Neither does
/// one that was refused because a table file found no room. RocksDB then refuses writes, with the
/// same error, and goes on by itself a few seconds after there is room for its write buffers.
///
/// Whatever fails at another place, a sync above all, can leave a whole entry behind.
pub(crate) fn write(error: Error) -> StoreError {
    let message = error.as_ref();
    if message.contains(NO_SPACE) && message.contains(WHILE_APPENDING) {
        return StoreError::Full { detail: error.into_string() };
    }
    engine("write a batch")(error)
}
