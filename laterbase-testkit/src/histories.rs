//! The law of aggregates: every read equals a fold from scratch over the events it should see.
//!
//! Whatever the order of arrival, the snapshots taken on the way, restarts, and changes of the
//! fold's version; on every time axis, alone and together.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use laterbase_core::delta::Delta;
use laterbase_core::event::{Event, Record, VoidsBuf};
use laterbase_core::fold::{Fold, Folds};
use laterbase_core::id::{Dot, RootName};
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::{AggregateState, Query, Reader};
use laterbase_core::replica::{Random, Replica, ReplicaOptions};
use laterbase_core::store::Store;
use laterbase_core::version_vector::VersionVector;
use laterbase_core::{Maintenance, Place, PreparedBatch};

use crate::conformance::Dice;
use crate::taken_back::{Fact, taken_back};
use crate::{payloads, read_folds};

mod journal;
mod race;
mod steady;

use journal::Journal;
pub use race::{check_late_event_during_listing, check_late_event_during_read};
pub use steady::{Folded, Lateness, Steady, count_folded};

/// Wall clock of the first step, in nanoseconds since 1970.
const START: i64 = 1_600_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// One event as the model knows it.
#[derive(Clone, Debug)]
struct Known {
    aggregate: String,
    key: Option<String>,
    is_refused: bool,
    dot: Dot,
    place: Place,
    arrived: i64,
    record: Vec<u8>,
}

impl Known {
    fn is_voiding(&self) -> bool {
        !Record::decode(&self.record).expect("it was a record").voids.is_empty()
    }

    fn event(&self) -> Event<'_> {
        Event {
            dot: self.dot,
            recorded: self.place.recorded(),
            arrived: self.arrived,
            position: 0,
            record: Record::decode(&self.record).expect("it was a record"),
            voided_by: &[],
        }
    }
}

/// Runs `steps` random steps on a store that `open` opens, again and again, and checks reads all
/// the way. The same seed takes the same steps.
///
/// # Panics
/// If a read differs from the fold from scratch; the message has the seed and the step.
pub fn check_reads(open: &mut dyn FnMut() -> Arc<dyn Store>, seed: u64, steps: u64) {
    let mut history = History::start(open, seed);
    for step in 0..steps {
        history.step(open);
        history.learn();
        history.check(&format!("seed {seed}, step {step}"));
    }
}

struct History {
    dice: Dice,
    now: i64,
    fold_version: u32,
    hot_bytes_max: usize,
    replica: Option<Replica>,
    maintenance: Maintenance,
    reader: Reader,
    others: Vec<Replica>,
    known: Vec<Known>,
}

impl History {
    fn start(open: &mut dyn FnMut() -> Arc<dyn Store>, seed: u64) -> Self {
        // Half of the runs answer from memory what they can, the other half never.
        let hot_bytes_max = if seed.is_multiple_of(2) { 1 << 20 } else { 0 };
        let replica = open_replica(open(), 1, 1, hot_bytes_max);
        let others =
            (2..4).map(|id| open_replica(Arc::new(MemoryStore::new()), id, 1, 0)).collect();
        Self {
            dice: Dice::new(seed),
            now: START,
            fold_version: 1,
            hot_bytes_max,
            maintenance: replica.maintenance(),
            reader: replica.reader(),
            replica: Some(replica),
            others,
            known: Vec::new(),
        }
    }

    fn replica(&mut self) -> &mut Replica {
        self.replica.as_mut().expect("the replica is open between steps")
    }

    fn step(&mut self, open: &mut dyn FnMut() -> Arc<dyn Store>) {
        self.now += i64::try_from(self.dice.below(3)).expect("small") * SECOND;
        match self.dice.below(20) {
            0..=6 => self.write(0),
            7..=8 => self.write(1),
            9..=10 => self.write(2),
            11..=15 => self.merge(),
            16..=17 => self.maintenance.flush().expect("a flush"),
            18 => self.reopen(open),
            _ => {
                self.fold_version += u32::try_from(self.dice.below(2)).expect("small");
                self.reopen(open);
            }
        }
    }

    /// Writes a batch at this replica, or at one of the others.
    fn write(&mut self, who: usize) {
        let mut batch = PreparedBatch::new(root(), folds(self.fold_version), self.now);
        for _ in 0..=self.dice.below(6) {
            let back = i64::try_from(self.dice.below(12)).expect("small") * 10 * SECOND;
            let key = format!("k{}-{who}", self.dice.below(30));
            let shared_key = format!("k{}", self.dice.below(30));
            let key = *self.dice.pick(&[None, None, None, Some(&*key), Some(&*shared_key)]);
            let id = *self.dice.pick(&["a", "b"]);
            let payload = payloads::readable(&mut |bound| self.dice.below(bound));
            let data = *self.dice.pick(&["1", "\"no\"", &payload, &payload]);
            let voids = self.some_of(id);
            let record = Record {
                voids: voids.as_voids(),
                occurred: *self.dice.pick(&[None, Some(self.now - back), Some(START)]),
                idempotency_key: key,
                ..Record::json(id, "t", data)
            };
            batch.push(&record).expect("within bounds");
        }
        let now = self.now;
        let writer = match who.checked_sub(1) {
            None => self.replica(),
            Some(other) => &mut self.others[other],
        };
        // A key that is taken for another event refuses the whole batch, which is as good a step.
        let _ = writer.append(&batch, now);
    }

