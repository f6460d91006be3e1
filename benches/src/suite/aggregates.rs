//! Reads of aggregates, beside the engine's gets of the same bytes.

use std::time::Instant;

use anyhow::{Context, Result};
use laterbase_core::PreparedBatch;
use laterbase_core::event::Record;
use laterbase_core::reader::{AggregateState, Query};
use laterbase_core::store::{Area, Batch, Table};

use super::Bench;
use crate::results::{Results, Unit};
use crate::samples::Samples;
use crate::{AGGREGATES, Events, NOW, folds, root};

const SECOND: i64 = 1_000_000_000;

/// Reads that are measured one by one.
const READS: usize = 1_000;

/// Late events, each with a read after it.
const LATE_EVENTS: u64 = 10;

/// Events of the shorter aggregate that is read hot; the longer one has the plan's volume.
const HOT_EVENTS: u64 = 1_000;

/// Aggregates that nobody has read before, so that all of their events are folded. The system's
/// cache is warm. The floor is a get of as many log entries, at random places.
pub(super) fn cold(bench: &Bench, results: &mut Results) -> Result<()> {
    let (mut gets, mut reads, mut events) = (Samples::default(), Samples::default(), 0);
    let mut dice = Events::default();
    for number in 0..AGGREGATES.min(READS as u64) {
        let id = format!("shipment-{number}");
        let read = reads.time(|| bench.reader.aggregate(&root(), &id, &Query::default()))?;
        let count = read.map_or(0, |state| state.event_count);
        events += count;
        let head = bench.reader.head();
        gets.time(|| {
            (0..count).try_for_each(|_| {
                let position = dice.next_number() % head + 1;
                bench.raw.get(Table::Log, &position.to_be_bytes()).map(std::hint::black_box)?;
                anyhow::Ok(())
            })
        })?;
    }
    let size = usize::try_from(events / READS as u64)?;
    for (samples, subject, floor) in
        [(&gets, "engine gets", None), (&reads, "read", Some("engine gets"))]
    {
        let cell = bench.cell("cold aggregate", subject, size);
        results.add(cell, Unit::Nanoseconds, samples, 0, floor);
    }
    Ok(())
}

/// Aggregates that have not changed since they were last read. A read folds what lies behind the
/// last snapshot, fewer events than the snapshot policy asks for, so their number is told too.
pub(super) fn hot(bench: &mut Bench, results: &mut Results) -> Result<()> {
    let mut maintenance = bench.replica.maintenance();
    for size in [HOT_EVENTS, bench.plan.volume] {
        let id = format!("long-{size}");
        write_long(bench, &id, size)?;
        maintenance.flush()?;
        let state = read(bench, &id)?;
        maintenance.flush()?;
        let mut batch = Batch::new(Area::Truth);
        batch.put(Table::Meta, b"bench", &state.state);
        bench.raw.write(&batch)?;

        let [mut gets, mut reads, mut folded] = [(); 3].map(|()| Samples::default());
        for _ in 0..READS {
            gets.time(|| bench.raw.get(Table::Meta, b"bench").map(std::hint::black_box))?;
            let state = reads.time(|| read(bench, &id).map(std::hint::black_box))?;
            folded.push(state.folded_count);
        }
        let cell = |subject| bench.cell("hot aggregate", subject, size_of(size));
        let floor = Some("engine get");
        results.add(cell("engine get"), Unit::Nanoseconds, &gets, 0, None);
        results.add(cell("read"), Unit::Nanoseconds, &reads, 0, floor);
        results.add(cell("events folded"), Unit::Events, &folded, 0, None);
    }
    Ok(())
}

/// Reads after an event that happened before some of a long aggregate's events. Those must be
/// folded again whatever one does; they are the floor of the events that are.
pub(super) fn late(bench: &mut Bench, results: &mut Results) -> Result<()> {
    let volume = bench.plan.volume;
    let id = format!("long-{volume}");
    for behind in [10, volume / 100, volume / 2] {
        let [mut reads, mut folded, mut least] = [(); 3].map(|()| Samples::default());
        let start = Instant::now();
        for _ in 0..LATE_EVENTS {
            let back = i64::try_from(behind)? * SECOND;
            write_one(bench, &id, NOW - back, r#"{"late":true}"#)?;
            bench.replica.maintenance().flush()?;
            let state = reads.time(|| read(bench, &id))?;
            folded.push(state.folded_count);
            least.push(behind + 1);
            // The next read starts from what this one leaves.
            bench.replica.maintenance().flush()?;
            if start.elapsed() > bench.plan.cell_time {
                break;
            }
        }
        let cell = |subject| bench.cell("late event", subject, size_of(behind));
        let floor = Some("events behind it");
        results.add(cell("read"), Unit::Nanoseconds, &reads, 0, None);
        results.add(cell("events behind it"), Unit::Events, &least, 0, None);
        results.add(cell("events folded"), Unit::Events, &folded, 0, floor);
    }
    Ok(())
}

fn size_of(events: u64) -> usize {
    usize::try_from(events).expect("a volume that fits in memory")
}

fn read(bench: &Bench, id: &str) -> Result<AggregateState> {
    let read = bench.reader.aggregate(&root(), id, &Query::default())?;
    read.context("the long aggregate is there")
}

/// One event a second, with forty fields in turns.
fn write_long(bench: &mut Bench, id: &str, length: u64) -> Result<()> {
    let length = i64::try_from(length)?;
    let mut written = 0;
    while written < length {
        let mut batch = PreparedBatch::new(root(), folds(), NOW);
        for _ in 0..5_000.min(length - written) {
            let data = format!(r#"{{"k{}":{written}}}"#, written % 40);
            let occurred = Some(NOW - (length - written) * SECOND);
            batch.push(&Record { occurred, ..Record::json(id, "Moved", &data) })?;
            written += 1;
        }
        bench.replica.append(&batch, NOW)?;
    }
    Ok(())
}

fn write_one(bench: &mut Bench, id: &str, occurred: i64, data: &str) -> Result<()> {
    let mut batch = PreparedBatch::new(root(), folds(), NOW);
    batch.push(&Record { occurred: Some(occurred), ..Record::json(id, "Moved", data) })?;
    bench.replica.append(&batch, NOW)?;
    Ok(())
}
