//! The replicas that a law is played out with, and what can be seen of them.

use std::ops::ControlFlow;
use std::sync::Arc;

use laterbase_core::PreparedBatch;
use laterbase_core::delta::Delta;
use laterbase_core::event::Record;
use laterbase_core::fold::{Fold, Folds};
use laterbase_core::hlc::Hlc;
use laterbase_core::id::{Dot, RootName};
use laterbase_core::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use laterbase_core::reader::{AggregateState, Query, Reader};
use laterbase_core::replica::{Appended, Random, Replica, ReplicaOptions, WriteError};
use laterbase_core::store::Store;
use laterbase_core::version_vector::VersionVector;

use super::{Fresh, stranger};
use crate::simulator::dice::Dice;
use crate::simulator::order_fold::OrderFold;
use crate::{payloads, read_folds};

/// The wall clock when a case begins, in nanoseconds since 1970.
pub(super) const START: i64 = 1_700_000_000_000_000_000;
pub(super) const SECOND: i64 = 1_000_000_000;

const ROOTS: [&str; 3] = ["shipment", "order", "shipment@depot-7"];

/// A few replicas, each on a store of its own.
pub(super) struct Cast {
    pub dice: Dice,
    pub replicas: Vec<Replica>,
    pub roots: Vec<RootName>,
    pub now: i64,
}

impl Cast {
    /// Replicas that hold nothing.
    pub(super) fn new(fresh: &Fresh<'_>, seed: u64, count: usize) -> Self {
        let mut dice = Dice::new(seed);
        let replicas = (0..count).map(|_| open(fresh(), &mut dice)).collect();
        let roots = dice.count(1, ROOTS.len());
        Self {
            dice,
            replicas,
            roots: ROOTS[..roots].iter().map(|name| root(name)).collect(),
            now: START,
        }
    }

    /// Replicas that have written, and have heard some of what the others wrote.
    pub(super) fn mixed(fresh: &Fresh<'_>, seed: u64, count: usize, steps: usize) -> Self {
        let mut cast = Self::new(fresh, seed, count);
        for _ in 0..steps {
            let index = cast.dice.index(count);
            match cast.dice.below(6) {
                0 if count > 1 => {
                    let other = (index + 1 + cast.dice.index(count - 1)) % count;
                    cast.hear(index, other);
                }
                1 => cast.replicas[index].maintenance().flush().expect("the store works"),
                // Reads leave snapshots, which later reads go on from.
                2 => read_all(&cast.replicas[index]),
                3 => cast.hear_a_stranger(index),
                _ => drop(cast.write(index)),
            }
        }
        cast
    }

    /// Writes a random batch.
    pub(super) fn write(&mut self, index: usize) -> Vec<Dot> {
        let root = self.dice.pick(&self.roots).clone();
        let drafts: Vec<Draft> =
            (0..self.dice.count(1, 6)).map(|_| Draft::random(&mut self.dice, self.now)).collect();
        self.pass_time();
        // The device's clock may be off by up to an hour.
        let now = self.now + self.dice.around(3_600 * SECOND) / 60;
        append(&mut self.replicas[index], &root, &drafts, now).expect("a good batch is taken").dots
    }

    /// Lets one replica hear a random part of what another one holds.
    pub(super) fn hear(&mut self, to: usize, from: usize) {
        self.pass_time();
        let root = self.dice.pick(&self.roots).clone();
        let limit = self.dice.count(1, 40);
        let held = self.replicas[to].reader().version_vector(&root);
        let page = self.replicas[from].reader().delta(&root, &held, limit, BATCH_BYTES_MAX);
        merge(&mut self.replicas[to], &page.expect("the store works").bytes, self.now)
            .expect("a delta for what is held fits");
    }

    /// Lets a replica hear of one that writes what nobody can read.
    fn hear_a_stranger(&mut self, to: usize) {
        let root = self.dice.pick(&self.roots).clone();
        let page = stranger::page(&root, self.dice.count(1, stranger::EVENTS));
        merge(&mut self.replicas[to], &page, self.now).expect("it goes on from what is held");
    }

    pub(super) fn pass_time(&mut self) {
        self.now += self.dice.around(SECOND).abs();
    }
}

/// An event that a writer is about to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    pub aggregate_id: String,
    pub data: String,
    pub occurred: Option<i64>,
    pub key: Option<String>,
}

impl Draft {
    /// A random event. Contents repeat, and so do times, so that only ids tell events apart.
    pub(super) fn random(dice: &mut Dice, now: i64) -> Self {
        let occurred = match dice.below(4) {
            0 => None,
            1 => Some(now - dice.around(400 * 24 * 3_600 * SECOND).abs()),
            2 => Some(START),
            _ => Some(-3 * START + dice.around(SECOND)),
        };
        Self {
            aggregate_id: format!("a{}", dice.below(4)),
            data: match dice.below(3) {
                0 => format!("{{\"n\":{}}}", dice.below(3)),
                _ => payloads::readable(&mut |bound| dice.below(bound)),
            },
            occurred,
            key: dice.chance(150).then(|| format!("k{}", dice.roll())),
        }
    }

    pub(super) fn record(&self) -> Record<'_> {
        Record {
            occurred: self.occurred,
            idempotency_key: self.key.as_deref(),
            ..Record::json(&self.aggregate_id, "Moved", &self.data)
        }
    }
}

pub(super) fn root(name: &str) -> RootName {
    RootName::new(name).expect("a good name")
}

