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

use super::recording::Failure;
use super::source::{Entry, Said};
use crate::cli::lines::LINE_BYTES_MAX;
use crate::cli::recorder::{RecordError, Recorder};

/// Most events in a batch.
const EVENTS_MAX: usize = 1_000;

/// Most bytes of text in a batch, unless a single event is longer.
const BYTES_MAX: usize = LINE_BYTES_MAX;

/// An event that cannot be recorded, and with it its batch.
#[derive(Debug)]
pub(in crate::cli) struct BadEvent {
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
pub(in crate::cli) struct Stored {
    pub(in crate::cli) new: u64,
    /// Those that were there already, by their idempotency keys.
    pub(in crate::cli) replayed: u64,
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
    /// The root of events that name none.
    fallback: Option<RootName>,
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
        Self {
            folds,
            root,
            fallback: None,
            roots,
            event_count: 0,
            text_bytes: 0,
            first_number: None,
        }
    }

    /// The same, where events that name no root are of this one.
    pub(super) fn falling_back_on(self, fallback: Option<RootName>) -> Self {
        Self { fallback, ..self }
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
            Said::Record(record) => {
                let root = self.root_for(number, None)?;
                self.push_record(number, root, &record)?;
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

    /// Stores the batch and begins the next. After an error, the batch is as it was.
    pub(super) fn store(&mut self, recorder: &mut Recorder) -> Result<Stored, Failure> {
        let (batches, numbers) = split(self.roots.values());
        let recorded = recorder.record(&batches);
        let new = recorded.map_err(|error| self.blame_record(error, &numbers))?;
        Ok(self.begin(new))
    }

    /// The same by something that stands in for the store.
    pub(super) fn try_on(
        &mut self,
        record: impl FnOnce(&[&PreparedBatch]) -> Result<u64, TogetherError>,
    ) -> Result<Stored, Failure> {
        let (batches, numbers) = split(self.roots.values());
        let recorded = record(&batches);
        let new = recorded.map_err(|error| Failure::Event(self.blame_write(&error, &numbers)))?;
        Ok(self.begin(new))
    }

    /// Finds out whether a device would take the batch.
    pub(super) fn rehearse(&self, device: &Device) -> Result<(), BadEvent> {
        let (batches, numbers) = split(self.roots.values());
        let rehearsed = device.rehearse(&batches);
        rehearsed.map(drop).map_err(|error| self.blame_write(&error, &numbers))
    }

    /// Begins the next batch, of this one's events so many were new.
    fn begin(&mut self, new: u64) -> Stored {
        let replayed = (self.event_count as u64).saturating_sub(new);
        self.roots.clear();
        (self.event_count, self.text_bytes, self.first_number) = (0, 0, None);
        Stored { new, replayed }
    }

    /// Takes an event out of the batch again; false if it is not there.
    pub(super) fn take_out(&mut self, number: u64) -> bool {
        let holds = |events: &&mut RootEvents| events.numbers.contains(&number);
        let Some(events) = self.roots.values_mut().find(holds) else { return false };
        let (root, now) = (events.batch.root().clone(), wall_clock_nanos());
        let mut batch = PreparedBatch::new(root, Arc::clone(&self.folds), now);
        let mut numbers = Vec::new();
        for (record, &other) in events.batch.encoded().zip(&events.numbers) {
            // They were taken before, so they are again.
            let is_kept = other != number
                && Record::decode(record).is_ok_and(|record| batch.push(&record).is_ok());
            if is_kept {
                numbers.push(other);
            }
        }
        *events = RootEvents { batch, numbers };
        self.event_count -= 1;
        if self.event_count == 0 {
            self.begin(0);
        }
        true
    }

    /// The events, as they will be kept.
    pub(super) fn encoded(&self) -> impl Iterator<Item = &[u8]> {
        self.roots.values().flat_map(|events| events.batch.encoded())
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
            (None, None) => {
                self.fallback.clone().ok_or("is missing, and there is no --root".to_owned())
            }
        }
    }
}

/// The batches of some roots, and where in the input their events came from.
fn split<'l>(
    roots: impl Iterator<Item = &'l RootEvents>,
) -> (Vec<&'l PreparedBatch>, Vec<&'l [u64]>) {
    roots.map(|root| (&root.batch, &root.numbers[..])).unzip()
}
