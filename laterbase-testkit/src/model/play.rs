//! The operations, each done to a replica and to the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use laterbase_core::delta::Delta;
use laterbase_core::fold::{Fold, Folds};
use laterbase_core::id::{Dot, RootName};
use laterbase_core::limits::BATCH_BYTES_MAX;
use laterbase_core::memory_store::MemoryStore;
use laterbase_core::replica::{Random, Replica, ReplicaOptions, WriteError};
use laterbase_core::store::Store;
use laterbase_core::{Precondition, PreparedBatch};

use super::Open;
use super::check;
use super::held::{Draft, Held};
use super::script::Script;
use crate::simulator::dice::Dice;
use crate::simulator::order_fold::OrderFold;
use crate::{payloads, read_folds};

const START: i64 = 1_600_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// How far into the future a write may reach.
const FUTURE: i64 = 60 * SECOND;

/// Pages that are kept to be merged again.
const PAGES_MAX: usize = 8;

pub(super) const FOLD: OrderFold = OrderFold { version: 1 };

pub(super) fn root() -> RootName {
    RootName::new("shipment").expect("a root's name")
}

fn folds() -> Arc<Folds> {
    let order: Arc<dyn Fold> = Arc::new(FOLD);
    read_folds::beside(&order, &["shipment"])
}

/// One replica and its model.
pub(super) struct Side {
    pub replica: Replica,
    pub held: Held,
}

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// The one on the store that is tested.
    Ours = 0,
    /// One in memory.
    Theirs = 1,
}

pub(super) struct Play<'p, 'o> {
    open: &'p mut Open<'o>,
    pub script: Script<'p>,
    pub now: i64,
    /// What the contents of events depend on beside their number.
    salt: u64,
    /// None while the store is being opened again.
    ours: Option<Side>,
    theirs: Side,
    pages: Vec<Vec<u8>>,
    /// What was tried, how often.
    pub tried: BTreeMap<&'static str, u64>,
}

fn open_replica(store: Arc<dyn Store>, id: u64, flush: usize) -> Replica {
    let hot_bytes_max = if flush.is_multiple_of(2) { 1 << 16 } else { 0 };
    let options =
        ReplicaOptions { front_events_flush: flush, hot_bytes_max, ..ReplicaOptions::default() };
    let mut dice = Dice::new(id);
    let random: Random = Box::new(move || dice.bytes());
    Replica::open(store, folds(), options, random).expect("the store opens")
}

