//! The whole feed, beside the engine's scan of the same log.

use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::Result;
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::version_vector::VersionVector;

use super::Bench;
use crate::results::{Results, Unit};
use crate::root;
use crate::samples::Samples;

/// Events a page: the most that a server gives.
const PAGE_EVENTS: usize = 10_000;

/// Pages of the feed as events and as deltas, from the start, as far as time allows.
pub(super) fn feed(bench: &Bench, results: &mut Results) -> Result<()> {
    let (mut raw, mut events, mut deltas) =
        (Samples::default(), Samples::default(), Samples::default());
    let (mut event_vv, mut delta_vv) = (VersionVector::new(), VersionVector::new());
    let start = Instant::now();
    let mut read = 0;
    loop {
        raw.time(|| bench.raw.scan_log(read + 1, PAGE_EVENTS))?;
        let page = events.time(|| {
            bench.reader.feed(&root(), &event_vv, PAGE_EVENTS, &mut |event| {
                std::hint::black_box(event.record.data);
                ControlFlow::Continue(())
            })
        })?;
        let delta =
            deltas.time(|| bench.reader.delta(&root(), &delta_vv, PAGE_EVENTS, BATCH_BYTES_MAX))?;
        std::hint::black_box(&delta.bytes);
        read += page.events as u64;
        (event_vv, delta_vv) = (page.vv, delta.vv);
        if !page.more || start.elapsed() > bench.plan.cell_time {
            break;
        }
    }
    let floor = Some("engine scan");
    for (samples, subject, floor) in
        [(&raw, "engine scan", None), (&events, "events", floor), (&deltas, "delta", floor)]
    {
        let cell = bench.cell("feed", subject, PAGE_EVENTS);
        results.add(cell, Unit::Nanoseconds, samples, read, floor);
    }
    Ok(())
}
