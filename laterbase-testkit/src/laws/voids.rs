//! What is taken back is left out of every fold that knows of it, and of no other.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use laterbase_core::PreparedBatch;
use laterbase_core::event::{Event, Record, Seen, Void, VoidsBuf};
use laterbase_core::hlc::Hlc;
use laterbase_core::id::{Dot, ReplicaId, RootName};
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::reader::{Query, Reader};
use laterbase_core::replica::{VoidFault, WriteError};
use laterbase_core::store::Store;
use laterbase_core::version_vector::VersionVector;

use super::Fresh;
use super::cast::{Cast, Draft, Picture, folds, merge, merge_all, open, root};
use crate::simulator::dice::Dice;
use crate::simulator::order_fold::OrderFold;
use crate::taken_back::{Fact, taken_back};

const REPLICAS: usize = 3;
const STEPS: usize = 90;

/// Whenever a replica reads, by whatever times, and whatever it has read, kept, flushed or heard
/// before, and in whatever order: each state is that of a fold from the start over the events that
/// the read looks at, without those that are taken back as far as the read knows. Replicas that hold
/// the same events say the same of them.
///
/// # Panics
/// If it is not so.
pub fn what_is_taken_back_is_left_out_by_who_knows(fresh: &Fresh<'_>, seed: u64) {
    let mut play = Play::new(fresh, seed);
    for _ in 0..STEPS {
        play.step();
    }
    let now = play.cast.now;
    let mut pictures = Vec::new();
    for index in 0..REPLICAS {
        for other in 0..REPLICAS {
            if other != index {
                let [to, from] =
                    play.cast.replicas.get_disjoint_mut([index, other]).expect("two replicas");
                merge_all(to, from, &mut play.cast.dice, now);
            }
        }
        play.check(index);
        pictures.push(Picture::of(&play.cast.replicas[index]));
    }
    assert!(pictures.windows(2).all(|pair| pair[0] == pair[1]), "they hold the same");
    assert!(play.left_out > 0 || seed != 0, "the first case must leave something out");
}

struct Play {
    cast: Cast,
    root: RootName,
    stores: Vec<Arc<dyn Store>>,
    /// Everything that was written anywhere.
    dots: Vec<Dot>,
    left_out: usize,
}

impl Play {
    fn new(fresh: &Fresh<'_>, seed: u64) -> Self {
        let mut cast = Cast::new(fresh, seed, 0);
        let stores: Vec<_> = (0..REPLICAS).map(|_| fresh()).collect();
        cast.replicas =
            stores.iter().map(|store| open(Arc::clone(store), &mut cast.dice)).collect();
        Self { cast, root: root("shipment"), stores, dots: Vec::new(), left_out: 0 }
    }

    fn step(&mut self) {
        self.cast.pass_time();
        let index = self.cast.dice.index(REPLICAS);
        match self.cast.dice.below(10) {
            0..=2 => self.write(index),
            3 | 4 => self.take_back(index),
            5 => self.hear(index),
            6 => {
                self.cast.replicas[index].maintenance().flush().expect("the store works");
            }
            7 => self.restart(index),
            _ => self.check(index),
        }
    }

    /// Writes an event. Keys repeat, as on replicas that are apart from each other.
    fn write(&mut self, index: usize) {
        let dice = &mut self.cast.dice;
        let mut draft = Draft::random(dice, self.cast.now);
        draft.aggregate_id = format!("a{}", dice.below(2));
        draft.key = dice.chance(400).then(|| format!("k{}", dice.below(5)));
        let mut batch = PreparedBatch::new(self.root.clone(), folds(), self.cast.now);
        batch.push(&draft.record()).expect("a good event");
        match self.cast.replicas[index].append(&batch, self.cast.now) {
            Ok(appended) if !appended.replayed => self.dots.extend(appended.dots),
            Ok(_) | Err(WriteError::KeyConflict { .. }) => {}
            Err(error) => panic!("a good event is answered with {error:?}"),
        }
    }

