//! Backups: the whole truth of a store in one file, taken while others write to it, and back.
//!
//! A backup holds more than an export: every root, arrival times, what is in quarantine and what is
//! remembered of peers. A store that is restored from it is a copy, and takes a new replica id
//! when it is first opened; to a moment, it is what was known then ([`laterbase_core::backup`]).

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use laterbase_core::backup::{self, TakeBackupPage, decode_page};
use laterbase_core::codec::CodecError;
use laterbase_core::reader::Reader;
use laterbase_core::store::{Durability, Store, StoreError};
use laterbase_core::time::format_time;
use laterbase_directory::environment::wall_clock_nanos;
use laterbase_directory::{OpenError, open_file};

use crate::engine::{self, Engine, StoreOptions};
use crate::paged_file::{
    FileKind, PagedFileCounts, PagedFileError, PagedFileReader, PagedFileWriter,
};

/// The name of a backup among others: names are in the order in which they were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupName(i64);

impl BackupName {
    /// Of one that is taken at a time, in nanoseconds since 1970 UTC.
    pub const fn at(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Whether a file has a name of this form.
    pub fn is_one(name: &str) -> bool {
        let time = name.strip_prefix("laterbase-").and_then(|rest| rest.strip_suffix("Z.lbbk"));
        let (day, clock) = time.and_then(|time| time.split_once('T')).unwrap_or_default();
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        day.len() == 8 && clock.len() == 15 && is_number(day) && is_number(clock)
    }
}

/// `laterbase-20260504T180000123456789Z.lbbk`
impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = format_time(self.0);
        let (time, fraction) = time.trim_end_matches('Z').split_once('.').unwrap_or((&time, ""));
        let time: String = time.chars().filter(|char| !"-:Z".contains(*char)).collect();
        write!(f, "laterbase-{time}{fraction:0<9}Z.lbbk")
    }
}

/// Folders of a store, beside its files `laterbase.*`.
const AREAS: [&str; 2] = ["truth", "derived"];

/// What a backup came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// How many events it holds.
    pub events: u64,
    /// How long the file is.
    pub bytes: u64,
}

