//! How a server is put together.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use laterbase_core::fold::{Aggregate, Fold, Folds, FoldsError};
use laterbase_core::replica::{OpenError, Replica, ReplicaOptions};
use laterbase_core::store::{Durability, Store};
use laterbase_directory::environment::{random_bytes_16, wall_clock_nanos};
use tokio::sync::watch;

use crate::app::App;
#[cfg(feature = "backups")]
use crate::backups::{BackupOptions, Backups};
use crate::bounds::{Bounds, TIME_MAX, TIME_MIN};
use crate::engine::Engine;
use crate::gate::Gate;
use crate::meters::Meters;
use crate::pulse::{HEARTBEAT_PERIOD_DEFAULT, HEARTBEAT_PERIOD_MIN};
use crate::reading::{FOLD_TIME_MAX_DEFAULT, Reads};
use crate::server::Server;
use crate::writer::{Writer, WriterBounds};

/// Tells the time, in nanoseconds since 1970 UTC.
pub type WallClock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Requests that may wait for the writer.
const QUEUE_LENGTH_MAX_DEFAULT: usize = 1_024;

/// Which roots a server takes deltas of, and gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncRoots {
    /// All, so that it relays what it has no fold for.
    #[default]
    Any,
    /// Those that it has a fold for.
    Known,
}

/// Puts a [`Server`] together. The default is a store in memory that takes no root.
#[must_use]
pub struct Builder {
    folds: Result<Folds, FoldsError>,
    storage: Storage,
    durability: Durability,
    size_bytes_max: Option<u64>,
    options: ReplicaOptions,
    sync_roots: SyncRoots,
    queue_length_max: usize,
    bounds: Bounds,
    hosts: Vec<String>,
    origins: Vec<String>,
    heartbeat_period: Duration,
    #[cfg(feature = "backups")]
    backups: Option<BackupOptions>,
    #[cfg(feature = "console")]
    has_console: bool,
    fold_time_max: Duration,
    state_bytes_max: Option<usize>,
    clock: WallClock,
}

enum Storage {
    Given(Arc<dyn Store>),
    Directory(PathBuf, Engine),
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("folds", &self.folds).finish_non_exhaustive()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            folds: Ok(Folds::new()),
            storage: Storage::Directory(PathBuf::new(), Engine::Memory),
            durability: Durability::default(),
            size_bytes_max: None,
            options: ReplicaOptions::default(),
            sync_roots: SyncRoots::default(),
            queue_length_max: QUEUE_LENGTH_MAX_DEFAULT,
            bounds: Bounds::default(),
            hosts: Vec::new(),
            origins: Vec::new(),
            heartbeat_period: HEARTBEAT_PERIOD_DEFAULT,
            #[cfg(feature = "backups")]
            backups: None,
            #[cfg(feature = "console")]
            has_console: false,
            fold_time_max: FOLD_TIME_MAX_DEFAULT,
            state_bytes_max: None,
            clock: Arc::new(wall_clock_nanos),
        }
    }
}

impl Builder {
    /// Takes a kind of root, whose aggregates are of the type `A`.
    pub fn aggregate<A: Aggregate>(mut self, kind: &str) -> Self {
        self.folds = self.folds.and_then(|folds| folds.aggregate::<A>(kind));
        self
    }

    /// Takes a kind of root, read by a fold. The first one of a kind is its default.
    pub fn fold(mut self, kind: &str, fold: Arc<dyn Fold>) -> Self {
        self.folds = self.folds.and_then(|folds| folds.fold(kind, fold));
        self
    }

    /// Takes every root that has no fold of its own, read by this one.
    pub fn fallback(mut self, fold: Arc<dyn Fold>) -> Self {
        self.folds = self.folds.map(|folds| folds.fallback(fold));
        self
    }

    /// Keeps the data in a directory, by the default engine.
    pub fn data(self, directory: impl Into<PathBuf>) -> Self {
        self.data_in(directory, Engine::default())
    }

    /// Keeps the data in a directory, by a given engine. [`Engine::Memory`] needs none.
    pub fn data_in(mut self, directory: impl Into<PathBuf>, engine: Engine) -> Self {
        self.storage = Storage::Directory(directory.into(), engine);
        self
    }

