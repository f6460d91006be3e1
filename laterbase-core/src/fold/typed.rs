//! A user's own types as a fold.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{Applied, Fold, FoldError, FoldState, Refusal};
use crate::event::{Event, Record};
use crate::snapshot::SnapshotPolicy;

/// A user's aggregate: its state, its events, and how one follows from the others.
///
/// # Example
///
/// ```
/// use laterbase_core::event::Event;
/// use laterbase_core::fold::{Aggregate, FoldError, Refusal};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Shipment {
///     location: Option<String>,
///     events: u32,
/// }
///
/// #[derive(Deserialize)]
/// #[serde(tag = "type", content = "data")]
/// enum ShipmentEvent {
///     Departed { from: String },
///     Arrived { at: String },
/// }
///
/// impl Aggregate for Shipment {
///     type Event = ShipmentEvent;
///     const NAME: &'static str = "shipment";
///     const TYPES: &'static [&'static str] = &["Departed", "Arrived"];
///
///     fn validate(event: &ShipmentEvent) -> Result<(), Refusal> {
///         match event {
///             ShipmentEvent::Arrived { at } if at.is_empty() => Err("where did it arrive?".into()),
///             _ => Ok(()),
///         }
///     }
///
///     fn apply(&mut self, event: ShipmentEvent, _: &Event<'_>) -> Result<(), FoldError> {
///         self.events += 1;
///         self.location = match event {
///             ShipmentEvent::Departed { from } => Some(format!("on the road from {from}")),
///             ShipmentEvent::Arrived { at } => Some(at),
///         };
///         Ok(())
///     }
/// }
/// ```
pub trait Aggregate: Default + Serialize + DeserializeOwned + Send + 'static {
    /// What happens to it. With the default [`Self::decode`], an enum marked
    /// `#[serde(tag = "type", content = "data")]`.
    type Event: DeserializeOwned;

    /// The fold's name, 1 to 64 bytes.
    const NAME: &'static str;

    /// Changes when the state, or what it means, changes. Old snapshots are then not used.
    const VERSION: u32 = 1;

    /// The event types that it folds. Events of other types are kept and left alone.
    const TYPES: &'static [&'static str];

    /// Reads an event. Override it to read data that is not JSON, or to bring events of an old
    /// `version` up to the current one (upcasting): change the data, then call [`decode_json`].
    ///
    /// # Errors
    /// [`Refusal`] if the data is not that of such an event.
    fn decode(record: &Record<'_>) -> Result<Self::Event, Refusal> {
        decode_json(record)
    }

    /// Says whether a local write may record this event. It is also asked when events that came
    /// by sync are folded, so it must depend on nothing but the event.
    ///
    /// # Errors
    /// [`Refusal`] with a reason for the writer.
    fn validate(event: &Self::Event) -> Result<(), Refusal> {
        let _ = event;
        Ok(())
    }

    /// When reads leave snapshots of the state: by default after every 100 events.
    fn snapshots() -> SnapshotPolicy {
        SnapshotPolicy::default()
    }

    /// Folds the next event, in fold order, into the state. It must depend on nothing but its
    /// arguments.
    ///
    /// # Errors
    /// [`FoldError`] if that is not possible: the aggregate cannot be read while the event is
    /// part of it.
    fn apply(&mut self, event: Self::Event, context: &Event<'_>) -> Result<(), FoldError>;
}

/// What [`Aggregate::decode`] does by default: reads JSON data as `{"type": …, "data": …}`.
///
/// # Errors
/// [`Refusal`] if the data is not JSON, or not that of such an event.
pub fn decode_json<E: DeserializeOwned>(record: &Record<'_>) -> Result<E, Refusal> {
    #[derive(Serialize)]
    struct Tagged<'a> {
        r#type: &'a str,
        data: &'a RawValue,
    }
    if !record.is_json {
        return Err("the data is not JSON".into());
    }
    let data: &RawValue =
        serde_json::from_slice(record.data).map_err(|error| Refusal(error.to_string()))?;
    let tagged = serde_json::to_vec(&Tagged { r#type: record.event_type, data })
        .map_err(|error| Refusal(error.to_string()))?;
    serde_json::from_slice(&tagged).map_err(|error| Refusal(error.to_string()))
}

/// An [`Aggregate`] as a [`Fold`].
#[derive(Debug)]
pub struct Typed<A>(PhantomData<fn() -> A>);

impl<A: Aggregate> Typed<A> {
    /// The aggregate's fold.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<A: Aggregate> Default for Typed<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Aggregate> Fold for Typed<A> {
    fn name(&self) -> &str {
        A::NAME
    }

    fn version(&self) -> u32 {
        A::VERSION
    }

    fn validate(&self, record: &Record<'_>) -> Result<(), Refusal> {
        if A::TYPES.contains(&record.event_type) {
            A::validate(&A::decode(record)?)?;
        }
        Ok(())
    }

    fn snapshots(&self) -> SnapshotPolicy {
        A::snapshots()
    }

    fn start(&self) -> Box<dyn FoldState> {
        Box::new(TypedState(A::default()))
    }

    fn resume(&self, json: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        let state: A =
            serde_json::from_slice(json).map_err(|error| FoldError(error.to_string()))?;
        Ok(Box::new(TypedState(state)))
    }
}

struct TypedState<A>(A);

impl<A: Aggregate> FoldState for TypedState<A> {
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError> {
        if !A::TYPES.contains(&event.record.event_type) {
            return Ok(Applied::Ignored);
        }
        let checked =
            A::decode(&event.record).and_then(|decoded| A::validate(&decoded).map(|()| decoded));
        match checked {
            Ok(decoded) => self.0.apply(decoded, event).map(|()| Applied::Folded),
            Err(refusal) => Ok(Applied::Refused(refusal)),
        }
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        serde_json::to_vec(&self.0).map_err(|error| FoldError(error.to_string()))
    }
}
