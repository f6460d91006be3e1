//! Events on their way from an input into the store.

use std::sync::Arc;

use anyhow::anyhow;
use laterbase_core::id::RootName;
use laterbase_core::reader::Reader;

use super::gather::{BadEvent, Defaults, Gathering, NotStored, Stored, is_same_but_for_actor};
use super::rejects::Rejects;
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

impl From<NotStored> for Failure {
    fn from(not_stored: NotStored) -> Self {
        match not_stored {
            NotStored::Store(error) => Self::Store(error),
            NotStored::Events(bad) => match bad.into_iter().next() {
                Some(first) => Self::Event(first),
                None => Self::Store(anyhow!("the events were refused")),
            },
        }
    }
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
    /// How the input's events are called, once one was read.
    wording: Option<Wording>,
    /// Counts what is stored, also if a later event is bad.
    stored: Stored,
}

impl<'r> Recording<'r> {
    /// `root` is that of all events, if there is one.
    pub(in crate::cli) fn new(common: &Common, root: Option<&'r RootName>) -> Self {
        let folds = Arc::new(common.folds());
        Self {
            common: common.clone(),
            gathering: Gathering::new(folds, root),
            recorder: None,
            trial: None,
            rejects: None,
            wording: None,
            stored: Stored::default(),
        }
    }

    /// The same, where this is said of events that do not say it.
    pub(super) fn with_defaults(self, defaults: Defaults) -> Self {
        Self { gathering: self.gathering.with_defaults(defaults), ..self }
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
            let bad = match source.next() {
                Ok(Some(entry)) => {
                    bar.inc(entry.progress);
                    self.take(&entry)?
                }
                Ok(None) => break,
                Err(SourceError::Paused) => {
                    self.store()?;
                    self.let_go();
                    if let Some(rejects) = &mut self.rejects {
                        rejects.flush().map_err(Failure::Store)?;
                    }
                    continue;
                }
                Err(SourceError::Bad { number, field, detail }) => {
                    Some(self.gathering.blame(number, field, detail))
                }
                Err(SourceError::Broken { number, detail }) => {
                    return Err(Failure::Event(self.gathering.blame(number, None, detail)));
                }
                Err(SourceError::Unusable(error)) => return Err(Failure::Input(error)),
            };
            match (&mut self.rejects, bad) {
                (None, None) => {}
                (None, Some(bad)) => return Err(Failure::Event(bad)),
                (Some(_), None) => self.gathering.keep(source.raw()),
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
            let bad = match self.store_whole() {
                Ok(()) => break,
                Err(NotStored::Events(bad)) => bad,
                Err(not_stored) => return Err(not_stored.into()),
            };
            let replayed = self.take_out_replays(&bad);
            if replayed > 0 {
                // What else is wrong is found again.
                self.stored.replayed += replayed;
                continue;
            }
            let rejected = self.gathering.take_out(&bad);
            match (&mut self.rejects, &self.wording) {
                (Some(rejects), Some(wording)) if !rejected.is_empty() => {
                    for (bad, raw) in &rejected {
                        rejects.take(bad, raw, wording).map_err(Failure::Store)?;
                    }
                }
                // It is no single event's fault, and none less would do.
                _ => return Err(NotStored::Events(bad).into()),
            }
        }
        Ok(())
    }

    /// Takes out what is held already, but for who recorded it. Gives the number of events.
    fn take_out_replays(&mut self, bad: &[BadEvent]) -> u64 {
        let Self { gathering, recorder, trial, .. } = self;
        let mut look = |reader: &Reader| {
            Ok(gathering.take_out_replays(bad, &mut |holder, record| {
                let same = reader.event(holder, |held| is_same_but_for_actor(&held.record, record));
                matches!(same, Ok(Some(true)))
            }))
        };
        let taken_out = match (trial, recorder) {
            (Some(trial), _) => trial.read(look),
            (None, Some(recorder)) => recorder.read(&mut look),
            (None, None) => Ok(0),
        };
        // Where nobody can look, the key is taken, and that is said.
        taken_out.unwrap_or_default()
    }

    fn store_whole(&mut self) -> Result<(), NotStored> {
        if let Some(trial) = &mut self.trial {
            self.stored += self.gathering.try_on(|batches| trial.record(batches))?;
            return Ok(());
        }
        if self.recorder.is_none() && !self.common.has_store().map_err(NotStored::Store)? {
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
    fn rehearse(&self) -> Result<(), NotStored> {
        let device = trial::empty_device(&self.common);
        let device = device.map_err(|error| NotStored::Store(error.into()))?;
        self.gathering.rehearse(&device)
    }

    /// The way into the store, once something was stored.
    pub(in crate::cli) const fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_ref()
    }

    /// Lets other processes have the store.
    pub(in crate::cli) fn let_go(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            recorder.close();
        }
        if let Some(trial) = &mut self.trial {
            trial.let_go();
        }
    }
}

fn open_recorder(common: &mut Common) -> Result<Recorder, NotStored> {
    let recorder = Recorder::open(common).map_err(NotStored::Store)?;
    // It is taken once.
    common.new_identity = false;
    Ok(recorder)
}
