//! What is left of a store whose process was killed, compared with what was heard of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use laterbase_core::Place;
use laterbase_core::id::Dot;
use laterbase_core::reader::{Query, Reader};
use laterbase_core::replica::Replica;
use laterbase_core::store::Durability;
use laterbase_core::verify::verify;

use super::CrashHarness;
use super::work::{self, ACKNOWLEDGED, FOLD, TAKEN, content, root};

/// A number that only grows: what was acknowledged, and what was begun and may be there or not.
#[derive(Clone, Debug, Default)]
struct Promise {
    kept: u64,
    begun: u64,
    /// Every number so far: writes that were not synced may be missing, each as a whole.
    earlier: BTreeSet<u64>,
}

impl Promise {
    fn begin(&mut self, number: u64) {
        self.earlier.insert(self.kept);
        self.begun = number;
    }

    fn keep(&mut self, number: u64) {
        (self.kept, self.begun) = (number, number);
    }

    /// Takes what was found as the new beginning.
    #[track_caller]
    fn settle(&mut self, found: u64, durability: Durability, what: &str) {
        let Self { kept, begun, earlier } = &self;
        let may_be_lost = durability == Durability::Relaxed && earlier.contains(&found);
        assert!(
            found == *kept || found == *begun || may_be_lost,
            "{what}: {found} found, {kept} acknowledged, {begun} begun"
        );
        self.keep(found);
        self.earlier.clear();
    }
}

/// What was heard of one store, and what was found in it.
#[derive(Default)]
pub(crate) struct Ledger {
    /// What the store promises of a write that it acknowledges.
    durability: Durability,
    own: Promise,
    taken: Promise,
    remembered: Promise,
    /// How many events were acknowledged.
    acknowledged: u64,
    /// Which round's process wrote an own event, by seq.
    rounds: BTreeMap<u64, u64>,
    /// The log as it was found the last time.
    log: Vec<Fact>,
}

/// An event as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fact {
    dot: Dot,
    place: Place,
    aggregate: String,
    data: Vec<u8>,
    arrived: i64,
}

impl Ledger {
    /// The ledger of a store that promises this.
    pub(crate) fn of(durability: Durability) -> Self {
        Self { durability, ..Self::default() }
    }

    /// Takes in what a process of a round says. Says whether it acknowledges something.
    pub(crate) fn hear(&mut self, round: u64, word: &str, number: u64) -> bool {
        match word {
            "append" => {
                for seq in self.own.kept + 1..=number {
                    self.rounds.insert(seq, round);
                }
                self.own.begin(number);
            }
            "merge" => self.taken.begin(number),
            "remember" => self.remembered.begin(number),
            "appended" => {
                self.acknowledged += number - self.own.kept;
                self.own.keep(number);
            }
            "merged" => {
                self.acknowledged += number - self.taken.kept;
                self.taken.keep(number);
            }
            "remembered" => self.remembered.keep(number),
            _ => panic!("the process says {word}"),
        }
        word.ends_with("ed")
    }

    /// How many events were acknowledged so far, own ones and taken ones.
    pub(crate) const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Opens the store, and checks everything in it.
    pub(crate) fn examine<H: CrashHarness>(&mut self, harness: &H) {
        let store = Arc::new(harness.open_with(self.durability).expect("the store opens"));
        if self.durability == Durability::Durable {
            check_sound(&*store);
        }
        let replica = work::open(Arc::<H::Store>::clone(&store), 1);
        self.settle(&replica);
        self.check_log(&replica.reader());
        self.check_aggregates(&replica.reader());
        replica.maintenance().flush().expect("the flush succeeds");
        check_sound(&*store);
        self.check_aggregates(&replica.reader());
    }

    fn settle(&mut self, replica: &Replica) {
        let (own, taken) = work::held(replica);
        let durability = self.durability;
        self.own.settle(own, durability, "own events");
        self.taken.settle(taken, durability, "the peer's events");
        let recall = |key| {
            let value = replica.reader().recall(key).expect("the store works");
            value.map_or(0, |value| u64::from_be_bytes(value.try_into().expect("a number")))
        };
        self.remembered.settle(recall(ACKNOWLEDGED), durability, "what is remembered");
        assert_eq!(recall(TAKEN), taken, "what was remembered with the last page");
    }

    /// The log goes on from where it was, and holds what was written.
    fn check_log(&mut self, reader: &Reader) {
        let mut log = Vec::new();
        let read = reader.arrivals(0, usize::MAX, &mut |_, event| {
            assert_eq!(event.position, log.len() as u64 + 1, "positions have no holes");
            log.push(Fact {
                dot: event.dot,
                place: Place::new(event.occurred(), event.recorded, event.dot.origin),
                aggregate: event.record.aggregate_id.to_owned(),
                data: event.record.data.to_vec(),
                arrived: event.arrived,
            });
            ControlFlow::Continue(())
        });
        read.expect("the log can be read");
        assert!(log.starts_with(&self.log), "an event that was seen is gone or another one");
        let me = reader.replica_id();
        let (mut own, mut taken) = (0, 0);
        for fact in &log {
            let seq = if fact.dot.origin == me { &mut own } else { &mut taken };
            *seq += 1;
            assert_eq!(fact.dot.seq, *seq, "seqs have no holes, and name one event each");
            let round = if fact.dot.origin == me { self.rounds[&own] } else { 0 };
            assert_eq!(fact.data, content(round, fact.dot.seq).as_bytes(), "{}", fact.dot);
        }
        assert!(log.is_sorted_by_key(|fact| fact.arrived), "arrival times fall");
        self.log = log;
    }

    /// Every aggregate is the fold of its events.
    fn check_aggregates(&self, reader: &Reader) {
        let mut folded: BTreeMap<&str, BTreeMap<Place, Dot>> = BTreeMap::new();
        for fact in &self.log {
            folded.entry(&fact.aggregate).or_default().insert(fact.place, fact.dot);
        }
        let page = reader.aggregates(&root(), None, usize::MAX, &Query::default());
        let shown = page.expect("the store works").aggregates.into_iter().map(|(id, state)| {
            (id, String::from_utf8(state.expect("the fold works").state).expect("JSON is text"))
        });
        let expected =
            folded.iter().map(|(id, dots)| ((*id).to_owned(), FOLD.state(dots.values().copied())));
        assert_eq!(shown.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
}

#[track_caller]
pub(super) fn check_sound(store: &dyn laterbase_core::store::Store) {
    let report = verify(store, &mut |_, _| {}).expect("the store can be read");
    assert!(report.is_sound(), "{:?}", report.faults);
}