    /// Events of an aggregate that are taken back: mostly none.
    fn some_of(&mut self, id: &str) -> VoidsBuf {
        let own: Vec<Dot> = self
            .known
            .iter()
            .filter(|known| known.aggregate == id && !known.is_voiding())
            .map(|known| known.dot)
            .collect();
        if own.is_empty() || self.dice.below(8) > 0 {
            return VoidsBuf::default();
        }
        (0..=self.dice.below(2)).map(|_| *self.dice.pick(&own)).collect()
    }

    /// Takes a page of what one of the others has.
    fn merge(&mut self) {
        let other = usize::try_from(self.dice.below(2)).expect("small");
        let limit = 1 + usize::try_from(self.dice.below(9)).expect("small");
        let held = self.reader.version_vector(&root());
        let page = self.others[other].reader().delta(&root(), &held, limit, usize::MAX);
        let page = page.expect("a page");
        let now = self.now;
        let delta = Delta::decode(&page.bytes).expect("a sound page");
        self.replica().merge(&delta, now).expect("a merge");
    }

    fn reopen(&mut self, open: &mut dyn FnMut() -> Arc<dyn Store>) {
        let replica = self.replica.take().expect("the replica is open between steps");
        // Readers and maintenance hold the store too: swap them for a stand-in's.
        let stand_in = open_replica(Arc::new(MemoryStore::new()), 9, 1, 0);
        (self.maintenance, self.reader) = (stand_in.maintenance(), stand_in.reader());
        if self.dice.below(2) == 0 {
            replica.close().expect("a clean stop");
        } else {
            drop(replica);
        }
        let replica = open_replica(open(), 1, self.fold_version, self.hot_bytes_max);
        (self.maintenance, self.reader) = (replica.maintenance(), replica.reader());
        self.replica = Some(replica);
    }

    /// Brings the model up to date from the arrival log alone.
    fn learn(&mut self) {
        let after = self.known.len() as u64;
        let known = &mut self.known;
        let visit = &mut |_: &RootName, event: &Event<'_>| {
            let mut record = Vec::new();
            event.record.encode(&mut record);
            known.push(Known {
                record,
                aggregate: event.record.aggregate_id.to_owned(),
                key: event.record.idempotency_key.map(str::to_owned),
                is_refused: event.record.data == b"\"no\"",
                dot: event.dot,
                place: Place::new(event.occurred(), event.recorded, event.dot.origin),
                arrived: event.arrived,
            });
            ControlFlow::Continue(())
        };
        self.reader.arrivals(after, usize::MAX, visit).expect("the log");
    }

    fn check(&mut self, context: &str) {
        for _ in 0..2 {
            let query = self.query();
            let id = *self.dice.pick(&["a", "b"]);
            let expected = self.expected(id, &query);
            let found = self.reader.aggregate(&root(), id, &query).expect("a read");
            assert_read(found.as_ref(), &expected, &format!("{context}: {id} by {query:?}"));
            self.check_data(id, &query, &expected, context);
            if self.dice.below(4) == 0 {
                let page = self.reader.aggregates(&root(), None, 10, &query).expect("a page");
                let listed: Vec<_> = page.aggregates.into_iter().collect();
                let listed = listed.iter().find(|(listed, _)| listed == id);
                let listed = listed.map(|(_, state)| state.as_ref().expect("a state"));
                assert_read(listed, &expected, &format!("{context}: {id} listed by {query:?}"));
            }
        }
    }

    /// The same by a fold that reads the data.
    fn check_data(&mut self, id: &str, query: &Query, expected: &Expected, context: &str) {
        let name = *self.dice.pick(&read_folds::NAMES);
        let query = Query { fold: Some(name.to_owned()), ..query.clone() };
        let Some(read) = self.reader.aggregate(&root(), id, &query).expect("a read") else {
            assert_eq!(expected.event_count, 0, "{context}: nothing found by {query:?}");
            return;
        };
        let events = self.once(id, &query).into_iter().map(Known::event);
        let (state, left_out) = read_folds::from_scratch(name, events);
        assert_eq!(String::from_utf8_lossy(&read.state), state, "{context}: {id} by {query:?}");
        assert_eq!(read.refused_count, left_out, "{context}: {id} by {query:?}");
    }

    fn query(&mut self) -> Query {
        let mut query = Query::default();
        if self.dice.below(2) == 0 || self.known.is_empty() {
            return query;
        }
        let some = self.dice.pick(&self.known).clone();
        let off = i64::try_from(self.dice.below(3)).expect("small") - 1;
        if self.dice.below(2) == 0 {
            query.occurred_until = Some(some.place.occurred() + off);
        }
        if self.dice.below(3) == 0 {
            query.recorded_until = Some(some.place.recorded().to_unix_nanos() + off);
        }
        if self.dice.below(3) == 0 {
            query.known_at = Some(some.arrived + off);
        }
        query
    }

    /// What a query looks at, in fold order.
    fn seen(&self, id: &str, query: &Query) -> Vec<&Known> {
        let until = |bound: Option<i64>, time| bound.is_none_or(|bound| time <= bound);
        // What had arrived up to the last event that had arrived by then, whatever the clock said.
        let had_arrived = |known: &Known| until(query.known_at, known.arrived);
        let count = self.known.iter().rposition(had_arrived).map_or(0, |last| last + 1);
        let mut seen: Vec<&Known> = self.known[..count]
            .iter()
            .filter(|known| known.aggregate == id)
            .filter(|known| until(query.occurred_until, known.place.occurred()))
            .filter(|known| until(query.recorded_until, known.place.recorded().to_unix_nanos()))
            .collect();
        seen.sort_by_key(|known| known.place);
        seen
    }

    /// The first of each idempotency key, without what is taken back.
    fn once(&self, id: &str, query: &Query) -> Vec<&Known> {
        let mut keys = BTreeSet::new();
        let mut seen = self.seen(id, query);
        seen.retain(|known| known.key.as_ref().is_none_or(|key| keys.insert(key.clone())));
        // When it happened plays no part.
        let known = self.seen(id, &Query { occurred_until: None, ..query.clone() });
        let facts: Vec<_> = known.iter().map(|known| Fact::new(known.dot, &known.record)).collect();
        let voided = taken_back(&facts, |_| None);
        seen.retain(|known| !voided.contains_key(&known.dot));
        seen
    }

    /// The fold from scratch: the dots that must have been folded, in order.
    fn expected(&self, id: &str, query: &Query) -> Expected {
        let event_count = self.seen(id, query).len() as u64;
        let seen = self.once(id, query);
        let refused = seen.iter().filter(|known| known.is_refused).count() as u64;
        let folded = seen.iter().filter(|known| !known.is_refused);
        let dots = folded.map(|known| known.dot.to_string()).collect();
        Expected { version: self.fold_version, event_count, refused, dots }
    }
}

