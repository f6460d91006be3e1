//! The thread that keeps the derived tables up to date, off the write path.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use laterbase_core::Maintenance;
use laterbase_core::reader::Reader;
use laterbase_core::store::StoreError;

use crate::meters::Meters;

/// After so long without a write, the derived tables are brought up to date however little they
/// lack, so that a crash costs little to recover from.
const IDLE: Duration = Duration::from_secs(2);

/// And after so long in any case: snapshots that reads have left in memory would else be lost with
/// a crash, however long ago they were made.
const FLUSH_PERIOD: Duration = Duration::from_secs(10);

/// A running maintenance thread.
#[derive(Debug)]
pub(crate) struct MaintenanceThread {
    /// Holds one wake-up call at most: a second one would say nothing new.
    calls: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl MaintenanceThread {
    pub(crate) fn start(
        maintenance: Maintenance,
        reader: Reader,
        meters: Arc<Meters>,
    ) -> std::io::Result<Self> {
        let (calls, inbox) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("laterbase-maintenance".into())
            .spawn(move || run(maintenance, &reader, &meters, &inbox))?;
        Ok(Self { calls: Some(calls), thread: Some(thread) })
    }

    /// Says that there may be work. Does not wait.
    pub(crate) fn wake(&self) {
        if let Some(calls) = &self.calls {
            let _ = calls.try_send(());
        }
    }

    /// Waits for the step under way, and ends the thread.
    pub(crate) fn stop(&mut self) {
        self.calls = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the maintenance thread panicked");
        }
    }
}

impl Drop for MaintenanceThread {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(mut maintenance: Maintenance, reader: &Reader, meters: &Meters, inbox: &Receiver<()>) {
    let (mut last_head, mut last_flush) = (0, Instant::now());
    let mut watch = Watch::default();
    loop {
        watch.look(reader);
        let done = match inbox.recv_timeout(IDLE) {
            Err(RecvTimeoutError::Timeout)
                if reader.head() == last_head || last_flush.elapsed() >= FLUSH_PERIOD =>
            {
                last_flush = Instant::now();
                flush(&mut maintenance, reader, meters)
            }
            Ok(()) | Err(RecvTimeoutError::Timeout) => step(&mut maintenance, reader, meters),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        last_head = reader.head();
        match done {
            // Writes are refused for good, and this with them: the writer has said so already.
            Ok(()) | Err(StoreError::Poisoned) => {}
            // Tried again soon: nothing acknowledged hangs on it.
            Err(error) => tracing::error!(%error, "the derived tables fall behind"),
        }
    }
}

/// What was said of the store already.
#[derive(Default)]
struct Watch {
    set_aside: usize,
    is_low: bool,
}

impl Watch {
    /// Says once what an operator must know.
    fn look(&mut self, reader: &Reader) {
        let condition = reader.condition();
        for found in condition.set_aside.iter().skip(self.set_aside) {
            tracing::warn!(found, "derived tables were damaged, and are built anew from the log");
        }
        self.set_aside = condition.set_aside.len();
        let is_low = condition.is_low();
        if is_low && !self.is_low {
            let (left, taken) = (condition.left_bytes(), condition.size_bytes);
            tracing::warn!(left_bytes = left, size_bytes = taken, "the store has little room left");
        }
        self.is_low = is_low;
    }
}

fn flush(
    maintenance: &mut Maintenance,
    reader: &Reader,
    meters: &Meters,
) -> Result<(), StoreError> {
    let (held, begun) = (reader.front_events(), Instant::now());
    maintenance.flush()?;
    if held > 0 {
        meters.flush.observe_time(begun.elapsed());
    }
    meters.was_flushed();
    Ok(())
}

fn step(maintenance: &mut Maintenance, reader: &Reader, meters: &Meters) -> Result<(), StoreError> {
    loop {
        let (held, begun) = (reader.front_events(), Instant::now());
        if !maintenance.step()? {
            return Ok(());
        }
        // Other steps leave what is held, or are about a front that writes go on to fill.
        if reader.front_events() < held {
            meters.flush.observe_time(begun.elapsed());
            meters.was_flushed();
        }
    }
}
