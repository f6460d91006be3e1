//! A check for users' tests: does a state survive its snapshots?

use std::fmt;

use super::{Applied, Fold, FoldError, FoldState};
use crate::event::{Event, Record};
use crate::hlc::Hlc;
use crate::id::{Dot, ReplicaId};

/// Folds events from the start, and once more through a snapshot behind each of them, and
/// compares states and what was left out. Records are given in fold order.
///
/// Reads may take a snapshot anywhere, so a fold that passes for events that reach all of its
/// state gives the same answer whatever was kept. States are compared by their JSON behind each
/// further event; a difference that no event brings to light is none.
///
/// It folds as often as there are pairs of events: a few hundred take moments.
///
/// # Errors
/// [`SnapshotDrift`] with the first difference.
///
/// # Example
///
/// ```
/// use laterbase_core::event::{Event, Record};
/// use laterbase_core::fold::{Aggregate, FoldError, Typed, check_snapshots};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Scans {
///     count: u32,
///     #[serde(skip)]
///     last: String,
/// }
///
/// #[derive(Deserialize)]
/// #[serde(tag = "type", content = "data")]
/// enum Scan {
///     Scanned(String),
/// }
///
/// impl Aggregate for Scans {
///     type Event = Scan;
///     const NAME: &'static str = "scans";
///
///     // Counts a code that is scanned twice in a row once.
///     fn apply(&mut self, Scan::Scanned(code): Scan, _: &Event<'_>) -> Result<(), FoldError> {
///         self.count += u32::from(code != self.last);
///         self.last = code;
///         Ok(())
///     }
/// }
///
/// let scans = [Record::json("A-1", "Scanned", "\"x\""); 2];
/// // The snapshot forgets the last code.
/// let drift = check_snapshots(&Typed::<Scans>::new()?, &scans).unwrap_err();
/// assert_eq!((drift.snapshot_after, drift.event_index), (1, 1));
/// # Ok::<(), laterbase_core::fold::EventTypesError>(())
/// ```
pub fn check_snapshots(fold: &dyn Fold, records: &[Record<'_>]) -> Result<(), SnapshotDrift> {
    let whole = outcomes(fold.start(), records, 0);
    let mut state = fold.start();
    for (index, record) in records.iter().enumerate() {
        // A fold that fails leaves no snapshot behind the event that it failed on.
        if state.apply(&event(index, record)).is_err() {
            break;
        }
        let Ok(Some(json)) = state.to_snapshot() else { continue };
        // A snapshot that cannot be read is passed over.
        let Ok(resumed) = fold.resume(&json) else { continue };
        let mut through = vec![with_json(&whole[index], &*resumed)];
        through.extend(outcomes(resumed, records, index + 1));
        let differs = whole[index..].iter().zip(&through).position(|(whole, it)| whole != it);
        if let Some(differs) = differs {
            return Err(SnapshotDrift {
                snapshot_after: index + 1,
                event_index: index + differs,
                without: whole[index + differs].to_string(),
                with: through[differs].to_string(),
            });
        }
    }
    Ok(())
}

/// What is seen behind an event.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    /// What became of the event.
    applied: Result<Applied, FoldError>,
    /// The state as JSON; nothing if the fold failed.
    json: Result<String, FoldError>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Ok(Applied::Refused(refusal)) = &self.applied {
            write!(f, "(left out: {refusal}) ")?;
        }
        match &self.json {
            Ok(json) => f.write_str(json),
            Err(error) => write!(f, "a failure: {error}"),
        }
    }
}

/// The same with the JSON of another state.
fn with_json(outcome: &Outcome, state: &dyn FoldState) -> Outcome {
    Outcome { json: json(state), ..outcome.clone() }
}

fn json(state: &dyn FoldState) -> Result<String, FoldError> {
    state.to_json().map(|json| String::from_utf8_lossy(&json).into_owned())
}

/// What is seen behind each event from `start` on.
fn outcomes(mut state: Box<dyn FoldState>, records: &[Record<'_>], start: usize) -> Vec<Outcome> {
    let mut seen = Vec::new();
    for (index, record) in records.iter().enumerate().skip(start) {
        let applied = state.apply(&event(index, record));
        let json = applied.clone().and_then(|_| json(&*state));
        let failed = applied.is_err();
        seen.push(Outcome { applied, json });
        if failed {
            break;
        }
    }
    seen
}

/// The event at an index, as a replica would hold it.
fn event<'a>(index: usize, record: &Record<'a>) -> Event<'a> {
    let seq = index as u64 + 1;
    let origin = ReplicaId::from_bytes([0; 16]);
    let recorded = Hlc::from_unix_nanos(1_000_000_000 * (index as i64 + 1));
    Event {
        dot: Dot { origin, seq },
        recorded,
        arrived: recorded.to_unix_nanos(),
        position: seq,
        record: *record,
        voided_by: &[],
    }
}

/// A state that does not survive its snapshots: reads would give different answers, depending on
/// what was kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error(
    "through a snapshot behind {snapshot_after} events, event {event_index} leads to {with}, \
     without one to {without}"
)]
pub struct SnapshotDrift {
    /// How many events the snapshot was taken behind.
    pub snapshot_after: usize,
    /// The index of the event from which on the answers differ, from 0.
    pub event_index: usize,
    /// The state behind that event without a snapshot.
    pub without: String,
    /// The state behind that event through the snapshot.
    pub with: String,
}
