//! Looking after the files of a store that is not open.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use laterbase_core::store::{Area, StoreError};
use laterbase_core::verify::{Region, VerifyReport};
use laterbase_directory::{Directory, OpenError};

use crate::data_file::{DataFile, FileFault};
use crate::page_walk;
use crate::store::STAMP;

/// The folder of an area.
pub(crate) const fn folder_name(area: Area) -> &'static str {
    match area {
        Area::Truth => "truth",
        Area::Derived => "derived",
    }
}

/// The file that holds an area.
pub(crate) const DATA_NAME: &str = "data.mdb";

pub(crate) fn data_path(directory: &Path, area: Area) -> PathBuf {
    directory.join(folder_name(area)).join(DATA_NAME)
}

/// Bytes of the files of both areas, also of pages that are free to be used again.
pub(crate) fn files_bytes(directory: &Path) -> Result<u64, StoreError> {
    let length = |area| match fs::metadata(data_path(directory, area)) {
        Ok(file) => Ok(file.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(StoreError::engine("look at its files", error)),
    };
    Ok(length(Area::Truth)? + length(Area::Derived)?)
}

/// Checks all pages of a store's files, without LMDB, which damage could make end the process:
/// that each page is what its place says and is used once or free, and that keys are in order.
/// [`laterbase_core::verify::verify`] looks into the values, once this finds nothing.
///
/// Reads the files once. The store must not be open.
///
/// # Errors
/// [`OpenError`] if the directory is no LMDB store, is open, or cannot be read.
pub fn check_files(path: &Path) -> Result<VerifyReport, OpenError> {
    let directory = Directory::open(path, STAMP)?;
    let mut report = VerifyReport::default();
    for area in [Area::Truth, Area::Derived] {
        let checked = match check_present(directory.path(), area) {
            Ok(()) => page_walk::check(&data_path(directory.path(), area)),
            Err(error) => Err(error),
        };
        match checked {
            Ok(()) => {}
            Err(FileFault::Damaged(detail)) => {
                let region = match area {
                    Area::Truth => Region::Files,
                    Area::Derived => Region::Derived,
                };
                report.fault(region, format!("{}/data.mdb: {detail}", folder_name(area)));
            }
            Err(error @ FileFault::Unreadable(_)) => return Err(open_error(area, error)),
        }
    }
    Ok(report)
}

/// Removes the files of the derived tables, which the next opening makes anew and builds from the
/// log: for files that cannot be opened any more. The store then counts as another one, and takes
/// a new replica id.
///
/// # Errors
/// [`OpenError`] if the directory is no LMDB store, is open, or the system refuses.
pub fn discard_derived(path: &Path) -> Result<(), OpenError> {
    let directory = Directory::open(path, STAMP)?;
    let folder = directory.folder(folder_name(Area::Derived))?;
    for name in ["data.mdb", "lock.mdb"] {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::engine("remove the derived tables", error).into());
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Checks what LMDB would trip over: before it opens the file of an area, and in moments.
pub(crate) fn check_head(directory: &Path, area: Area) -> Result<(), OpenError> {
    let check = || {
        check_present(directory, area)?;
        let path = data_path(directory, area);
        match DataFile::open(&path)? {
            // Rare, and only a look at every page tells.
            Some(file) if file.is_short() => page_walk::check(&path),
            Some(file) => page_walk::check_roots(&file),
            None => Ok(()),
        }
    };
    check().map_err(|error| open_error(area, error))
}

/// Checks all pages of an area's file.
pub(crate) fn check_pages(directory: &Path, area: Area) -> Result<(), OpenError> {
    page_walk::check(&data_path(directory, area)).map_err(|error| open_error(area, error))
}

/// The truth is made before the derived tables: where those are, it was.
pub(crate) fn check_present(directory: &Path, area: Area) -> Result<(), FileFault> {
    let bytes = |area| fs::metadata(data_path(directory, area)).map_or(0, |file| file.len());
    if area == Area::Truth && bytes(Area::Truth) == 0 && bytes(Area::Derived) > 0 {
        return Err(FileFault::Damaged("it is missing or empty".to_owned()));
    }
    Ok(())
}

pub(crate) fn open_error(area: Area, error: FileFault) -> OpenError {
    file_error(area, error).into()
}

pub(crate) fn file_error(area: Area, error: FileFault) -> StoreError {
    match error {
        FileFault::Damaged(detail) => {
            StoreError::corrupt(format!("{}/data.mdb: {detail}", folder_name(area)))
        }
        FileFault::Unreadable(error) => StoreError::engine("read its files", error),
    }
}

#[cfg(test)]
mod tests;
