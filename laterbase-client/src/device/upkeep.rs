//! Who brings the derived tables up to date, and when.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use laterbase_core::Maintenance;

/// After so long, what was written is flushed however little it is.
const FLUSH_PERIOD: Duration = Duration::from_secs(10);

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
        let thread = thread::Builder::new()
            .name("laterbase-upkeep".to_owned())
            .spawn(move || run(&mut maintenance, &woken))?;
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

/// Steps when something was written. Every now and then, what reads have left in memory is stored
/// with the rest, so that little of it is lost with a crash.
fn run(maintenance: &mut Maintenance, woken: &Receiver<()>) {
    let (mut is_behind, mut last_flush) = (false, Instant::now());
    loop {
        let waited = if is_behind {
            woken.recv_timeout(FLUSH_PERIOD)
        } else {
            woken.recv().map_err(RecvTimeoutError::from)
        };
        if waited == Err(RecvTimeoutError::Disconnected) {
            return;
        }
        step(maintenance);
        is_behind = true;
        if last_flush.elapsed() >= FLUSH_PERIOD {
            // A failure is met again, as in a step.
            is_behind = maintenance.flush().is_err();
            last_flush = Instant::now();
        }
    }
}

/// A failure loses nothing and is met again, and reported, when the device is closed.
fn step(maintenance: &mut Maintenance) {
    while let Ok(true) = maintenance.step() {}
}