/// What a backup is taken of.
pub trait Source {
    /// See [`backup::read_pages`].
    ///
    /// # Errors
    /// [`StoreError`].
    fn pages(&self, take: &mut TakeBackupPage<'_>) -> Result<bool, StoreError>;
}

impl Source for Arc<dyn Store> {
    fn pages(&self, take: &mut TakeBackupPage<'_>) -> Result<bool, StoreError> {
        backup::read_pages(&**self, take)
    }
}

/// The store of a replica that is at work.
impl Source for Reader {
    fn pages(&self, take: &mut TakeBackupPage<'_>) -> Result<bool, StoreError> {
        self.backup_pages(take)
    }
}

/// Writes a backup of a store, as it is now, to a file that its owner alone may read.
///
/// It is written under another name and then takes the place of what is there, so a file of that
/// name is a whole backup. `progress` is told how many events are in it so far, and says whether
/// to go on.
///
/// # Errors
/// [`BackupError`]; nothing is there that was not before.
pub fn back_up(
    source: &impl Source,
    file: &Path,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<BackedUp, BackupError> {
    check_plain(file)?;
    let partial = with_suffix(file, "partial");
    let output = claim(&partial)?;
    let written = write(source, &partial, &output, progress).and_then(|done| {
        fs::rename(&partial, file).and_then(|()| sync_folder_of(file)).map_err(at(file))?;
        Ok(done)
    });
    if written.is_err() {
        // What matters is the first error.
        let _removed = fs::remove_file(&partial);
    }
    // Closing it is not enough while another thread starts a process.
    let _unlocked = output.unlock();
    written
}

/// A device, a pipe or a link would be replaced, and not written to.
fn check_plain(file: &Path) -> Result<(), BackupError> {
    match file.symlink_metadata() {
        Ok(there) if !there.is_file() => Err(BackupError::NoFile { path: file.to_owned() }),
        _ => Ok(()),
    }
}

/// Takes the name that a backup is written under. What a call left there that was killed is written
/// over; where another one is just writing, there is none for this one.
fn claim(partial: &Path) -> Result<File, BackupError> {
    check_plain(partial)?;
    let output = open_file(partial, OpenOptions::new().write(true)).map_err(at(partial))?;
    let under_way = || BackupError::UnderWay { path: partial.to_owned() };
    match output.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(under_way()),
        Err(TryLockError::Error(error)) => return Err(at(partial)(error)),
    }
    // The other one may have given it its own name since it was opened, and is done with it.
    let taken = output.metadata().map_err(at(partial))?;
    if !fs::symlink_metadata(partial).is_ok_and(|there| there.ino() == taken.ino()) {
        return Err(under_way());
    }
    output.set_len(0).map_err(at(partial))?;
    Ok(output)
}

fn write(
    source: &impl Source,
    partial: &Path,
    output: &File,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<BackedUp, BackupError> {
    let mut writer =
        PagedFileWriter::new(FileKind::Backup, BufWriter::new(output)).map_err(at(partial))?;
    let (mut failed, mut events) = (None, 0);
    let is_whole = source.pages(&mut |page, count| {
        events += count;
        match writer.push(page, count) {
            Ok(()) => progress(events),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(at(partial)(error));
    }
    if !is_whole {
        return Err(BackupError::Stopped);
    }
    let (_, PagedFileCounts { events, .. }) = writer.finish().map_err(at(partial))?;
    output.sync_all().map_err(at(partial))?;
    let bytes = output.metadata().map_err(at(partial))?.len();
    Ok(BackedUp { events, bytes })
}

/// What is made of a backup.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestoreOptions {
    /// The store as it was at a moment before the backup was taken (arrival time, nanoseconds since
    /// 1970 UTC); `None` for the moment of the backup.
    pub known_at: Option<i64>,
    /// The engine that the store is made on, whatever the one that was backed up was on.
    pub engine: Engine,
}

/// Makes a store of a backup, in a directory that is not there yet. Gives how many events it holds.
///
/// The whole file is checked before the directory has its name. What a call leaves that is killed
/// is in a directory of the same name with `.restoring` behind it, and the next call removes that.
///
/// # Errors
/// [`BackupError`]; the directory is then not there.
pub fn restore(
    file: &Path,
    directory: &Path,
    options: RestoreOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, BackupError> {
    // A slash at its end would put what is not finished into the directory itself.
    let directory = &directory.components().collect::<PathBuf>();
    if directory.symlink_metadata().is_ok() {
        return Err(BackupError::Exists { path: directory.to_owned() });
    }
    let input = BufReader::new(File::open(file).map_err(at(file))?);
    let partial = with_suffix(directory, "restoring");
    remove_partial_store(&partial)?;
    let restored = fill(input, &partial, options, progress).and_then(|events| {
        let renamed = fs::rename(&partial, directory).and_then(|()| sync_folder_of(directory));
        renamed.map_err(at(directory))?;
        Ok(events)
    });
    if restored.is_err() {
        // What matters is the first error, and the next try removes it too.
        let _removed = fs::remove_dir_all(&partial);
    }
    restored
}

/// Restores a backup to a directory among the system's temporary files (`TMPDIR`), hands that to
/// `check`, and removes it: a backup is good if it can be restored.
///
/// # Errors
/// [`BackupError`] if it cannot be restored, or the directory cannot be removed.
pub fn try_out<T>(file: &Path, check: impl FnOnce(&Path) -> T) -> Result<T, BackupError> {
    // Of this call alone: others may try the same one.
    let name = format!("laterbase-verifying-{}-{}", std::process::id(), wall_clock_nanos());
    let directory = std::env::temp_dir().join(name);
    restore(file, &directory, RestoreOptions::default(), &mut |_| {})?;
    let checked = check(&directory);
    fs::remove_dir_all(&directory).map_err(at(&directory))?;
    Ok(checked)
}

fn fill(
    input: impl Read,
    directory: &Path,
    RestoreOptions { known_at, engine }: RestoreOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, BackupError> {
    let mut reader = PagedFileReader::new(FileKind::Backup, input)?;
    // Made durable as a whole, before it has its name.
    let (durability, new_on) = (Durability::Relaxed, Some(engine));
    let options = StoreOptions { durability, new_on, ..StoreOptions::default() };
    let store = engine::open(directory, options)?;
    while let Some(page) = reader.next_page()? {
        let decoded = decode_page(page);
        let PagedFileCounts { pages, .. } = reader.counts();
        let (batch, events) =
            decoded.map_err(|source| BackupError::Page { page: pages, source })?;
        store.commit(&batch)?;
        reader.count_events(events);
        progress(reader.counts().events);
    }
    backup::check_format(&*store)?;
    let events = match known_at {
        Some(time) => backup::cut_to(&*store, time)?,
        None => reader.counts().events,
    };
    store.sync()?;
    Ok(events)
}

/// Why a backup was not taken, or nothing was made of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// A store failed: the one that was backed up, or the one that was made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The new store could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was backed up is of another version of Laterbase.
    #[error(transparent)]
    Format(#[from] laterbase_core::replica::OpenError),
    /// The backup is none, cut short or damaged.
    #[error(transparent)]
    File(#[from] PagedFileError),
    /// A page is not a backup's.
    #[error("page {page} of the backup is damaged")]
    Page {
        /// Which page, from 1.
        page: u64,
        /// What is wrong with it.
        source: CodecError,
    },
    /// The caller had it stopped.
    #[error("it was stopped")]
    Stopped,
    /// What is there is no plain file, which a backup could take the place of.
    #[error("{} is there, and no plain file", .path.display())]
    NoFile {
        /// What.
        path: PathBuf,
    },
    /// Another call is just writing it, or making a store there.
    #[error("{} is being written by another process", .path.display())]
    UnderWay {
        /// What.
        path: PathBuf,
    },
    /// There is something where the store was to be made.
    #[error("{} is there already; a backup is restored to a new directory", .path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// What is in the way of the store that is being made is none that a restore has left.
    #[error("{} is in the way, and not what a restore left", .path.display())]
    InTheWay {
        /// Where.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot write or read {}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn at(path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { path: path.clone(), source }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn remove_partial_store(partial: &Path) -> Result<(), BackupError> {
    let Ok(entries) = fs::read_dir(partial) else { return Ok(()) };
    for entry in entries {
        let name = entry.map_err(at(partial))?.file_name();
        let is_ours = name.to_str().is_some_and(|name| name.starts_with("laterbase."));
        if !is_ours && !AREAS.iter().any(|area| *area == name) {
            return Err(BackupError::InTheWay { path: partial.to_owned() });
        }
    }
    if let Ok(lock) = File::open(partial.join("laterbase.lock"))
        && matches!(lock.try_lock(), Err(TryLockError::WouldBlock))
    {
        return Err(BackupError::UnderWay { path: partial.to_owned() });
    }
    fs::remove_dir_all(partial).map_err(at(partial))
}

/// Makes a new name survive power loss, where the system lets a folder be synced.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

#[cfg(all(test, feature = "lmdb"))]
mod tests;
