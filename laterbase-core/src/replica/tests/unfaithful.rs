//! A user's state that JSON does not carry back.
//!
//! Mutation tried, red: `to_json` in the place of `to_snapshot` in `Folding::snapshot`.

use serde::{Deserialize, Serialize};

use super::*;
use crate::fold::{Aggregate, FoldError, check_snapshots};
use crate::snapshot::SnapshotPolicy;

/// Counts 1 while there is a mean, which is never a number here, and 1,000 while there is none.
#[derive(Default, Serialize, Deserialize)]
struct Odd {
    mean: Option<f64>,
    count: u32,
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "data")]
enum OddEvent {
    Divided(f64),
    Counted(()),
}

impl Aggregate for Odd {
    type Event = OddEvent;
    const NAME: &'static str = "odd";

    fn snapshots() -> SnapshotPolicy {
        SnapshotPolicy::Events(2)
    }

    fn apply(&mut self, event: OddEvent, _: &crate::event::Event<'_>) -> Result<(), FoldError> {
        if let OddEvent::Divided(value) = event {
            self.mean = Some(value / 0.0);
        }
        self.count += if self.mean.is_some() { 1 } else { 1_000 };
        Ok(())
    }
}

/// A snapshot of `Some(NaN)` is null, and null is `None`: after a restart, the aggregate folded on
/// from another state under the same etag.
#[test]
fn a_state_that_json_does_not_carry_back_is_folded_from_the_start_each_time() {
    let folds = Arc::new(Folds::new().aggregate::<Odd>("shipment").unwrap());
    let store = MemoryStore::new();
    let open = |seed| {
        let options = ReplicaOptions { hot_bytes_max: 0, ..ReplicaOptions::default() };
        let store = Arc::new(store.reopen());
        Replica::open(store, Arc::clone(&folds), options, random(seed)).unwrap()
    };
    let records: Vec<Record<'_>> = [("Divided", "0.0")]
        .into_iter()
        .chain([("Counted", "null"); 50])
        .map(|(event_type, data)| Record::json("s1", event_type, data))
        .collect();
    let mut replica = open(1);
    for record in &records {
        let mut batch = PreparedBatch::new(root(), Arc::clone(&folds), NOW);
        batch.push(record).unwrap();
        replica.append(&batch, NOW).unwrap();
        assert!(state(&replica, "s1").starts_with(r#"{"mean":null,"count":"#));
        replica.maintenance().flush().unwrap();
    }
    drop(replica);
    let replica = open(2);
    let read = replica.reader().aggregate(&root(), "s1", &Query::default()).unwrap().unwrap();
    assert_eq!(String::from_utf8(read.state).unwrap(), r#"{"mean":null,"count":51}"#);
    assert_eq!(read.folded_count, 51, "there is no snapshot to go on from");
    assert_eq!(check_snapshots(&crate::fold::Typed::<Odd>::new().unwrap(), &records), Ok(()));
}