    /// Keeps the data in a store that is open already. A copy of it is known by where it lives
    /// ([`Store::home`]).
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.storage = Storage::Given(store);
        self
    }

    /// When a write is acknowledged, for stores that the builder opens.
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Most bytes that the store may take, for stores that the builder opens. Beyond them writes are
    /// turned away with 507, until the bound is raised; reads go on. By default, what the disk has.
    pub const fn max_store_size(mut self, bytes: u64) -> Self {
        self.size_bytes_max = Some(bytes);
        self
    }

    /// How the replica behaves.
    pub const fn replica_options(mut self, options: ReplicaOptions) -> Self {
        self.options = options;
        self
    }

    /// How far into the future a write may place an event: 60 s by default, `None` for as far as can
    /// be said, where times are planned. It is one of the [`ReplicaOptions`].
    pub fn max_future(mut self, bound: Option<Duration>) -> Self {
        self.options = self.options.max_future(bound);
        self
    }

    /// Which roots take part in sync.
    pub const fn sync_roots(mut self, roots: SyncRoots) -> Self {
        self.sync_roots = roots;
        self
    }

    /// Most requests that may wait for the writer. More are turned away with 503.
    pub const fn queue_length_max(mut self, requests: usize) -> Self {
        self.queue_length_max = requests;
        self
    }

    /// How long others may take, and how much of the server they may take up.
    pub const fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// A name or address by which the server is known, beside those of loopback and the address
    /// that it listens on. A request for any other is answered 421.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// An origin, such as `https://app.example`, whose pages in browsers may read and write.
    /// Requests of pages from anywhere else are answered 403.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// [`Bounds::body_bytes_max`], without a word of the others.
    pub const fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.bounds.body_bytes_max = bytes;
        self
    }

    /// How long a live answer is silent at most: 15 s by default. Kept between 50 ms
    /// and [`crate::TIME_MAX`].
    pub const fn heartbeat_period(mut self, period: Duration) -> Self {
        self.heartbeat_period = period;
        self
    }

    /// Where the server keeps backups of itself, and how often it takes one: nowhere, by default.
    #[cfg(feature = "backups")]
    pub fn backups(mut self, options: BackupOptions) -> Self {
        self.backups = Some(options);
        self
    }

    /// Whether there are pages for people at `/ui`, to which a browser's `GET /` is led: `false` by
    /// default. They show what the routes give, and write through them.
    #[cfg(feature = "console")]
    pub const fn console(mut self, is_wanted: bool) -> Self {
        self.has_console = is_wanted;
        self
    }

    /// How long one read may fold: 30 s by default. It is answered with 503 then, and the next one
    /// goes on from the snapshots that it has left.
    pub const fn fold_time_max(mut self, time: Duration) -> Self {
        self.fold_time_max = time;
        self
    }

    /// How long an aggregate's state may be, as JSON text: 16 MiB by default. A read of a longer
    /// one fails. See [`Folds::with_state_bytes_max`].
    pub const fn state_bytes_max(mut self, bytes: usize) -> Self {
        self.state_bytes_max = Some(bytes);
        self
    }

    /// The clock to go by, if not the system's.
    pub fn clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    /// Says what [`Self::build`] would complain of before it opens anything: bounds of zero, names
    /// that are none, folds that cannot be registered, and an engine that is not in this program.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn check(mut self) -> Result<Self, BuildError> {
        let zero = |setting| BuildError::Zero { setting };
        self.bounds = self.bounds.checked().map_err(zero)?;
        if self.queue_length_max == 0 {
            return Err(zero("queue_length_max"));
        }
        gate(&self.hosts, &self.origins)?;
        self.folds = Ok(self.folds?);
        match self.storage {
            Storage::Directory(_, engine) if !engine.is_built_in() => {
                Err(BuildError::EngineMissing { engine })
            }
            _ => Ok(self),
        }
    }

    /// Opens the store and starts the writer.
    ///
    /// # Errors
    /// [`BuildError`]; the store's data is as it was.
    pub fn build(self) -> Result<Server, BuildError> {
        self.check()?.open()
    }

    /// Has a server that runs go by what can be other while it does.
    pub(crate) fn apply_to(self, app: &App) -> Result<(), BuildError> {
        let builder = self.check()?;
        app.gate.take_names(gate(&builder.hosts, &builder.origins)?);
        // The program around the server may go by how long a stop takes.
        let stop_time_max = app.bounds().stop_time_max;
        app.set_bounds(Bounds { stop_time_max, ..builder.bounds });
        app.set_fold_time_max(builder.fold_time_max.clamp(TIME_MIN, TIME_MAX));
        #[cfg(feature = "backups")]
        if let (Some(backups), Some(options)) = (&app.backups, builder.backups) {
            backups.reschedule(&options);
        }
        Ok(())
    }

    fn open(self) -> Result<Server, BuildError> {
        let bounds = self.bounds;
        let gate = gate(&self.hosts, &self.origins)?;
        let mut folds = self.folds?;
        if let Some(bytes) = self.state_bytes_max {
            folds = folds.with_state_bytes_max(bytes);
        }
        let folds = Arc::new(folds);
        let directory = match &self.storage {
            Storage::Directory(path, Engine::Lmdb | Engine::Rocks) => Some(path.clone()),
            Storage::Directory(..) | Storage::Given(_) => None,
        };
        let store = match self.storage {
            Storage::Given(store) => store,
            Storage::Directory(path, engine) => {
                engine.open(&path, self.durability, self.size_bytes_max)?
            }
        };
        let options = self.options;
        let writer_bounds = WriterBounds {
            queue_length_max: self.queue_length_max,
            front_events_flush: options.front_events_flush,
        };
        let replica = Replica::open(store, folds, options, Box::new(random_bytes_16))?;
        let reader = replica.reader();
        let (head_sender, head) = watch::channel(reader.head());
        let meters = Arc::new(Meters::new());
        let counting = Arc::clone(&meters);
        let writer = Writer::start(replica, self.clock, writer_bounds, head_sender, counting)?;
        let period = self.heartbeat_period.clamp(HEARTBEAT_PERIOD_MIN, TIME_MAX);
        let reads = Reads::new(reader, self.fold_time_max.clamp(TIME_MIN, TIME_MAX), meters);
        let app = App::new(reads, writer, head, self.sync_roots, bounds, gate, period);
        #[cfg(feature = "backups")]
        let app = {
            let at = |source| BuildError::Backups { source };
            app.with_backups(self.backups.map(Backups::new).transpose().map_err(at)?.map(Arc::new))
        };
        #[cfg(feature = "console")]
        let app = app.with_console(self.has_console);
        Ok(Server::new(app, directory.as_deref())?)
    }
}

