//! Checking the pages of a store that somebody may have open.

use std::path::Path;

use laterbase_core::store::Area;
use laterbase_core::verify::{Region, VerifyReport};
use laterbase_directory::{Glance, OpenError};

use crate::data_file::{DataFile, FileFault};
use crate::error::engine;
use crate::frozen::{LOOKS_MAX, open_to_read};
use crate::page_walk;
use crate::repair::{check_present, data_path, folder_name, open_error};
use crate::store::STAMP;

/// As [`crate::check_files`], for a store that another process may have open, or on a read-only
/// medium. Nothing is written.
///
/// # Errors
/// [`OpenError`] if the directory is no LMDB store, is open in this same process, or cannot be
/// read.
pub fn check_files_in_use(path: &Path) -> Result<VerifyReport, OpenError> {
    let glance = Glance::take(path, STAMP)?;
    let mut report = VerifyReport::default();
    for area in [Area::Truth, Area::Derived] {
        let walked = if glance.is_on_read_only_medium() {
            check_present(path, area).and_then(|()| page_walk::check(&data_path(path, area)))
        } else {
            walk(path, area)?
        };
        match walked {
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

/// Walks through the pages as they are at one moment. A transaction keeps the writer from using
/// them again meanwhile; LMDB reads nothing but the file's head for it.
fn walk(directory: &Path, area: Area) -> Result<Result<(), FileFault>, OpenError> {
    let path = data_path(directory, area);
    let mut checked = Ok(());
    for _ in 0..LOOKS_MAX {
        let head = check_present(directory, area).and_then(|()| DataFile::open(&path));
        match head {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Ok(())),
            // A writer may have turned the file over between one look and the next.
            Err(fault) => {
                checked = Err(fault);
                continue;
            }
        }
        let env = open_to_read(directory, area)?;
        let transaction = env.read_txn().map_err(engine("begin a read transaction"))?;
        match DataFile::open(&path) {
            Ok(Some(file)) if file.transaction == transaction.id() as u64 => {
                return Ok(page_walk::check_file(&file));
            }
            Ok(_) => {}
            Err(fault) => checked = Err(fault),
        }
    }
    let busy = || Err(FileFault::Unreadable(std::io::ErrorKind::ResourceBusy.into()));
    Ok(checked.and_then(|()| busy()))
}
