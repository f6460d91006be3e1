//! Consecutive lines on their way into one commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use laterbase_client::device::{Device, TogetherError};
use laterbase_client::handover::Refused;
use laterbase_core::PreparedBatch;
use laterbase_core::fold::Folds;
use laterbase_core::id::RootName;
use laterbase_core::json::JsonEvent;
use laterbase_core::replica::WriteError;
use laterbase_directory::environment::wall_clock_nanos;

use super::Failure;
use crate::cli::lines::{LINE_BYTES_MAX, Line};
use crate::cli::recorder::{RecordError, Recorder};

/// Most lines in a batch.
const LINES_MAX: usize = 1_000;

/// Most bytes of lines in a batch, unless a single line is longer.
const BYTES_MAX: usize = LINE_BYTES_MAX;

/// A line that cannot be recorded, and with it its batch.
#[derive(Debug)]
pub(crate) struct BadLine {
    /// Which line; `None` if it is no single one's fault.
    pub(crate) line: Option<u64>,
    pub(crate) field: Option<String>,
    pub(crate) detail: String,
    /// The first line of the batch.
    pub(crate) batch_line: u64,
}

/// The batch that is being gathered: its lines' events, by root.
pub(crate) struct Gathering<'r> {
    folds: Arc<Folds>,
    root: Option<&'r RootName>,
    roots: BTreeMap<RootName, RootLines>,
    line_count: usize,
    line_bytes: usize,
    first_line: Option<u64>,
}

/// The events of one root, and the line that each came from.
struct RootLines {
    batch: PreparedBatch,
    lines: Vec<u64>,
}

impl<'r> Gathering<'r> {
    /// `folds` check the events. `root` is that of all events, if the user named one.
    pub(crate) const fn new(folds: Arc<Folds>, root: Option<&'r RootName>) -> Self {
        let roots = BTreeMap::new();
        Self { folds, root, roots, line_count: 0, line_bytes: 0, first_line: None }
    }

    /// Whether nothing has been taken.
    pub(crate) const fn is_empty(&self) -> bool {
        self.line_count == 0
    }

    /// Whether a line of this length still belongs to this batch.
    pub(crate) const fn has_room(&self, line_bytes: usize) -> bool {
        self.line_count == 0
            || (self.line_count < LINES_MAX && self.line_bytes + line_bytes <= BYTES_MAX)
    }

    /// Takes a line's event.
    pub(crate) fn push(&mut self, line: Line<'_>) -> Result<(), BadLine> {
        self.first_line.get_or_insert(line.number);
        let event = JsonEvent::parse(line.text)
            .map_err(|error| self.blame(line.number, error.field, error.detail))?;
        let root = self
            .root_of(event.root())
            .map_err(|detail| self.blame(line.number, Some("root".to_owned()), detail))?;
        event
            .check_root(&root)
            .map_err(|error| self.blame(line.number, error.field, error.detail))?;
        let folds = &self.folds;
        let lines = self.roots.entry(root).or_insert_with_key(|root| {
            // The first line of the batch has just come, and the batch is stored once they pause.
            let now = wall_clock_nanos();
            let batch = PreparedBatch::new(root.clone(), Arc::clone(folds), now);
            RootLines { batch, lines: Vec::new() }
        });
        if let Err(error) = lines.batch.push(&event.record()) {
            let field = error.field().map(str::to_owned);
            return Err(self.blame(line.number, field, error.to_string()));
        }
        lines.lines.push(line.number);
        self.line_count += 1;
        self.line_bytes += line.text.len();
        Ok(())
    }

    /// Stores the batch and begins the next. Gives the number of events that were new.
    pub(super) fn store(&mut self, recorder: &mut Recorder) -> Result<u64, Failure> {
        let roots = std::mem::take(&mut self.roots);
        let (batches, lines) = split(roots.values());
        let recorded = recorder.record(&batches);
        let stored = recorded.map_err(|error| self.blame_record(error, &lines))?;
        (self.line_count, self.line_bytes, self.first_line) = (0, 0, None);
        Ok(stored)
    }

    /// Stores the batch in a device that stands in for the real one.
    pub(crate) fn try_on(&self, device: &Device) -> Result<(), BadLine> {
        let (batches, lines) = split(self.roots.values());
        let recorded = device.record_together(&batches);
        recorded.map(drop).map_err(|error| self.blame_write(&error, &lines))
    }

    /// Says that a line is at fault.
    pub(crate) fn blame(&self, line: u64, field: Option<String>, detail: String) -> BadLine {
        let batch_line = self.first_line.unwrap_or(line);
        BadLine { line: Some(line), field, detail, batch_line }
    }

    fn blame_record(&self, error: RecordError, lines: &[&[u64]]) -> Failure {
        let refused = match error {
            RecordError::Own(error) => return Failure::Line(self.blame_write(&error, lines)),
            RecordError::NoWay(error) => return Failure::Store(error),
            RecordError::Refused(refused) => refused,
        };
        let Refused { batch, index, field, detail } = refused;
        let line = batch.zip(index).and_then(|(batch, index)| lines.get(batch)?.get(index));
        Failure::Line(match line {
            Some(line) => self.blame(*line, field, detail),
            None => self.blame_none(detail),
        })
    }

    /// Says that no single line is at fault.
    fn blame_none(&self, detail: String) -> BadLine {
        let batch_line = self.first_line.unwrap_or(1);
        BadLine { line: None, field: None, detail, batch_line }
    }

    fn blame_write(&self, error: &TogetherError, lines: &[&[u64]]) -> BadLine {
        let detail = error.to_string();
        let (index, field) = match error.source {
            WriteError::Future { index } => (index, "occurred_at"),
            WriteError::KeyConflict { index, .. } => (index, "idempotency_key"),
            WriteError::Void { index, .. } => (index, "voids"),
            _ => return self.blame_none(detail),
        };
        let line = error.batch.and_then(|batch| lines.get(batch)?.get(index)).copied();
        let detail = match error.source {
            WriteError::Future { .. } => "lies in the future".to_owned(),
            WriteError::Void { .. } => error.source.to_string(),
            _ => "this key was used before, for another event".to_owned(),
        };
        self.blame(line.unwrap_or(0), Some(field.to_owned()), detail)
    }

    fn root_of(&self, named: Option<&str>) -> Result<RootName, String> {
        match (self.root, named) {
            (Some(root), Some(named)) if root.as_str() != named => {
                Err(format!("says {named:?}, but --root says {:?}", root.as_str()))
            }
            (Some(root), _) => Ok(root.clone()),
            (None, Some(named)) => RootName::new(named).map_err(|error| error.to_string()),
            (None, None) => Err("is missing, and there is no --root".to_owned()),
        }
    }
}

/// The batches of some roots, and the lines that each came from.
fn split<'l>(
    roots: impl Iterator<Item = &'l RootLines>,
) -> (Vec<&'l PreparedBatch>, Vec<&'l [u64]>) {
    roots.map(|root| (&root.batch, &root.lines[..])).unzip()
}
