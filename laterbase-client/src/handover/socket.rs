//! The socket in a store's folder.
//!
//! A socket's address holds about a hundred bytes of path, and a store may lie deeper than that.
//! Such a folder is opened, and reached by way of its file descriptor.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The socket's name in the folder.
pub(super) const NAME: &str = "laterbase.socket";

/// Longest path that fits a socket's address everywhere: 104 bytes on macOS, with the last a zero.
const PATH_BYTES_MAX: usize = 103;

/// A path for the socket that is short enough, and what keeps it valid.
struct Address {
    path: PathBuf,
    _folder: Option<File>,
}

impl Address {
    fn of(directory: &Path) -> io::Result<Self> {
        let path = directory.join(NAME);
        if path.as_os_str().len() <= PATH_BYTES_MAX {
            return Ok(Self { path, _folder: None });
        }
        if cfg!(not(target_os = "linux")) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "the store's path is too long"));
        }
        let folder = File::open(directory)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(NAME);
        Ok(Self { path, _folder: Some(folder) })
    }
}

/// Listens in a store's folder. The caller has the store locked, so a socket that is there already
/// is what a killed process left.
pub(super) fn listen(directory: &Path) -> io::Result<UnixListener> {
    let address = Address::of(directory)?;
    remove(directory)?;
    let listener = UnixListener::bind(&address.path)?;
    // The owner's, as everything in the folder. Nobody else may write to it before this either, as
    // connecting takes the right to write, which no usual mask leaves to others.
    fs::set_permissions(directory.join(NAME), Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to whoever listens in a store's folder; `None` if nobody does.
pub(super) fn connect(directory: &Path) -> io::Result<Option<UnixStream>> {
    match UnixStream::connect(Address::of(directory)?.path) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if is_nobody(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes the socket out of the folder.
pub(super) fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_file(directory.join(NAME)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// There is no socket, or what a killed process left, or its end came in between.
fn is_nobody(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused | ConnectionReset | ConnectionAborted)
}

#[cfg(test)]
mod tests;
