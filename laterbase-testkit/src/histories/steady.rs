//! Late events that keep coming: how much of an aggregate each read folds anew.
//!
//! What lies behind a late event must be folded again, whatever one does. So the measure is how
//! much more than that a read folds.

use std::sync::Arc;

use laterbase_core::PreparedBatch;
use laterbase_core::event::{Event, Record};
use laterbase_core::fold::{Applied, Fold, FoldError, FoldState, Folds, Refusal};
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::{AggregateState, Query};
use laterbase_core::replica::{Replica, ReplicaOptions};
use laterbase_core::snapshot::SnapshotPolicy;
use laterbase_core::store::Store;

use super::{SECOND, START, root};
use crate::conformance::Dice;

/// Seconds between two flushes, about as a shell does it.
const FLUSH_SECONDS: i64 = 10;

/// Events in the last commits before the store is opened anew without having been closed.
const UNFLUSHED_SECONDS: i64 = 5;

/// Where late events take their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lateness {
    /// So many seconds before now.
    Seconds(i64),
    /// Anywhere in the aggregate's history.
    Anywhere,
    /// Before all that happened.
    AtTheStart,
}

/// What happens each second, to an aggregate with an event a second.
#[derive(Clone, Copy, Debug)]
pub struct Steady {
    /// Events that the aggregate begins with.
    pub length: i64,
    /// Late events a second.
    pub rate: u64,
    /// Where they take their places.
    pub lateness: Lateness,
    /// For how many seconds.
    pub seconds: i64,
}

/// What the read of each second folded.
#[derive(Clone, Debug, Default)]
pub struct Folded {
    /// How many events.
    pub counts: Vec<u64>,
    /// How many of them lie at or behind the first of that second's new events.
    pub least: Vec<u64>,
    /// What the first read folded once the store was opened anew without having been closed.
    pub after_restart: u64,
    /// Events of the aggregate in the end.
    pub event_count: u64,
}

impl Folded {
    /// The mean share of the aggregate's events that a read folded, in thousandths.
    pub fn mean_permille(&self) -> u64 {
        let sum: u64 = self.counts.iter().sum();
        1_000 * sum / (self.counts.len() as u64 * self.event_count).max(1)
    }

    /// The largest share of the aggregate's events that a read folded, in thousandths.
    pub fn most_permille(&self) -> u64 {
        1_000 * self.counts.iter().max().copied().unwrap_or(0) / self.event_count.max(1)
    }

    /// The most that a read folded beyond what it had to.
    pub fn excess_max(&self) -> u64 {
        let excess = self.counts.iter().zip(&self.least).map(|(count, least)| count - least);
        excess.max().unwrap_or(0)
    }
}

/// Plays `steady` and counts. Each second writes one event that is in time and those that are
/// late, and reads; the derived tables are flushed every ten seconds.
///
/// # Panics
/// If a read, or one after a restart, differs from a fold of all events from the start.
pub fn count_folded(open: &mut dyn FnMut() -> Arc<dyn Store>, steady: Steady) -> Folded {
    let mut place = Aggregate::begin(open(), steady);
    let mut folded = Folded::default();
    for second in 1..=steady.seconds {
        let first = place.second();
        let state = place.read("chained");
        folded.least.push(place.events_from(first));
        folded.counts.push(state.folded_count);
        if second % FLUSH_SECONDS == 0 {
            place.check();
            place.replica.maintenance().flush().expect("a flush");
        }
    }
    place.replica.maintenance().flush().expect("a flush");
    for _ in 0..UNFLUSHED_SECONDS {
        place.second();
    }
    place.check();
    place.reopen(open);
    folded.after_restart = place.read("chained").folded_count;
    place.check();
    folded.event_count = place.times.len() as u64;
    folded
}

struct Aggregate {
    replica: Replica,
    dice: Dice,
    steady: Steady,
    now: i64,
    /// When its events happened, sorted.
    times: Vec<i64>,
}

impl Aggregate {
    fn begin(store: Arc<dyn Store>, steady: Steady) -> Self {
        let replica = open_replica(store);
        let now = START + steady.length * SECOND;
        let mut place = Self { replica, dice: Dice::new(steady.rate), steady, now, times: vec![] };
        let times: Vec<i64> = (0..steady.length).map(|second| START + second * SECOND).collect();
        for times in times.chunks(5_000) {
            place.write(times);
        }
        place.replica.maintenance().flush().expect("a flush");
        place.read("chained");
        place
    }

