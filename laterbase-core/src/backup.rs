//! The truth of a store as pages of bytes, for backups, and back into a store of any engine.
//!
//! A backup is read from one [snapshot](crate::store::Snapshot), so it is the store at one moment,
//! whoever writes meanwhile: every commit that had returned before is in it whole, and no other. The
//! derived tables are left out: a store that is opened without them builds them from the log.
//!
//! A restored store is a copy like any other: when it is opened at its new home, it takes a new
//! replica id, as the one that it was taken from may still be at work under the old one.

use std::ops::ControlFlow;

use crate::codec::{self, CodecError};
use crate::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::reader::Reader;
use crate::replica::OpenError;
use crate::store::{Area, Batch, Scan, Snapshot, Store, StoreError, Table};

pub use moment::cut_to;

mod moment;

/// Bytes behind which a page ends. The entry that passes them is on it.
const PAGE_BYTES: usize = 1024 * 1024;

/// Most bytes of a page.
pub const BACKUP_PAGE_BYTES_MAX: usize = PAGE_BYTES + KEY_BYTES_MAX + VALUE_BYTES_MAX + 64;

/// Takes a page and how many of its entries are events, and says whether to go on.
pub type TakeBackupPage<'t> = dyn FnMut(&[u8], u64) -> ControlFlow<()> + 't;

/// Reads the truth of a store, page by page. Gives whether it was read to its end.
///
/// # Errors
/// [`StoreError`] if the store fails; pages may have been given.
pub fn read_pages(store: &dyn Store, take: &mut TakeBackupPage<'_>) -> Result<bool, StoreError> {
    let snapshot = store.snapshot()?;
    for (number, table) in Table::ALL.into_iter().enumerate() {
        if table.area() == Area::Truth && read_table(&*snapshot, number, table, take)?.is_break() {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Reader {
    /// [`read_pages`] of the store that is read.
    ///
    /// # Errors
    /// As for [`read_pages`].
    pub fn backup_pages(&self, take: &mut TakeBackupPage<'_>) -> Result<bool, StoreError> {
        read_pages(self.store(), take)
    }
}

fn read_table(
    snapshot: &dyn Snapshot,
    number: usize,
    table: Table,
    take: &mut TakeBackupPage<'_>,
) -> Result<ControlFlow<()>, StoreError> {
    let number = u8::try_from(number).expect("there are few tables");
    let mut start = Vec::new();
    loop {
        let (mut page, mut entries, mut last) = (vec![number], 0, None);
        snapshot.scan(Scan { start: &start, ..Scan::all(table) }, &mut |key, value| {
            codec::encode(&key, &mut page);
            codec::encode(&value, &mut page);
            entries += 1;
            last = Some(key.to_vec());
            if page.len() < PAGE_BYTES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let Some(last) = last else { return Ok(ControlFlow::Continue(())) };
        let events = if table == Table::Log { entries } else { 0 };
        if take(&page, events).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        start = last;
        start.push(0);
    }
}

/// Reads a page back: what is to be committed to a store in which nothing else is, and how many of
/// its entries are events.
///
/// # Errors
/// [`CodecError`] if the bytes are not those of a page.
pub fn decode_page(page: &[u8]) -> Result<(Batch, u64), CodecError> {
    let mut input = page;
    let [number] = codec::take_array(&mut input)?;
    let table = Table::ALL.get(usize::from(number)).copied().ok_or(CodecError::Malformed)?;
    if table.area() != Area::Truth {
        return Err(CodecError::Malformed);
    }
    let (mut batch, mut entries) = (Batch::new(Area::Truth), 0);
    while !input.is_empty() {
        let key: &[u8] = codec::decode(&mut input)?;
        let value: &[u8] = codec::decode(&mut input)?;
        if key.is_empty() || key.len() > KEY_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
            return Err(CodecError::Bounds { field: "entry of a backup" });
        }
        batch.put(table, key, value);
        entries += 1;
    }
    Ok((batch, if table == Table::Log { entries } else { 0 }))
}

/// Looks whether this version reads the store that a backup was restored to.
///
/// # Errors
/// [`OpenError::OtherFormat`], or a failure of the store.
pub fn check_format(store: &dyn Store) -> Result<(), OpenError> {
    crate::replica::open::check_format(store)
}

#[cfg(test)]
mod tests;
