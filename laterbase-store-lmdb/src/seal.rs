//! Checksums of values.
//!
//! LMDB believes what it finds in its file. So every value has a checksum behind it, over its
//! table, its key and itself: a damaged value is not taken for a good one, nor one that stands
//! under a damaged key. The log goes without, as its entries have checksums of their own.

use laterbase_core::store::{StoreError, Table};

/// Bytes of a checksum: CRC-32 (IEEE), big-endian.
pub(crate) const BYTES: usize = 4;

/// Whether the values of a table have checksums.
pub(crate) const fn is_sealed(table: Table) -> bool {
    !table.is_append_only()
}

/// The checksum of a value.
pub(crate) fn of(table: Table, key: &[u8], value: &[u8]) -> [u8; BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    for part in [table.name().as_bytes(), key, value] {
        hasher.update(part);
    }
    hasher.finalize().to_be_bytes()
}

/// The value in what is stored under a key.
///
/// # Errors
/// [`StoreError::Corrupt`] if its checksum is another one.
pub(crate) fn open<'v>(table: Table, key: &[u8], stored: &'v [u8]) -> Result<&'v [u8], StoreError> {
    if !is_sealed(table) {
        return Ok(stored);
    }
    let opened = stored.split_last_chunk::<BYTES>();
    let opened = opened.filter(|(value, seal)| of(table, key, value) == **seal);
    opened.map(|(value, _)| value).ok_or_else(|| {
        let name = table.name();
        StoreError::corrupt(format!("a value in the table {name} does not match its checksum"))
    })
}

#[cfg(test)]
mod tests;
