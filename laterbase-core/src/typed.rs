//! Typed events in, typed states out: the same words wherever the replica is.
//!
//! A device, a server's own process and a client of a server take an [`Append`] and read an
//! [`AggregateAt`] in the same way:
//!
//! ```
//! use laterbase_core::event::Event;
//! use laterbase_core::fold::{Aggregate, FoldError};
//! use laterbase_core::id::RootName;
//! use laterbase_core::time::parse_time;
//! use laterbase_core::typed::{Append, At};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Shipment {
//!     place: String,
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(tag = "type", content = "data")]
//! enum Scan {
//!     Arrived { at: String },
//! }
//!
//! impl Aggregate for Shipment {
//!     type Event = Scan;
//!     const NAME: &'static str = "shipment";
//!
//!     fn apply(&mut self, Scan::Arrived { at }: Scan, _: &Event<'_>) -> Result<(), FoldError> {
//!         self.place = at;
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let root = RootName::new("shipment")?;
//! let append = Append::<Shipment>::to(&root, "VAX-7")
//!     .event(Scan::Arrived { at: "Kumasi".into() })
//!     .occurred_at(parse_time("2024-03-03T10:00:00Z")?)
//!     .metadata("actor", "Ama")
//!     .key("scan-17")
//!     .if_absent();
//! let sunday = At::now().occurred_until(parse_time("2024-03-03T23:59:59Z")?);
//! // client.append(&append).await?      client.aggregate::<Shipment>(&root, "VAX-7", sunday).await?
//! // handle.append(&append).await?      handle.aggregate::<Shipment>(&root, "VAX-7", sunday).await?
//! // device.append(&append)?            device.aggregate::<Shipment>(&root, "VAX-7", sunday)?
//! # let _ = (append, sunday);
//! # Ok(()) }
//! ```

use crate::fold::{Aggregate, FoldError, state_from_json};
use crate::id::{EventId, RootName};
use crate::reader::{AggregateState, FoldFailure, ReadError, Reader};
use crate::replica::WriteError;

mod append;
mod at;
mod fact;

pub use append::{Append, Unwritable};
pub use at::At;
pub use fact::{EncodedFact, Fact};

/// An aggregate as it was at some time, by the fold of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateAt<A> {
    /// The state.
    pub state: A,
    /// Equal on two replicas exactly when they know the same events of it, as far as the read looks
    /// at them. Opaque; [`Append::if_etag`] takes it.
    pub etag: String,
    /// How many events the read looks at, folded or not.
    pub event_count: u64,
    /// How many of them were left out: their data cannot be read, or the validation hook would not
    /// have taken them.
    pub refused_count: u64,
}

impl<A: Aggregate> AggregateAt<A> {
    /// Reads one by the fold of its type; `None` if no event of it is known within those times.
    /// Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::UnknownFold`] if the reader's replica has not registered the
    /// aggregate for the root.
    pub fn read(
        reader: &Reader,
        root: &RootName,
        id: &str,
        at: At,
    ) -> Result<Option<Self>, ReadError> {
        let found = reader.aggregate(root, id, &at.query(A::NAME))?;
        found.map(|found| Self::of(found).map_err(ReadError::FoldFailed)).transpose()
    }

    /// Reads the state of one that was folded.
    ///
    /// # Errors
    /// [`FoldFailure::Code`] if the aggregate's own code does not read the JSON that it wrote.
    pub fn of(folded: AggregateState) -> Result<Self, FoldFailure> {
        let AggregateState { state, etag, event_count, refused_count, .. } = folded;
        let state: A =
            state_from_json(&state).map_err(|FoldError(reason)| FoldFailure::Code { reason })?;
        Ok(Self { state, etag, event_count, refused_count })
    }
}

/// What an append did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The ids of the events, in their order; of a repeat, those of the first.
    pub ids: Vec<EventId>,
    /// The etag of the aggregate behind the append, for [`Append::if_etag`] of the next one; `None`
    /// where it would take long to tell.
    pub etag: Option<String>,
    /// Whether all of it was there already, by its key, so that nothing was stored.
    pub is_repeat: bool,
}

/// Why nothing of an append was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// It is nothing that can be written.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// What the replica says against it.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl AppendError {
    /// Whether the aggregate is not as the writer expected: read, decide again, write again.
    pub const fn is_precondition_failed(&self) -> bool {
        matches!(self, Self::Write(WriteError::Precondition { .. }))
    }
}

#[cfg(test)]
mod tests;
