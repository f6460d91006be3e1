//! Syncing a device with a server: push what it lacks, then pull what we lack.
//!
//! Every step is one request whose outcome is durable on the side that took it in before it is
//! said to be, and which may be made again without harm. So a sync that is cut anywhere goes on
//! where it was when it is run again, and nothing has to be undone.

mod backoff;
mod page_size;
mod pull;
mod push;
mod report;

use std::collections::{BTreeMap, BTreeSet};

use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::ReadError;
use laterbase_core::replica::WriteError;
use laterbase_core::store::StoreError;
use laterbase_core::version_vector::VersionVector;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::client::{Client, ClientError, ServerStatus, Traffic};
use crate::device::Device;
use crate::transport::Transport;
use backoff::Backoff;
use page_size::PageSize;

pub use backoff::BackoffOptions;
pub use page_size::PageOptions;
pub use report::{SyncProgress, SyncReport};

/// What is synced, and how.
#[derive(Clone, Debug, Default)]
pub struct SyncOptions {
    /// The roots to sync; `None` for all that either side has.
    pub roots: Option<BTreeSet<RootName>>,
    /// How large pages are.
    pub pages: PageOptions,
    /// How often, and when, a failed request is made again.
    pub backoff: BackoffOptions,
}

/// Hears how a sync is getting on.
pub type OnProgress<'p> = dyn FnMut(SyncProgress) + Send + 'p;

/// Pushes, then pulls, until the server holds everything that the device held, and the device
/// everything that the server held, when the sync began.
///
/// # Errors
/// [`SyncError`]. What was transferred until then is kept, and the next sync goes on from there.
pub async fn sync<T: Transport>(
    device: &Device,
    client: &Client<T>,
    options: &SyncOptions,
    on_progress: &mut OnProgress<'_>,
) -> Result<SyncReport, SyncError> {
    let mut session = Session::new(device, client, options, on_progress);
    let status = session.status().await?;
    if status.replica == device.id() {
        return Err(SyncError::SameReplica { replica: status.replica });
    }
    session.peer = status.replica;
    let mut theirs = session.their_vectors(status);
    blocking(|| device.acknowledge(session.peer, &theirs))?;
    session.announce(&theirs);
    for (root, vv) in &mut theirs {
        session.push_root(root, vv).await?;
    }
    for (root, vv) in &theirs {
        session.pull_root(root, vv).await?;
    }
    Ok(session.finish())
}

/// One sync with one server.
struct Session<'s, T> {
    device: &'s Device,
    client: &'s Client<T>,
    options: &'s SyncOptions,
    on_progress: &'s mut OnProgress<'s>,
    peer: ReplicaId,
    backoff: Backoff,
    page_size: PageSize,
    progress: SyncProgress,
    skipped: Vec<RootName>,
    traffic_before: Traffic,
}

impl<'s, T: Transport> Session<'s, T> {
    fn new(
        device: &'s Device,
        client: &'s Client<T>,
        options: &'s SyncOptions,
        on_progress: &'s mut OnProgress<'_>,
    ) -> Self {
        Self {
            device,
            client,
            options,
            on_progress,
            peer: device.id(),
            backoff: Backoff::new(options.backoff),
            page_size: PageSize::new(options.pages),
            progress: SyncProgress::default(),
            skipped: Vec::new(),
            traffic_before: client.traffic(),
        }
    }

    async fn status(&mut self) -> Result<ServerStatus, SyncError> {
        loop {
            match self.client.status().await {
                Ok(status) => {
                    self.backoff.reset();
                    return Ok(status);
                }
                Err(error) => self.pause(error).await?,
            }
        }
    }

    /// Per root that is to be synced, what the server holds.
    fn their_vectors(&self, status: ServerStatus) -> BTreeMap<RootName, VersionVector> {
        let mut theirs: BTreeMap<RootName, VersionVector> =
            status.roots.into_iter().map(|(name, root)| (name, root.vv)).collect();
        match &self.options.roots {
            Some(named) => {
                theirs.retain(|root, _vv| named.contains(root));
                for root in named {
                    theirs.entry(root.clone()).or_default();
                }
            }
            None => {
                for root in self.device.reader().roots() {
                    theirs.entry(root).or_default();
                }
            }
        }
        theirs
    }

    /// Says how much there is to do.
    fn announce(&mut self, theirs: &BTreeMap<RootName, VersionVector>) {
        for (root, theirs) in theirs {
            let ours = self.device.reader().version_vector(root);
            self.progress.to_push += count_lacking(&ours, theirs);
            self.progress.to_pull += count_lacking(theirs, &ours);
        }
        (self.on_progress)(self.progress);
    }

    fn page_succeeded(&mut self) {
        self.backoff.reset();
        self.page_size.grow();
        (self.on_progress)(self.progress);
    }

    async fn page_failed(&mut self, error: ClientError) -> Result<(), SyncError> {
        self.page_size.shrink();
        self.pause(error).await
    }

    /// Waits after a failure that may pass; any other is the end of the sync.
    async fn pause(&mut self, error: ClientError) -> Result<(), SyncError> {
        if !error.is_transient() {
            return Err(error.into());
        }
        match self.backoff.next_delay(error.retry_after()) {
            Some(delay) => tokio::time::sleep(delay).await,
            None => return Err(error.into()),
        }
        Ok(())
    }

    fn finish(self) -> SyncReport {
        let traffic = self.client.traffic() - self.traffic_before;
        SyncReport {
            pushed: self.progress.pushed,
            pulled: self.progress.pulled,
            requests: traffic.requests,
            bytes_sent: traffic.bytes_sent,
            bytes_received: traffic.bytes_received,
            skipped: self.skipped,
        }
    }
}

/// How many of the events in `held` are not in `other`.
fn count_lacking(held: &VersionVector, other: &VersionVector) -> u64 {
    held.iter().map(|(origin, seq)| seq.saturating_sub(other.get(&origin))).sum()
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
    /// The device could not store what came.
    #[error("what the server sent could not be stored")]
    Write(#[from] WriteError),
    /// The device could not read what was to be sent.
    #[error("the store could not be read")]
    Read(#[from] ReadError),
    /// The device's store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server answers, but nothing comes of it.
    #[error("syncing {root} makes no headway: {detail}")]
    Stuck {
        /// The root that was being synced.
        root: RootName,
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
