//! Consecutive events on their way into one commit.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;
use std::sync::Arc;

use laterbase_client::device::Device;
use laterbase_client::handover::Refused;
use laterbase_core::PreparedBatch;
use laterbase_core::event::{Metadata, MetadataBuf, MetadataError, Record};
use laterbase_core::fold::Folds;
use laterbase_core::id::{EventId, RootName};
use laterbase_core::json::{JsonError, JsonEvent};
use laterbase_directory::environment::wall_clock_nanos;

use super::marked_text::unmarked;
use super::rejects::Raw;
use super::source::{Entry, Said};
use crate::cli::lines::LINE_BYTES_MAX;
use crate::cli::recorder::{RecordError, Recorder};

/// Most events in a batch.
const EVENTS_MAX: usize = 1_000;

/// Who recorded an event, by convention, in its metadata.
pub(in crate::cli) const ACTOR: &str = "actor";

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
    /// Which event of the batch it is, from 0, if it was taken into that.
    taken: Option<usize>,
    /// The event that has its idempotency key, if that is what is wrong.
    holder: Option<Box<EventId>>,
}

/// Why a batch was not stored.
pub(super) enum NotStored {
    /// What is at fault, the first one first. There is one at least.
    Events(Vec<BadEvent>),
    Store(anyhow::Error),
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
    defaults: Defaults,
    roots: BTreeMap<RootName, RootEvents>,
    /// The events that were taken, in the order of the input.
    taken: Vec<Taken>,
    /// How many of them were not taken out again.
    event_count: usize,
    text_bytes: usize,
    first_number: Option<u64>,
}

/// What is said of events that do not say it themselves.
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults {
    pub(super) root: Option<RootName>,
    /// Who records, for their metadata.
    pub(super) actor: Option<String>,
}

/// The events of one root, and which of those that were taken each is.
struct RootEvents {
    batch: PreparedBatch,
    taken: Vec<usize>,
}

/// An event that was taken.
struct Taken {
    /// Where it is in the input.
    number: u64,
    /// As it stands there, if it may have to be rejected.
    raw: Option<Raw>,
    /// Whether it does not say itself who recorded it.
    is_actor_filled_in: bool,
}

impl<'r> Gathering<'r> {
    /// `folds` check the events. `root` is that of all events, if the user named one.
    pub(crate) const fn new(folds: Arc<Folds>, root: Option<&'r RootName>) -> Self {
        let roots = BTreeMap::new();
        Self {
            folds,
            root,
            defaults: Defaults { root: None, actor: None },
            roots,
            taken: Vec::new(),
            event_count: 0,
            text_bytes: 0,
            first_number: None,
        }
    }

    /// The same, where this is said of events that do not say it.
    pub(super) fn with_defaults(self, defaults: Defaults) -> Self {
        Self { defaults, ..self }
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
        if self.is_empty() {
            // What was left by events that were not taken is of another time.
            self.begin(0);
        }
        self.first_number.get_or_insert(number);
        let is_actor_filled_in = match entry.said {
            Said::Json(text) => match JsonEvent::parse(text) {
                Ok(event) => self.push_json(number, &event)?,
                Err(error) => {
                    // As it stands in a file of rejected events.
                    let unmarked = unmarked(text).ok_or_else(|| self.blame_json(number, error))?;
                    let event = JsonEvent::parse(&unmarked);
                    let event = event.map_err(|error| self.blame_json(number, error))?;
                    self.push_json(number, &event)?
                }
            },
            Said::Record(record) => {
                let root = self.root_for(number, None)?;
                self.push_record(number, root, &record)?
            }
        };
        self.taken.push(Taken { number, raw: None, is_actor_filled_in });
        self.event_count += 1;
        self.text_bytes += entry.text_bytes;
        Ok(())
    }

    /// Keeps the event that was taken last as it stands in the input.
    pub(super) fn keep(&mut self, raw: Raw) {
        if let Some(last) = self.taken.last_mut() {
            last.raw = Some(raw);
        }
    }

    fn push_json(&mut self, number: u64, event: &JsonEvent<'_>) -> Result<bool, BadEvent> {
        let root = self.root_for(number, event.root())?;
        event.check_root(&root).map_err(|error| self.blame_json(number, error))?;
        self.push_record(number, root, &event.record())
    }

