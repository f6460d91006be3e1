//! A store that this process has open, and writes to for others too.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use laterbase_client::device::{Device, DeviceError, DeviceOptions};
use laterbase_client::engine::StoreOptions;
use laterbase_client::handover::Listening;
use laterbase_core::replica::ReplicaOptions;
use laterbase_directory::OpenError;

use super::Common;
use super::held_back::tell_renewals;
use super::output::complain;

/// How long a command waits for the store while another process has it open.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(10);

/// How often it looks whether that is over, at first and in the end.
const LOOK_FIRST: Duration = Duration::from_millis(1);
const LOOK_LAST: Duration = Duration::from_millis(20);

/// An open store. Other processes hand their events over as long as it lives.
pub(super) struct Held {
    device: Arc<Device>,
    /// `None` if there can be no socket in the folder; others then wait.
    listening: Option<Listening>,
}

impl Deref for Held {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.device
    }
}

impl Held {
    /// Closes the store. What others have handed over is answered first.
    ///
    /// What was recorded is on disk before that, so a command that cannot bring the derived tables
    /// up to date, on a full disk for example, has done its work all the same.
    pub(super) fn close(self) {
        let Self { device, listening } = self;
        if let Some(listening) = listening {
            listening.stop();
        }
        if let Err(error) = Arc::into_inner(device).map_or(Ok(()), Device::close) {
            let error = anyhow::Error::new(error);
            complain(format_args!(
                "warning: the indexes could not be brought up to date, which the next command on \
                 this store will do; every recorded event is safe: {error:#}"
            ));
        }
    }
}

/// Growing rests for as long as the store is waited for.
pub(super) struct Patience {
    end: Instant,
    rest: Duration,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { end: Instant::now() + LOCK_WAIT, rest: LOOK_FIRST }
    }

    /// Rests; false once it has been long enough.
    pub(super) fn rest(&mut self) -> bool {
        if Instant::now() >= self.end {
            return false;
        }
        std::thread::sleep(self.rest);
        self.rest = (self.rest * 2).min(LOOK_LAST);
        true
    }
}

impl Common {
    /// Opens the store, makes one if there is none, and closes it behind the work.
    pub(super) fn with_device<R>(
        &self,
        work: impl FnOnce(&Device) -> anyhow::Result<R>,
    ) -> anyhow::Result<R> {
        let held = self.hold().context("cannot open the store")?;
        let done = work(&held);
        tell_renewals(&held);
        super::room::warn(&held);
        held.close();
        done
    }

    /// The same for a command that only makes sense on a store that is there.
    pub(super) fn with_existing_device<R>(
        &self,
        work: impl FnOnce(&Device) -> anyhow::Result<R>,
    ) -> anyhow::Result<R> {
        self.check_existing()?;
        self.with_device(work)
    }

    /// Opens the store, and makes one if there is none. Waits a little for another process to be
    /// done with it.
    pub(super) fn hold(&self) -> Result<Held, DeviceError> {
        let mut patience = Patience::new();
        loop {
            match self.try_hold(self.options()) {
                Err(error) if is_locked(&error) && patience.rest() => {}
                outcome => return outcome,
            }
        }
    }

    /// The same without waiting.
    pub(super) fn try_hold(&self, options: DeviceOptions) -> Result<Held, DeviceError> {
        let future_nanos_max = self.max_future.unwrap_or(options.replica.future_nanos_max);
        let new_identity = self.new_identity;
        let replica = ReplicaOptions { future_nanos_max, new_identity, ..options.replica };
        let store = StoreOptions { size_bytes_max: self.max_store_size, ..options.store };
        let device = Device::open(&self.store, DeviceOptions { replica, store, ..options })?;
        let device = Arc::new(device);
        // A file system without sockets is no reason not to go on.
        let listening = Listening::start(&self.store, Arc::clone(&device) as Arc<_>).ok();
        Ok(Held { device, listening })
    }
}

/// Whether another process has the store open.
pub(super) fn is_locked(error: &DeviceError) -> bool {
    matches!(error, DeviceError::Store(OpenError::Locked { .. }))
}
