//! What RocksDB's errors mean to the contract.

use laterbase_core::store::StoreError;
use rocksdb::{Error, ErrorKind};

/// What RocksDB says of a disk without room, and of the write that met it.
const NO_SPACE: &str = "No space left on device";
const WHILE_APPENDING: &str = "While appending to file";

/// Wraps an error of a read, or of anything else that leaves the store as it is.
pub(crate) fn engine(action: &'static str) -> impl FnOnce(Error) -> StoreError {
    move |error| match error.kind() {
        ErrorKind::Corruption => {
            StoreError::corrupt(format!("RocksDB could not {action}: {error}"))
        }
        _ => StoreError::engine(action, error),
    }
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
