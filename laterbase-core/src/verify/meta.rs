//! The meta values, which nothing else in the store repeats.

use std::ops::ControlFlow;

use crate::id::{ReplicaId, RootName};
use crate::keys;
use crate::shared::Names;
use crate::store::{Scan, Snapshot, StoreError, Table};

/// The values that every store has which was opened once, and their lengths in bytes.
const ALWAYS_THERE: [(&[u8], usize); 4] =
    [(keys::FORMAT, 8), (keys::REPLICA, 16), (keys::EPOCH, 8), (keys::HOME, 32)];

/// Checks the form of what a store that holds events must hold beside them.
///
/// # Errors
/// [`StoreError::Corrupt`] naming the first value that is missing or has another form.
pub(super) fn check(snapshot: &dyn Snapshot) -> Result<(), StoreError> {
    let mut is_empty = true;
    // To the end: an engine with checksums knows of damage to values that nothing here looks at.
    snapshot.scan(Scan::all(Table::Meta), &mut |_, _| {
        is_empty = false;
        ControlFlow::Continue(())
    })?;
    if is_empty {
        return Ok(());
    }
    for (key, bytes) in ALWAYS_THERE {
        let length = snapshot.get(Table::Meta, key)?.map(|value| value.len());
        if length != Some(bytes) {
            let name = String::from_utf8_lossy(key);
            return Err(StoreError::corrupt(format!("{name} is missing, or not {bytes} bytes")));
        }
    }
    Ok(())
}

/// The names that can be read, whatever is wrong with the others. A number whose name cannot be
/// read gets one that nothing was ever chained under, so that no event passes for good with it.
pub(super) fn known_names(snapshot: &dyn Snapshot) -> Result<Names, StoreError> {
    let mut names = Names::default();
    each(snapshot, keys::ROOT, &mut |number, value| {
        while names.next_root() < number {
            let unnamed = format!("unnamed-{}", names.next_root());
            names.add_root(RootName::new(&unnamed).expect("a root name of letters and digits"));
        }
        let name = std::str::from_utf8(value).ok().and_then(|name| RootName::new(name).ok());
        if let Some(name) = name.filter(|_| names.next_root() == number) {
            names.add_root(name);
        }
    })?;
    each(snapshot, keys::ORIGIN, &mut |number, value| {
        while names.next_origin() < number {
            names.add_origin(ReplicaId::from_bytes([0; 16]));
        }
        if let Ok(id) = value.try_into()
            && names.next_origin() == number
        {
            names.add_origin(ReplicaId::from_bytes(id));
        }
    })?;
    Ok(names)
}

/// Visits the numbered values under a prefix as far as they can be read. Numbers are given out
/// from 0 on, so one that is far beyond the count of values is damaged.
fn each(
    snapshot: &dyn Snapshot,
    prefix: &[u8],
    visit: &mut dyn FnMut(u32, &[u8]),
) -> Result<(), StoreError> {
    let end = keys::after_prefix(prefix);
    let scan = Scan { start: prefix, end: end.as_deref(), ..Scan::all(Table::Meta) };
    let mut most = 1024;
    let scanned = snapshot.scan(scan, &mut |key, value| {
        if let Some(number) = keys::number_at(key, prefix.len()).filter(|number| *number < most) {
            visit(number, value);
        }
        most += 1;
        ControlFlow::Continue(())
    });
    match scanned {
        Ok(()) | Err(StoreError::Corrupt { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
