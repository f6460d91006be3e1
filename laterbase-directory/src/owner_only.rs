//! Files and folders that their owner alone may read, whatever the process's umask says.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Read and write, by the owner.
pub(crate) const FILE_MODE: u32 = 0o600;

/// The same, and enter.
pub(crate) const FOLDER_MODE: u32 = 0o700;

/// Opens a file to be written to, and makes it for its owner only if there is none. One that is there
/// keeps its mode.
///
/// # Errors
/// If the file system refuses.
pub fn open_file(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    match options.clone().create_new(true).mode(FILE_MODE).open(path) {
        Ok(file) => {
            file.set_permissions(Permissions::from_mode(FILE_MODE))?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

/// Makes a folder that its owner alone may enter.
///
/// # Errors
/// If the file system refuses, or there is something already.
pub fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(FOLDER_MODE).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE))
}

/// Takes what is in a folder away from all but its owner, as far as this process may. Files that an
/// engine makes by itself have the mode that the process's umask leaves them.
///
/// # Errors
/// If the folder cannot be listed.
pub fn close_to_others(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        let mode = metadata.permissions().mode();
        if metadata.is_file() && mode & 0o077 != 0 {
            // The folder keeps others out in any case.
            let _ = fs::set_permissions(entry.path(), Permissions::from_mode(mode & 0o700));
        }
    }
    Ok(())
}