    /// Gives whether it was filled in who recorded it.
    fn push_record(
        &mut self,
        number: u64,
        root: RootName,
        record: &Record<'_>,
    ) -> Result<bool, BadEvent> {
        let folds = &self.folds;
        let events = self.roots.entry(root).or_insert_with_key(|root| {
            // The batch's first event has just come, and the batch is stored once they pause.
            let now = wall_clock_nanos();
            let batch = PreparedBatch::new(root.clone(), Arc::clone(folds), now);
            RootEvents { batch, taken: Vec::new() }
        });
        let metadata = self.defaults.metadata_of(record);
        let pushed = match &metadata {
            Ok(None) => events.batch.push(record),
            Ok(Some(metadata)) => events.batch.push(&record.with_metadata(metadata.as_metadata())),
            Err(error) => {
                let field = Some("metadata".to_owned());
                return Err(self.blame_event(number, field, format!("actor: {error}")));
            }
        };
        if let Err(error) = pushed {
            let field = error.field().map(str::to_owned);
            return Err(self.blame_event(number, field, error.to_string()));
        }
        events.taken.push(self.taken.len());
        Ok(metadata.is_ok_and(|filled_in| filled_in.is_some()))
    }

    /// Stores the batch and begins the next. After an error, the batch is as it was.
    pub(super) fn store(&mut self, recorder: &mut Recorder) -> Result<Stored, NotStored> {
        let (batches, places) = split(self.roots.values());
        let recorded = recorder.record(&batches);
        let new = recorded.map_err(|error| self.blame_record(error, &places))?;
        Ok(self.begin(new))
    }

    /// The same by something that stands in for the store.
    pub(super) fn try_on(
        &mut self,
        record: impl FnOnce(&[&PreparedBatch]) -> Result<u64, RecordError>,
    ) -> Result<Stored, NotStored> {
        let (batches, places) = split(self.roots.values());
        let recorded = record(&batches);
        let new = recorded.map_err(|error| self.blame_record(error, &places))?;
        Ok(self.begin(new))
    }

    /// Finds out whether a device would take the batch.
    pub(super) fn rehearse(&self, device: &Device) -> Result<(), NotStored> {
        let (batches, places) = split(self.roots.values());
        let rehearsed = device.rehearse(&batches);
        rehearsed.map(drop).map_err(|error| self.blame_all(error.refused(), &places))
    }

    /// Begins the next batch, of this one's events so many were new.
    fn begin(&mut self, new: u64) -> Stored {
        let replayed = (self.event_count as u64).saturating_sub(new);
        self.roots.clear();
        self.taken.clear();
        (self.event_count, self.text_bytes, self.first_number) = (0, 0, None);
        Stored { new, replayed }
    }

    /// Takes events that are at fault out of the batch again. Gives them as they stand in the input;
    /// without those that are not in the batch, or of which that is not known.
    pub(super) fn take_out<'b>(&mut self, bad: &'b [BadEvent]) -> Vec<(&'b BadEvent, Raw)> {
        let mut rejected = Vec::new();
        let mut places = BTreeSet::new();
        for bad in bad {
            let taken = bad.taken.and_then(|place| Some((place, self.taken.get_mut(place)?)));
            let Some((place, taken)) = taken else { continue };
            let Some(raw) = taken.raw.take() else { continue };
            places.insert(place);
            rejected.push((bad, raw));
        }
        self.leave_out(&places);
        rejected
    }

    /// Takes events out of the batch again that are held under their keys already, but for who
    /// recorded them, where that was filled in: whoever records a list again need not be who did so
    /// first. Gives their number. `is_held` compares an event with one that is held.
    pub(super) fn take_out_replays(
        &mut self,
        bad: &[BadEvent],
        is_held: &mut dyn FnMut(&EventId, &Record<'_>) -> bool,
    ) -> u64 {
        let holders: BTreeMap<usize, &EventId> = bad
            .iter()
            .filter_map(|bad| Some((bad.taken?, bad.holder.as_deref()?)))
            .filter(|(place, _)| self.taken.get(*place).is_some_and(|it| it.is_actor_filled_in))
            .collect();
        let mut places = BTreeSet::new();
        for events in self.roots.values() {
            for (record, place) in events.batch.encoded().zip(&events.taken) {
                let Some(holder) = holders.get(place) else { continue };
                if Record::decode(record).is_ok_and(|record| is_held(holder, &record)) {
                    places.insert(*place);
                }
            }
        }
        self.leave_out(&places);
        places.len() as u64
    }

    /// Goes on without some of the events that were taken.
    fn leave_out(&mut self, places: &BTreeSet<usize>) {
        for events in self.roots.values_mut() {
            if events.taken.iter().any(|place| places.contains(place)) {
                *events = events.without(places, &self.folds);
            }
        }
        self.roots.retain(|_, events| !events.taken.is_empty());
        self.event_count = self.roots.values().map(|events| events.taken.len()).sum();
        if self.event_count == 0 {
            self.begin(0);
        }
    }

    /// The events, as they will be kept.
    pub(super) fn encoded(&self) -> impl Iterator<Item = &[u8]> {
        self.roots.values().flat_map(|events| events.batch.encoded())
    }

    /// Says that an event is at fault.
    pub(crate) fn blame(&self, number: u64, field: Option<String>, detail: String) -> BadEvent {
        let batch_number = self.first_number.unwrap_or(number);
        let number = Some(number);
        let (taken, holder) = (None, None);
        BadEvent { number, field, is_core_field: false, detail, batch_number, taken, holder }
    }

    fn blame_json(&self, number: u64, error: JsonError) -> BadEvent {
        self.blame(number, error.field, error.detail)
    }

    /// The same, by a field that is named as events have it.
    fn blame_event(&self, number: u64, field: Option<String>, detail: String) -> BadEvent {
        BadEvent { is_core_field: true, ..self.blame(number, field, detail) }
    }

    fn blame_record(&self, error: RecordError, places: &[&[usize]]) -> NotStored {
        match error {
            RecordError::Refused(refused) => self.blame_all(refused, places),
            RecordError::NoWay(error) => NotStored::Store(error),
        }
    }

    fn blame_all(&self, refused: Vec<Refused>, places: &[&[usize]]) -> NotStored {
        NotStored::Events(refused.into_iter().map(|it| self.blame_refused(it, places)).collect())
    }

    fn blame_refused(&self, refused: Refused, places: &[&[usize]]) -> BadEvent {
        let Refused { batch, index, field, detail, holder } = refused;
        let holder = holder.map(Box::new);
        let place = batch.zip(index).and_then(|(batch, index)| places.get(batch)?.get(index));
        let found = place.and_then(|place| Some((*place, self.taken.get(*place)?)));
        match found {
            Some((place, taken)) => {
                let blamed = self.blame_event(taken.number, field, detail);
                BadEvent { taken: Some(place), holder, ..blamed }
            }
            // No single event is at fault.
            None => {
                let batch_number = self.first_number.unwrap_or(1);
                let (number, field, taken) = (None, None, None);
                let is_core_field = false;
                BadEvent { number, field, is_core_field, detail, batch_number, taken, holder }
            }
        }
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
                self.defaults.root.clone().ok_or("is missing, and there is no --root".to_owned())
            }
        }
    }
}

