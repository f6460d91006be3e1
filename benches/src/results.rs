//! The result file: everything that a report is made from.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::samples::{Quantiles, Samples};

/// What one or more runs measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// What the figures were measured on, one entry a run.
    pub runs: Vec<Run>,
    /// The figures, in the order in which they were measured.
    pub measurements: Vec<Measurement>,
}

/// One run of the program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// What it measured, as a report says it.
    pub what: String,
    /// The machine before the run.
    pub machine: Machine,
    /// Processes that wanted a core, on average over the last minute of the run.
    pub load_after: String,
    /// How long it took, in seconds.
    pub seconds: u64,
}

/// What a figure is a count of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Time.
    Nanoseconds,
    /// Room.
    Bytes,
    /// Events.
    Events,
    /// How often something happened.
    Times,
}

/// What is measured. Two cells that differ in the subject only may be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The experiment: `append`, `feed`.
    pub name: String,
    /// The engine, or the server, that it is done with.
    pub engine: String,
    /// Who does it: `fdatasync`, `raw`, `replica`.
    pub subject: String,
    /// Events in the store, nominally.
    pub volume: u64,
    /// What the experiment varies: events a batch, origins, roots.
    pub size: u64,
    /// Writers at the same time, where that is varied.
    #[serde(default)]
    pub writers: u64,
}

/// The figures of one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What was measured.
    #[serde(flatten)]
    pub cell: Cell,
    /// What the figures count.
    pub unit: Unit,
    /// How many samples there are.
    pub samples: u64,
    /// Events that all samples together handled.
    pub events: u64,
    /// All samples together, and what belongs to no single one. Where writers work side by side,
    /// the time from the first one's start to the last one's end.
    pub total: u64,
    /// Where the samples lie.
    #[serde(flatten)]
    pub quantiles: Quantiles,
    /// The subject whose figure in the same run bounds this one.
    pub floor: Option<String>,
    /// The floor's median over this one's: 1 is as good as the floor.
    pub ratio: Option<f64>,
    /// The same of the total an event (or a sample, where there are no events).
    pub ratio_of_totals: Option<f64>,
}

impl Measurement {
    /// Events a second, over all samples.
    pub fn events_per_second(&self) -> f64 {
        self.events as f64 * 1e9 / self.total.max(1) as f64
    }

    fn total_each(&self) -> f64 {
        self.total as f64 / self.events.max(self.samples).max(1) as f64
    }
}

impl Results {
    /// Adds the figures of a cell. `events` were handled by all samples together.
    pub fn add(
        &mut self,
        cell: Cell,
        unit: Unit,
        samples: &Samples,
        events: u64,
        floor: Option<&str>,
    ) {
        self.measurements.push(Measurement {
            cell,
            unit,
            samples: samples.len() as u64,
            events,
            total: samples.total(),
            quantiles: samples.quantiles(),
            floor: floor.map(str::to_owned),
            ratio: None,
            ratio_of_totals: None,
        });
    }

    /// The figures of a cell.
    pub fn find(&self, cell: &Cell) -> Option<&Measurement> {
        self.measurements.iter().find(|measurement| measurement.cell == *cell)
    }

    /// Compares each figure with its floor.
    pub fn set_ratios(&mut self) {
        let ratios: Vec<_> = self.measurements.iter().map(|found| self.ratios_of(found)).collect();
        for (measurement, (ratio, totals)) in self.measurements.iter_mut().zip(ratios) {
            (measurement.ratio, measurement.ratio_of_totals) = (ratio, totals);
        }
    }

    fn ratios_of(&self, measurement: &Measurement) -> (Option<f64>, Option<f64>) {
        let Some(subject) = &measurement.floor else { return (None, None) };
        let cell = Cell { subject: subject.clone(), ..measurement.cell.clone() };
        let Some(floor) = self.find(&cell) else { return (None, None) };
        let over = |floor: f64, own: f64| (own > 0.0).then_some(floor / own);
        let median = |of: &Measurement| of.quantiles.median as f64;
        (
            over(median(floor), median(measurement)),
            over(floor.total_each(), measurement.total_each()),
        )
    }

    /// Puts the figures of other runs behind these, in place of those of the same cells.
    pub fn merge(&mut self, other: Self) {
        self.measurements.retain(|old| other.find(&old.cell).is_none());
        self.runs.retain(|old| other.runs.iter().all(|new| new.what != old.what));
        self.runs.extend(other.runs);
        self.measurements.extend(other.measurements);
    }

    /// Reads a result file.
    ///
    /// # Errors
    /// If it cannot be read, or is no result file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text)
            .with_context(|| format!("{} is no result file", path.display()))
    }

    /// Writes a result file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests;
