//! Recording in a store, whoever has it open: into the store itself, or by way of the process that
//! has it.

use std::sync::Arc;

use anyhow::Context as _;
use laterbase_client::device::{DeviceError, TogetherError};
use laterbase_client::handover::{self, HandoverError, Neighbour, Receipts, Refused, Token};
use laterbase_client::local::Local as _;
use laterbase_core::PreparedBatch;
use laterbase_core::event::Record;
use laterbase_core::id::{Dot, RootName};
use laterbase_core::reader::{Reader, Remembered};

use super::Common;
use super::held::{Held, Patience, is_locked};
use super::held_back::tell_renewals;

/// A way into a store. It changes from one to the other as other processes come and go.
pub(super) struct Recorder {
    common: Common,
    way: Way,
}

enum Way {
    Own(Held),
    Neighbour(Neighbour),
}

/// Why nothing of some batches was recorded, or why that is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    /// Something is wrong with them, or with the store: the first of these, and the others would
    /// have been refused behind it. There is one at least.
    #[error("{}", .0.first().map_or("it was refused", |first| &first.detail))]
    Refused(Vec<Refused>),
    /// There is no way into the store.
    #[error("{0:#}")]
    NoWay(anyhow::Error),
}

impl From<TogetherError> for RecordError {
    fn from(error: TogetherError) -> Self {
        Self::Refused(error.refused())
    }
}

impl Recorder {
    /// Opens the store, or finds the process that has it open.
    pub(super) fn open(common: &Common) -> anyhow::Result<Self> {
        let way = find_way(common)?;
        // It is taken once.
        Ok(Self { common: Common { new_identity: false, ..common.clone() }, way })
    }

    /// Records batches as one. They are durable when this returns. Gives the number of events that
    /// were new.
    pub(super) fn record(&mut self, batches: &[&PreparedBatch]) -> Result<u64, RecordError> {
        let mut asked: Option<Token> = None;
        let mut patience = Patience::new();
        loop {
            match &mut self.way {
                Way::Own(held) => {
                    if let Some(stored) = find_receipt(held, asked.as_ref())? {
                        return Ok(stored);
                    }
                    return Ok(held.record_together(batches)?);
                }
                Way::Neighbour(neighbour) => {
                    let token = asked.get_or_insert_with(handover::receipts::new_token);
                    match neighbour.record(token, batches) {
                        Ok(stored) => return Ok(stored),
                        Err(HandoverError::Refused(refused)) => {
                            return Err(RecordError::Refused(refused));
                        }
                        // Whether it was done is known to whoever has the store next.
                        Err(HandoverError::Lost) if patience.rest() => {}
                        Err(error) => return Err(RecordError::NoWay(error.into())),
                    }
                }
            }
            self.way = find_way(&self.common).map_err(RecordError::NoWay)?;
        }
    }

    /// The id of an event that is there under its key: what is written again is found by that. `None`
    /// where another process writes.
    pub(super) fn replay(&self, root: &RootName, record: &Record<'_>) -> Option<Dot> {
        let Way::Own(held) = &self.way else { return None };
        record.idempotency_key?;
        let mut batch = held.batch(root);
        batch.push(record).ok()?;
        held.record(&batch).ok()?.dots.first().copied()
    }

    /// Has something remembered, and is done.
    pub(super) fn remember(mut self, entries: &[Remembered]) -> anyhow::Result<()> {
        let mut patience = Patience::new();
        loop {
            match &mut self.way {
                Way::Own(held) => {
                    held.remember(entries.to_vec())?;
                    self.close();
                    return Ok(());
                }
                Way::Neighbour(neighbour) => match neighbour.remember(entries) {
                    Err(HandoverError::Lost) if patience.rest() => {}
                    done => return Ok(done?),
                },
            }
            self.way = find_way(&self.common)?;
        }
    }

    /// Lets something read the store, as it is after what was recorded.
    pub(super) fn read<R>(
        &self,
        work: impl FnOnce(&Reader) -> anyhow::Result<R>,
    ) -> anyhow::Result<R> {
        match &self.way {
            Way::Own(held) => work(held.reader()),
            Way::Neighbour(_) => {
                let folds = Arc::new(self.common.folds());
                work(&Reader::of_frozen(self.common.freeze()?, folds)?)
            }
        }
    }

    pub(super) fn close(self) {
        if let Way::Own(held) = self.way {
            tell_renewals(&held);
            held.close();
        }
    }
}

/// What a process that is gone has made of a request before it went.
fn find_receipt(held: &Held, asked: Option<&Token>) -> Result<Option<u64>, RecordError> {
    let Some(token) = asked else { return Ok(None) };
    let receipts =
        Receipts::load(held.reader()).map_err(|error| RecordError::NoWay(error.into()))?;
    Ok(receipts.find(token))
}

fn find_way(common: &Common) -> anyhow::Result<Way> {
    let mut patience = Patience::new();
    loop {
        let error = match common.try_hold(common.options()) {
            Ok(held) => return Ok(Way::Own(held)),
            Err(error) if !is_locked(&error) || common.new_identity => {
                return wait_for(common, error).map(Way::Own);
            }
            Err(error) => error,
        };
        match Neighbour::find(&common.store) {
            Ok(Some(neighbour)) => return Ok(Way::Neighbour(neighbour)),
            // It is just opening the store, or closing it, or takes nothing from others.
            Ok(None) => {}
            Err(other) => return Err(other).context(error.to_string()),
        }
        if !patience.rest() {
            return Err(error).context("cannot open the store, and who has it takes no events");
        }
    }
}

/// A new identity is not taken beside others.
fn wait_for(common: &Common, error: DeviceError) -> anyhow::Result<Held> {
    let held = if is_locked(&error) { common.hold() } else { Err(error) };
    held.context("cannot open the store")
}
