//! What a read does where a fold, or its reader, does not go on.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::PreparedBatch;
use crate::event::Record;
use crate::fold::{Applied, FoldError, FoldState, Folds, MergePatch, Refusal};
use crate::id::RootName;
use crate::memory_store::MemoryStore;
use crate::reader::{Allowance, Query};
use crate::replica::{Replica, ReplicaOptions};
use crate::snapshot::SnapshotPolicy;
use crate::store::Store;

const NOW: i64 = 1_700_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

fn root() -> RootName {
    RootName::new("order").unwrap()
}

fn replica(store: Arc<MemoryStore>, folds: Folds) -> Replica {
    let options = ReplicaOptions { hot_bytes_max: 0, ..ReplicaOptions::default() };
    Replica::open(store, Arc::new(folds), options, Box::new(|| [7; 16])).unwrap()
}

fn write(replica: &mut Replica, id: &str, data: &[String], now: i64) {
    let mut batch = PreparedBatch::new(root(), Arc::clone(replica.reader().folds()), now);
    for data in data {
        batch.push(&Record::json(id, "t", data)).unwrap();
    }
    replica.append(&batch, now).unwrap();
}

fn snapshot_count(store: &MemoryStore) -> usize {
    let mut count = 0;
    let snapshot = store.snapshot().unwrap();
    let count_one = &mut |_: &[u8], _: &[u8]| {
        count += 1;
        ControlFlow::Continue(())
    };
    snapshot.scan(Scan::all(Table::Snapshots), count_one).unwrap();
    count
}

/// Where a fold panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breaks {
    Start,
    Policy,
    Keep,
    ToJson,
    Drop,
    Apply,
}

/// Panics in one place, in the second of three aggregates.
struct Fragile {
    breaks: Breaks,
    calls: AtomicUsize,
}

impl Fragile {
    /// Panics at the second call, where there is nothing to tell aggregates apart by.
    fn count(&self, place: Breaks) {
        if self.breaks == place {
            assert_ne!(self.calls.fetch_add(1, Ordering::Relaxed), 1, "in {place:?}");
        }
    }
}

impl Fold for Fragile {
    fn name(&self) -> &'static str {
        "fragile"
    }

    fn version(&self) -> u32 {
        1
    }

    fn validate(&self, _: &Record<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn snapshots(&self) -> SnapshotPolicy {
        self.count(Breaks::Policy);
        let breaks = self.breaks;
        SnapshotPolicy::Custom {
            events: 1,
            keep: Arc::new(move |context| {
                assert!(breaks != Breaks::Keep || context.state == b"0", "in the policy");
                true
            }),
        }
    }

    fn start(&self) -> Box<dyn FoldState> {
        self.count(Breaks::Start);
        Box::new(FragileState { breaks: self.breaks, is_broken: false })
    }

    fn resume(&self, _: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        Err("never".into())
    }
}

struct FragileState {
    breaks: Breaks,
    is_broken: bool,
}

/// Panics once more when whoever caught it lets go of it.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in what it panicked with");
    }
}

impl FoldState for FragileState {
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError> {
        self.is_broken = event.record.aggregate_id == "b";
        if self.is_broken && self.breaks == Breaks::Apply {
            std::panic::panic_any(Bomb);
        }
        Ok(Applied::Folded)
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        assert!(!self.is_broken || self.breaks != Breaks::ToJson, "in its JSON");
        Ok(if self.is_broken { b"1".to_vec() } else { b"0".to_vec() })
    }
}

impl Drop for FragileState {
    fn drop(&mut self) {
        assert!(!self.is_broken || self.breaks != Breaks::Drop, "in its end");
    }
}