impl<'p, 'o> Play<'p, 'o> {
    pub(super) fn start(open: &'p mut Open<'o>, bytes: &'p [u8]) -> Self {
        let ours = open_replica(open(), 1, 7);
        let theirs = open_replica(Arc::new(MemoryStore::new()), 2, 4);
        Self {
            open,
            script: Script::new(bytes),
            now: START,
            salt: bytes.iter().fold(0, |salt, byte| salt.rotate_left(5) ^ u64::from(*byte)),
            ours: Some(Side { replica: ours, held: Held::default() }),
            theirs: Side { replica: theirs, held: Held::default() },
            pages: Vec::new(),
            tried: BTreeMap::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.tried.entry(what).or_default() += 1;
    }

    pub(super) fn side(&mut self, who: Who) -> &mut Side {
        match who {
            Who::Ours => self.ours.as_mut().expect("open between operations"),
            Who::Theirs => &mut self.theirs,
        }
    }

    /// Does the next operation. False if the string is over.
    pub(super) fn step(&mut self) -> bool {
        if self.script.is_over() {
            return false;
        }
        match self.script.below(24) {
            0..=5 => self.write(Who::Ours),
            6..=7 => self.write(Who::Theirs),
            8..=10 => self.pull(Who::Ours, Who::Theirs),
            11 => self.pull(Who::Theirs, Who::Ours),
            12 => self.merge_again(),
            13 => self.merge_beyond(),
            14..=16 => self.read(),
            17 => self.feed(),
            18 => self.remember(),
            19..=20 => self.maintain(),
            21 => self.pass_time(),
            22 => self.reopen(),
            _ => self.round_trip(),
        }
        check::whole(&self.ours.as_ref().expect("open between operations").replica, self.held());
        true
    }

    fn held(&self) -> &Held {
        &self.ours.as_ref().expect("open between operations").held
    }

    /// Looks at everything for the last time, flushed and opened again.
    pub(super) fn finish(&mut self) {
        let side = self.side(Who::Ours);
        side.replica.maintenance().flush().expect("the flush succeeds");
        self.reopen();
        let side = self.side(Who::Ours);
        check::whole(&side.replica, &side.held);
        check::aggregates(&side.replica, &side.held);
        self.round_trip();
    }

    fn pass_time(&mut self) {
        let steps = [1, 17, SECOND, 100 * SECOND, -1, -SECOND, -1_000 * SECOND, 0];
        self.now += *self.script.pick(&steps);
    }

    fn draft(&mut self) -> Draft {
        let long_ago = [-2 * START, 0, START, self.now, self.now - SECOND];
        let occurred = match self.script.below(8) {
            0..=3 => None,
            4..=5 => Some(*self.script.pick(&long_ago)),
            6 => Some(self.now - i64::try_from(self.script.below(256)).expect("small") * SECOND),
            // The bound itself, and what is just beyond.
            _ => Some(self.now + FUTURE + i64::try_from(self.script.below(2)).expect("small")),
        };
        let keys = [None, None, None, Some("k0"), Some("k1"), Some("k2"), Some("k3")];
        let is_json = self.script.chance(160);
        let data = if is_json {
            // A byte of the script stands for what would take dozens. Few contents, so that they
            // repeat; others in each script.
            let mut dice = Dice::new(self.salt ^ self.script.below(2) as u64);
            payloads::readable(&mut |bound| dice.below(bound)).into_bytes()
        } else {
            vec![b'x'; *self.script.pick(&[0, 1, 2, 300])]
        };
        Draft {
            aggregate: (*self.script.pick(&["a", "b", "a\0b", "ü/2"])).to_owned(),
            is_json,
            data,
            occurred,
            key: self.script.pick(&keys).map(str::to_owned),
        }
    }

    /// Writes a batch; sometimes it is staged and given up.
    fn write(&mut self, who: Who) {
        let drafts: Vec<Draft> = (0..=self.script.below(4)).map(|_| self.draft()).collect();
        let is_given_up = self.script.chance(20);
        let condition = self.script.below(12);
        let now = self.now;
        let side = self.side(who);
        let mut batch = PreparedBatch::new(root(), folds(), now);
        for draft in &drafts {
            batch.push(&draft.record()).expect("a good event");
        }
        let holds = require(&mut batch, condition, &side.held, &drafts);
        let expected = expect_write(&side.held, &drafts, now);
        let outcome = match (side.replica.stage_append(&batch, now), expected) {
            (Ok(_), Ok(_)) if is_given_up => {
                side.replica.abandon();
                "given up"
            }
            (Ok(appended), Ok(plans)) => {
                assert!(holds || appended.replayed, "written against its condition");
                side.replica.commit().expect("the commit succeeds");
                check::written(side, &drafts, &plans, &appended, now);
                if appended.replayed { "replayed" } else { "written" }
            }
            (Err(WriteError::Future { index }), Err(Refused::Future(expected))) => {
                assert_eq!(index, expected);
                "in the future"
            }
            (Err(WriteError::KeyConflict { index, .. }), Err(Refused::Key(expected))) => {
                assert_eq!(index, expected);
                "a key that is taken"
            }
            (Err(WriteError::Precondition { .. }), Ok(plans)) => {
                let is_new = plans.iter().any(|plan| matches!(plan, Plan::Store));
                assert!(!holds && is_new, "refused although its condition holds");
                "a condition that does not hold"
            }
            (found, expected) => panic!("{found:?} where the model has {expected:?}"),
        };
        self.count(outcome);
    }

    /// Takes a page of what the other one has.
    fn pull(&mut self, to: Who, from: Who) {
        let limit = 1 + self.script.below(9);
        let vv = self.side(to).held.vv();
        let source = self.side(from);
        let page = source.replica.reader().delta(&root(), &vv, limit, BATCH_BYTES_MAX);
        let page = page.expect("the store works");
        let lacking = source.held.lacking(&vv);
        assert_eq!(page.more, lacking.len() > limit);
        let sent: Vec<(Dot, Draft)> =
            lacking.into_iter().take(limit).map(|(dot, fact)| (dot, fact.draft.clone())).collect();
        let now = self.now;
        let side = self.side(to);
        let delta = Delta::decode(&page.bytes).expect("a good page");
        let merged = side.replica.merge(&delta, now).expect("what is lacking fits");
        assert_eq!((merged.stored, merged.known), (sent.len() as u64, 0));
        check::arrived(side, &sent, now);
        self.count("merged");
        if to == Who::Ours && self.pages.len() < PAGES_MAX {
            self.pages.push(page.bytes);
        }
    }

    /// Merges a page again that was merged before: nothing is new.
    fn merge_again(&mut self) {
        if self.pages.is_empty() {
            return;
        }
        let page = self.script.pick(&self.pages).clone();
        let now = self.now;
        let delta = Delta::decode(&page).expect("a good page");
        let merged = self.side(Who::Ours).replica.merge(&delta, now).expect("it is held");
        assert_eq!((merged.stored, merged.known), (0, delta.event_count() as u64));
        self.count("merged again");
    }

    /// Merges a page that starts too late: nothing of it is taken.
    fn merge_beyond(&mut self) {
        let origin = self.theirs.replica.id();
        let (held, most) = (self.held().last_seq(origin), self.theirs.held.last_seq(origin));
        let skipped = 1 + u64::try_from(self.script.below(3)).expect("small");
        if held + skipped >= most {
            return;
        }
        let mut vv = self.held().vv();
        vv.raise(origin, held + skipped);
        let page = self.theirs.replica.reader().delta(&root(), &vv, 1_000, BATCH_BYTES_MAX);
        let page = page.expect("the store works").bytes;
        let now = self.now;
        let delta = Delta::decode(&page).expect("a good page");
        match self.side(Who::Ours).replica.merge(&delta, now) {
            Err(WriteError::Hole { held_seq, .. }) => assert_eq!(held_seq, held),
            found => panic!("a hole was taken: {found:?}"),
        }
        self.count("a hole");
    }

    fn read(&mut self) {
        let query = check::query(&mut self.script, &self.ours.as_ref().expect("open").held);
        let aggregate = *self.script.pick(&["a", "b", "a\0b", "ü/2"]);
        let side = self.side(Who::Ours);
        check::aggregate(&side.replica, &side.held, aggregate, &query);
    }

    fn feed(&mut self) {
        let mut vv = self.held().vv();
        let origins: Vec<_> = vv.iter().collect();
        for (origin, seq) in origins {
            let back = u64::try_from(self.script.below(6)).expect("small");
            vv.set(origin, seq.saturating_sub(back));
        }
        let limit = 1 + self.script.below(12);
        let side = self.side(Who::Ours);
        check::feed(&side.replica, &side.held, &vv, limit);
    }

    fn remember(&mut self) {
        let key = vec![b'k', u8::try_from(self.script.below(3)).expect("small")];
        let value = vec![u8::try_from(self.script.below(256)).expect("a byte"); 3];
        let side = self.side(Who::Ours);
        side.replica.remember(&key, &value);
        side.replica.commit().expect("the commit succeeds");
        side.held.remembered.insert(key, value);
    }

    fn maintain(&mut self) {
        let is_whole = self.script.chance(128);
        let mut maintenance = self.side(Who::Ours).replica.maintenance();
        if is_whole {
            maintenance.flush().expect("the flush succeeds");
        } else {
            while maintenance.step().expect("the step succeeds") {}
        }
    }

    /// Stops, in order or not, and opens the store again.
    fn reopen(&mut self) {
        let is_closed = self.script.chance(128);
        let flush = 1 + self.script.below(12);
        let Side { replica, held } = self.ours.take().expect("open between operations");
        let id = replica.id();
        if is_closed {
            replica.close().expect("the store closes");
            self.count("closed");
        } else {
            drop(replica);
            self.count("crashed");
        }
        let replica = open_replica((self.open)(), 1, flush);
        assert_eq!(replica.id(), id, "a durable store keeps its id");
        self.ours = Some(Side { replica, held });
    }

    /// Takes everything to a new replica, which is then in the same state.
    fn round_trip(&mut self) {
        let limit = 1 + self.script.below(40);
        let now = self.now;
        let side = self.side(Who::Ours);
        let mut copy = open_replica(Arc::new(MemoryStore::new()), 3, 50);
        loop {
            let vv = copy.reader().version_vector(&root());
            let page = side.replica.reader().delta(&root(), &vv, limit, BATCH_BYTES_MAX);
            let page = page.expect("the store works");
            let delta = Delta::decode(&page.bytes).expect("a good page");
            copy.merge(&delta, now).expect("a page fits");
            if !page.more {
                break;
            }
        }
        check::equal(&side.replica, &copy);
    }
}

/// What becomes of an event of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    Store,
    /// One of these is given.
    Replay(Vec<Dot>),
    /// The event of the batch with this index is given.
    Repeat(usize),
}

