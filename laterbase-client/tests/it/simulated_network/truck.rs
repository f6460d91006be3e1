//! A host with a device that records events and syncs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use laterbase_client::client::Client;
use laterbase_client::device::{Device, DeviceOptions, UpkeepMode};
use laterbase_client::sync::{PageOptions, SyncError, SyncOptions, WatchOptions, sync, watch};
use laterbase_client::transport::Transport;
use laterbase_core::memory_store::MemoryStore;
use tokio::time::sleep;

use super::site::{DEPOT, Held, WallClock, check_survival, held, random};
use super::wire::transport;
use crate::depot::impatient;
use crate::dice::Dice;
use crate::sample;

/// How a device stays in sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// It syncs now and then.
    Calls,
    /// It listens to the server and syncs when there is news.
    Watches,
}

/// A host with a device over a store in memory, as often as it is started.
pub(super) struct Truck {
    pub(super) name: String,
    habit: Habit,
    clock: WallClock,
    disk: Mutex<Disk>,
    running: Mutex<Option<Arc<Device>>>,
}

struct Disk {
    store: MemoryStore,
    /// What was visible when the store was last in use.
    seen: Held,
    dice: Dice,
    /// What is still to be recorded.
    stock: Vec<String>,
    /// What was recorded, and so must never get lost.
    recorded: Vec<String>,
}

impl Truck {
    pub(super) fn new(
        number: usize,
        seed: u64,
        habit: Habit,
        stock: Vec<String>,
        clock: WallClock,
    ) -> Arc<Self> {
        let dice = Dice::new(seed ^ (number as u64 + 1) << 32);
        let disk =
            Disk { store: MemoryStore::new(), seen: Held::new(), dice, stock, recorded: vec![] };
        let name = format!("truck-{number}");
        Arc::new(Self { name, habit, clock, disk: Mutex::new(disk), running: Mutex::new(None) })
    }

    /// The host's software: records what is in stock, and syncs for ever.
    pub(super) async fn run(self: Arc<Self>) -> turmoil::Result {
        let device = self.open();
        let client = Client::new(format!("http://{DEPOT}").parse()?, transport());
        match self.habit {
            Habit::Calls => self.call(&device, &client).await,
            Habit::Watches => {
                let silent = std::future::pending();
                let (options, mut check) = (options(), |outcome: &_| check_outcome(outcome));
                let watching = watch(&*device, &client, &options, restless(), &mut check, silent);
                tokio::join!(watching, self.work(&device));
            }
        }
        Ok(())
    }

    fn open(&self) -> Arc<Device> {
        let mut disk = self.disk.lock().unwrap();
        let clock = self.clock.clone();
        let options = DeviceOptions {
            upkeep: UpkeepMode::Writer,
            wall_clock: Box::new(move || clock.now()),
            random: random(disk.dice.roll()),
            ..DeviceOptions::default()
        };
        let device = Arc::new(Device::over(Arc::new(disk.store.reopen()), options).unwrap());
        check_survival(&disk.seen, &held(device.reader()));
        *self.running.lock().unwrap() = Some(Arc::clone(&device));
        device
    }

    async fn call<T: Transport>(&self, device: &Device, client: &Client<T>) {
        loop {
            self.record(device);
            check_outcome(&sync(device, client, &options(), &mut |_progress| {}).await);
            sleep(self.pause()).await;
        }
    }

    async fn work(&self, device: &Device) {
        loop {
            self.record(device);
            sleep(self.pause()).await;
        }
    }

    /// Records some of what is in stock.
    fn record(&self, device: &Device) {
        let mut disk = self.disk.lock().unwrap();
        let count = disk.dice.below(60).min(disk.stock.len());
        let start = disk.stock.len() - count;
        let lines = disk.stock.split_off(start);
        sample::record(device, &lines);
        disk.recorded.extend(lines);
    }

    fn pause(&self) -> Duration {
        Duration::from_millis(20 + self.disk.lock().unwrap().dice.below(800) as u64)
    }

    /// To be called before a crash of the host: whatever its software does in its last throes
    /// goes to a disk that nobody will read.
    pub(super) fn lose_power(&self) {
        if let Some(device) = self.running.lock().unwrap().take() {
            let mut disk = self.disk.lock().unwrap();
            disk.store = disk.store.after_power_loss();
            disk.seen = held(device.reader());
        }
    }

    /// The device, if it is running.
    pub(super) fn device(&self) -> Option<Arc<Device>> {
        self.running.lock().unwrap().clone()
    }

    /// Whether everything is recorded.
    pub(super) fn is_done(&self) -> bool {
        self.disk.lock().unwrap().stock.is_empty()
    }

    pub(super) fn recorded(&self) -> Vec<String> {
        self.disk.lock().unwrap().recorded.clone()
    }
}

/// Small pages, so that a sync takes many requests, and few tries, so that it gives up often.
/// There are no rests between tries, as their length is drawn from the system's randomness.
fn options() -> SyncOptions {
    let pages =
        PageOptions { events_start: 20, events_max: 60, heads_max: 3, ..PageOptions::default() };
    SyncOptions { pages, ..impatient(3) }
}

fn restless() -> WatchOptions {
    WatchOptions {
        rest_first: Duration::ZERO,
        rest_longest: Duration::ZERO,
        ..WatchOptions::default()
    }
}

/// A sync may give up because of the network, and for no other reason.
fn check_outcome<R>(outcome: &Result<R, SyncError>) {
    match outcome {
        Ok(_) => {}
        Err(SyncError::Client(error)) if error.is_transient() => {}
        Err(error) => panic!("no fault of the network: {error:?}"),
    }
}
