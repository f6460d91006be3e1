//! A replica on a device: where events are recorded, without asking any network.

mod holder;
mod local;
mod rehearsal;
mod typed;
mod upkeep;

use std::borrow::Borrow;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use laterbase_core::PreparedBatch;
use laterbase_core::delta::Delta;
use laterbase_core::fold::{Folds, MergePatch};
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::reader::Reader;
use laterbase_core::replica::{
    Appended, Merged, MergedPage, OpenError as ReplicaOpenError, Random, Replica, ReplicaOptions,
    WriteError,
};
use laterbase_core::store::{Store, StoreError};
use laterbase_directory::OpenError;
use laterbase_directory::environment::{random_bytes_16, wall_clock_nanos};
use tokio::sync::watch;

use crate::engine::{self, StoreOptions};

use upkeep::Upkeep;

pub use upkeep::UpkeepMode;

/// Reads the wall clock, in nanoseconds since 1970 UTC.
pub type WallClock = Box<dyn Fn() -> i64 + Send + Sync>;

/// How a device behaves, and where it has time and randomness from.
pub struct DeviceOptions {
    /// What aggregates are read by. The default folds every root as a JSON merge patch.
    pub folds: Folds,
    /// The replica's own options.
    pub replica: ReplicaOptions,
    /// How [`Device::open`] opens the store.
    pub store: StoreOptions,
    /// Who brings the derived tables up to date.
    pub upkeep: UpkeepMode,
    /// The default is the system's.
    pub wall_clock: WallClock,
    /// The default is the system's.
    pub random: Random,
}

impl Default for DeviceOptions {
    fn default() -> Self {
        Self {
            folds: Folds::new().fallback(Arc::new(MergePatch)),
            replica: ReplicaOptions::default(),
            store: StoreOptions::default(),
            upkeep: UpkeepMode::default(),
            wall_clock: Box::new(wall_clock_nanos),
            random: Box::new(random_bytes_16),
        }
    }
}

impl fmt::Debug for DeviceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceOptions")
            .field("folds", &self.folds)
            .field("replica", &self.replica)
            .field("store", &self.store)
            .field("upkeep", &self.upkeep)
            .finish_non_exhaustive()
    }
}

