//! Who brings the derived tables up to date, and when.

use std::io;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use laterbase_core::Maintenance;

/// Who brings the derived tables up to date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpkeepMode {
    /// A thread of the device's own, so that no write waits for it.
    #[default]
    Thread,
    /// Whoever wrote, before the write returns: nothing happens but by a call, as simulations
    /// need it.
    Writer,
}

/// The background work of one device.
pub(super) enum Upkeep {
    Thread { wake: SyncSender<()>, thread: JoinHandle<()> },
    Writer(Mutex<Maintenance>),
}

impl Upkeep {
    pub(super) fn start(mut maintenance: Maintenance, mode: UpkeepMode) -> io::Result<Self> {
        if mode == UpkeepMode::Writer {
            return Ok(Self::Writer(Mutex::new(maintenance)));
        }
        let (wake, woken) = mpsc::sync_channel(1);
        let thread =
            thread::Builder::new().name("laterbase-upkeep".to_owned()).spawn(move || {
                while woken.recv().is_ok() {
                    step(&mut maintenance);
                }
            })?;
        Ok(Self::Thread { wake, thread })
    }

    /// Says that something was written.
    pub(super) fn wake(&self) {
        match self {
            // A full channel holds a call to wake up already.
            Self::Thread { wake, .. } => drop(wake.try_send(())),
            Self::Writer(maintenance) => {
                step(&mut maintenance.lock().unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    /// Waits until nothing of it runs any more.
    pub(super) fn stop(self) {
        if let Self::Thread { wake, thread } = self {
            drop(wake);
            // A panic in there has cost nothing but derived entries, which are built anew.
            let _ended = thread.join();
        }
    }
}

/// A failure loses nothing and is met again, and reported, when the device is closed.
fn step(maintenance: &mut Maintenance) {
    while let Ok(true) = maintenance.step() {}
}
