//! What a process does until it is killed, and how it says what it has done.
//!
//! Before it writes, it tells what will be there afterwards; when the write has returned, it
//! tells so. So its parent knows what was acknowledged, and what may be there or not.

use std::collections::BTreeMap;
use std::path::Path;
use std::process;
use std::sync::Arc;

use laterbase_core::PreparedBatch;
use laterbase_core::delta::Delta;
use laterbase_core::event::Record;
use laterbase_core::fold::Folds;
use laterbase_core::id::{ReplicaId, RootName};
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::reader::Query;
use laterbase_core::replica::{Random, Replica, ReplicaOptions};
use laterbase_core::store::{Durability, Store};

use super::CrashHarness;
use crate::child;
use crate::conformance::Harness;
use crate::deadly_store::{DeadlyStore, KillPoint, Work};
use crate::payloads;
use crate::simulator::dice::Dice;
use crate::simulator::order_fold::OrderFold;

/// The wall clock when the first process starts, in nanoseconds since 1970.
const START: i64 = 1_700_000_000_000_000_000;
const MILLISECOND: i64 = 1_000_000;

/// Steps between two openings of the store by one process.
const STEPS: u64 = 40;

/// Openings after which a process gives up waiting for its end.
const OPENINGS_MAX: u64 = 12;

/// Events of the derived tables that are gathered in memory.
const FRONT_EVENTS: usize = 4;

/// What a replica remembers of its peer: how much of its events the peer has.
pub(super) const ACKNOWLEDGED: &[u8] = b"acknowledged";
/// And how much of the peer's events it has itself, in the commit of the page.
pub(super) const TAKEN: &[u8] = b"taken";

pub(super) fn root() -> RootName {
    RootName::new("shipment").expect("a root's name")
}

pub(super) const FOLD: OrderFold = OrderFold { version: 1 };

pub(super) fn folds() -> Arc<Folds> {
    Arc::new(Folds::new().fallback(Arc::new(FOLD)))
}

pub(super) fn aggregate(number: u64) -> String {
    format!("aggregate-{}", number % 7)
}

/// Opens a store as the replica of a number; it keeps that replica's id for good.
pub(super) fn open(store: Arc<dyn Store>, id: u64) -> Replica {
    let options = ReplicaOptions { front_events_flush: FRONT_EVENTS, ..ReplicaOptions::default() };
    let mut dice = Dice::new(id);
    let random: Random = Box::new(move || dice.bytes());
    Replica::open(store, folds(), options, random).expect("the store opens")
}

/// What was written as event `seq` by the process of a round.
pub(super) fn content(round: u64, seq: u64) -> String {
    let mut dice = Dice::new(round << 32 | seq);
    let payload = payloads::readable_within(1, &mut |bound| dice.below(bound));
    format!("{{\"at\":\"{round}/{seq}\",\"with\":{payload}}}")
}

pub(super) fn write(replica: &mut Replica, contents: &[(String, String)], now: i64) {
    let mut batch = PreparedBatch::new(root(), folds(), now);
    for (index, (id, data)) in contents.iter().enumerate() {
        let back = if index % 3 == 1 { Some(now - 500 * MILLISECOND) } else { None };
        let record = Record { occurred: back, ..Record::json(id, "Moved", data) };
        batch.push(&record).expect("a good event");
    }
    replica.append(&batch, now).expect("the batch is taken");
}

/// A peer that holds at least `count` events: the same ones in every process.
pub(super) fn peer(count: u64) -> Replica {
    let mut peer = open(Arc::new(MemoryStore::new()), 2);
    let (mut number, mut now) = (0, START);
    while number < count {
        let contents: Vec<_> =
            (number..number + 50).map(|n| (aggregate(n), content(0, n + 1))).collect();
        write(&mut peer, &contents, now);
        (number, now) = (number + 50, now + 50 * MILLISECOND);
    }
    peer
}

/// Works on the store in a directory until the process is killed, or for a while.
pub(super) fn until_killed<H: CrashHarness>(
    directory: &Path,
    point: Option<KillPoint>,
    nth: u64,
    round: u64,
) -> ! {
    let harness = H::at(directory).expect("the backend has directories");
    let (mut dice, mut nth) = (Dice::new(round), nth);
    for opening in 0..OPENINGS_MAX {
        let store = harness.open().expect("the store opens");
        let store = Arc::new(DeadlyStore::new(store, point, nth));
        let round = Round { round, opening, tell: &child::tell };
        work(&store, &round, &mut dice);
        nth = store.left();
    }
    process::exit(0);
}