    /// Lets a second pass. Gives the first time of its events.
    fn second(&mut self) -> i64 {
        self.now += SECOND;
        let mut times: Vec<i64> = (0..self.steady.rate).map(|_| self.late_time()).collect();
        times.push(self.now);
        self.write(&times);
        times.into_iter().min().unwrap_or(self.now)
    }

    /// As after a crash: nothing is flushed, and what was in memory is gone.
    fn reopen(&mut self, open: &mut dyn FnMut() -> Arc<dyn Store>) {
        let stand_in = open_replica(Arc::new(MemoryStore::new()));
        drop(std::mem::replace(&mut self.replica, stand_in));
        self.replica = open_replica(open());
    }

    fn late_time(&mut self) -> i64 {
        match self.steady.lateness {
            Lateness::Seconds(seconds) => self.now - seconds * SECOND,
            Lateness::AtTheStart => START - 1,
            Lateness::Anywhere => {
                let seconds = u64::try_from(self.steady.length).expect("not negative");
                START + i64::try_from(self.dice.below(seconds)).expect("small") * SECOND
            }
        }
    }

    fn write(&mut self, times: &[i64]) {
        let mut batch = PreparedBatch::new(root(), folds(), self.now);
        for time in times {
            let record = Record { occurred: Some(*time), ..Record::json("a", "t", "1") };
            batch.push(&record).expect("within bounds");
        }
        self.replica.append(&batch, self.now).expect("a write");
        self.times.extend_from_slice(times);
        self.times.sort_unstable();
    }

    /// How many events happened at a time or later. Events of one time lie in the order of their
    /// writing, so all of them may have to be folded or just the newest: the latter is counted.
    fn events_from(&self, time: i64) -> u64 {
        let behind = self.times.len() - self.times.partition_point(|other| *other <= time);
        behind as u64 + 1
    }

    fn read(&self, fold: &str) -> AggregateState {
        let query = Query { fold: Some(fold.to_owned()), ..Query::default() };
        let read = self.replica.reader().aggregate(&root(), "a", &query).expect("a read");
        read.expect("an aggregate")
    }

    fn check(&self) {
        let (read, scratch) = (self.read("chained"), self.read("scratch"));
        assert_eq!(scratch.folded_count, scratch.event_count, "it leaves no snapshots");
        assert_eq!((&read.state, &read.etag), (&scratch.state, &scratch.etag));
        assert_eq!(read.event_count, scratch.event_count);
    }
}

fn folds() -> Arc<Folds> {
    let chained = Folds::new().fold("shipment", Arc::new(Chained { is_kept: true }));
    let both =
        chained.and_then(|folds| folds.fold("shipment", Arc::new(Chained { is_kept: false })));
    Arc::new(both.expect("two names"))
}

fn open_replica(store: Arc<dyn Store>) -> Replica {
    // Without memory for states as they were read: each read folds.
    let options = ReplicaOptions { hot_bytes_max: 0, ..ReplicaOptions::default() };
    let mut count = 0;
    let random = Box::new(move || {
        count += 1;
        [count; 16]
    });
    Replica::open(store, folds(), options, random).expect("a replica")
}

/// A fold whose state says in which order it was given which events, in a few bytes.
struct Chained {
    is_kept: bool,
}

impl Fold for Chained {
    fn name(&self) -> &'static str {
        if self.is_kept { "chained" } else { "scratch" }
    }

    fn version(&self) -> u32 {
        1
    }

    fn validate(&self, _: &Record<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn snapshots(&self) -> SnapshotPolicy {
        if self.is_kept { SnapshotPolicy::default() } else { SnapshotPolicy::Never }
    }

    fn start(&self) -> Box<dyn FoldState> {
        Box::new(Chain(0))
    }

    fn resume(&self, json: &[u8]) -> Result<Box<dyn FoldState>, FoldError> {
        let text = std::str::from_utf8(json).map_err(|_not_utf8| FoldError::from("not text"))?;
        Ok(Box::new(Chain(text.parse().map_err(|_no_number| FoldError::from("no number"))?)))
    }
}

struct Chain(u64);

impl FoldState for Chain {
    fn apply(&mut self, event: &Event<'_>) -> Result<Applied, FoldError> {
        let next = self.0.rotate_left(7) ^ event.dot.seq;
        self.0 = next.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Ok(Applied::Folded)
    }

    fn to_json(&self) -> Result<Vec<u8>, FoldError> {
        Ok(self.0.to_string().into_bytes())
    }
}