struct Expected {
    version: u32,
    event_count: u64,
    refused: u64,
    dots: Vec<String>,
}

fn assert_read(found: Option<&AggregateState>, expected: &Expected, context: &str) {
    let Some(found) = found else {
        assert_eq!(expected.event_count, 0, "{context}: nothing found");
        return;
    };
    assert_eq!(found.event_count, expected.event_count, "{context}");
    assert_eq!(found.refused_count, expected.refused, "{context}");
    assert_eq!(journal::dots(&found.state), expected.dots, "{context}");
    assert_eq!(journal::version(&found.state), expected.version, "{context}: by another fold");
}

fn root() -> RootName {
    RootName::new("shipment").expect("a root's name")
}

fn folds(version: u32) -> Arc<Folds> {
    let journal: Arc<dyn Fold> = Arc::new(Journal { version });
    read_folds::beside(&journal, &["shipment"])
}

fn open_replica(store: Arc<dyn Store>, id: u8, fold_version: u32, hot_bytes_max: usize) -> Replica {
    let options =
        ReplicaOptions { front_events_flush: 20, hot_bytes_max, ..ReplicaOptions::default() };
    let mut count = 0;
    let random: Random = Box::new(move || {
        count += 1;
        let mut bytes = [id; 16];
        bytes[15] = count;
        bytes
    });
    Replica::open(store, folds(fold_version), options, random).expect("a replica")
}

/// Reads everything twice and checks that the second time changes nothing: neither the states,
/// nor the etags, nor, once the snapshots are kept, anything in the store.
///
/// # Panics
/// If it does.
pub fn check_reads_change_nothing(store: Arc<dyn Store>) {
    let mut replica = open_replica(store, 1, 1, 0);
    for index in 0..50 {
        let mut batch = PreparedBatch::new(root(), folds(1), START + index);
        batch.push(&Record::json("a", "t", "1")).expect("within bounds");
        replica.append(&batch, START + index).expect("a write");
    }
    let read = || {
        let read = replica.reader().aggregate(&root(), "a", &Query::default()).expect("a read");
        read.expect("an aggregate")
    };
    let (first, second) = (read(), read());
    assert!(second.folded_count < 3, "what the first one left is used at once");
    assert_eq!(AggregateState { folded_count: first.folded_count, ..second }, first);
    replica.maintenance().flush().expect("a flush");
    let third = read();
    assert_eq!((&third.state, &third.etag), (&first.state, &first.etag));
    assert!(third.folded_count < 3, "the snapshot is used, not {} events", third.folded_count);
    let vv: VersionVector = replica.reader().version_vector(&root());
    assert_eq!(vv.event_count(), 50);
}
