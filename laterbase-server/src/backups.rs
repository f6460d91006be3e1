//! Backups that a server takes of itself: when it is asked, and by the clock.

use std::fs::{self, File, OpenOptions};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, TryLockError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};
use std::{error, io};

use laterbase_client::backup::{BackedUp, BackupError, BackupName, back_up};
use laterbase_core::store::StoreError;
use laterbase_directory::environment::wall_clock_nanos;
use laterbase_directory::{make_folder, open_file};

use crate::app::App;
use crate::problem::{Kind, Problem};

/// A file in the folder, by which a server has it for itself.
const LOCK: &str = ".laterbase-backups.lock";

/// After a backup that failed, the next try comes this soon.
const RETRY_PERIOD: Duration = Duration::from_secs(60);

/// Where a server keeps backups of itself, and how often it takes one. One is taken as well
/// whenever `POST /backup` asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupOptions {
    /// The folder, made for its owner only if it is not there. One for each server.
    pub directory: PathBuf,
    /// How long after the last one the next backup is taken, counted from the newest in the folder;
    /// `None` for never.
    pub every: Option<Duration>,
    /// How many stay there: once a new one is whole, the oldest beyond these are removed. `None` for
    /// all.
    pub keep: Option<NonZeroUsize>,
}

/// A server's backups.
#[derive(Debug)]
pub(crate) struct Backups {
    options: BackupOptions,
    /// Held for as long as the server is there: two servers would remove each other's.
    lock: File,
    /// One at a time: two would take the disk from each other.
    under_way: Mutex<()>,
}

/// A backup that is in its folder.
pub(crate) struct Taken {
    pub name: String,
    pub backed_up: BackedUp,
}

/// Why there is no backup.
pub(crate) enum Untaken {
    /// One is being taken.
    UnderWay,
    Failed(BackupError),
}

impl Backups {
    pub(crate) fn new(options: BackupOptions) -> io::Result<Self> {
        if !options.directory.is_dir() {
            make_folder(&options.directory)?;
        }
        let lock = open_file(&options.directory.join(LOCK), OpenOptions::new().write(true))?;
        lock.try_lock().map_err(|refused| match refused {
            fs::TryLockError::WouldBlock => io::Error::other("another server has it"),
            fs::TryLockError::Error(error) => error,
        })?;
        Ok(Self { options, lock, under_way: Mutex::new(()) })
    }

    /// Takes one. It ends early where the server is told to stop.
    pub(crate) fn take(&self, app: &App) -> Result<Taken, Untaken> {
        let _turn = match self.under_way.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(Untaken::UnderWay),
            // It guards nothing.
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Ok(turn) => turn,
        };
        let name = BackupName::at(wall_clock_nanos()).to_string();
        let progress = &mut |_events| match app.is_stopping() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let file = self.options.directory.join(&name);
        let backed_up = back_up(app.reader(), &file, progress).map_err(Untaken::Failed)?;
        let BackedUp { events, bytes } = backed_up;
        tracing::info!(name, events, bytes, "a backup was taken");
        if let Err(error) = self.remove_oldest(&name) {
            tracing::warn!(%error, "old backups could not be removed");
        }
        Ok(Taken { name, backed_up })
    }

    /// The one that was just taken stays, whatever the names of the others say: they may be of a
    /// clock that was wrong.
    fn remove_oldest(&self, newest: &str) -> io::Result<()> {
        let Some(keep) = self.options.keep else { return Ok(()) };
        let mut names = backups_in(&self.options.directory)?;
        names.retain(|name| name != newest);
        names.sort_unstable();
        let old = (names.len() + 1).saturating_sub(keep.get());
        for name in names.into_iter().take(old) {
            fs::remove_file(self.options.directory.join(name))?;
        }
        Ok(())
    }

    /// How long ago the newest one was taken, as far as the folder tells.
    fn newest_age(&self) -> Option<Duration> {
        let names = backups_in(&self.options.directory).ok()?;
        let modified = |name| fs::metadata(self.options.directory.join(name)).ok()?.modified().ok();
        let newest = names.into_iter().filter_map(modified).max()?;
        // One from the future was taken by a clock that was wrong.
        SystemTime::now().duration_since(newest).ok()
    }
}

impl Drop for Backups {
    /// Closing the file is not enough while another thread starts a process.
    fn drop(&mut self) {
        let _unlocked = self.lock.unlock();
    }
}

/// The names of whole backups in a folder. Nothing else in it is ours, and no folder or link is one.
fn backups_in(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().filter(|name| BackupName::is_one(name));
        if entry.file_type()?.is_file() {
            names.extend(name);
        }
    }
    Ok(names)
}

impl From<Untaken> for Problem {
    fn from(untaken: Untaken) -> Self {
        match untaken {
            Untaken::UnderWay => Self::new(Kind::Busy).detail("a backup is being taken"),
            Untaken::Failed(BackupError::Stopped) => Self::new(Kind::ShuttingDown),
            Untaken::Failed(error) if is_full(&error) => {
                Self::new(Kind::StoreFull).detail("there is no room for a backup")
            }
            Untaken::Failed(error) => Self::internal(&error),
        }
    }
}

fn is_full(error: &BackupError) -> bool {
    match error {
        BackupError::Store(StoreError::Full { .. }) => true,
        BackupError::Io { source, .. } => {
            matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        }
        _ => false,
    }
}

/// The thread that takes backups by the clock.
#[derive(Debug)]
pub(crate) struct BackupThread {
    calls: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl BackupThread {
    /// Starts it, if the server is to take any.
    pub(crate) fn start(app: &Arc<App>) -> io::Result<Option<Self>> {
        let Some(every) = app.backups.as_ref().and_then(|backups| backups.options.every) else {
            return Ok(None);
        };
        let (calls, inbox) = sync_channel(0);
        let app = Arc::downgrade(app);
        let thread = thread::Builder::new()
            .name("laterbase-backups".into())
            .spawn(move || run(&app, every, &inbox))?;
        Ok(Some(Self { calls: Some(calls), thread: Some(thread) }))
    }
}

/// Ends it. The app has been told to stop, so a backup under way ends too.
impl Drop for BackupThread {
    fn drop(&mut self) {
        self.calls = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that takes backups panicked");
        }
    }
}

fn run(app: &Weak<App>, every: Duration, inbox: &Receiver<()>) {
    let mut rest = {
        let Some(app) = app.upgrade() else { return };
        let age = app.backups.as_ref().and_then(Backups::newest_age);
        age.map_or(Duration::ZERO, |age| every.saturating_sub(age))
    };
    while let Err(RecvTimeoutError::Timeout) = inbox.recv_timeout(rest) {
        let Some(app) = app.upgrade() else { return };
        let Some(backups) = &app.backups else { return };
        rest = match backups.take(&app) {
            Ok(_) | Err(Untaken::UnderWay) => every,
            Err(Untaken::Failed(BackupError::Stopped)) => return,
            Err(Untaken::Failed(error)) => {
                let source = error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, source, "no backup was taken");
                every.min(RETRY_PERIOD)
            }
        };
    }
}
