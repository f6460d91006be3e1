//! A user's own types as a fold.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::event_types::{EventTypes, EventTypesError};
use super::probe::survives_json;
use super::{Applied, Fold, FoldError, FoldState, Refusal};
use crate::event::{Event, Record};
use crate::json::check_data;
use crate::limits::STATE_DEPTH_MAX;
use crate::snapshot::SnapshotPolicy;

/// A user's aggregate: its state, its events, and how one follows from the others.
///
/// # What must survive JSON
///
/// Reads leave snapshots of the state, as JSON, and later reads fold on from there. So whatever
/// [`Self::apply`] looks at must be the same after the state went through `serde_json` once:
/// reading the JSON back and folding on must come to the same as folding on without it.
///
/// - Integers of all widths, finite floating-point numbers, text, options, sequences and maps do
///   survive, with what `#[derive(Serialize, Deserialize)]` makes of them.
/// - A number that is not finite is `null` in JSON, and so is each value within `Some` that is
///   `null` itself: `Some(f64::NAN)`, `Some(None)`, `Some(())`. They are found when a snapshot is
///   written, and then none is kept; every read of such a state folds all events.
/// - What the derived code leaves out or changes cannot be found: `#[serde(skip)]`,
///   `#[serde(skip_serializing_if = …)]` with another default, `#[serde(untagged)]` enums whose
///   variants look alike, implementations of your own. Do not let `apply` depend on it.
///
/// [`check_snapshots`](super::check_snapshots) compares both for events of yours: call it in a
/// test.
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

    /// The event types that it folds; events of other types are kept and left alone.
    ///
    /// By default they are those that [`Self::Event`] has, as serde reads them: by every `rename`
    /// and `alias`, without what is `skip`ped. A variant that is `#[serde(other)]` takes events of
    /// all other types, whatever their data. Name them here if [`Self::decode`] takes more, or
    /// less, than the enum says, or if the enum does not tell: an aggregate whose types are not
    /// known is not registered.
    const TYPES: Option<&'static [&'static str]> = None;

    /// Reads an event. Override it to read data that is not JSON, or to bring events of an old
    /// `version` up to the current one (upcasting): change the data, then call [`decode_json`].
    ///
    /// # Errors
    /// [`Refusal`] if the data is not that of such an event.
    fn decode(record: &Record<'_>) -> Result<Self::Event, Refusal> {
        decode_json(record)
    }

    /// The schema version in which the code of now writes an event: 1 by default. Say so when the
    /// data of events has changed, and [`Self::decode`] tells old from new by it.
    fn event_version(event: &Self::Event) -> u32 {
        let _ = event;
        1
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
/// Where a variant is `#[serde(other)]`, it is read for all types that no other variant names.
///
/// # Errors
/// [`Refusal`] if the data is not JSON, or not that of such an event.
pub fn decode_json<E: DeserializeOwned>(record: &Record<'_>) -> Result<E, Refusal> {
    let read = if record.is_json {
        check_data(record.data).map_err(|error| Refusal(error.to_string()))?;
        read_tagged(record.event_type, record.data)
    } else {
        Err("the data is not JSON".into())
    };
    read.or_else(|refusal| {
        // serde lets the variant for all other types have no data but null.
        let is_other = |types: EventTypes| types.is_other(record.event_type);
        if EventTypes::of_enum::<E>().is_ok_and(is_other) {
            return read_tagged(record.event_type, b"null");
        }
        Err(refusal)
    })
}

fn read_tagged<E: DeserializeOwned>(event_type: &str, data: &[u8]) -> Result<E, Refusal> {
    let mut tagged = Vec::with_capacity(event_type.len() + data.len() + 32);
    tagged.extend_from_slice(b"{\"type\":");
    serde_json::to_writer(&mut tagged, event_type).expect("text has a JSON form");
    tagged.extend_from_slice(b",\"data\":");
    tagged.extend_from_slice(data);
    tagged.push(b'}');
    read_deep(&tagged).map_err(|error| Refusal(error.to_string()))
}

/// Reads a state from the JSON that reads give.
///
/// # Errors
/// [`FoldError`] if it is not that of such a state, or nests deeper than 256.
pub fn state_from_json<A: Aggregate>(json: &[u8]) -> Result<A, FoldError> {
    if !is_shallow(json) {
        return Err("the state nests too deep".into());
    }
    read_deep(json).map_err(|error| FoldError(error.to_string()))
}

/// Reads JSON that is known to be no deeper than our own bounds, which are beyond those that
/// `serde_json` has by default.
fn read_deep<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    let mut input = serde_json::Deserializer::from_slice(json);
    input.disable_recursion_limit();
    let read = T::deserialize(&mut input)?;
    input.end()?;
    Ok(read)
}

/// Whether JSON text nests no deeper than a snapshot's state may.
fn is_shallow(json: &[u8]) -> bool {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest <= STATE_DEPTH_MAX
}

/// An [`Aggregate`] as a [`Fold`].
#[derive(Debug)]
pub struct Typed<A> {
    types: EventTypes,
    aggregate: PhantomData<fn() -> A>,
}

impl<A: Aggregate> Typed<A> {
    /// The aggregate's fold.
    ///
    /// # Errors
    /// [`EventTypesError`] if it is not known which event types it takes.
    pub fn new() -> Result<Self, EventTypesError> {
        Ok(Self { types: EventTypes::of::<A>()?, aggregate: PhantomData })
    }

    /// The event types that it takes.
    pub const fn types(&self) -> EventTypes {
        self.types
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
        if self.types.contains(record.event_type) {
            A::validate(&A::decode(record)?)?;
        }
        Ok(())
    }

    fn snapshots(&self) -> SnapshotPolicy {
        A::snapshots()
    }

    fn start(&self) -> Box<dyn FoldState> {
        Box::new(TypedState { state: A::default(), types: self.types })
    }

    fn resume(&self, json: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        let state: A = state_from_json(json)?;
        Ok(Box::new(TypedState { state, types: self.types }))
    }
}

struct TypedState<A> {
    state: A,
    types: EventTypes,
}

impl<A: Aggregate> FoldState for TypedState<A> {
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError> {
        if !self.types.contains(event.record.event_type) {
            return Ok(Applied::Ignored);
        }
        let checked =
            A::decode(&event.record).and_then(|decoded| A::validate(&decoded).map(|()| decoded));
        match checked {
            Ok(decoded) => self.state.apply(decoded, event).map(|()| Applied::Folded),
            Err(refusal) => Ok(Applied::Refused(refusal)),
        }
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        serde_json::to_vec(&self.state).map_err(|error| FoldError(error.to_string()))
    }

    fn to_snapshot(&self) -> Result<Option<Vec<u8>>, FoldError> {
        if !survives_json(&self.state) {
            return Ok(None);
        }
        Ok(Some(self.to_json()?).filter(|json| is_shallow(json)))
    }
}
