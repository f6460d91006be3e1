//! What recording would do, without storing anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use laterbase_client::device::{Device, DeviceError, DeviceOptions, TogetherError, UpkeepMode};
use laterbase_core::PreparedBatch;
use laterbase_core::event::Record;
use laterbase_core::id::RootName;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::Reader;
use laterbase_core::replica::{ReplicaOptions, WriteError};
use laterbase_core::store::Store;
use laterbase_directory::OpenError;

use super::unwritten_store::{UNFLUSHED, UnwrittenStore};
use crate::cli::Common;
use crate::cli::held::is_locked;
use crate::cli::output::complain;
use crate::cli::recorder::RecordError;

/// A store that keeps nothing.
pub(super) struct Trial {
    common: Common,
    /// Opened for a batch, and let go while the input pauses.
    device: Option<Device>,
    /// Whether it was said that what was recorded before is not looked up.
    is_told_blind: bool,
    /// Keys that events took so far, and what these were, as hashes.
    taken: BTreeMap<Hash, Hash>,
}

type Hash = [u8; 16];

impl Trial {
    pub(super) fn new(common: &Common) -> Self {
        // Nothing of it is done.
        let common = Common { new_identity: false, ..common.clone() };
        Self { common, device: None, is_told_blind: false, taken: BTreeMap::new() }
    }

    /// Looks at the store as it is now, whoever has it open.
    fn open(&mut self) -> anyhow::Result<Device> {
        match self.common.freeze() {
            Ok(store) => {
                let store = UnwrittenStore::over(store).context("cannot read the store")?;
                device_over(&self.common, Arc::new(store)).context("cannot read the store")
            }
            Err(DeviceError::Store(OpenError::NoStore { .. })) => Ok(empty_device(&self.common)?),
            // The medium is read-only here, and somebody writes to it elsewhere.
            Err(error) if is_locked(&error) => {
                if !std::mem::replace(&mut self.is_told_blind, true) {
                    complain(
                        "another process has the store open, so what was recorded before is not \
                         looked up",
                    );
                }
                Ok(empty_device(&self.common)?)
            }
            Err(error) => Err(error).context("cannot read the store"),
        }
    }

    /// Gives the number of events that would be new.
    pub(super) fn record(&mut self, batches: &[&PreparedBatch]) -> Result<u64, RecordError> {
        let device = match self.device.take() {
            Some(device) => device,
            None => self.open().map_err(RecordError::NoWay)?,
        };
        let would_be_new = self.device.insert(device).rehearse(batches)?;
        let (mut taken, mut new, mut conflicts) = (BTreeMap::new(), 0, Vec::new());
        for (number, (batch, would_be_new)) in batches.iter().zip(would_be_new).enumerate() {
            for (index, (record, is_new)) in batch.encoded().zip(would_be_new).enumerate() {
                let is_new = u64::from(is_new);
                let Some((key, said)) = hashes(batch.root(), record) else {
                    new += is_new;
                    continue;
                };
                match self.taken.get(&key) {
                    Some(earlier) if *earlier != said => {
                        conflicts.push((number, WriteError::KeyConflict { index, holder: None }));
                    }
                    Some(_) => {}
                    None => {
                        new += is_new;
                        taken.insert(key, said);
                    }
                }
            }
        }
        let mut conflicts = conflicts.into_iter();
        if let Some((batch, source)) = conflicts.next() {
            return Err(TogetherError { batch: Some(batch), source, others: conflicts.collect() })?;
        }
        self.taken.append(&mut taken);
        Ok(new)
    }

    /// Lets something read the store that the last batch was tried on.
    pub(super) fn read<R>(
        &self,
        work: impl FnOnce(&Reader) -> anyhow::Result<R>,
    ) -> anyhow::Result<R> {
        let device = self.device.as_ref().context("nothing was tried yet")?;
        work(device.reader())
    }

    /// Lets the store go: what is recorded meanwhile is seen by the next batch.
    pub(super) fn let_go(&mut self) {
        self.device = None;
    }
}

/// The hash of an event's key in its root, and that of what its writer said.
fn hashes(root: &RootName, record: &[u8]) -> Option<(Hash, Hash)> {
    let record = Record::decode(record).ok()?;
    let key = format!("{root} {}", record.idempotency_key?);
    let occurred = record.occurred.filter(|_| !record.is_occurred_defaulted);
    let mut said = Vec::new();
    Record { occurred: occurred.or(Some(0)), ..record }.encode(&mut said);
    Some((hash(key.as_bytes()), hash(&said)))
}

fn hash(bytes: &[u8]) -> Hash {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    short
}

/// A new store in memory that behaves as the command is told to.
pub(super) fn empty_device(common: &Common) -> Result<Device, DeviceError> {
    device_over(common, Arc::new(MemoryStore::new()))
}

fn device_over(common: &Common, store: Arc<dyn Store>) -> Result<Device, DeviceError> {
    let options = DeviceOptions { upkeep: UpkeepMode::Writer, ..common.options() };
    let future_nanos_max = common.max_future.unwrap_or(options.replica.future_nanos_max);
    let replica =
        ReplicaOptions { future_nanos_max, front_events_flush: UNFLUSHED, ..options.replica };
    Device::over(store, DeviceOptions { replica, ..options })
}
