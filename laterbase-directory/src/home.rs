//! Where a store lives, in a form that a copy of it cannot have.
//!
//! A store may write under its replica id only as long as it is the one and only continuation of
//! its own history. A copy of its directory, or an older state put back in its place, is not.
//! Neither can be told from the files' contents, so the home is made of what copying does not
//! carry along: the number and change time that the file system gave the identity file, the file
//! system itself, and the machine.
//!
//! The change time matters when a backup is written *over* the files in place, which keeps their
//! numbers: no tool can set it. It also moves on `chmod` or `chown`, and then costs a new replica
//! id for nothing, which is the safe way to be wrong. What is not seen is a state put back below
//! the file system (a virtual machine's snapshot) or one whose identity file the tool left alone
//! because it had not changed; engines that keep one data file for life add its number, which
//! closes the second gap for them.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::statvfs;

use crate::environment::random_bytes_16;
use crate::open_error::OpenError;
use crate::stamp::write_atomically;

pub(crate) const IDENTITY_NAME: &str = "laterbase.identity";

/// Where systemd, and D-Bus on older systems, keep the machine's own number.
///
/// Where there is neither (macOS, many containers), the home goes without. Host names are no
/// substitute, since they change with the network.
const MACHINE_ID_PATHS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// Makes sure that there is an identity file.
pub(crate) fn make_identity(directory: &Path) -> Result<(), OpenError> {
    let path = directory.join(IDENTITY_NAME);
    match fs::symlink_metadata(&path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            write_atomically(directory, IDENTITY_NAME, &random_bytes_16())
        }
        Err(error) => Err(OpenError::io("look at", &path)(error)),
    }
}

/// Hashes everything that tells this directory from a copy of it.
pub(crate) fn home(directory: &Path, anchors: &[&str]) -> Result<[u8; 32], OpenError> {
    let path = directory.join(IDENTITY_NAME);
    let metadata = look_at(&path)?;
    let content = fs::read(&path).map_err(OpenError::io("read", &path))?;
    let mut hasher = blake3::Hasher::new_derive_key("laterbase 2026 home of a store");
    let mut add = |part: &[u8]| {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    };
    add(&machine_id());
    add(&file_system(directory, &metadata)?.to_be_bytes());
    add(&content);
    add(&metadata.ino().to_be_bytes());
    add(&metadata.ctime().to_be_bytes());
    add(&metadata.ctime_nsec().to_be_bytes());
    for anchor in anchors {
        add(&look_at(&directory.join(anchor))?.ino().to_be_bytes());
    }
    Ok(*hasher.finalize().as_bytes())
}

fn look_at(path: &Path) -> Result<Metadata, OpenError> {
    fs::symlink_metadata(path).map_err(OpenError::io("look at", path))
}

/// The file system's own number where it has one, else that of the device that it is mounted from.
///
/// Device numbers are dealt out anew at every start for some file systems (overlay, btrfs).
fn file_system(directory: &Path, metadata: &Metadata) -> Result<u64, OpenError> {
    let system = statvfs(directory)
        .map_err(|error| OpenError::io("look at the file system of", directory)(error.into()))?;
    Ok(if system.f_fsid == 0 { metadata.dev() } else { system.f_fsid })
}

fn machine_id() -> Vec<u8> {
    let ids = MACHINE_ID_PATHS.iter().filter_map(|path| fs::read(path).ok());
    ids.map(|id| id.trim_ascii().to_vec()).find(|id| !id.is_empty()).unwrap_or_default()
}
