//! Opening the areas, and beginning the derived one anew where its files are damaged.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use heed::EnvFlags;
use laterbase_core::store::{Area, Durability, StoreError};
use laterbase_directory::{Directory, OpenError, is_no_fault_of_files, note, set_folder_aside};

use crate::environment::Environment;
use crate::options::LmdbOptions;
use crate::repair::{check_head, check_pages, folder_name};
use crate::store::LmdbStore;

/// Where a derived area is made that takes the place of one that is still looked at.
const NEW_PREFIX: &str = "derived.new-";

/// Opens an area, if its files can be believed.
pub(crate) fn open_area(
    directory: &Directory,
    area: Area,
    options: LmdbOptions,
) -> Result<Environment, OpenError> {
    directory.folder(folder_name(area))?;
    check_head(directory.path(), area)?;
    let flags = match options.durability {
        Durability::Durable if area == Area::Truth => EnvFlags::empty(),
        _ => EnvFlags::NO_META_SYNC,
    };
    let folder = directory.path().join(folder_name(area));
    let environment = Environment::open(&folder, area, options.map_bytes_max, flags)?;
    // LMDB syncs its file, and never the name of it.
    directory.sync_names(folder_name(area))?;
    Ok(environment)
}

/// Opens the derived area. If it is damaged, sets it aside and begins an empty one; says so.
pub(crate) fn open_derived(
    directory: &Directory,
    options: LmdbOptions,
    was_closed: bool,
) -> Result<(Environment, Vec<String>), OpenError> {
    remove_unfinished(directory.path());
    let open = || {
        if !was_closed {
            // Whoever ended without closing it may have been ended with its disk.
            check_head(directory.path(), Area::Derived)?;
            check_pages(directory.path(), Area::Derived)?;
        }
        open_area(directory, Area::Derived, options)
    };
    let error = match open() {
        Ok(environment) => return Ok((environment, Vec::new())),
        Err(error) if is_no_fault_of_files(&error) => return Err(error),
        Err(error) => error,
    };
    let aside = set_folder_aside(directory.path(), folder_name(Area::Derived))?;
    let environment = open_area(directory, Area::Derived, options)?;
    Ok((environment, vec![format!("{error}; set aside as {}", aside.display())]))
}

/// Puts an empty derived area in the place of the one that is there.
///
/// Snapshots may look at the old one until they end, and heed opens a path once: so the new one is
/// made beside it, and gets its name afterwards.
pub(crate) fn renew(store: &LmdbStore, reason: &str) -> Result<(), StoreError> {
    let mut current = store.derived.write().unwrap_or_else(PoisonError::into_inner);
    let directory = &store.directory;
    let number = store.set_aside.lock().unwrap_or_else(PoisonError::into_inner).len();
    let name = format!("{NEW_PREFIX}{number}");
    let folder = directory.path().join(&name);
    let refused = |error| StoreError::engine("begin the derived tables anew", error);
    let made = directory.folder(&name).and_then(|_| {
        let bytes = store.options.map_bytes_max;
        Environment::open(&folder, Area::Derived, bytes, EnvFlags::NO_META_SYNC)
    });
    let made = made.map_err(|error| match error {
        OpenError::Engine(error) => error,
        error => StoreError::engine("begin the derived tables anew", error),
    })?;
    let place = folder_name(Area::Derived);
    let aside = set_folder_aside(directory.path(), place).map_err(refused)?;
    let renamed = fs::rename(&folder, directory.path().join(place));
    renamed.map_err(|error| StoreError::engine("begin the derived tables anew", error))?;
    directory.sync_names(place).map_err(refused)?;
    *current = Arc::new(made);
    note(&store.set_aside, format!("{reason}; set aside as {}", aside.display()));
    Ok(())
}

/// Removes what a renewal left that was cut short.
fn remove_unfinished(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(NEW_PREFIX) {
            match fs::remove_dir_all(entry.path()) {
                // It is in nobody's way.
                Err(error) if error.kind() != ErrorKind::NotFound => {}
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