    /// Takes some events back: known ones, those that arrive later, and such as there are none of.
    fn take_back(&mut self, index: usize) {
        let dice = &mut self.cast.dice;
        let held = Kept::all(&self.cast.replicas[index].reader(), &self.root);
        let mut targets: Vec<Void> = Vec::new();
        for _ in 0..dice.count(1, 3) {
            let is_any = !self.dots.is_empty() && dice.chance(900);
            targets.push(match is_any {
                true => Void::unseen(*dice.pick(&self.dots)),
                false => nowhere(dice, &held),
            });
        }
        let mut draft = Draft::random(dice, self.cast.now);
        let first = held.iter().find(|kept| kept.dot == targets[0].dot);
        // Of the aggregate of what it takes back, mostly.
        draft.aggregate_id = match first.filter(|_| dice.chance(900)) {
            Some(kept) => kept.record().aggregate_id.to_owned(),
            None => format!("a{}", dice.below(2)),
        };
        draft.key = dice.chance(100).then(|| format!("k{}", dice.below(5)));
        let voids: VoidsBuf = targets.iter().copied().collect();
        let record = draft.record().with_voids(voids.as_voids());
        let mut batch = PreparedBatch::new(self.root.clone(), folds(), self.cast.now);
        batch.push(&record).expect("a good event");
        let answer = self.cast.replicas[index].append(&batch, self.cast.now);
        let known: BTreeMap<Dot, &Kept> = held.iter().map(|kept| (kept.dot, kept)).collect();
        let is_other =
            |kept: &Kept| kept.record().aggregate_id != draft.aggregate_id || kept.is_voiding();
        let is_refused =
            targets.iter().any(|void| known.get(&void.dot).is_some_and(|kept| is_other(kept)));
        match answer {
            Ok(appended) if appended.replayed => {}
            Ok(appended) => {
                assert!(!is_refused, "{targets:?} cannot be taken back");
                let written = Kept::all(&self.cast.replicas[index].reader(), &self.root);
                let written = written.iter().find(|kept| kept.dot == appended.dots[0]);
                check_written(written.expect("it is held"), &draft, &targets, &known);
                self.dots.extend(appended.dots);
            }
            Err(WriteError::Void { index: 0, event, fault }) => {
                let kept = known[&event.dot];
                let expected = if kept.record().aggregate_id == draft.aggregate_id {
                    assert!(kept.is_voiding(), "{event} can be taken back");
                    VoidFault::Voiding
                } else {
                    let aggregate_id = kept.record().aggregate_id.to_owned();
                    VoidFault::OtherAggregate { aggregate_id }
                };
                assert_eq!(fault, expected);
            }
            Err(WriteError::KeyConflict { .. }) => {}
            Err(error) => panic!("{targets:?} are answered with {error:?}"),
        }
    }

    /// Hears some of what another one holds of one origin: what takes back may come first.
    fn hear(&mut self, to: usize) {
        let from = (to + 1 + self.cast.dice.index(REPLICAS - 1)) % REPLICAS;
        let theirs = self.cast.replicas[from].reader().version_vector(&self.root);
        let mut held = self.cast.replicas[to].reader().version_vector(&self.root);
        let origins: Vec<(ReplicaId, u64)> = theirs.iter().collect();
        for (origin, seq) in origins {
            if self.cast.dice.chance(500) {
                held.set(origin, seq.max(held.get(&origin)));
            }
        }
        let limit = self.cast.dice.count(1, 30);
        let page =
            self.cast.replicas[from].reader().delta(&self.root, &held, limit, BATCH_BYTES_MAX);
        merge(&mut self.cast.replicas[to], &page.expect("the store works").bytes, self.cast.now)
            .expect("a delta for what is held fits");
    }

    fn restart(&mut self, index: usize) {
        let store = Arc::clone(&self.stores[index]);
        drop(self.cast.replicas.remove(index));
        self.cast.replicas.insert(index, open(store, &mut self.cast.dice));
    }

