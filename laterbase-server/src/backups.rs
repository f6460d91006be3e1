//! Backups that a server takes of itself: when it is asked, and by the clock.

use std::fs::{self, File, OpenOptions};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};
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
    directory: PathBuf,
    schedule: Mutex<Schedule>,
    /// Told of a change of the schedule.
    rescheduled: Condvar,
    /// Held for as long as the server is there: two servers would remove each other's.
    lock: File,
    /// One at a time: two would take the disk from each other.
    under_way: Mutex<()>,
}

/// When backups are taken, and how many stay. It can be another one while the server runs.
#[derive(Debug)]
struct Schedule {
    every: Option<Duration>,
    keep: Option<NonZeroUsize>,
    /// How often it was changed.
    changes: u64,
    /// Whether no more are taken.
    is_over: bool,
}

/// What the wait for the next backup came to.
enum Waited {
    Due,
    /// How many times the schedule was changed.
    Changed(u64),
    Over,
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
        let BackupOptions { directory, every, keep } = options;
        remove_unfinished(&directory);
        let schedule = Mutex::new(Schedule { every, keep, changes: 0, is_over: false });
        let (rescheduled, under_way) = (Condvar::new(), Mutex::new(()));
        Ok(Self { directory, schedule, rescheduled, lock, under_way })
    }

    /// Goes by another period and another number. The folder stays.
    pub(crate) fn reschedule(&self, options: &BackupOptions) {
        let mut schedule = self.schedule();
        (schedule.every, schedule.keep) = (options.every, options.keep);
        schedule.changes += 1;
        self.rescheduled.notify_all();
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it is until the next one is due, by the newest in the folder; `None` for ever.
    fn rest(&self) -> Option<Duration> {
        let every = self.schedule().every?;
        Some(self.newest_age().map_or(Duration::ZERO, |age| every.saturating_sub(age)))
    }

    /// Waits until a backup is due, or the schedule is another one than after so many changes.
    fn wait(&self, rest: Option<Duration>, changes: u64) -> Waited {
        // One that is too far ahead never comes.
        let deadline = rest.and_then(|rest| Instant::now().checked_add(rest));
        let mut schedule = self.schedule();
        loop {
            if schedule.is_over {
                return Waited::Over;
            }
            if schedule.changes != changes {
                return Waited::Changed(schedule.changes);
            }
            schedule = match deadline.map(|it| it.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return Waited::Due,
                Some(left) => {
                    let woken = self.rescheduled.wait_timeout(schedule, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.rescheduled.wait(schedule).unwrap_or_else(PoisonError::into_inner),
            };
        }
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
        let file = self.directory.join(&name);
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
        let Some(keep) = self.schedule().keep else { return Ok(()) };
        let mut names = backups_in(&self.directory)?;
        names.retain(|name| name != newest);
        names.sort_unstable();
        let old = (names.len() + 1).saturating_sub(keep.get());
        for name in names.into_iter().take(old) {
            fs::remove_file(self.directory.join(name))?;
        }
        Ok(())
    }

    /// How long ago the newest one was taken, as far as the folder tells.
    fn newest_age(&self) -> Option<Duration> {
        let names = backups_in(&self.directory).ok()?;
        let modified = |name| fs::metadata(self.directory.join(name)).ok()?.modified().ok();
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

/// Removes what a server left in its folder that was killed while it took a backup.
fn remove_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let of = name.to_str().and_then(|name| name.strip_suffix(".partial"));
        if of.is_some_and(BackupName::is_one) {
            // It takes room and does no other harm.
            let _removed = fs::remove_file(entry.path());
        }
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
    backups: Arc<Backups>,
    thread: Option<JoinHandle<()>>,
}

impl BackupThread {
    /// Starts it, if the server keeps any. When one is due can be said later.
    pub(crate) fn start(app: &Arc<App>) -> io::Result<Option<Self>> {
        let Some(backups) = app.backups.clone() else { return Ok(None) };
        let (app, own) = (Arc::downgrade(app), Arc::clone(&backups));
        let thread = thread::Builder::new()
            .name("laterbase-backups".into())
            .spawn(move || run(&app, &own))?;
        Ok(Some(Self { backups, thread: Some(thread) }))
    }
}

/// Ends it. The app has been told to stop, so a backup under way ends too.
impl Drop for BackupThread {
    fn drop(&mut self) {
        self.backups.schedule().is_over = true;
        self.backups.rescheduled.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that takes backups panicked");
        }
    }
}

fn run(app: &Weak<App>, backups: &Backups) {
    let (mut rest, mut changes) = (backups.rest(), 0);
    loop {
        match backups.wait(rest, changes) {
            Waited::Due => {}
            Waited::Changed(times) => {
                (rest, changes) = (backups.rest(), times);
                continue;
            }
            Waited::Over => return,
        }
        let Some(app) = app.upgrade() else { return };
        let taken = backups.take(&app);
        let every = backups.schedule().every;
        rest = match taken {
            Ok(_) | Err(Untaken::UnderWay) => every,
            Err(Untaken::Failed(BackupError::Stopped)) => return,
            Err(Untaken::Failed(error)) => {
                let source = error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, source, "no backup was taken");
                every.map(|every| every.min(RETRY_PERIOD))
            }
        };
    }
}
