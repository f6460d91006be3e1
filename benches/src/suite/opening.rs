//! Opening a store that holds something, and the room that it takes.

use std::sync::Arc;

use anyhow::Result;
use tempfile::TempDir;

use super::Bench;
use crate::raw::folder_bytes;
use crate::results::{Results, Unit};
use crate::samples::Samples;
use crate::{Background, Engine, PAYLOAD_BYTES, replica};

/// Times that the store is opened.
const OPENINGS: usize = 10;

/// Closes the bench's store and opens it again and again. In memory there is nothing to open.
pub(super) fn opening(bench: Bench, results: &mut Results) -> Result<Bench> {
    let Bench { engine, plan, events, script, raw, store, replica: own, reader, .. } = bench;
    drop(bench.background);
    let cell = |subject| plan.cell("open", engine, subject, 0);
    let head = reader.head();
    let store = if engine.is_durable() {
        // Dropped with index entries in memory only, as after a crash of the process.
        drop((own, reader, store));
        for (subject, samples, floor) in openings(engine, &bench.folder, head)? {
            results.add(cell(subject), Unit::Nanoseconds, &samples, 0, floor);
        }
        engine.open_in(bench.folder.path())
    } else {
        own.close()?;
        store
    };
    let ours = if engine.is_durable() {
        folder_bytes(bench.folder.path())?
    } else {
        store.size_bytes()?
    };
    let payload = head * PAYLOAD_BYTES as u64;
    let sizes = [("payload", payload, None), ("raw", raw.size_bytes()?, Some("payload"))];
    for (subject, bytes, floor) in sizes.into_iter().chain([("replica", ours, Some("raw"))]) {
        let mut samples = Samples::default();
        samples.push(bytes);
        results.add(plan.cell("size", engine, subject, 0), Unit::Bytes, &samples, head, floor);
    }
    let replica = replica(Arc::clone(&store));
    let (background, reader) = (Background::start(replica.maintenance()), replica.reader());
    let folder = bench.folder;
    Ok(Bench { engine, plan, events, script, raw, store, replica, reader, background, folder })
}

type Openings = [(&'static str, Samples, Option<&'static str>); 3];

fn openings(engine: Engine, folder: &TempDir, head: u64) -> Result<Openings> {
    let [mut alone, mut ours, mut unclosed] = [(); 3].map(|()| Samples::default());
    let found = unclosed.time(|| replica(engine.open_in(folder.path())));
    assert_eq!(found.reader().head(), head, "everything acknowledged is there");
    found.close()?;
    for _ in 0..OPENINGS {
        drop(alone.time(|| engine.open_in(folder.path())));
        let found = ours.time(|| replica(engine.open_in(folder.path())));
        assert_eq!(found.reader().head(), head, "everything acknowledged is there");
        found.close()?;
    }
    let floor = Some("engine");
    Ok([
        ("engine", alone, None),
        ("replica", ours, floor),
        ("replica, not closed", unclosed, floor),
    ])
}
