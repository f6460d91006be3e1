//! What recording would do, without storing anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use laterbase_client::device::{Device, DeviceError, DeviceOptions, TogetherError, UpkeepMode};
use laterbase_core::PreparedBatch;
use laterbase_core::event::Record;
use laterbase_core::id::RootName;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::replica::{ReplicaOptions, WriteError};

use crate::cli::Common;
use crate::cli::held::{Held, is_locked};

/// A store that keeps nothing.
pub(super) struct Trial {
    store: Store,
    /// Keys that events took so far, and what these were, as hashes.
    taken: BTreeMap<Hash, Hash>,
}

type Hash = [u8; 16];

enum Store {
    Own(Held),
    /// There is no store yet; or, if `is_blind`, another process has it open, and what it holds is
    /// not looked up.
    Empty {
        device: Box<Device>,
        is_blind: bool,
    },
}

impl Trial {
    /// Opens the store if there is one that nobody has open.
    pub(super) fn open(common: &Common) -> anyhow::Result<Self> {
        let is_there = common.store.exists();
        let held = is_there.then(|| common.try_hold(DeviceOptions::default())).transpose();
        let store = match held {
            Ok(Some(held)) => Store::Own(held),
            Ok(None) => Store::Empty { device: Box::new(empty_device(common)?), is_blind: false },
            Err(error) if is_locked(&error) => {
                Store::Empty { device: Box::new(empty_device(common)?), is_blind: true }
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Self { store, taken: BTreeMap::new() })
    }

    /// Whether what was recorded before could not be looked up.
    pub(super) const fn is_blind(&self) -> bool {
        matches!(self.store, Store::Empty { is_blind: true, .. })
    }

    /// Gives the number of events that would be new.
    pub(super) fn record(&mut self, batches: &[&PreparedBatch]) -> Result<u64, TogetherError> {
        let device: &Device = match &self.store {
            Store::Own(held) => held,
            Store::Empty { device, .. } => device,
        };
        let would_be_new = device.rehearse(batches)?;
        let (mut taken, mut new) = (BTreeMap::new(), 0);
        for (number, (batch, would_be_new)) in batches.iter().zip(would_be_new).enumerate() {
            for (index, (record, is_new)) in batch.encoded().zip(would_be_new).enumerate() {
                let is_new = u64::from(is_new);
                let Some((key, said)) = hashes(batch.root(), record) else {
                    new += is_new;
                    continue;
                };
                match self.taken.get(&key) {
                    Some(earlier) if *earlier != said => {
                        let source = WriteError::KeyConflict { index, holder: None };
                        return Err(TogetherError { batch: Some(number), source });
                    }
                    Some(_) => {}
                    None => {
                        new += is_new;
                        taken.insert(key, said);
                    }
                }
            }
        }
        self.taken.append(&mut taken);
        Ok(new)
    }

    pub(super) fn close(self) {
        if let Store::Own(held) = self.store {
            held.close();
        }
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
    let options = DeviceOptions { upkeep: UpkeepMode::Writer, ..DeviceOptions::default() };
    let future_nanos_max = common.max_future.unwrap_or(options.replica.future_nanos_max);
    let replica = ReplicaOptions { future_nanos_max, ..options.replica };
    Device::over(Arc::new(MemoryStore::new()), DeviceOptions { replica, ..options })
}
