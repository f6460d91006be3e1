//! The folds that laws and models read by, beside those that only write down ids: what is in the
//! events' data must come out of each in the same way, with snapshots and without.

use std::sync::Arc;

use laterbase_core::event::{Event, Record};
use laterbase_core::fold::{
    Aggregate, Applied, ByType, Fold, FoldError, FoldState, Folds, Latest, MergePatch, Refusal,
    Typed,
};
use laterbase_core::snapshot::SnapshotPolicy;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What folds are called that read the data.
pub(crate) const NAMES: [&str; 4] = ["merge-patch", "latest", "by-type", "gauge"];

/// A fold as the default of some kinds of root, and those that read the data beside it.
pub(crate) fn beside(first: &Arc<dyn Fold>, kinds: &[&str]) -> Arc<Folds> {
    let mut folds = Folds::new();
    for kind in kinds {
        folds = folds.fold(kind, Arc::clone(first)).expect("a good kind");
        for fold in all() {
            folds = folds.fold(kind, fold).expect("a name of its own");
        }
    }
    Arc::new(folds)
}

fn all() -> [Arc<dyn Fold>; NAMES.len()] {
    [
        Arc::new(Often(MergePatch)),
        Arc::new(Often(Latest)),
        Arc::new(Often(ByType)),
        Arc::new(Often(Typed::<Gauge>::new().expect("serde knows its events"))),
    ]
}

/// What a fold from the start over events comes to: the state, and how many were left out.
///
/// # Panics
/// If there is no such fold, or it fails.
pub(crate) fn from_scratch<'a>(
    name: &str,
    events: impl IntoIterator<Item = Event<'a>>,
) -> (String, u64) {
    let fold = all().into_iter().find(|fold| fold.name() == name).expect("a fold of that name");
    let mut state = fold.start();
    let mut left_out = 0;
    for event in events {
        let applied = state.apply(&event).expect("the fold does not fail");
        left_out += u64::from(matches!(applied, Applied::Refused(_)));
    }
    let json = state.to_json().expect("the state has a JSON form");
    (String::from_utf8(json).expect("JSON is text"), left_out)
}

/// A fold whose snapshots stand so close that few events have been folded without one.
struct Often<F>(F);

impl<F: Fold> Fold for Often<F> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn version(&self) -> u32 {
        self.0.version()
    }

    fn validate(&self, record: &Record<'_>) -> Result<(), Refusal> {
        self.0.validate(record)
    }

    fn snapshots(&self) -> SnapshotPolicy {
        SnapshotPolicy::Events(2)
    }

    fn start(&self) -> Box<dyn FoldState> {
        self.0.start()
    }

    fn resume(&self, json: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        self.0.resume(json)
    }
}

/// A user's aggregate with numbers in it, some of which are not finite.
#[derive(Default, Serialize, Deserialize)]
struct Gauge {
    sum: f64,
    mean: Option<f64>,
    narrow: f32,
    count: u32,
    last: Value,
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "data")]
enum GaugeEvent {
    Moved(Value),
    #[serde(rename = "t")]
    Other(Value),
}

impl Aggregate for Gauge {
    type Event = GaugeEvent;
    const NAME: &'static str = "gauge";

    fn apply(&mut self, event: GaugeEvent, _: &Event<'_>) -> Result<(), FoldError> {
        let (GaugeEvent::Moved(data) | GaugeEvent::Other(data)) = event;
        self.take(&data);
        // 0 / 0 where there was no number yet, and a state that JSON does not carry.
        self.mean = Some(self.sum / f64::from(self.count));
        self.last = data;
        Ok(())
    }
}

impl Gauge {
    fn take(&mut self, data: &Value) {
        match data {
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or(f64::NAN);
                self.sum = self.sum * 0.7 + number;
                self.narrow = self.narrow * 0.7 + narrowed(number);
                self.count += 1;
            }
            Value::Array(elements) => elements.iter().for_each(|element| self.take(element)),
            Value::Object(members) => members.values().for_each(|member| self.take(member)),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "users' sensors have narrow numbers")]
fn narrowed(number: f64) -> f32 {
    number as f32
}
