//! Consecutive events on their way into one commit.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::Arc;

use laterbase_client::device::{Device, TogetherError};
use laterbase_client::handover::Refused;
use laterbase_core::PreparedBatch;
use laterbase_core::event::Record;
use laterbase_core::fold::Folds;
use laterbase_core::id::RootName;
use laterbase_core::json::JsonEvent;
use laterbase_core::replica::WriteError;
use laterbase_directory::environment::wall_clock_nanos;

use super::Failure;
use super::source::{Entry, Said};
use crate::cli::lines::LINE_BYTES_MAX;
use crate::cli::recorder::{RecordError, Recorder};

/// Most events in a batch.
const EVENTS_MAX: usize = 1_000;

/// Most bytes of text in a batch, unless a single event is longer.
const BYTES_MAX: usize = LINE_BYTES_MAX;

/// An event that cannot be recorded, and with it its batch.
#[derive(Debug)]
pub(crate) struct BadEvent {
    /// Which one; `None` if it is no single one's fault.
    pub(crate) number: Option<u64>,
    pub(crate) field: Option<String>,
    /// Whether the field is named as events have it, and not as the input does.
    pub(crate) is_core_field: bool,
    pub(crate) detail: String,
    /// The first one of the batch.
    pub(crate) batch_number: u64,
}

/// How many events were stored.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stored {
    pub(super) new: u64,
    /// Those that were there already, by their idempotency keys.
    pub(super) replayed: u64,
}

impl AddAssign for Stored {
    fn add_assign(&mut self, more: Self) {
        self.new += more.new;
        self.replayed += more.replayed;
    }
}

/// The batch that is being gathered: its events, by root.
pub(crate) struct Gathering<'r> {
    folds: Arc<Folds>,
    root: Option<&'r RootName>,
    roots: BTreeMap<RootName, RootEvents>,
    event_count: usize,
    text_bytes: usize,
    first_number: Option<u64>,
}

/// The events of one root, and where in the input each came from.
struct RootEvents {
    batch: PreparedBatch,
    numbers: Vec<u64>,
}

impl<'r> Gathering<'r> {
    /// `folds` check the events. `root` is that of all events, if the user named one.
    pub(crate) const fn new(folds: Arc<Folds>, root: Option<&'r RootName>) -> Self {
        let roots = BTreeMap::new();
        Self { folds, root, roots, event_count: 0, text_bytes: 0, first_number: None }
    }

    /// Whether nothing has been taken.
    pub(crate) const fn is_empty(&self) -> bool {
        self.event_count == 0
    }

    /// Whether an event of this length still belongs to this batch.
    pub(crate) const fn has_room(&self, text_bytes: usize) -> bool {
        self.event_count == 0
            || (self.event_count < EVENTS_MAX && self.text_bytes + text_bytes <= BYTES_MAX)
    }

    /// Takes an event.
    pub(super) fn push(&mut self, entry: &Entry<'_>) -> Result<(), BadEvent> {
        let number = entry.number;
        self.first_number.get_or_insert(number);
        match entry.said {
            Said::Json(text) => {
                let event = JsonEvent::parse(text)
                    .map_err(|error| self.blame(number, error.field, error.detail))?;
                let root = self.root_for(number, event.root())?;
                event
                    .check_root(&root)
                    .map_err(|error| self.blame(number, error.field, error.detail))?;
                self.push_record(number, root, &event.record())?;
            }
            Said::Event(event) => {
                let root = self.root_for(number, None)?;
                self.push_record(number, root, &event.record())?;
            }
        }
        self.event_count += 1;
        self.text_bytes += entry.text_bytes;
        Ok(())
    }