    /// Reads all aggregates by some times, and folds them from the start.
    fn check(&mut self, index: usize) {
        let reader = self.cast.replicas[index].reader();
        let held = Kept::all(&reader, &self.root);
        for _ in 0..3 {
            let query = self.query();
            let axes = Axes::of(&query, &held);
            for id in ["a0", "a1"] {
                let (expected, voided) = axes.fold(&held, id);
                self.left_out += voided;
                let read = reader.aggregate(&self.root, id, &query).expect("the fold works");
                let read = read.map(|read| String::from_utf8_lossy(&read.state).into_owned());
                assert_eq!(read, expected, "{id} by {query:?} of {index}");
                check_marks(&reader, &self.root, id, &query, &axes.voided(&held));
            }
        }
        check_feed(&reader, &self.root, &Axes::of(&Query::default(), &held).voided(&held));
    }

    fn query(&mut self) -> Query {
        let dice = &mut self.cast.dice;
        let start = super::cast::START;
        let mut time = |likely: u64| {
            let span = (self.cast.now - start).max(1).unsigned_abs();
            let within = i64::try_from(dice.below(span)).unwrap_or(0);
            dice.chance(likely).then_some(start + within)
        };
        Query {
            fold: None,
            occurred_until: time(200),
            recorded_until: time(250),
            known_at: time(250),
        }
    }
}

/// An event that nobody wrote, as it may come from a hostile peer: never seen, or said to look like
/// one that is held, as if that had another id now.
fn nowhere(dice: &mut Dice, held: &[Kept]) -> Void {
    let seq = *dice.pick(&[1, 9, u64::MAX]);
    let dot = Dot { origin: ReplicaId::from_bytes([9; 16]), seq };
    let mut seen = (!held.is_empty() && dice.chance(700)).then(|| dice.pick(held).seen());
    if let Some(seen) = seen.as_mut().filter(|_| dice.chance(300)) {
        seen.check = [7; 8];
    }
    Void { dot, seen }
}

/// A voiding event keeps what the known events look like, and happened with the earliest.
fn check_written(written: &Kept, draft: &Draft, targets: &[Void], known: &BTreeMap<Dot, &Kept>) {
    let as_given: VoidsBuf = targets.iter().copied().collect();
    let expected: Vec<Void> = as_given
        .as_voids()
        .iter()
        .map(|void| match known.get(&void.dot) {
            Some(kept) => Void { seen: Some(kept.seen()), ..void },
            None => void,
        })
        .collect();
    let dots: BTreeSet<Dot> = targets.iter().map(|void| void.dot).collect();
    assert_eq!(written.record().voids.iter().collect::<Vec<_>>(), expected);
    let earliest = dots.iter().filter_map(|dot| known.get(dot)).map(|kept| kept.place()).min();
    if let (None, Some(place)) = (draft.occurred, earliest) {
        assert_eq!(written.place().0, place.0, "it happened with what it takes back");
    }
}

/// An event, on its own.
struct Kept {
    dot: Dot,
    recorded: Hlc,
    arrived: i64,
    position: u64,
    bytes: Vec<u8>,
}

impl Kept {
    fn all(reader: &Reader, root: &RootName) -> Vec<Self> {
        let mut all = Vec::new();
        let mut keep = |event: &Event<'_>| {
            let mut bytes = Vec::new();
            event.record.encode(&mut bytes);
            let Event { dot, recorded, arrived, position, .. } = *event;
            all.push(Self { dot, recorded, arrived, position, bytes });
            ControlFlow::Continue(())
        };
        let page = reader.feed(root, &VersionVector::new(), usize::MAX, &mut keep);
        assert!(!page.expect("the store works").more, "a case fits one page");
        all
    }

    fn record(&self) -> Record<'_> {
        Record::decode(&self.bytes).expect("it was a record")
    }

    fn is_voiding(&self) -> bool {
        !self.record().voids.is_empty()
    }

    fn seen(&self) -> Seen {
        let hash = blake3::hash(&self.bytes);
        let (occurred, recorded, _) = self.place();
        Seen { check: std::array::from_fn(|index| hash.as_bytes()[index]), occurred, recorded }
    }

    /// Occurred, recorded, origin.
    fn place(&self) -> (i64, Hlc, ReplicaId) {
        let occurred = self.record().occurred.expect("a kept event says when it happened");
        (occurred, self.recorded, self.dot.origin)
    }
}

