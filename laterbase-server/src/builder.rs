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
use crate::engine::{Engine, OpenStore};
use crate::pulse::HEARTBEAT_PERIOD_DEFAULT;
use crate::server::Server;
use crate::writer::{Writer, WriterBounds};

/// Tells the time, in nanoseconds since 1970 UTC.
pub type WallClock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Requests that may wait for the writer.
const QUEUE_LENGTH_MAX_DEFAULT: usize = 1_024;

/// Bytes of request bodies that may be in the server at once.
const BODY_BYTES_MAX_DEFAULT: usize = 256 * 1024 * 1024;

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
    options: ReplicaOptions,
    sync_roots: SyncRoots,
    queue_length_max: usize,
    body_bytes_max: usize,
    heartbeat_period: Duration,
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
            options: ReplicaOptions::default(),
            sync_roots: SyncRoots::default(),
            queue_length_max: QUEUE_LENGTH_MAX_DEFAULT,
            body_bytes_max: BODY_BYTES_MAX_DEFAULT,
            heartbeat_period: HEARTBEAT_PERIOD_DEFAULT,
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

    /// Keeps the data in a store that is open already. Where copies of it can come to be, say
    /// where it lives in [`ReplicaOptions::home`].
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.storage = Storage::Given(store);
        self
    }

    /// When a write is acknowledged, for stores that the builder opens.
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How the replica behaves. For a directory, its home is found out in any case.
    pub const fn replica_options(mut self, options: ReplicaOptions) -> Self {
        self.options = options;
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

    /// Most bytes of request bodies that may be in the server at once. A request that would pass
    /// them is turned away with 503.
    pub const fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    /// How long a live answer is silent at most: 15 s by default.
    pub const fn heartbeat_period(mut self, period: Duration) -> Self {
        self.heartbeat_period = period;
        self
    }

    /// The clock to go by, if not the system's.
    pub fn clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the store and starts the writer.
    ///
    /// # Errors
    /// [`BuildError`]; the store's data is as it was.
    pub fn build(self) -> Result<Server, BuildError> {
        let folds = Arc::new(self.folds?);
        let OpenStore { store, home } = match self.storage {
            Storage::Given(store) => OpenStore { store, home: self.options.home },
            Storage::Directory(path, engine) => engine.open(&path, self.durability)?,
        };
        let options = ReplicaOptions { home, ..self.options };
        let bounds = WriterBounds {
            queue_length_max: self.queue_length_max,
            front_events_flush: options.front_events_flush,
        };
        let replica = Replica::open(store, folds, options, Box::new(random_bytes_16))?;
        let reader = replica.reader();
        let (head_sender, head) = watch::channel(reader.head());
        let writer = Writer::start(replica, self.clock, bounds, head_sender)?;
        let (sync_roots, period) = (self.sync_roots, self.heartbeat_period);
        let app = App::new(reader, writer, head, sync_roots, self.body_bytes_max, period);
        Ok(Server::new(app))
    }
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
    /// The engine was left out when this program was built.
    #[error("this program was built without the engine `{engine}`; build it with that feature")]
    EngineMissing {
        /// Which one.
        engine: Engine,
    },
    /// The system gave no thread.
    #[error("a thread could not be started")]
    Thread(#[from] std::io::Error),
}