    fn push_record(
        &mut self,
        number: u64,
        root: RootName,
        record: &Record<'_>,
    ) -> Result<(), BadEvent> {
        let folds = &self.folds;
        let events = self.roots.entry(root).or_insert_with_key(|root| {
            // The batch's first event has just come, and the batch is stored once they pause.
            let now = wall_clock_nanos();
            let batch = PreparedBatch::new(root.clone(), Arc::clone(folds), now);
            RootEvents { batch, numbers: Vec::new() }
        });
        if let Err(error) = events.batch.push(record) {
            let field = error.field().map(str::to_owned);
            return Err(self.blame_event(number, field, error.to_string()));
        }
        events.numbers.push(number);
        Ok(())
    }

    /// Stores the batch and begins the next.
    pub(super) fn store(&mut self, recorder: &mut Recorder) -> Result<Stored, Failure> {
        let roots = std::mem::take(&mut self.roots);
        let (batches, numbers) = split(roots.values());
        let recorded = recorder.record(&batches);
        let new = recorded.map_err(|error| self.blame_record(error, &numbers))?;
        let replayed = (self.event_count as u64).saturating_sub(new);
        (self.event_count, self.text_bytes, self.first_number) = (0, 0, None);
        Ok(Stored { new, replayed })
    }

    /// Stores the batch in a device that stands in for the real one.
    pub(crate) fn try_on(&self, device: &Device) -> Result<(), BadEvent> {
        let (batches, numbers) = split(self.roots.values());
        let recorded = device.record_together(&batches);
        recorded.map(drop).map_err(|error| self.blame_write(&error, &numbers))
    }

    /// Says that an event is at fault.
    pub(crate) fn blame(&self, number: u64, field: Option<String>, detail: String) -> BadEvent {
        let batch_number = self.first_number.unwrap_or(number);
        BadEvent { number: Some(number), field, is_core_field: false, detail, batch_number }
    }

    /// The same, by a field that is named as events have it.
    fn blame_event(&self, number: u64, field: Option<String>, detail: String) -> BadEvent {
        BadEvent { is_core_field: true, ..self.blame(number, field, detail) }
    }

    fn blame_record(&self, error: RecordError, numbers: &[&[u64]]) -> Failure {
        let refused = match error {
            RecordError::Own(error) => return Failure::Event(self.blame_write(&error, numbers)),
            RecordError::NoWay(error) => return Failure::Store(error),
            RecordError::Refused(refused) => refused,
        };
        let Refused { batch, index, field, detail } = refused;
        let number = batch.zip(index).and_then(|(batch, index)| numbers.get(batch)?.get(index));
        Failure::Event(match number {
            Some(number) => self.blame_event(*number, field, detail),
            None => self.blame_none(detail),
        })
    }

    /// Says that no single event is at fault.
    fn blame_none(&self, detail: String) -> BadEvent {
        let batch_number = self.first_number.unwrap_or(1);
        BadEvent { number: None, field: None, is_core_field: false, detail, batch_number }
    }

    fn blame_write(&self, error: &TogetherError, numbers: &[&[u64]]) -> BadEvent {
        let detail = error.to_string();
        let (index, field) = match error.source {
            WriteError::Future { index } => (index, "occurred_at"),
            WriteError::KeyConflict { index, .. } => (index, "idempotency_key"),
            WriteError::Void { index, .. } => (index, "voids"),
            _ => return self.blame_none(detail),
        };
        let number = error.batch.and_then(|batch| numbers.get(batch)?.get(index)).copied();
        let detail = match error.source {
            WriteError::Future { .. } => "lies in the future".to_owned(),
            WriteError::Void { .. } => error.source.to_string(),
            _ => "this key was used before, for another event".to_owned(),
        };
        self.blame_event(number.unwrap_or(0), Some(field.to_owned()), detail)
    }

    fn root_for(&self, number: u64, named: Option<&str>) -> Result<RootName, BadEvent> {
        self.root_of(named).map_err(|detail| self.blame(number, Some("root".to_owned()), detail))
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

/// The batches of some roots, and where in the input their events came from.
fn split<'l>(
    roots: impl Iterator<Item = &'l RootEvents>,
) -> (Vec<&'l PreparedBatch>, Vec<&'l [u64]>) {
    roots.map(|root| (&root.batch, &root.numbers[..])).unzip()
}