/// What a read looks at, by the definition.
struct Axes {
    occurred_until: i64,
    recorded_until: i64,
    position_max: u64,
}

impl Axes {
    fn of(query: &Query, held: &[Kept]) -> Self {
        let known = |kept: &&Kept| query.known_at.is_none_or(|time| kept.arrived <= time);
        Self {
            occurred_until: query.occurred_until.unwrap_or(i64::MAX),
            recorded_until: query.recorded_until.unwrap_or(i64::MAX),
            position_max: held.iter().filter(known).map(|kept| kept.position).max().unwrap_or(0),
        }
    }

    fn knows(&self, kept: &Kept) -> bool {
        kept.position <= self.position_max && kept.recorded.to_unix_nanos() <= self.recorded_until
    }

    fn admits(&self, kept: &Kept) -> bool {
        self.knows(kept) && kept.place().0 <= self.occurred_until
    }

    /// What is taken back, each with all that takes it back.
    fn voided(&self, held: &[Kept]) -> BTreeMap<Dot, BTreeSet<Dot>> {
        let known = held.iter().filter(|kept| self.knows(kept));
        let known: Vec<Fact<'_>> = known.map(|kept| Fact::new(kept.dot, &kept.bytes)).collect();
        // Where an event is not there as it was named, the one that looks the same is meant.
        taken_back(&known, |void| {
            let seen = |kept: &&Kept| Some(kept.seen()) == void.seen;
            held.iter().find(seen).map(|kept| kept.dot)
        })
    }

    /// The state of an aggregate, if the read looks at any of its events, and how many of them are
    /// left out as they are taken back.
    fn fold(&self, held: &[Kept], id: &str) -> (Option<String>, usize) {
        let voided = self.voided(held);
        let mut own: Vec<&Kept> = held
            .iter()
            .filter(|kept| kept.record().aggregate_id == id && self.admits(kept))
            .collect();
        own.sort_by_key(|kept| kept.place());
        let mut keys = BTreeSet::new();
        let (mut dots, mut left_out) = (Vec::new(), 0);
        for kept in &own {
            let record = kept.record();
            let is_first = record.idempotency_key.is_none_or(|key| keys.insert(key.to_owned()));
            if voided.contains_key(&kept.dot) {
                left_out += 1;
            } else if is_first {
                dots.push(kept.dot);
            }
        }
        let state = (!own.is_empty()).then(|| OrderFold { version: 1 }.state(dots));
        (state, left_out)
    }
}

fn check_marks(
    reader: &Reader,
    root: &RootName,
    id: &str,
    query: &Query,
    voided: &BTreeMap<Dot, BTreeSet<Dot>>,
) {
    let check = &mut |event: &Event<'_>| {
        check_mark(event, voided);
        ControlFlow::Continue(())
    };
    reader.aggregate_events(root, id, None, usize::MAX, query, check).expect("the store works");
}

fn check_feed(reader: &Reader, root: &RootName, voided: &BTreeMap<Dot, BTreeSet<Dot>>) {
    let check = &mut |event: &Event<'_>| {
        check_mark(event, voided);
        ControlFlow::Continue(())
    };
    reader.feed(root, &VersionVector::new(), usize::MAX, check).expect("the store works");
}

fn check_mark(event: &Event<'_>, voided: &BTreeMap<Dot, BTreeSet<Dot>>) {
    let by: BTreeSet<Dot> = event.voided_by.iter().copied().collect();
    let expected = voided.get(&event.dot).cloned().unwrap_or_default();
    assert_eq!(by, expected, "{} is taken back", event.dot);
    assert_eq!(by.len(), event.voided_by.len(), "each is named once");
}