/// Whether two events say the same, whoever recorded them.
pub(super) fn is_same_but_for_actor(one: &Record<'_>, other: &Record<'_>) -> bool {
    // One that takes others back says more than can be compared here.
    let is_plain = one.voids.is_empty() && other.voids.is_empty();
    let said = |record: &Record<'_>| record.occurred.filter(|_| !record.is_occurred_defaulted);
    let others = |record: &Record<'_>| {
        let entries = record.metadata.iter().filter(|(name, _)| *name != ACTOR);
        entries.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
    };
    let bare = Record { metadata: Metadata::NONE, occurred: None, ..*one };
    let is_occurred_defaulted = one.is_occurred_defaulted;
    is_plain
        && said(one) == said(other)
        && others(one) == others(other)
        && bare
            == Record { metadata: Metadata::NONE, occurred: None, is_occurred_defaulted, ..*other }
}

impl Defaults {
    /// The metadata of an event that does not say who recorded it; `None` if it does, or nobody knows.
    fn metadata_of(&self, record: &Record<'_>) -> Result<Option<MetadataBuf>, MetadataError> {
        let Some(actor) = self.actor.as_ref().filter(|_| record.metadata.get(ACTOR).is_none())
        else {
            return Ok(None);
        };
        let mut metadata = MetadataBuf::default();
        for (name, value) in record.metadata.iter().chain([(ACTOR, actor.as_str())]) {
            metadata.set(name, value)?;
        }
        Ok(Some(metadata))
    }
}

impl RootEvents {
    /// The same events but for some.
    fn without(&self, places: &BTreeSet<usize>, folds: &Arc<Folds>) -> Self {
        let root = self.batch.root().clone();
        let mut batch = PreparedBatch::new(root, Arc::clone(folds), wall_clock_nanos());
        let mut taken = Vec::new();
        for (record, place) in self.batch.encoded().zip(&self.taken) {
            // They were taken before, so they are again.
            let is_kept = !places.contains(place)
                && Record::decode(record).is_ok_and(|record| batch.push(&record).is_ok());
            if is_kept {
                taken.push(*place);
            }
        }
        Self { batch, taken }
    }
}

/// The batches of some roots, and which of the events that were taken theirs are.
fn split<'l>(
    roots: impl Iterator<Item = &'l RootEvents>,
) -> (Vec<&'l PreparedBatch>, Vec<&'l [usize]>) {
    roots.map(|root| (&root.batch, &root.taken[..])).unzip()
}

#[cfg(test)]
mod tests;
