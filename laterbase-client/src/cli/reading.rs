//! Reading a store, whoever has it open.
//!
//! A store that nobody has open is opened as for writing: what a crash left undone is done then,
//! and what the read has folded is kept. One that another process has open, or that cannot be
//! written to, is read as it is at this moment.

use std::io::ErrorKind;
use std::sync::Arc;

use anyhow::Context as _;
use laterbase_client::device::{DeviceError, DeviceOptions};
use laterbase_client::engine;
use laterbase_client::local::Local as _;
use laterbase_core::reader::{Reader, Remembered};
use laterbase_core::replica::OpenError as ReplicaOpenError;
use laterbase_core::store::{Store, StoreError};
use laterbase_directory::OpenError;

use super::Common;
use super::held::{Held, Patience, is_locked};
use super::held_back::tell_renewals;
use super::recorder::Recorder;

/// A store that is open to be read, one way or the other.
pub(super) enum Reading {
    /// By this process alone.
    Held(Held),
    /// As it was at one moment. `is_in_use` says whether another process has it open.
    Frozen { reader: Reader, is_in_use: bool },
}

impl Reading {
    pub(super) fn reader(&self) -> &Reader {
        match self {
            Self::Held(held) => held.reader(),
            Self::Frozen { reader, .. } => reader,
        }
    }

    /// Has something remembered before what was read leaves: by whoever can write to the store.
    /// What is on a read-only medium is remembered by nobody, and nobody goes on from there.
    pub(super) fn remember(&self, common: &Common, entries: &[Remembered]) -> anyhow::Result<()> {
        match self {
            _ if entries.is_empty() => Ok(()),
            Self::Held(held) => Ok(held.remember(entries.to_vec())?),
            Self::Frozen { is_in_use: false, .. } => Ok(()),
            Self::Frozen { is_in_use: true, .. } => Recorder::open(common)?.remember(entries),
        }
    }

    pub(super) fn close(self) {
        if let Self::Held(held) = self {
            held.close();
        }
    }
}

impl Common {
    /// Opens a store that is there, lets something read it, and closes it.
    pub(super) fn with_reader<R>(
        &self,
        work: impl FnOnce(&Reader) -> anyhow::Result<R>,
    ) -> anyhow::Result<R> {
        self.with_reading(|| self.options(), |reading| work(reading.reader()))
    }

    /// The same with options of the command's own.
    pub(super) fn with_reading<R>(
        &self,
        options: impl Fn() -> DeviceOptions,
        work: impl FnOnce(&Reading) -> anyhow::Result<R>,
    ) -> anyhow::Result<R> {
        self.check_existing()?;
        let reading = self.read(options)?;
        let done = work(&reading);
        if let Reading::Held(held) = &reading {
            tell_renewals(held);
        }
        reading.close();
        done
    }

    fn read(&self, options: impl Fn() -> DeviceOptions) -> anyhow::Result<Reading> {
        let mut patience = Patience::new();
        loop {
            let error = match self.try_hold(options()) {
                Ok(held) => return Ok(Reading::Held(held)),
                Err(error) if self.new_identity || !can_be_read(&error) => {
                    return Err(error).context("cannot open the store");
                }
                Err(error) => error,
            };
            let is_in_use = is_locked(&error);
            let frozen = self.freeze();
            let opened =
                frozen.and_then(|store| Ok(Reader::of_frozen(store, Arc::new(options().folds))?));
            match opened {
                Ok(reader) => return Ok(Reading::Frozen { reader, is_in_use }),
                // Whoever has it open is just making it.
                Err(
                    DeviceError::Store(OpenError::NoStore { .. })
                    | DeviceError::Replica(ReplicaOpenError::Unmade),
                ) if is_in_use && patience.rest() => {}
                Err(error) if is_in_use => return Err(error).context("cannot read the store"),
                Err(_) => return Err(error).context("cannot open the store"),
            }
        }
    }

    /// The store as it is now.
    pub(super) fn freeze(&self) -> Result<Arc<dyn Store>, DeviceError> {
        Ok(engine::open_to_read(&self.store)?)
    }
}

/// Whether what keeps a store from being opened may let it be read all the same.
fn can_be_read(error: &DeviceError) -> bool {
    match error {
        DeviceError::Store(OpenError::Locked { .. }) => true,
        DeviceError::Store(OpenError::Io { source, .. }) => is_refused(source.kind()),
        DeviceError::Store(OpenError::Engine(error))
        | DeviceError::Replica(ReplicaOpenError::Store(error)) => match error {
            StoreError::Full { .. } => true,
            StoreError::Engine { source, .. } => {
                let source = source.downcast_ref::<std::io::Error>();
                source.is_some_and(|source| is_refused(source.kind()))
            }
            _ => false,
        },
        _ => false,
    }
}

/// Whether it is the right to write, or the room for it, that is missing.
const fn is_refused(kind: ErrorKind) -> bool {
    use ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(kind, PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}
