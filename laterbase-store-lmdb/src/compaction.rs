//! Giving back room: LMDB's files only grow, and what was deleted leaves pages in them that are free
//! to be used again.
//!
//! Each file is copied without its free pages, and the copy takes its name. The store's home is
//! told by the number of the truth's file, so the copy says where it will live before it does:
//! whatever is there after a crash is one file or the other, and each knows its own home.

use std::fs::{self, File};
use std::io::{ErrorKind, Seek as _};
use std::path::Path;

use heed::{CompactionOption, EnvFlags};
use laterbase_core::store::{Area, HOME_KEY, Operation, StoreError, Table};
use laterbase_directory::{Directory, OpenError, open_file};

use crate::environment::Environment;
use crate::error::engine;
use crate::options::LmdbOptions;
use crate::page_walk;
use crate::repair::{DATA_NAME, check_present, data_path, folder_name, open_error};
use crate::seal;
use crate::store::{ANCHORS, STAMP};

/// LMDB's lock file, which counts the transactions of the file that it was made for.
const LOCK_NAME: &str = "lock.mdb";

/// Copies a store's files without the pages that are free in them, and puts the copies in their
/// place. It needs as much room as the larger of them takes.
///
/// The store keeps its identity, and is the same at every moment: cut off, it is as it was, and
/// the next call begins anew.
///
/// # Errors
/// [`OpenError::Locked`] if the store is open; [`OpenError::BeingRead`] if another process reads
/// it; [`OpenError::Engine`] with [`StoreError::Corrupt`] if a file is damaged, which is then left
/// alone, or if there is not enough room.
pub fn compact(path: &Path, options: LmdbOptions) -> Result<(), OpenError> {
    let directory = Directory::open(path, STAMP)?;
    let _readers = directory.keep_readers_out()?;
    for area in [Area::Truth, Area::Derived] {
        let check = || {
            check_present(directory.path(), area)?;
            page_walk::check(&data_path(directory.path(), area))
        };
        // LMDB would trip over what is damaged, or leave it out.
        check().map_err(|error| open_error(area, error))?;
    }
    let home = directory.home(&ANCHORS)?;
    for area in [Area::Truth, Area::Derived] {
        compact_area(&directory, area, options, &home)?;
    }
    Ok(())
}

fn compact_area(
    directory: &Directory,
    area: Area,
    options: LmdbOptions,
    home: &[u8],
) -> Result<(), OpenError> {
    let name = folder_of_copy(area);
    let remove = || remove_folder(&directory.path().join(&name));
    remove()?;
    let folder = directory.folder(&name)?;
    let copied = copy(directory, area, &folder.join(DATA_NAME), options).and_then(|()| {
        if area == Area::Truth {
            let new_home = directory.home(&[&format!("{name}/{DATA_NAME}")])?;
            move_home(&folder, options, home, &new_home)?;
        }
        put_in_place(directory, area, &folder)
    });
    let removed = remove();
    copied.and(removed)
}

fn copy(
    directory: &Directory,
    area: Area,
    to: &Path,
    options: LmdbOptions,
) -> Result<(), OpenError> {
    let from = directory.path().join(folder_name(area));
    let environment = Environment::open(&from, area, options.map_bytes_max, EnvFlags::empty())?;
    let write = || -> std::io::Result<File> {
        let mut file = open_file(to, File::options().read(true).write(true))?;
        file.rewind()?;
        Ok(file)
    };
    let mut file = write().map_err(|error| StoreError::engine("make a copy", error))?;
    let copied = environment.env.copy_to_file(&mut file, CompactionOption::Enabled);
    copied.map_err(engine("copy its file"))?;
    file.sync_all().map_err(|error| StoreError::engine("sync the copy", error))?;
    Ok(())
}

/// Has a copy of the truth say that its home is the new one, if it says that it is the old one.
/// Else the store is a copy of another one, and is still to find that out.
fn move_home(folder: &Path, options: LmdbOptions, old: &[u8], new: &[u8]) -> Result<(), OpenError> {
    let flags = EnvFlags::empty();
    let environment = Environment::open(folder, Area::Truth, options.map_bytes_max, flags)?;
    let mut transaction = environment.env.write_txn().map_err(engine("begin to write"))?;
    let held = environment.entries(Table::Meta).get(&transaction, HOME_KEY);
    let held = held.map_err(engine("read its home"))?;
    let is_old = held.is_some_and(|held| {
        held.strip_suffix(&seal::of(Table::Meta, HOME_KEY, old)[..]) == Some(old)
    });
    if is_old {
        let put = Operation::Put { table: Table::Meta, key: HOME_KEY, value: new };
        environment.apply(&mut transaction, put).map_err(engine("write its home"))?;
    }
    transaction.commit().map_err(engine("write its home"))?;
    Ok(())
}

fn put_in_place(directory: &Directory, area: Area, folder: &Path) -> Result<(), OpenError> {
    let replace = || {
        // The transactions of the copy are counted from the start.
        let place = directory.path().join(folder_name(area));
        match fs::remove_file(place.join(LOCK_NAME)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::rename(folder.join(DATA_NAME), place.join(DATA_NAME))
    };
    replace().map_err(|error| StoreError::engine("put the copy in place", error))?;
    directory.sync_names(folder_name(area))
}

/// Removes what a compaction left that was killed.
pub(crate) fn remove_unfinished(directory: &Directory) -> Result<(), OpenError> {
    for area in [Area::Truth, Area::Derived] {
        remove_folder(&directory.path().join(folder_of_copy(area)))?;
    }
    Ok(())
}

fn folder_of_copy(area: Area) -> String {
    format!("{}.compact", folder_name(area))
}

fn remove_folder(folder: &Path) -> Result<(), OpenError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(StoreError::engine("remove a copy that was not finished", error).into())
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