/// Which event of a batch is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Future(usize),
    Key(usize),
}

/// What a batch comes to, condition apart.
fn expect_write(held: &Held, drafts: &[Draft], now: i64) -> Result<Vec<Plan>, Refused> {
    let mut in_batch: BTreeMap<&str, usize> = BTreeMap::new();
    let mut plans = Vec::new();
    for (index, draft) in drafts.iter().enumerate() {
        let is_future = draft.occurred.is_some_and(|occurred| occurred > now + FUTURE);
        let mut plan = Plan::Store;
        if let Some(key) = draft.key.as_deref() {
            let same = held.holders(key).filter(|(_, other)| *other == draft).map(|(dot, _)| dot);
            let same: Vec<Dot> = same.collect();
            if let Some(&earlier) = in_batch.get(key) {
                if drafts[earlier] != *draft {
                    return Err(Refused::Key(index));
                }
                plan = Plan::Repeat(earlier);
            } else if !same.is_empty() {
                plan = Plan::Replay(same);
            } else if held.holders(key).next().is_some() {
                return Err(Refused::Key(index));
            }
            in_batch.entry(key).or_insert(index);
        }
        if plan == Plan::Store && is_future {
            return Err(Refused::Future(index));
        }
        plans.push(plan);
    }
    Ok(plans)
}

/// Makes some batches of one aggregate depend on its state. Says whether the condition holds.
fn require(batch: &mut PreparedBatch, condition: usize, held: &Held, drafts: &[Draft]) -> bool {
    let is_there = held.aggregates().contains(drafts[0].aggregate.as_str());
    let (precondition, holds) = match condition {
        0 => (Precondition::Absent, !is_there),
        1 => (Precondition::Present, is_there),
        2 => (Precondition::Etag(vec!["0".repeat(32)]), false),
        _ => return true,
    };
    batch.require(precondition).is_err() || holds
}
