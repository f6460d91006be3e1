//! The host that runs the server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use laterbase_core::fold::{Folds, MergePatch};
use laterbase_core::id::RootName;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::Reader;
use laterbase_core::replica::{Random, Replica, ReplicaOptions};
use laterbase_core::version_vector::VersionVector;
use laterbase_server::{Server, ServerHandle};

use super::standstill::standing_still;
use super::wire::SimulatedListener;
use crate::dice::Dice;

/// The server's host, and the name that it is reached by.
pub(super) const DEPOT: &str = "depot";

/// The time of day that all hosts go by, in nanoseconds since 1970. Writer threads read it too.
#[derive(Clone, Debug)]
pub(super) struct WallClock(Arc<AtomicI64>);

impl WallClock {
    pub(super) fn starting_at(nanos: i64) -> Self {
        Self(Arc::new(AtomicI64::new(nanos)))
    }

    pub(super) fn set(&self, nanos: i64) {
        self.0.store(nanos, Ordering::SeqCst);
    }

    pub(super) fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Identities that a seed repeats.
pub(super) fn random(seed: u64) -> Random {
    let mut dice = Dice::new(seed);
    Box::new(move || (u128::from(dice.roll()) << 64 | u128::from(dice.roll())).to_be_bytes())
}

/// What a store holds, per root.
pub(super) type Held = BTreeMap<RootName, VersionVector>;

pub(super) fn held(reader: &Reader) -> Held {
    reader.roots().into_iter().map(|root| (root.clone(), reader.version_vector(&root))).collect()
}

/// Nothing that was seen before a crash is missing behind it.
#[track_caller]
pub(super) fn check_survival(before: &Held, after: &Held) {
    for (root, seen) in before {
        let now = after.get(root).cloned().unwrap_or_default();
        assert!(now.covers(seen), "the crash took events of {root}: {seen} became {now}");
    }
}

/// A host that runs a server over a store in memory, as often as it is started.
pub(super) struct Site {
    clock: WallClock,
    disk: Mutex<Disk>,
    running: Mutex<Option<(Reader, ServerHandle)>>,
}

struct Disk {
    store: MemoryStore,
    /// What was visible when the store was last in use.
    seen: Held,
}

impl Site {
    /// A site whose server has an identity of the seed's.
    pub(super) fn new(seed: u64, clock: WallClock) -> Arc<Self> {
        let store = MemoryStore::new();
        let replica = Replica::open(
            Arc::new(store.reopen()),
            Arc::new(Folds::new().fallback(Arc::new(MergePatch))),
            ReplicaOptions::default(),
            random(seed),
        );
        replica.unwrap().close().unwrap();
        let disk = Mutex::new(Disk { store, seen: Held::new() });
        Arc::new(Self { clock, disk, running: Mutex::new(None) })
    }

    /// The host's software: serves until it is told to stop.
    pub(super) async fn run(self: Arc<Self>) -> turmoil::Result {
        let (store, clock) = (self.disk.lock().unwrap().store.reopen(), self.clock.clone());
        let server = Server::builder()
            .fallback(Arc::new(MergePatch))
            .store(Arc::new(store))
            .clock(Arc::new(move || clock.now()))
            .build()?;
        check_survival(&self.disk.lock().unwrap().seen, &held(server.reader()));
        *self.running.lock().unwrap() = Some((server.reader().clone(), server.handle()));
        let router = standing_still(server.router());
        server.serve_on(SimulatedListener::bind().await?, router).await?;
        let (reader, _) = self.running.lock().unwrap().take().unwrap();
        self.disk.lock().unwrap().seen = held(&reader);
        Ok(())
    }

    /// Tells the server to stop.
    pub(super) fn stop(&self) {
        if let Some((_, handle)) = &*self.running.lock().unwrap() {
            handle.stop();
        }
    }

    /// To be called before a crash of the host: whatever its software does in its last throes
    /// goes to a disk that nobody will read.
    pub(super) fn lose_power(&self) {
        if let Some((reader, _)) = self.running.lock().unwrap().take() {
            let mut disk = self.disk.lock().unwrap();
            let store = disk.store.after_power_loss();
            *disk = Disk { store, seen: held(&reader) };
        }
    }

    /// Reads from the server, if it is running.
    pub(super) fn reader(&self) -> Option<Reader> {
        self.running.lock().unwrap().as_ref().map(|(reader, _)| reader.clone())
    }
}
