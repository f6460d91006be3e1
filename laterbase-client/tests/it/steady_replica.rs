//! Replicas that are the same in every run: their ids, their clocks and what they write.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use laterbase_client::device::{Device, DeviceOptions, UpkeepMode};
use laterbase_core::PreparedBatch;
use laterbase_core::delta::Delta;
use laterbase_core::event::Record;
use laterbase_core::fold::{Folds, MergePatch};
use laterbase_core::id::RootName;
use laterbase_core::limits::BATCH_EVENTS_MAX;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::replica::{Random, Replica, ReplicaOptions};
use laterbase_server::Server;

use crate::dice::Dice;

/// 1 March 2024, in nanoseconds since 1970.
const START_NANOS: i64 = 1_709_251_200_000_000_000;

/// A store, and whose it is.
pub(crate) struct SteadyReplica {
    store: MemoryStore,
    number: u8,
    /// Another one for every history that a replica may have.
    history: u64,
    /// How often it was opened.
    opened: AtomicU64,
}

impl SteadyReplica {
    pub(crate) fn new(number: u8) -> Self {
        let replica = Self::over(MemoryStore::new(), number, 0);
        replica.write(|_opened, _now| {});
        replica
    }

    /// Another replica that holds the same.
    pub(crate) fn copy(&self, number: u8) -> Self {
        let replica = Self::over(self.store.after_power_loss(), number, 0);
        replica.write(|_opened, _now| {});
        replica
    }

    /// The same replica as it is now, to go back to. What it writes from here on differs.
    pub(crate) fn backup(&self) -> Self {
        Self::over(self.store.after_power_loss(), self.number, self.history + 1)
    }

    fn over(store: MemoryStore, number: u8, history: u64) -> Self {
        Self { store, number, history, opened: AtomicU64::new(0) }
    }

    /// Opens the replica for a moment.
    fn write(&self, write: impl FnOnce(&mut Replica, i64)) {
        let (store, folds) = (self.opened(), Self::folds());
        let random = self.random();
        let mut replica = Replica::open(store, folds, ReplicaOptions::default(), random).unwrap();
        write(&mut replica, START_NANOS);
        replica.close().unwrap();
    }

    fn folds() -> Arc<Folds> {
        Arc::new(Folds::new().fallback(Arc::new(MergePatch)))
    }

    /// Bytes that only depend on whose they are, and how often that one was opened before.
    fn random(&self) -> Random {
        let opened = self.opened.fetch_add(1, Ordering::Relaxed);
        let mut dice = Dice::new(u64::from(self.number) ^ self.history << 48 ^ opened << 32);
        Box::new(move || (u128::from(dice.roll()) << 64 | u128::from(dice.roll())).to_be_bytes())
    }

    fn opened(&self) -> Arc<MemoryStore> {
        Arc::new(self.store.reopen().at_home([self.number; 32]))
    }

    /// Records events whose data takes 200 bytes each, spread over 10,000 aggregates.
    pub(crate) fn record(&self, root: &RootName, count: usize) {
        self.write(|replica, now| {
            let seed = replica.reader().head() + u64::from(self.number);
            let mut dice = Dice::new(seed ^ self.history << 48);
            let mut left = count;
            while left > 0 {
                let mut batch = PreparedBatch::new(root.clone(), Self::folds(), now);
                let events = left.min(BATCH_EVENTS_MAX);
                for _ in 0..events {
                    let (id, data) = scan(&mut dice);
                    batch.push(&Record::json(&id, "Scanned", &data)).unwrap();
                }
                replica.append(&batch, now).unwrap();
                left -= events;
            }
        });
    }

    /// Takes in a page of others' events.
    pub(crate) fn merge(&self, page: &[u8]) {
        self.write(|replica, now| {
            replica.merge(&Delta::decode(page).unwrap(), now).unwrap();
        });
    }

    pub(crate) fn device(&self) -> Device {
        let store = self.opened();
        let options = DeviceOptions {
            upkeep: UpkeepMode::Writer,
            wall_clock: Box::new(clock()),
            random: self.random(),
            ..DeviceOptions::default()
        };
        Device::over(store, options).unwrap()
    }

    pub(crate) fn server(&self) -> Server {
        let builder = Server::builder().store(self.opened());
        builder.fallback(Arc::new(MergePatch)).clock(Arc::new(clock())).build().unwrap()
    }
}

/// A second passes between any two looks at it.
fn clock() -> impl Fn() -> i64 + Send + Sync {
    let now = AtomicI64::new(START_NANOS);
    move || now.fetch_add(1_000_000_000, Ordering::Relaxed)
}

/// An aggregate's id, and 200 bytes of what a handheld says of it.
fn scan(dice: &mut Dice) -> (String, String) {
    let id = format!("P-{:04}", dice.below(10_000));
    let head = format!(
        r#"{{"barcode":"{:016x}","handheld":"H-{:03}","weight_kg":{}.{:02},"lat":{}.{:05},"lon":{}.{:05},"note":""#,
        dice.roll(),
        dice.below(500),
        1 + dice.below(9),
        dice.below(100),
        10 + dice.below(80),
        dice.below(100_000),
        10 + dice.below(80),
        dice.below(100_000),
    );
    let note = "left with the neighbour on the ground floor, no damage to be seen, signed for ";
    let note: String = note.chars().cycle().take(200 - head.len() - 2).collect();
    let data = format!("{head}{note}\"}}");
    assert_eq!(data.len(), 200);
    (id, data)
}
