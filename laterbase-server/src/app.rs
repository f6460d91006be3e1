//! What every request has at hand.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use laterbase_core::fold::Folds;
use laterbase_core::id::RootName;
use laterbase_core::reader::{ReadError, Reader};
#[cfg(feature = "peers")]
use laterbase_core::selection::RootSelection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;

use crate::access_log::AccessLog;
#[cfg(feature = "backups")]
use crate::backups::Backups;
use crate::bounds::Bounds;
use crate::builder::SyncRoots;
use crate::callers::Callers;
use crate::gate::{Gate, SharedGate};
use crate::meters::Meters;
use crate::problem::{Problem, Result};
use crate::reading::{Ended, Reads, Slot, Target};
use crate::room::Room;
use crate::writer::Writer;

/// The server's parts, shared by all requests.
pub(crate) struct App {
    reader: Reader,
    pub(crate) writer: Writer,
    /// The last visible arrival position.
    pub(crate) head: watch::Receiver<u64>,
    bounds: RwLock<Bounds>,
    /// Who is let in where the server listens itself.
    pub(crate) gate: SharedGate,
    /// Room for bodies that come in.
    pub(crate) bodies: Room,
    /// Room for answers that go out.
    pub(crate) answers: Room,
    /// How long a live answer is silent at most.
    pub(crate) heartbeat_period: Duration,
    /// Backups that the server takes of itself.
    #[cfg(feature = "backups")]
    pub(crate) backups: Option<Arc<Backups>>,
    /// Whether there are pages for people.
    #[cfg(feature = "console")]
    pub(crate) has_console: bool,
    /// What is counted.
    pub(crate) meters: Arc<Meters>,
    /// Who synced lately.
    pub(crate) callers: Callers,
    pub(crate) access_log: AccessLog,
    stopping: watch::Sender<bool>,
    sync_roots: SyncRoots,
    reads: Reads,
    intakes: Arc<Semaphore>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl App {
    pub(crate) fn new(
        reads: Reads,
        writer: Writer,
        head: watch::Receiver<u64>,
        sync_roots: SyncRoots,
        bounds: Bounds,
        gate: Gate,
        heartbeat_period: Duration,
    ) -> Self {
        Self {
            reader: reads.reader().clone(),
            writer,
            head,
            bounds: RwLock::new(bounds),
            gate: SharedGate::new(gate),
            bodies: Room::new(bounds.body_bytes_max),
            answers: Room::new(bounds.answer_bytes_max),
            heartbeat_period,
            #[cfg(feature = "backups")]
            backups: None,
            #[cfg(feature = "console")]
            has_console: false,
            meters: Arc::clone(reads.meters()),
            callers: Callers::default(),
            access_log: AccessLog::default(),
            stopping: watch::Sender::new(false),
            sync_roots,
            reads,
            intakes: Arc::new(Semaphore::new(intakes_max())),
        }
    }

    /// Says whether the server takes backups of itself, and how.
    #[cfg(feature = "backups")]
    pub(crate) fn with_backups(mut self, backups: Option<Arc<Backups>>) -> Self {
        self.backups = backups;
        self
    }

    /// Says whether there are pages for people.
    #[cfg(feature = "console")]
    pub(crate) fn with_console(mut self, is_wanted: bool) -> Self {
        self.has_console = is_wanted;
        self
    }

    /// The bounds as they are now. Those of memory are never looked at again.
    pub(crate) fn bounds(&self) -> Bounds {
        *self.bounds.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes by other bounds from now on.
    pub(crate) fn set_bounds(&self, bounds: Bounds) {
        *self.bounds.write().unwrap_or_else(PoisonError::into_inner) = bounds;
    }

    /// Bounds the time of folds that begin from now on.
    pub(crate) fn set_fold_time_max(&self, time: Duration) {
        self.reads.set_time_max(time);
    }

    pub(crate) const fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(crate) fn folds(&self) -> &Arc<Folds> {
        self.reader.folds()
    }

    /// Runs a read where it may block, and bounds how many do.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.reads.read(read).await
    }

    /// Runs a read that folds aggregates. See [`Reads`].
    pub(crate) async fn fold<T: Send + 'static>(
        &self,
        target: Target,
        read: impl Fn(&Reader) -> std::result::Result<T, ReadError> + Send + Sync + 'static,
    ) -> Result<(T, Option<Slot>)> {
        self.fold_for(target, read).await.map_err(Problem::from)
    }

