//! What must be there before RocksDB is let loose on a folder: it makes anew whatever it misses,
//! without a word.

use std::io::ErrorKind;
use std::path::Path;
use std::{fs, io};

use laterbase_core::store::{Area, StoreError, Table};
use laterbase_directory::OpenError;
use rocksdb::{DB, Options};

use crate::error::engine;

/// The file that names the newest of a database's own notes. Without it, there is no database.
pub(crate) const CURRENT: &str = "CURRENT";

/// The folder of an area.
pub(crate) const fn folder_name(area: Area) -> &'static str {
    match area {
        Area::Truth => "truth",
        Area::Derived => "derived",
    }
}

/// Checks that what an area once had is still there, in a store's directory.
pub(crate) fn check(directory: &Path, area: Area, options: &Options) -> Result<(), OpenError> {
    let folder = directory.join(folder_name(area));
    if !folder.join(CURRENT).exists() {
        return check_new(directory, area);
    }
    let present = DB::list_cf(options, &folder).map_err(engine("list its tables"))?;
    let is_missing = |table: &Table| table.area() == area && !present.iter().any(is(*table));
    let Some(missing) = Table::ALL.into_iter().find(is_missing) else { return Ok(()) };
    // One that was killed while it made the database leaves some out too, and the others empty.
    if is_empty(&folder, &present, options).map_err(engine("look into its tables"))? {
        return Ok(());
    }
    damaged(area, &format!("the table {} is missing", missing.name()))
}

fn is(table: Table) -> impl FnMut(&String) -> bool {
    move |name| name == table.name()
}

/// The truth is made before the derived tables, and both before anything is written to them.
fn check_new(directory: &Path, area: Area) -> Result<(), OpenError> {
    let derived = directory.join(folder_name(Area::Derived));
    if area == Area::Truth && derived.join(CURRENT).exists() {
        return damaged(area, "the file CURRENT is missing, or all files are");
    }
    let entries = fs::read_dir(directory.join(folder_name(area)));
    let entries = entries.map_err(|error| StoreError::engine("list its files", error))?;
    let left = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    match left.into_iter().find(|name| name.ends_with(".sst") || name.ends_with(".log")) {
        Some(name) => damaged(area, &format!("the file CURRENT is missing, and {name} is there")),
        None => Ok(()),
    }
}

fn damaged(area: Area, detail: &str) -> Result<(), OpenError> {
    Err(StoreError::corrupt(format!("{}: {detail}", folder_name(area))).into())
}

fn is_empty(folder: &Path, present: &[String], options: &Options) -> Result<bool, rocksdb::Error> {
    let db = DB::open_cf_for_read_only(options, folder, present, false)?;
    for name in present {
        let Some(table) = db.cf_handle(name) else { continue };
        let mut entries = db.raw_iterator_cf(table);
        entries.seek_to_first();
        entries.status()?;
        if entries.valid() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Bytes of the files in a folder that count, by their names.
pub(crate) fn bytes_of(folder: &Path, counts: &dyn Fn(&str) -> bool) -> io::Result<u64> {
    let mut bytes = 0;
    for file in fs::read_dir(folder)? {
        let file = file?;
        if !counts(&file.file_name().to_string_lossy()) {
            continue;
        }
        bytes += match file.metadata() {
            Ok(metadata) => metadata.len(),
            // Removed since it was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(bytes)
}