fn gate(hosts: &[String], origins: &[String]) -> Result<Gate, BuildError> {
    let mut gate = Gate::default();
    for host in hosts {
        gate.let_in_host(host).map_err(|()| BuildError::Host { text: host.clone() })?;
    }
    for origin in origins {
        gate.let_in_origin(origin).map_err(|()| BuildError::Origin { text: origin.clone() })?;
    }
    Ok(gate)
}

/// Why a server could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A root or fold cannot be registered so.
    #[error(transparent)]
    Folds(#[from] FoldsError),
    /// The data directory cannot be opened.
    #[error(transparent)]
    Directory(#[from] laterbase_directory::OpenError),
    /// The store is no replica that this version can go on with.
    #[error(transparent)]
    Replica(#[from] OpenError),
    /// With a size of zero nothing would get through.
    #[error("`{setting}` is zero, so that nothing would get through")]
    Zero {
        /// Which one.
        setting: &'static str,
    },
    /// A server cannot be known by that.
    #[error("{text:?} is no name or address of a host")]
    Host {
        /// What was given.
        text: String,
    },
    /// No page comes from there.
    #[error("{text:?} is no origin, such as https://app.example")]
    Origin {
        /// What was given.
        text: String,
    },
    /// The engine was left out when this program was built.
    #[error("this program was built without the engine `{engine}`; build it with that feature")]
    EngineMissing {
        /// Which one.
        engine: Engine,
    },
    /// The folder for backups cannot be made.
    #[error("the folder for backups cannot be made")]
    Backups {
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gave no thread.
    #[error("a thread could not be started")]
    Thread(#[from] std::io::Error),
}
