//! The result file, in the form of `laterbase-bench`.

use std::{fs, path::Path, time::Duration};

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    load::{Load, Outcome},
    relay::Traffic,
    replication::Step,
};

/// Figures so far. Rounds of one load, and repeats of one step, are put together.
#[derive(Debug, Default)]
pub(crate) struct Results {
    cells: Vec<(Cell, Samples)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    name: String,
    server: String,
    subject: &'static str,
    volume: usize,
    size: usize,
    writers: usize,
    unit: &'static str,
}

#[derive(Clone, Debug, Default)]
struct Samples {
    each: Vec<u64>,
    events: u64,
    total: u64,
}

impl Results {
    pub(crate) fn add(&mut self, server: &str, load: Load, outcome: Outcome) {
        let speed = outcome.events as f64 / outcome.elapsed.as_secs_f64();
        eprintln!("  {server:<18} {speed:>10.0} events/s");
        self.put(Cell::of_load("peers write", server, load.writers, load.size), outcome.into());
    }

    pub(crate) fn add_read(&mut self, server: &str, outcome: Outcome) {
        let size = usize::try_from(outcome.events).expect("a number of events that was asked for");
        self.put(Cell::of_load("peers read", server, 1, size), outcome.into());
    }

    /// Adds a step of a replication that had `volume` events before its first sync.
    pub(crate) fn add_step(
        &mut self,
        name: &str,
        server: &str,
        volume: usize,
        step: Step,
        traffic: Traffic,
    ) {
        let bytes = traffic.sent + traffic.received;
        let Traffic { connections, round_trips, .. } = traffic;
        eprintln!(
            "  {name}: {server}: {:.1} ms, {round_trips} round trips, {bytes} bytes",
            step.elapsed.as_secs_f64() * 1e3
        );
        for (subject, unit, figure) in [
            ("time", "nanoseconds", nanos(step.elapsed)),
            ("round trips", "times", round_trips),
            ("connections", "times", connections),
            ("bytes", "bytes", bytes),
        ] {
            let (name, server) = (name.to_owned(), server.to_owned());
            let cell = Cell { name, server, subject, volume, size: 0, writers: 0, unit };
            let (each, events, total) = (vec![figure], step.events, figure);
            self.put(cell, Samples { each, events, total });
        }
    }

    fn put(&mut self, cell: Cell, samples: Samples) {
        match self.cells.iter_mut().find(|(known, _)| *known == cell) {
            Some((_, known)) => {
                known.each.extend(samples.each);
                known.events += samples.events;
                known.total += samples.total;
            }
            None => self.cells.push((cell, samples)),
        }
    }

    /// Writes the figures, without a run: whoever calls knows the machine.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let measurements: Vec<Value> =
            self.cells.iter().map(|(cell, samples)| measurement(cell, samples)).collect();
        let document = json!({ "runs": [], "measurements": measurements });
        Ok(fs::write(path, serde_json::to_vec_pretty(&document)?)?)
    }
}

impl Cell {
    fn of_load(name: &str, server: &str, writers: usize, size: usize) -> Self {
        let (name, server) = (name.to_owned(), server.to_owned());
        Self { name, server, subject: "server", volume: 0, size, writers, unit: "nanoseconds" }
    }
}

impl From<Outcome> for Samples {
    fn from(outcome: Outcome) -> Self {
        Self {
            each: outcome.latencies.into_iter().map(nanos).collect(),
            events: outcome.events,
            total: nanos(outcome.elapsed),
        }
    }
}

fn measurement(cell: &Cell, samples: &Samples) -> Value {
    let mut sorted = samples.each.clone();
    sorted.sort_unstable();
    let last = sorted.len() - 1;
    let at = |thousandths: usize| sorted[(last * thousandths).div_ceil(1_000)];
    json!({
        "name": cell.name, "engine": cell.server, "subject": cell.subject, "volume": cell.volume,
        "size": cell.size, "writers": cell.writers, "unit": cell.unit,
        "samples": sorted.len(), "events": samples.events, "total": samples.total,
        "min": at(0), "q1": at(250), "median": at(500), "q3": at(750), "p90": at(900),
        "p99": at(990), "max": at(1_000), "floor": null, "ratio": null, "ratio_of_totals": null,
    })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