    /// The same for a caller that makes no problem document of what went wrong.
    pub(crate) async fn fold_for<T: Send + 'static>(
        &self,
        target: Target,
        read: impl Fn(&Reader) -> std::result::Result<T, ReadError> + Send + Sync + 'static,
    ) -> std::result::Result<(T, Option<Slot>), Ended> {
        self.reads.fold(target, read).await
    }

    /// Runs the making ready of a large write where it may take long. Few run at once: more would
    /// not be done sooner, and would take the processor from the writer, which all wait for.
    pub(crate) async fn take_in<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.intake().await;
        blocking(move || {
            let _permit = permit;
            work()
        })
        .await
    }

    /// Waits for a turn to make a large write ready. It ends when what is given is dropped.
    pub(crate) async fn intake(&self) -> Option<OwnedSemaphorePermit> {
        // They are never closed.
        Arc::clone(&self.intakes).acquire_owned().await.ok()
    }

    /// A root of the public routes: one that there is a fold for.
    pub(crate) fn public_root(&self, name: &str) -> Result<RootName> {
        let root = RootName::new(name).map_err(|_no_name| Problem::unknown_root(name))?;
        if self.folds().knows(&root) { Ok(root) } else { Err(Problem::unknown_root(name)) }
    }

    /// A root of sync: one that is only stored and relayed will do, unless this server is told to
    /// take none of those.
    pub(crate) fn sync_root(&self, name: &str) -> Result<RootName> {
        match self.sync_roots {
            SyncRoots::Any => RootName::new(name).map_err(|_no_name| Problem::unknown_root(name)),
            SyncRoots::Known => self.public_root(name),
        }
    }

    /// Whether a root takes part in sync.
    pub(crate) fn syncs(&self, root: &RootName) -> bool {
        match self.sync_roots {
            SyncRoots::Any => true,
            SyncRoots::Known => self.folds().knows(root),
        }
    }

    /// Of a selection of roots, those that take part in sync; `None` if none does.
    #[cfg(feature = "peers")]
    pub(crate) fn selection(&self, wanted: &RootSelection) -> Option<RootSelection> {
        let takes_all = match self.sync_roots {
            SyncRoots::Any => true,
            SyncRoots::Known => self.folds().has_fallback(),
        };
        if takes_all {
            return Some(wanted.clone());
        }
        let known: Vec<&str> = self.folds().kinds().collect();
        let entries: Vec<String> = if wanted.is_all() {
            known.iter().flat_map(|kind| [(*kind).to_owned(), format!("{kind}@*")]).collect()
        } else {
            let kind = |entry: &String| entry.split('@').next().map(str::to_owned);
            let is_known = |kind: String| known.contains(&kind.as_str());
            wanted.entries().into_iter().filter(|it| kind(it).is_some_and(is_known)).collect()
        };
        // The empty selection would be all roots.
        let entries = Some(entries).filter(|entries| !entries.is_empty())?;
        let selection = RootSelection::from_entries(entries.iter().map(String::as_str));
        let complain = |error: &_| tracing::error!(%error, "too many kinds of roots to sync them");
        selection.inspect_err(complain).ok()
    }

    /// Turns writes away from now on, and ends live feeds.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Becomes true when the server stops.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }
}

/// Half of the processors, so that the other half is left to the writer and to connections.
fn intakes_max() -> usize {
    (std::thread::available_parallelism().map_or(1, usize::from) / 2).max(1)
}

/// Runs what may take long away from the threads that serve connections.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => Err(Problem::internal(&panicked)),
    }
}