/// Works for a while on the store in a directory, and tells of it. Nobody kills the process.
pub(crate) fn in_peace<H: Harness<Store: 'static>>(
    harness: &H,
    durability: Durability,
    dice: &mut Dice,
    tell: &dyn Fn(&str, u64),
) {
    for opening in 0..2 {
        let store = harness.open_with(durability).expect("the store opens");
        let store = Arc::new(DeadlyStore::new(store, None, 0));
        work(&store, &Round { round: 0, opening, tell }, dice);
    }
}

/// Which round of work it is, how often the store was opened in it, and who listens.
struct Round<'t> {
    round: u64,
    opening: u64,
    tell: &'t dyn Fn(&str, u64),
}

fn work<S: Store + 'static>(store: &Arc<DeadlyStore<S>>, round: &Round<'_>, dice: &mut Dice) {
    let mut worker = Worker::new(Arc::clone(store), round, dice.split());
    let openings = round.round * OPENINGS_MAX + round.opening;
    worker.now += i64::try_from(openings).expect("few") * 1_000_000_000;
    for _ in 0..STEPS {
        worker.step();
    }
    if dice.chance(500) {
        store.begin(Work::Close);
        worker.replica.close().expect("the store closes");
    }
}

struct Worker<'t, S> {
    store: Arc<DeadlyStore<S>>,
    replica: Replica,
    peer: Replica,
    round: u64,
    tell: &'t dyn Fn(&str, u64),
    dice: Dice,
    now: i64,
}

impl<'t, S: Store + 'static> Worker<'t, S> {
    fn new(store: Arc<DeadlyStore<S>>, round: &Round<'t>, dice: Dice) -> Self {
        let replica = open(Arc::clone(&store) as Arc<dyn Store>, 1);
        let peer = peer(held(&replica).1 + 8 * STEPS);
        let &Round { round, tell, .. } = round;
        Self { store, replica, peer, round, tell, dice, now: START }
    }

    fn step(&mut self) {
        self.now += MILLISECOND;
        match self.dice.below(10) {
            0..=4 => self.append(),
            5..=6 => self.merge(),
            7 => self.remember(),
            8 => self.flush(),
            _ => self.read(),
        }
    }

    fn append(&mut self) {
        let own = held(&self.replica).0;
        let last = own + self.dice.between(1, 5);
        let contents: Vec<_> =
            (own + 1..=last).map(|seq| (aggregate(seq), content(self.round, seq))).collect();
        self.store.begin(Work::Append);
        (self.tell)("append", last);
        write(&mut self.replica, &contents, self.now);
        (self.tell)("appended", last);
    }

    /// Takes a page of the peer's events, and remembers up to where in the same commit.
    fn merge(&mut self) {
        let vv = self.replica.reader().version_vector(&root());
        let limit = self.dice.count(1, 8);
        let page = self.peer.reader().delta(&root(), &vv, limit, BATCH_BYTES_MAX);
        let page = page.expect("the store works");
        let last = page.vv.get(&self.peer.id());
        self.store.begin(Work::Merge);
        (self.tell)("merge", last);
        let delta = Delta::decode(&page.bytes).expect("a good page");
        self.replica.stage_merge_page(&delta, self.now).expect("the page is taken");
        self.replica.remember(TAKEN, &last.to_be_bytes());
        self.replica.commit().expect("the commit succeeds");
        (self.tell)("merged", last);
    }

    fn remember(&mut self) {
        let own = held(&self.replica).0;
        self.store.begin(Work::Remember);
        (self.tell)("remember", own);
        self.replica.remember(ACKNOWLEDGED, &own.to_be_bytes());
        self.replica.commit().expect("the commit succeeds");
        (self.tell)("remembered", own);
    }

    fn flush(&mut self) {
        self.store.begin(Work::Flush);
        self.replica.maintenance().flush().expect("the flush succeeds");
    }

    /// Reads leave snapshots, which the next flush writes.
    fn read(&mut self) {
        for number in 0..7 {
            let read =
                self.replica.reader().aggregate(&root(), &aggregate(number), &Query::default());
            drop(read.expect("the store works"));
        }
        self.flush();
    }
}

/// How many events of its own a replica holds, and how many of the peer's.
pub(super) fn held(replica: &Replica) -> (u64, u64) {
    let vv = replica.reader().version_vector(&root());
    let counts: BTreeMap<ReplicaId, u64> = vv.iter().collect();
    let own = counts.get(&replica.id()).copied().unwrap_or(0);
    (own, counts.values().sum::<u64>() - own)
}
