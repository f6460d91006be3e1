//! A fold that writes down what it is given, in order.

use std::fmt::Write as _;

use laterbase_core::event::{Event, Record};
use laterbase_core::fold::{Applied, Fold, FoldError, FoldState, Refusal};
use laterbase_core::id::Dot;
use laterbase_core::snapshot::SnapshotPolicy;

/// The event type that the fold refuses from version 2 on.
pub(crate) const HEAVY: &str = "Heavy";

/// A fold whose state is its version and the ids of the events, in the order in which they were
/// folded. From version 2 on, its validation hook refuses events of the type [`HEAVY`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrderFold {
    pub version: u32,
}

impl OrderFold {
    /// Whether the fold's validation hook refuses events of this type.
    pub(crate) fn refuses(self, event_type: &str) -> bool {
        self.version >= 2 && event_type == HEAVY
    }

    /// The state after these events.
    pub(crate) fn state(self, dots: impl IntoIterator<Item = Dot>) -> String {
        let mut text = format!("[{}", self.version);
        for dot in dots {
            let _ = write!(text, ",\"{dot}\"");
        }
        text.push(']');
        text
    }
}

impl Fold for OrderFold {
    fn name(&self) -> &'static str {
        "order"
    }

    fn version(&self) -> u32 {
        self.version
    }

    /// Snapshots stand so close that few events have been folded without one.
    fn snapshots(&self) -> SnapshotPolicy {
        SnapshotPolicy::Events(2 * u64::from(self.version))
    }

    fn validate(&self, record: &Record<'_>) -> Result<(), Refusal> {
        if self.refuses(record.event_type) { Err("too heavy".into()) } else { Ok(()) }
    }

    fn start(&self) -> Box<dyn FoldState> {
        Box::new(OrderState { fold: *self, dots: Vec::new() })
    }

    fn resume(&self, json: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        let text = std::str::from_utf8(json).ok().and_then(|text| text.strip_suffix(']'));
        let mut parts = text.unwrap_or_default().split(',');
        if parts.next() != Some(format!("[{}", self.version).as_str()) {
            return Err("the state is of another version".into());
        }
        let dots = parts.map(|part| part.trim_matches('"').parse()).collect::<Result<_, _>>();
        let dots = dots.map_err(|error| FoldError(format!("the state holds no id: {error}")))?;
        Ok(Box::new(OrderState { fold: *self, dots }))
    }
}

struct OrderState {
    fold: OrderFold,
    dots: Vec<Dot>,
}

impl FoldState for OrderState {
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError> {
        if let Err(refusal) = self.fold.validate(&event.record) {
            return Ok(Applied::Refused(refusal));
        }
        self.dots.push(event.dot);
        Ok(Applied::Folded)
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        Ok(self.fold.state(self.dots.iter().copied()).into_bytes())
    }
}
