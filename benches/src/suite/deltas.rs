//! Deltas for a caller that lacks a little, by how many origins there are.

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::Result;
use laterbase_core::delta::Delta;
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::replica::{Replica, ReplicaOptions};
use laterbase_core::store::{Scan, Store, Table};
use laterbase_core::version_vector::VersionVector;

use super::Plan;
use crate::results::{Results, Unit};
use crate::samples::Samples;
use crate::{Engine, Events, NOW, folds, root};

/// Origins of the events in the store.
const ORIGINS: [usize; 3] = [1, 100, 10_000];

/// Events that the caller lacks, spread over as many origins as possible.
const LACKING: usize = 1_000;

/// Deltas that are measured one by one.
const PAGES: usize = 50;

/// Deltas of a thousand events, and of none, for each number of origins. The floor is the engine's
/// scan of as many log entries that lie side by side.
pub(super) fn deltas(engine: Engine, plan: &Plan, results: &mut Results) -> Result<()> {
    for origins in ORIGINS {
        let volume = usize::try_from(plan.volume)?.max(origins);
        let (store, _folder) = engine.open();
        let mut relay = crate::replica(Arc::clone(&store));
        gather(&mut relay, origins, volume)?;
        relay.maintenance().flush()?;
        let reader = relay.reader();
        let held = reader.version_vector(&root());
        let mut lacking = VersionVector::new();
        let each = (LACKING / origins).max(1) as u64;
        for (index, (origin, seq)) in held.iter().enumerate() {
            lacking.set(origin, if index < LACKING { seq - each.min(seq) } else { seq });
        }
        let [mut scans, mut pages, mut empty] = [(); 3].map(|()| Samples::default());
        let mut count = 0;
        for _ in 0..PAGES {
            scans.time(|| scan(&*store, LACKING))?;
            let delta = pages.time(|| reader.delta(&root(), &lacking, 10_000, BATCH_BYTES_MAX))?;
            count += delta.events as u64;
            let none = empty.time(|| reader.delta(&root(), &held, 10_000, BATCH_BYTES_MAX))?;
            assert_eq!(none.events, 0, "the caller has everything");
        }
        let floor = Some("engine scan");
        let scanned = (PAGES * LACKING) as u64;
        for (samples, subject, events, floor) in [
            (&scans, "engine scan", scanned, None),
            (&pages, "1,000 events", count, floor),
            (&empty, "nothing new", 0, None),
        ] {
            let cell = plan.cell("delta", engine, subject, origins);
            results.add(cell, Unit::Nanoseconds, samples, events, floor);
        }
    }
    Ok(())
}

/// Scans the last `count` log entries of a store.
fn scan(store: &dyn Store, count: usize) -> Result<u64> {
    let mut bytes = 0;
    let scan = Scan::all(Table::Log).backward().limit(count);
    store.snapshot()?.scan(scan, &mut |_, value| {
        bytes += std::hint::black_box(value).len() as u64;
        ControlFlow::Continue(())
    })?;
    Ok(bytes)
}

/// Merges `volume` events of `origins` replicas, two deltas of each, as they would arrive.
fn gather(relay: &mut Replica, origins: usize, volume: usize) -> Result<()> {
    let mut events = Events::default();
    let each = volume / origins;
    let mut devices: Vec<Replica> = (0..origins).map(device).collect::<Result<_>>()?;
    for count in [each / 2, each - each / 2] {
        for device in &mut devices {
            send(device, relay, &mut events, count)?;
        }
    }
    assert_eq!(relay.reader().version_vector(&root()).len(), origins, "origins in the store");
    Ok(())
}

/// An empty replica in memory, with an id of its own.
fn device(number: usize) -> Result<Replica> {
    let mut number = u128::try_from(number)?;
    let random = Box::new(move || {
        number += 1 << 64;
        number.to_be_bytes()
    });
    let (store, options) = (Arc::new(MemoryStore::new()), ReplicaOptions::default());
    Ok(Replica::open(store, folds(), options, random)?)
}

fn send(
    device: &mut Replica,
    relay: &mut Replica,
    events: &mut Events,
    count: usize,
) -> Result<()> {
    let mut left = count;
    while left > 0 {
        let held = device.reader().version_vector(&root());
        let size = left.min(5_000);
        device.append(&events.batch(size), NOW)?;
        left -= size;
        let page = device.reader().delta(&root(), &held, 10_000, BATCH_BYTES_MAX)?;
        relay.stage_merge(&Delta::decode(&page.bytes)?, NOW)?;
        relay.commit()?;
    }
    Ok(())
}
