//! Syncing a store with a server: push what it lacks, then pull what we lack.
//!
//! Every step is one request whose outcome is durable on the side that took it in before it is
//! said to be, and which may be made again without harm. What the server has acknowledged and
//! where its arrival log was left off is remembered in the commit that stores a page or takes in
//! an answer. So a sync that is cut anywhere goes on where it was when it is run again, and
//! nothing has to be undone.
//!
//! As long as both sides remember each other, one integer says where they are, and a sync without
//! news is one request. Where they do not (a new server, one that was set back, another choice of
//! roots), both say what they hold, and what differs goes over the link.

mod ahead;
mod backoff;
mod distance;
mod doubt;
mod handshake;
mod headway;
mod lacking;
pub(crate) mod page;
mod page_size;
mod pull;
mod push;
mod report;
mod server_state;
mod session;
mod standing;
mod watch;

use std::time::Duration;

use laterbase_core::id::ReplicaId;
use laterbase_core::reader::ReadError;
use laterbase_core::replica::WriteError;
use laterbase_core::selection::RootSelection;
use laterbase_core::store::StoreError;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::client::{Client, ClientError};
use crate::local::Local;
use crate::transport::Transport;
use session::Session;

pub(crate) use backoff::Backoff;
pub use backoff::BackoffOptions;
pub use distance::{Distance, Level, distances, level};
pub use headway::HeadwayOptions;
pub use page_size::PageOptions;
pub use report::{SyncProgress, SyncReport};
pub use standing::{HeldBackChange, HeldBackNews, LeftOut, Standing, standings};
pub use watch::{OnSync, Watch, WatchOptions, watch};

/// What is synced, and how.
#[derive(Clone, Debug, Default)]
pub struct SyncOptions {
    /// The roots to sync. Others are neither sent nor asked for.
    pub roots: RootSelection,
    /// What those who watch the server are told of this side, beside its id.
    pub who: Introduction,
    /// How large pages are.
    pub pages: PageOptions,
    /// How often, and when, a failed request is made again.
    pub backoff: BackoffOptions,
    /// How long it goes on where nothing comes of it.
    pub headway: HeadwayOptions,
    /// How long the sync may hold the store; `None` for as long as it takes. When it is over, the
    /// sync ends behind the page that it is at, and the next one goes on there.
    pub pause: Option<Duration>,
}

/// What a side tells those who watch the server of itself. Nothing depends on it.
#[derive(Clone, Debug, Default)]
pub struct Introduction {
    /// What people call it. A name of more than 64 bytes is not told.
    pub name: Option<String>,
    /// Tells the wall clock's time in nanoseconds since 1970 UTC, so that a clock that is wrong is
    /// seen at the server too.
    pub wall_clock: Option<fn() -> i64>,
}

/// Hears how a sync is getting on.
pub type OnProgress<'p> = dyn FnMut(SyncProgress) + Send + 'p;

/// Pushes, then pulls, until the server holds everything that the store held, and the store
/// everything that the server held, when the sync began.
///
/// # Errors
/// [`SyncError`]. What was transferred until then is kept, and the next sync goes on from there.
pub async fn sync<L: Local, T: Transport>(
    local: &L,
    client: &Client<T>,
    options: &SyncOptions,
    on_progress: &mut OnProgress<'_>,
) -> Result<SyncReport, SyncError> {
    let client = client.with_patience(options.headway.patience);
    let mut session = Session::open(local, &client, options, on_progress)?;
    session.run().await?;
    session.finish()
}

/// Runs work that waits for the disk. Where the runtime has other threads, they take over what
/// this one would have done meanwhile.
fn blocking<R>(work: impl FnOnce() -> R) -> R {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Why a sync did not get to its end. What was transferred is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The server refused something, or was not to be had for too long.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What came could not be stored.
    #[error("what the server sent could not be stored")]
    Write(#[from] WriteError),
    /// What was to be sent could not be read.
    #[error("the store could not be read")]
    Read(#[from] ReadError),
    /// The local store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server answers, but nothing comes of it.
    #[error("the sync makes no headway: {detail}")]
    Stuck {
        /// What does not fit.
        detail: &'static str,
    },
    /// The server writes under this store's own id.
    #[error("the server is this same replica, {replica}, or a copy that uses its id")]
    SameReplica {
        /// The id.
        replica: ReplicaId,
    },
}
