//! The file that says which engine wrote a directory, and in which format.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use crate::open_error::OpenError;
use crate::owner_only::open_file;

/// Longest stamp that is read, in bytes. It guards against being pointed at some other file.
const STAMP_BYTES_MAX: u64 = 4 * 1024;

/// Which engine writes a directory, and in which format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The engine's name.
    pub engine: &'static str,
    /// The version of the layout of its files, from 1 up.
    pub format: u32,
}

impl Stamp {
    const NAME: &'static str = "laterbase.stamp";

    /// Whether the directory has a stamp, whatever it says.
    pub(crate) fn is_present(directory: &Path) -> bool {
        directory.join(Self::NAME).exists()
    }

    /// The engine that wrote a directory, if it has a stamp that can be read.
    ///
    /// # Errors
    /// [`OpenError::Io`] if the stamp cannot be read.
    pub fn engine_of(directory: &Path) -> Result<Option<String>, OpenError> {
        let path = directory.join(Self::NAME);
        match read(&path) {
            Ok(text) => Ok(field(&text, "engine").map(str::to_owned)),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(error) => Err(OpenError::io("read", &path)(error)),
        }
    }

    /// Whether the directory has a stamp. If so, it is one that this stamp's engine can open.
    pub(crate) fn check(self, directory: &Path) -> Result<bool, OpenError> {
        let path = directory.join(Self::NAME);
        let text = match read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(OpenError::io("read", &path)(error)),
        };
        let damaged =
            |detail: &str| OpenError::Damaged { path: path.clone(), detail: detail.into() };
        let engine = field(&text, "engine").ok_or_else(|| damaged("it names no engine"))?;
        if engine != self.engine {
            let (path, found) = (directory.to_owned(), engine.to_owned());
            return Err(OpenError::WrongEngine { path, found, asked: self.engine });
        }
        let format = field(&text, "format").and_then(|format| format.parse::<u32>().ok());
        let found = format.ok_or_else(|| damaged("it names no format"))?;
        if found != self.format {
            let path = directory.to_owned();
            return Err(OpenError::OtherFormat { path, found, supported: self.format });
        }
        Ok(true)
    }

    /// Stamps the directory. After a crash the stamp is there as a whole, or not at all.
    pub(crate) fn write(self, directory: &Path) -> Result<(), OpenError> {
        let text = format!("engine = {}\nformat = {}\n", self.engine, self.format);
        write_atomically(directory, Self::NAME, text.as_bytes())
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let bytes = fs::metadata(path)?.len();
    if bytes > STAMP_BYTES_MAX {
        return Ok(String::new());
    }
    Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
}

/// The value of a `key = value` line. Lines with other keys are left to later versions.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.trim(), value.trim())).find(|(name, _)| *name == key)?.1.into()
}

/// Writes a file so that a crash leaves the whole of it or nothing.
pub(crate) fn write_atomically(
    directory: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<(), OpenError> {
    let temporary = directory.join(format!("{name}.new"));
    let path = directory.join(name);
    let mut options = File::options();
    let file = open_file(&temporary, options.write(true).truncate(true));
    let mut file = file.map_err(OpenError::io("create", &temporary))?;
    file.write_all(bytes).map_err(OpenError::io("write", &temporary))?;
    file.sync_all().map_err(OpenError::io("sync", &temporary))?;
    fs::rename(&temporary, &path).map_err(OpenError::io("rename", &temporary))?;
    sync_directory(directory)
}

/// Makes the names in a directory survive power loss.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), OpenError> {
    let file = File::open(directory).map_err(OpenError::io("open", directory))?;
    file.sync_all().map_err(OpenError::io("sync", directory))
}