pub(super) fn folds() -> Arc<Folds> {
    let order: Arc<dyn Fold> = Arc::new(OrderFold { version: 1 });
    read_folds::beside(&order, &["shipment", "order"])
}

/// Reads every aggregate by every fold.
fn read_all(replica: &Replica) {
    let reader = replica.reader();
    for root in reader.roots() {
        for query in queries() {
            let page = reader.aggregates(&root, None, usize::MAX, &query);
            drop(page.expect("the store works"));
        }
    }
}

/// Everything, by the default fold and by those that read the data.
pub(super) fn queries() -> impl Iterator<Item = Query> {
    let named = read_folds::NAMES.map(|name| Some(name.to_owned()));
    [None].into_iter().chain(named).map(|fold| Query { fold, ..Query::default() })
}

/// Opens a store as a replica, with a front that is flushed after a random number of events.
pub(super) fn open(store: Arc<dyn Store>, dice: &mut Dice) -> Replica {
    let front_events_flush = dice.count(1, 40);
    let options = ReplicaOptions { front_events_flush, ..ReplicaOptions::default() };
    let mut own = dice.split();
    let random: Random = Box::new(move || own.bytes());
    Replica::open(store, folds(), options, random).expect("the store opens")
}

pub(super) fn append(
    replica: &mut Replica,
    root: &RootName,
    drafts: &[Draft],
    now: i64,
) -> Result<Appended, WriteError> {
    let mut batch = PreparedBatch::new(root.clone(), folds(), now);
    for draft in drafts {
        batch.push(&draft.record()).expect("a good event");
    }
    replica.append(&batch, now)
}

/// Merges a page of a delta. Gives how many of its events were new.
pub(super) fn merge(replica: &mut Replica, page: &[u8], now: i64) -> Result<u64, WriteError> {
    let delta = Delta::decode(page).expect("what a replica made is well-formed");
    Ok(replica.merge(&delta, now)?.stored)
}

/// What a reader that holds `vv` lacks, in pages of random sizes: each made for the vv that came
/// with the one before.
pub(super) fn pages(
    reader: &Reader,
    root: &RootName,
    vv: &VersionVector,
    dice: &mut Dice,
) -> Vec<Vec<u8>> {
    let mut vv = vv.clone();
    let mut pages = Vec::new();
    loop {
        let limit = dice.count(1, 25);
        let bytes_max = *dice.pick(&[1, 500, 2_000, BATCH_BYTES_MAX]);
        let page = reader.delta(root, &vv, limit, bytes_max).expect("the store works");
        pages.push(page.bytes);
        vv = page.vv;
        if !page.more {
            return pages;
        }
    }
}

/// Everything that a replica holds, as pages for one that holds nothing.
pub(super) fn full_state(replica: &Replica, dice: &mut Dice) -> Vec<Vec<u8>> {
    let reader = replica.reader();
    let nothing = VersionVector::new();
    reader.roots().iter().flat_map(|root| pages(&reader, root, &nothing, dice)).collect()
}

/// Brings everything that a replica holds to another one.
pub(super) fn merge_all(to: &mut Replica, from: &Replica, dice: &mut Dice, now: i64) {
    for page in full_state(from, dice) {
        merge(to, &page, now).expect("a full state has no holes");
    }
}

/// One event as it is seen in a feed: id, stamp, and the record's bytes.
pub(super) type Seen = (Dot, Hlc, Vec<u8>);

/// What a reader that holds `vv` lacks, in one page.
pub(super) fn feed(reader: &Reader, root: &RootName, vv: &VersionVector) -> Vec<Seen> {
    let mut seen = Vec::new();
    let page = reader.feed(root, vv, BATCH_EVENTS_MAX, &mut |event| {
        seen.push(see(event.dot, event.recorded, &event.record));
        ControlFlow::Continue(())
    });
    assert!(!page.expect("the store works").more, "a case fits one page");
    seen
}

pub(super) fn see(dot: Dot, recorded: Hlc, record: &Record<'_>) -> Seen {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    (dot, recorded, bytes)
}

/// All that can be seen of a replica and must be equal where the same events are held.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picture {
    roots: Vec<RootPicture>,
}

#[derive(Debug, PartialEq, Eq)]
struct RootPicture {
    name: RootName,
    digest: String,
    vv: VersionVector,
    aggregate_count: u64,
    unreadable: u64,
    events: Vec<Seen>,
    aggregates: Vec<Shown>,
}

/// An aggregate's id, state, etag and counts: what does not depend on where a replica keeps it.
type Shown = (String, String, String, u64, u64);

fn show(id: String, read: AggregateState) -> Shown {
    let state = String::from_utf8_lossy(&read.state).into_owned();
    (id, state, read.etag, read.event_count, read.refused_count)
}

impl Picture {
    pub(super) fn of(replica: &Replica) -> Self {
        let reader = replica.reader();
        let status = reader.status().expect("the store works");
        let roots = status.roots.into_iter().map(|root| {
            let aggregates = queries().flat_map(|query| {
                let page = reader.aggregates(&root.name, None, usize::MAX, &query);
                page.expect("the store works").aggregates
            });
            RootPicture {
                events: feed(&reader, &root.name, &VersionVector::new()),
                aggregates: aggregates
                    .map(|(id, state)| show(id, state.expect("the fold does not fail")))
                    .collect(),
                unreadable: root.unreadable,
                name: root.name,
                digest: root.digest,
                vv: root.vv,
                aggregate_count: root.aggregates,
            }
        });
        Self { roots: roots.collect() }
    }
}
