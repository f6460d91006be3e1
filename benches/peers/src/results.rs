//! The result file, in the form of `laterbase-bench`.

use std::{fs, path::Path, time::Duration};

use anyhow::Result;
use serde_json::{Value, json};

use crate::load::{Load, Outcome};

/// Figures so far. Rounds of one load are put together.
#[derive(Debug, Default)]
pub(crate) struct Results {
    cells: Vec<(Cell, Outcome)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    name: &'static str,
    server: String,
    writers: usize,
    size: usize,
}

impl Results {
    pub(crate) fn add(&mut self, server: &str, load: Load, outcome: Outcome) {
        let speed = outcome.events as f64 / outcome.elapsed.as_secs_f64();
        eprintln!("  {server:<18} {speed:>10.0} events/s");
        let (writers, size) = (load.writers, load.size);
        let cell = Cell { name: "peers write", server: server.to_owned(), writers, size };
        match self.cells.iter_mut().find(|(known, _)| *known == cell) {
            Some((_, known)) => {
                known.latencies.extend(outcome.latencies);
                known.events += outcome.events;
                known.elapsed += outcome.elapsed;
            }
            None => self.cells.push((cell, outcome)),
        }
    }

    pub(crate) fn add_read(&mut self, server: &str, outcome: Outcome) {
        let size = usize::try_from(outcome.events).expect("a number of events that was asked for");
        let cell = Cell { name: "peers read", server: server.to_owned(), writers: 1, size };
        self.cells.push((cell, outcome));
    }

    /// Writes the figures, without a run: whoever calls knows the machine.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let measurements: Vec<Value> =
            self.cells.iter().map(|(cell, outcome)| measurement(cell, outcome)).collect();
        let document = json!({ "runs": [], "measurements": measurements });
        Ok(fs::write(path, serde_json::to_vec_pretty(&document)?)?)
    }
}

fn measurement(cell: &Cell, outcome: &Outcome) -> Value {
    let mut sorted = outcome.latencies.clone();
    sorted.sort_unstable();
    let last = sorted.len() - 1;
    let at = |thousandths: usize| nanos(sorted[(last * thousandths).div_ceil(1_000)]);
    json!({
        "name": cell.name, "engine": cell.server, "subject": "server", "volume": 0,
        "size": cell.size, "writers": cell.writers, "unit": "nanoseconds",
        "samples": sorted.len(), "events": outcome.events, "total": nanos(outcome.elapsed),
        "min": at(0), "q1": at(250), "median": at(500), "q3": at(750), "p90": at(900),
        "p99": at(990), "max": at(1_000), "floor": null, "ratio": null, "ratio_of_totals": null,
    })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