/// A store that can write, with its clock and its background work.
///
/// Writes wait for each other; reads wait for nobody. Every method blocks its thread for as long
/// as the disk takes.
pub struct Device {
    writer: Mutex<Replica>,
    reader: Reader,
    upkeep: Upkeep,
    wall_clock: WallClock,
    /// Where the log ends, for those who wait for more.
    head: watch::Sender<u64>,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Device {
    /// Opens the store in the directory `path`, by the engine that it is stamped with, and makes one
    /// if there is none: on LMDB, which the feature `lmdb` brings.
    ///
    /// # Errors
    /// [`DeviceError`]; what the directory holds is as it was.
    pub fn open(path: &Path, options: DeviceOptions) -> Result<Self, DeviceError> {
        Self::over(engine::open(path, options.store)?, options)
    }

    /// Opens the replica that a store of any engine holds, and makes one if there is none.
    ///
    /// # Errors
    /// [`DeviceError`]; the events in the store are as they were.
    pub fn over(store: Arc<dyn Store>, options: DeviceOptions) -> Result<Self, DeviceError> {
        let DeviceOptions { folds, replica, upkeep, wall_clock, random, .. } = options;
        let replica = Replica::open(store, Arc::new(folds), replica, random)?;
        let reader = replica.reader();
        let upkeep = Upkeep::start(replica.maintenance(), upkeep)
            .map_err(|source| DeviceError::Thread { source })?;
        let head = watch::Sender::new(reader.head());
        Ok(Self { writer: Mutex::new(replica), reader, upkeep, wall_clock, head })
    }

    /// The id that new events get.
    pub fn id(&self) -> ReplicaId {
        self.reader.replica_id()
    }

    /// What the device's wall clock says, in nanoseconds since 1970 UTC.
    pub fn now_nanos(&self) -> i64 {
        (self.wall_clock)()
    }

    /// Reads from the device. Cheap to clone, for any thread.
    pub const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// An empty batch for a root, to be filled and handed to [`Self::record`] without much ado: what
    /// does not say when it happened, happens now.
    pub fn batch(&self, root: &RootName) -> PreparedBatch {
        let now_nanos = self.now_nanos();
        PreparedBatch::new(root.clone(), Arc::clone(self.reader.folds()), now_nanos)
    }

    /// Writes a batch. It is on disk when this returns.
    ///
    /// # Errors
    /// [`WriteError`]; nothing of the batch is stored.
    pub fn record(&self, batch: &PreparedBatch) -> Result<Appended, WriteError> {
        self.write(|replica, now_nanos| replica.stage_append(batch, now_nanos))
    }

    /// Writes several batches, of different roots for example, as one: all of them or nothing.
    /// Gives the number of events that were new; those replayed by their idempotency key are not.
    ///
    /// # Errors
    /// [`TogetherError`]; nothing of any batch is stored.
    pub fn record_together<B: Borrow<PreparedBatch>>(
        &self,
        batches: &[B],
    ) -> Result<u64, TogetherError> {
        self.write_together(batches, None)
    }

    /// Merges a delta page. Its new events are on disk when this returns.
    ///
    /// # Errors
    /// [`WriteError`]; nothing of the page is stored. What shows a fork is kept in quarantine.
    pub fn merge(&self, page: &[u8]) -> Result<Merged, WriteError> {
        let delta = Delta::decode(page)?;
        self.write(|replica, now_nanos| replica.stage_merge(&delta, now_nanos))
    }

    /// Merges what fits of a delta page. Events that show a fork, or come after a hole, are held
    /// back with all that follow of their origin in that root.
    ///
    /// # Errors
    /// [`WriteError`]; nothing of the page is stored.
    pub fn merge_what_fits(&self, page: &[u8]) -> Result<MergedPage, WriteError> {
        let delta = Delta::decode(page)?;
        self.write(|replica, now_nanos| replica.stage_merge_page(&delta, now_nanos))
    }

    /// Stages something and commits it, together with nothing else.
    pub(crate) fn write<R>(
        &self,
        stage: impl FnOnce(&mut Replica, i64) -> Result<R, WriteError>,
    ) -> Result<R, WriteError> {
        let mut replica = self.writer();
        match stage(&mut replica, (self.wall_clock)()) {
            Ok(staged) => {
                replica.commit()?;
                drop(replica);
                self.upkeep.wake();
                self.head.send_replace(self.reader.head());
                Ok(staged)
            }
            // The fork is on record; what it was found on is not taken.
            Err(error @ WriteError::Fork { .. }) => {
                replica.commit()?;
                Err(error)
            }
            Err(error) => {
                replica.abandon();
                Err(error)
            }
        }
    }

    /// Brings the derived tables up to date and marks a clean stop. A device that is dropped
    /// instead loses nothing either; the next one to open its store has a little more to do.
    ///
    /// # Errors
    /// [`StoreError`]; every event is safe all the same.
    pub fn close(self) -> Result<(), StoreError> {
        self.upkeep.stop();
        self.writer.into_inner().unwrap_or_else(PoisonError::into_inner).close()
    }

    /// A panic while the lock was held left at most something staged, which is dropped here.
    fn writer(&self) -> MutexGuard<'_, Replica> {
        self.writer.lock().unwrap_or_else(|poisoned| {
            self.writer.clear_poison();
            let mut replica = poisoned.into_inner();
            replica.abandon();
            replica
        })
    }
}

/// Why a device could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The store's directory or engine.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The replica in the store.
    #[error(transparent)]
    Replica(#[from] ReplicaOpenError),
    /// The thread for the background work could not be started.
    #[error("could not start a thread")]
    Thread {
        /// What the system said.
        source: std::io::Error,
    },
}

/// Why several batches were not written.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct TogetherError {
    /// Which batch is at fault, from 0; `None` if it is the commit of them all.
    pub batch: Option<usize>,
    /// What is wrong.
    pub source: WriteError,
    /// What else would be refused, of this batch and of those behind it: which batch, and why one of
    /// its events is.
    pub others: Vec<(usize, WriteError)>,
}

impl TogetherError {
    /// What keeps a whole commit from being done, and is no batch's fault.
    pub const fn of_commit(source: WriteError) -> Self {
        Self { batch: None, source, others: Vec::new() }
    }
}

#[cfg(test)]
mod tests;
