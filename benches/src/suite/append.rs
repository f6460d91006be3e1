//! Durable appends, beside the engine doing the same puts, beside the disk alone.

use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::Result;
use laterbase_core::version_vector::VersionVector;

use super::Bench;
use crate::results::{Results, Unit};
use crate::samples::{Samples, nanos};
use crate::script::Step;
use crate::{NOW, root};

/// Events a batch.
const BATCH_SIZES: [usize; 5] = [1, 10, 100, 1_000, 10_000];

/// Events a batch where the size does not vary.
const FILL_BATCH: usize = 1_000;

/// Events from one look at the fill's speed to the next.
const SEGMENT_EVENTS: u64 = 50_000;

/// Subjects take turns this often, so that a noisy minute meets them all.
const TURNS: usize = 10;

/// Fills the store from empty to the plan's volume: throughput against volume. What the
/// background work has left over at the end of a segment counts in the replica's total.
pub(super) fn fill(bench: &mut Bench, results: &mut Results) -> Result<()> {
    let mut filled = 0;
    while filled < bench.plan.volume {
        let events = SEGMENT_EVENTS.min(bench.plan.volume - filled);
        filled += events;
        let count = usize::try_from(events.div_ceil(FILL_BATCH as u64))?;
        let steps = bench.script.steps(count, FILL_BATCH)?;
        let (mut raw, mut replica) = (Samples::default(), Samples::default());
        for step in &steps {
            raw.time(|| bench.raw.write(&step.written))?;
        }
        for step in &steps {
            replica.time(|| bench.append(step))?;
        }
        replica.time_extra(|| bench.settle());
        let mut add = |subject, samples: &Samples, floor| {
            let mut cell = bench.cell("fill", subject, FILL_BATCH);
            cell.volume = filled;
            results.add(cell, Unit::Nanoseconds, samples, events, floor);
        };
        add("raw", &raw, None);
        add("replica", &replica, Some("raw"));
    }
    Ok(())
}

/// Batches of each size into the filled store. The writer's part of a replica's append begins when
/// the batch is prepared, which a server does on the threads of its connections.
pub(super) fn batches(bench: &mut Bench, results: &mut Results) -> Result<()> {
    for size in BATCH_SIZES {
        let samples = (bench.plan.cell_events / size).clamp(2 * TURNS, 2_000);
        let mut disk = Disk::new()?;
        let mut figures = [(); 4].map(|()| Samples::default());
        let [fdatasync, raw, writer, replica] = &mut figures;
        let start = Instant::now();
        for _ in 0..TURNS {
            let steps = bench.script.steps(samples / TURNS, size)?;
            for step in &steps {
                fdatasync.time(|| disk.write(step))?;
            }
            for step in &steps {
                raw.time(|| bench.raw.write(&step.written))?;
            }
            for step in &steps {
                let start = Instant::now();
                let batch = bench.events.prepare(&step.inputs);
                writer.time(|| bench.replica.append(&batch, NOW))?;
                replica.push(nanos(start.elapsed()));
            }
            bench.settle();
            if start.elapsed() > bench.plan.cell_time {
                break;
            }
        }
        let subjects = ["fdatasync", "raw", "writer", "replica"];
        let floors = [None, Some("fdatasync"), Some("raw"), Some("raw")];
        for ((samples, subject), floor) in figures.iter().zip(subjects).zip(floors) {
            let cell = bench.cell("append", subject, size);
            results.add(cell, Unit::Nanoseconds, samples, (samples.len() * size) as u64, floor);
        }
    }
    Ok(())
}

/// Batches while another thread reads the whole feed again and again.
pub(super) fn beside_reader(bench: &mut Bench, results: &mut Results) -> Result<()> {
    let size = 100;
    let steps = bench.script.steps((bench.plan.cell_events / size).min(1_000), size)?;
    for step in &steps {
        bench.raw.write(&step.written)?;
    }
    let (mut alone, mut beside) = (Samples::default(), Samples::default());
    let (first, second) = steps.split_at(steps.len() / 2);
    for step in first {
        alone.time(|| bench.append(step))?;
    }
    let stop = AtomicBool::new(false);
    let reader = bench.reader.clone();
    thread::scope(|scope| -> Result<()> {
        scope.spawn(|| {
            let mut vv = VersionVector::new();
            while !stop.load(Ordering::Relaxed) {
                let page = reader.feed(&root(), &vv, 1_000, &mut |_| ControlFlow::Continue(()));
                let page = page.expect("a page of the feed");
                vv = if page.more { page.vv } else { VersionVector::new() };
            }
        });
        let done = second.iter().try_for_each(|step| beside.time(|| bench.append(step)));
        stop.store(true, Ordering::Relaxed);
        done
    })?;
    bench.settle();
    for (samples, subject, floor) in
        [(&alone, "alone", None), (&beside, "beside a reader", Some("alone"))]
    {
        let cell = bench.cell("append beside a reader", subject, size);
        results.add(cell, Unit::Nanoseconds, samples, (samples.len() * size) as u64, floor);
    }
    Ok(())
}

/// A file that grows by as many bytes as a step has, and is synced.
struct Disk {
    file: File,
    zeros: Vec<u8>,
}

impl Disk {
    fn new() -> Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, zeros: Vec::new() })
    }

    fn write(&mut self, step: &Step) -> Result<()> {
        self.zeros.resize(step.written.size_bytes(), 0);
        self.file.write_all(&self.zeros)?;
        Ok(self.file.sync_data()?)
    }
}
