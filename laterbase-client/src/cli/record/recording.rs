//! Events on their way from an input into the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use laterbase_client::device::DeviceOptions;
use laterbase_core::id::RootName;

use super::gather::{BadEvent, Gathering, Stored};
use super::rejects::{Raw, Rejects};
use super::source::{Entry, Source, SourceError};
use super::trial::{self, Trial};
use super::wording::Wording;
use crate::cli::Common;
use crate::cli::recorder::Recorder;

/// Why not all of the input was recorded.
pub(in crate::cli) enum Failure {
    Event(BadEvent),
    /// All of it is of no use, whatever stands where.
    Input(anyhow::Error),
    Store(anyhow::Error),
}

/// Records batch by batch.
pub(in crate::cli) struct Recording<'r> {
    common: Common,
    gathering: Gathering<'r>,
    /// Opened for a batch, so that input that is refused leaves no empty store behind, and other
    /// processes have the store while the input pauses.
    recorder: Option<Recorder>,
    /// Stands in for the store, if nothing is to be stored.
    trial: Option<Trial>,
    /// Takes what cannot be recorded, if that is not to end the recording.
    rejects: Option<Rejects>,
    /// The events of the batch as they stood in the input, if they may have to be rejected.
    raws: BTreeMap<u64, Raw>,
    /// How the input's events are called, once one was read.
    wording: Option<Wording>,
    /// Counts what is stored, also if a later event is bad.
    stored: Stored,
}

impl<'r> Recording<'r> {
    /// `root` is that of all events, if there is one.
    pub(in crate::cli) fn new(common: &Common, root: Option<&'r RootName>) -> Self {
        let folds = Arc::new(DeviceOptions::default().folds);
        Self {
            common: common.clone(),
            gathering: Gathering::new(folds, root),
            recorder: None,
            trial: None,
            rejects: None,
            raws: BTreeMap::new(),
            wording: None,
            stored: Stored::default(),
        }
    }

    /// The same, where events that name no root are of this one.
    pub(in crate::cli) fn falling_back_on(self, fallback: Option<RootName>) -> Self {
        Self { gathering: self.gathering.falling_back_on(fallback), ..self }
    }

    /// The same, of which nothing is stored.
    pub(super) fn on_trial(self, trial: Trial) -> Self {
        Self { trial: Some(trial), ..self }
    }

    /// The same, which goes on behind an event that cannot be recorded.
    pub(super) fn rejecting(self, rejects: Rejects) -> Self {
        Self { rejects: Some(rejects), ..self }
    }

    /// Records what comes, and what is there when the input pauses.
    pub(super) fn take_all(&mut self, source: &mut Source) -> Result<(), Failure> {
        let bar = source.bar.clone();
        loop {
            let (number, bad) = match source.next() {
                Ok(Some(entry)) => {
                    bar.inc(entry.input_bytes);
                    (entry.number, self.take(&entry)?)
                }
                Ok(None) => break,
                Err(SourceError::Paused) => {
                    self.store()?;
                    self.close_recorder();
                    continue;
                }
                Err(SourceError::Bad { number, field, detail }) => {
                    (number, Some(self.gathering.blame(number, field, detail)))
                }
                Err(SourceError::Broken { number, detail }) => {
                    return Err(Failure::Event(self.gathering.blame(number, None, detail)));
                }
                Err(SourceError::Unusable(error)) => return Err(Failure::Input(error)),
            };
            match (&mut self.rejects, bad) {
                (None, None) => {}
                (None, Some(bad)) => return Err(Failure::Event(bad)),
                (Some(_), None) => drop(self.raws.insert(number, source.raw())),
                (Some(rejects), Some(bad)) => {
                    let wording = self.wording.get_or_insert_with(|| source.wording());
                    rejects.take(&bad, &source.raw(), wording).map_err(Failure::Store)?;
                }
            }
            self.wording.get_or_insert_with(|| source.wording());
        }
        self.finish()
    }

    /// Takes one event into the batch, and stores the one before if that is full. Gives what is
    /// wrong with the event, if something is.
    pub(in crate::cli) fn take(&mut self, entry: &Entry<'_>) -> Result<Option<BadEvent>, Failure> {
        if !self.gathering.has_room(entry.text_bytes) {
            self.store()?;
        }
        Ok(self.gathering.push(entry).err())
    }

    /// Stores what is left, and what is there although no event may be.
    pub(in crate::cli) fn finish(&mut self) -> Result<(), Failure> {
        self.store()?;
        if self.common.new_identity && self.trial.is_none() {
            // Asked for, whether or not anything is recorded under it.
            self.recorder = Some(open_recorder(&mut self.common)?);
        }
        match &mut self.rejects {
            Some(rejects) => rejects.finish().map_err(Failure::Store),
            None => Ok(()),
        }
    }

    /// The events of the batch, as they will be kept.
    pub(in crate::cli) fn encoded(&self) -> impl Iterator<Item = &[u8]> {
        self.gathering.encoded()
    }

    /// How many events were stored.
    pub(in crate::cli) const fn stored(&self) -> Stored {
        self.stored
    }

    /// How many events were rejected, if they may be.
    pub(super) fn rejected(&self) -> Option<u64> {
        self.rejects.as_ref().map(|rejects| rejects.count)
    }

    /// Stores what was gathered, but for what is rejected.
    fn store(&mut self) -> Result<(), Failure> {
        while !self.gathering.is_empty() {
            let bad = match (self.store_whole(), &self.rejects) {
                (Ok(()), _) => break,
                (Err(Failure::Event(bad)), Some(_)) => bad,
                (Err(failure), _) => return Err(failure),
            };
            let raw = bad.number.and_then(|number| self.raws.remove(&number));
            let taken_out = bad.number.is_some_and(|number| self.gathering.take_out(number));
            match (&mut self.rejects, raw, &self.wording) {
                (Some(rejects), Some(raw), Some(wording)) if taken_out => {
                    rejects.take(&bad, &raw, wording).map_err(Failure::Store)?;
                }
                // It is no single event's fault, and none less would do.
                _ => return Err(Failure::Event(bad)),
            }
        }
        self.raws.clear();
        Ok(())
    }

    fn store_whole(&mut self) -> Result<(), Failure> {
        if let Some(trial) = &mut self.trial {
            self.stored += self.gathering.try_on(|batches| trial.record(batches))?;
            return Ok(());
        }
        if self.recorder.is_none() && !self.common.store.exists() {
            self.rehearse()?;
        }
        let recorder = match &mut self.recorder {
            Some(recorder) => recorder,
            none => none.insert(open_recorder(&mut self.common)?),
        };
        self.stored += self.gathering.store(recorder)?;
        Ok(())
    }

    /// Finds out whether a new store would take the first batch, before there is one.
    fn rehearse(&self) -> Result<(), Failure> {
        let device = trial::empty_device(&self.common);
        let device = device.map_err(|error| Failure::Store(error.into()))?;
        self.gathering.rehearse(&device).map_err(Failure::Event)
    }

    /// The way into the store, once something was stored.
    pub(in crate::cli) const fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_ref()
    }

    fn close_recorder(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            recorder.close();
        }
    }

    /// Lets other processes have the store.
    pub(in crate::cli) fn let_go(&mut self) {
        self.close_recorder();
        if let Some(trial) = self.trial.take() {
            trial.close();
        }
    }
}

fn open_recorder(common: &mut Common) -> Result<Recorder, Failure> {
    let recorder = Recorder::open(common).map_err(Failure::Store)?;
    // It is taken once.
    common.new_identity = false;
    Ok(recorder)
}
