//! What is wrong with events that were to be recorded, in words.

use laterbase_core::id::EventId;
use laterbase_core::replica::{KeyHolder, WriteError};

use crate::device::TogetherError;

/// What is wrong with one of the events that were to be recorded together, or with all of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refused {
    /// Which batch is at fault, from 0; `None` if it is no single one.
    pub batch: Option<usize>,
    /// Which event of it, from 0.
    pub index: Option<usize>,
    /// Which field of that.
    pub field: Option<String>,
    /// What is wrong.
    pub detail: String,
    /// The event that has its idempotency key, where that is what is wrong.
    pub holder: Option<EventId>,
}

impl Refused {
    fn of(batch: Option<usize>, error: &WriteError) -> Self {
        let (index, field, detail) = match error {
            WriteError::Future { index } => {
                (*index, "occurred_at", "lies in the future".to_owned())
            }
            WriteError::KeyConflict { index, holder } => {
                (*index, "idempotency_key", taken_by(holder.as_ref()))
            }
            WriteError::Void { index, event, fault } => {
                (*index, "voids", format!("cannot take {event} back: {fault}"))
            }
            error => {
                let detail = with_causes(error);
                return Self { batch: None, index: None, field: None, detail, holder: None };
            }
        };
        let holder = match error {
            WriteError::KeyConflict { holder: Some(holder), .. } => Some(holder.event.clone()),
            _ => None,
        };
        Self { batch, index: Some(index), field: Some(field.to_owned()), detail, holder }
    }
}

impl TogetherError {
    /// What is wrong, in words: what came first, then all else that would have been refused.
    pub fn refused(&self) -> Vec<Refused> {
        let others = self.others.iter().map(|(batch, error)| Refused::of(Some(*batch), error));
        std::iter::once(Refused::of(self.batch, &self.source)).chain(others).collect()
    }
}

fn taken_by(holder: Option<&KeyHolder>) -> String {
    match holder {
        Some(KeyHolder { event, aggregate_id }) => {
            format!("this key was used before, for another event: {event} of {aggregate_id}")
        }
        None => "this key was used before, for another event of the same input".to_owned(),
    }
}

/// An error with its causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