/// A panic in `Default`, `Drop` or `snapshots()` was 500 `internal`, for the whole listing.
#[test]
fn a_panic_anywhere_in_a_fold_spoils_its_own_aggregate_only() {
    for breaks in
        [Breaks::Start, Breaks::Policy, Breaks::Keep, Breaks::ToJson, Breaks::Drop, Breaks::Apply]
    {
        let fold = Fragile { breaks, calls: AtomicUsize::new(0) };
        let folds = Folds::new().fallback(Arc::new(fold));
        let mut replica = replica(Arc::new(MemoryStore::new()), folds);
        for id in ["a", "b", "c"] {
            write(&mut replica, id, &["1".to_owned()], NOW);
        }
        let page = replica.reader().aggregates(&root(), None, 10, &Query::default()).unwrap();
        let [a, b, c] = &page.aggregates[..] else { panic!("{page:?}") };
        assert!(a.1.is_ok() && c.1.is_ok(), "{breaks:?}: {page:?}");
        match &b.1 {
            Err(FoldFailure::Code { .. }) => assert_ne!(breaks, Breaks::Apply),
            Err(FoldFailure::Event { .. }) => assert_eq!(breaks, Breaks::Apply),
            other => panic!("{breaks:?}: {other:?}"),
        }
    }
}

/// So many fields of 100 bytes.
fn fields(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!(r#"{{"f{number}":"{:0>90}"}}"#, number)).collect()
}

/// 120 events of 1 MB in one aggregate, read 32 times at once, took 7 GB.
#[test]
fn a_state_that_is_too_long_fails_its_own_read_and_leaves_no_snapshot() {
    let store = Arc::new(MemoryStore::new());
    let folds = Folds::new().fallback(Arc::new(MergePatch)).with_state_bytes_max(5_000);
    let mut replica = replica(Arc::clone(&store), folds);
    write(&mut replica, "long", &fields(0..150), NOW);
    write(&mut replica, "short", &fields(0..30), NOW);
    let reader = replica.reader();
    let read = reader.aggregate(&root(), "long", &Query::default());
    assert!(
        matches!(
            read,
            Err(ReadError::FoldFailed(FoldFailure::StateTooLarge { bytes_max: 5_000, .. }))
        ),
        "{read:?}"
    );
    let page = reader.aggregates(&root(), None, 10, &Query::default()).unwrap();
    assert!(matches!(page.aggregates[0].1, Err(FoldFailure::StateTooLarge { .. })));
    assert!(page.aggregates[1].1.is_ok());
    replica.maintenance().flush().unwrap();
    assert_eq!(snapshot_count(&store), 0);
}

#[test]
fn a_state_may_be_longer_on_the_way_but_not_by_much() {
    let nothing = |count: usize| -> Vec<String> {
        (0..count).map(|number| format!(r#"{{"f{number}":null}}"#)).collect()
    };
    for (count, is_read) in [(150, true), (400, false)] {
        let folds = Folds::new().fallback(Arc::new(MergePatch)).with_state_bytes_max(10_000);
        let mut replica = replica(Arc::new(MemoryStore::new()), folds);
        write(&mut replica, "a", &fields(0..count), NOW);
        write(&mut replica, "a", &nothing(count), NOW);
        let read = replica.reader().aggregate(&root(), "a", &Query::default());
        assert_eq!(read.is_ok(), is_read, "{count}: {read:?}");
    }
}

/// Long reads take their turns: what one of them has come to is there for the next one.
#[test]
fn a_read_that_gets_no_further_leaves_what_it_has_come_to() {
    let folds = Folds::new().fallback(Arc::new(MergePatch));
    let mut replica = replica(Arc::new(MemoryStore::new()), folds);
    let data: Vec<String> = (0..5_000).map(|number| format!(r#"{{"n":{number}}}"#)).collect();
    write(&mut replica, "a", &data, NOW);
    let reader = replica.reader();
    let mut stops = 0;
    let read = loop {
        let within = reader.within(Arc::new(Allowance::of(1_200, u64::MAX)));
        match within.aggregate(&root(), "a", &Query::default()) {
            Err(ReadError::AllowanceSpent) => stops += 1,
            read => break read.unwrap().unwrap(),
        }
        assert!(stops < 10, "it gets further each time");
    };
    assert!(stops > 2, "{stops}");
    assert_eq!((read.event_count, &read.state[..]), (5_000, &br#"{"n":4999}"#[..]));
}

/// Stops its own read in the middle.
struct Stopping {
    allowance: Arc<Allowance>,
    applied: Arc<AtomicUsize>,
}

impl Fold for Stopping {
    fn name(&self) -> &'static str {
        "stopping"
    }

    fn version(&self) -> u32 {
        1
    }

    fn validate(&self, _: &Record<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn start(&self) -> Box<dyn FoldState> {
        Box::new(Self { allowance: self.allowance.clone(), applied: self.applied.clone() })
    }

    fn resume(&self, _: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        Err("never".into())
    }
}

impl FoldState for Stopping {
    fn apply(&mut self, _: &Event<'_>) -> Result<Applied, FoldError> {
        if self.applied.fetch_add(1, Ordering::Relaxed) == 49 {
            self.allowance.stop();
        }
        Ok(Applied::Folded)
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        Ok(b"null".to_vec())
    }
}

/// Readers who had hung up kept their slots until their folds had come to their ends.
#[test]
fn a_read_that_nobody_waits_for_stops_before_its_next_event() {
    let (allowance, applied) = (Arc::new(Allowance::unlimited()), Arc::new(AtomicUsize::new(0)));
    let fold = Stopping { allowance: Arc::clone(&allowance), applied: Arc::clone(&applied) };
    let folds = Folds::new().fallback(Arc::new(fold));
    let mut replica = replica(Arc::new(MemoryStore::new()), folds);
    write(&mut replica, "a", &vec!["1".to_owned(); 400], NOW);
    let reader = replica.reader().within(allowance);
    let read = reader.aggregate(&root(), "a", &Query::default());
    assert!(matches!(read, Err(ReadError::Stopped)), "{read:?}");
    assert_eq!(applied.load(Ordering::Relaxed), 50);
}

/// One event a second, each arriving as it happens.
fn as_it_happens(replica: &mut Replica, seconds: i64) {
    for second in 0..seconds {
        write(replica, "a", &[format!(r#"{{"n":{second}}}"#)], NOW + second * SECOND);
    }
}

/// A read of the past could use no snapshot that was made since, and folded all events each time.
#[test]
fn a_read_of_the_past_goes_on_from_snapshots_that_were_made_since() {
    let folds = Folds::new().fallback(Arc::new(MergePatch));
    let mut replica = replica(Arc::new(MemoryStore::new()), folds);
    as_it_happens(&mut replica, 1_000);
    let reader = replica.reader();
    reader.aggregate(&root(), "a", &Query::default()).unwrap();
    let flushes = [false, true];
    for flush in flushes {
        if flush {
            replica.maintenance().flush().unwrap();
        }
        let then = Some(NOW + 499 * SECOND);
        for query in [
            Query { known_at: then, ..Query::default() },
            Query { recorded_until: then, ..Query::default() },
        ] {
            let read = reader.aggregate(&root(), "a", &query).unwrap().unwrap();
            assert_eq!((read.event_count, &read.state[..]), (500, &br#"{"n":499}"#[..]));
            assert!(read.folded_count <= 100, "{} by {query:?}", read.folded_count);
        }
    }
}

#[test]
fn a_read_of_the_past_leaves_snapshots_up_to_the_first_event_that_it_leaves_out() {
    let folds = Folds::new().fallback(Arc::new(MergePatch));
    let mut replica = replica(Arc::new(MemoryStore::new()), folds);
    as_it_happens(&mut replica, 1_000);
    let reader = replica.reader();
    let query = Query { known_at: Some(NOW + 499 * SECOND), ..Query::default() };
    let first = reader.aggregate(&root(), "a", &query).unwrap().unwrap();
    assert_eq!(first.folded_count, 500);
    let again = reader.aggregate(&root(), "a", &query).unwrap().unwrap();
    assert!(again.folded_count <= 100, "{}", again.folded_count);
    let whole = reader.aggregate(&root(), "a", &Query::default()).unwrap().unwrap();
    assert!(whole.folded_count <= 600, "{}", whole.folded_count);
    assert_eq!((whole.event_count, &whole.state[..]), (1_000, &br#"{"n":999}"#[..]));
}
